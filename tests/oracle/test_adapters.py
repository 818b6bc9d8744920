"""Every kind of price contract against answers worked out by hand from its source."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.survey import LATEST_ROUND
from defiliq.pricing.graph import Fraction, Growing, Input, Least, PriceGraph
from tests.builders import NOW
from tests.oracle.contracts import A, Answer, B, C, Chain, D, P, resolved

ETHER = 2500_00000000
YEAR = 365 * 24 * 3600


def inputs(graph: PriceGraph) -> dict[str, int]:
    """Positions of the inputs by name."""
    return {quantity.name: k for k, quantity in graph.inputs}


def price(graph: PriceGraph, at: int = NOW, **moved: int) -> int:
    """The first feed's price with some inputs elsewhere, by name."""
    known = inputs(graph)
    return graph.prices(at, {known[name]: value for name, value in moved.items()})[0]


def rounds(answer: int) -> tuple[int, ...]:
    return (1, answer, NOW, NOW, 1)


def test_an_aggregator_is_an_input() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD", age=77)
    graph = resolved(chain, A)
    assert graph.quantities == (Input("ETH/USD", "aggregator", A, ETHER, 8, updated_at=NOW - 77),)
    assert graph.feeds == (0,)
    assert graph.warnings == ()


def peg_to_base(chain: Chain, asset: int, peg: int, answer: int) -> PriceGraph:
    chain.aggregator(A, asset, "WBTC / BTC", decimals=8)
    chain.aggregator(B, peg, "BTC / USD", decimals=8)
    chain.put(
        C,
        ASSET_TO_PEG=A,
        PEG_TO_BASE=B,
        DECIMALS=8,
        DENOMINATOR=10**16,
        decimals=8,
        description="wBTC/BTC/USD",
        latestAnswer=answer,
    )
    return resolved(chain, C)


def test_peg_to_base() -> None:
    # 99_850_001 * 9_037_191_732_535 * 1e8 / 1e16 = 9_023_636_035_308.8...
    graph = peg_to_base(Chain(), 99_850_001, 9_037_191_732_535, 9_023_636_035_308)
    assert graph.warnings == ()
    assert set(inputs(graph)) == {"WBTC/BTC", "BTC/USD"}
    assert graph.quantities[graph.feeds[0]] == Fraction((0, 1), (), 10**8, 10**16, "wBTC/BTC/USD", C)


@given(asset=st.integers(0, 10**20), peg=st.integers(0, 10**20), moved=st.integers(0, 10**20))
@settings(deadline=None)
def test_peg_to_base_everywhere(asset: int, peg: int, moved: int) -> None:
    def straight(a: int, p: int) -> int:
        return 0 if a <= 0 or p <= 0 else a * p * 10**8 // 10**16

    graph = peg_to_base(Chain(), asset, peg, straight(asset, peg))
    assert price(graph) == straight(asset, peg)
    assert price(graph, **{"BTC/USD": moved}) == straight(asset, moved)


@given(asset=st.integers(1, 10**20), base=st.integers(1, 10**12), moved=st.integers(0, 10**12))
@settings(deadline=None)
def test_base_to_peg_everywhere(asset: int, base: int, moved: int) -> None:
    chain = Chain()
    chain.aggregator(A, asset, "JPY / ETH", decimals=18)
    chain.aggregator(B, base, "USD / ETH", decimals=18)
    answer = asset * 10**8 // base
    chain.put(C, ASSET_TO_PEG=A, BASE_TO_PEG=B, DECIMALS=8, decimals=8, latestAnswer=answer)
    graph = resolved(chain, C)
    assert graph.warnings == ()
    assert price(graph, **{"USD/ETH": moved}) == (asset * 10**8 // moved if moved else 0)


def test_fixed_ratio() -> None:
    # 0.9525 (9525 bps) of a peg that stands at 3 with 8 decimals: 9525 * 1e16 / (1e4 * 3e8) = 31_750_000
    chain = Chain()
    chain.aggregator(A, 3_00000000, "BASE / PEG")
    chain.put(
        B,
        BASE_TO_PEG=A,
        PRICE_RATIO=9525,
        MULTIPLIER=10**16,
        DECIMALS=8,
        decimals=8,
        latestAnswer=31_750_000,
    )
    graph = resolved(chain, B)
    assert graph.warnings == ()
    assert price(graph) == 31_750_000
    assert price(graph, **{"BASE/PEG": 7_00000001}) == 9525 * 10**16 // (10_000 * 7_00000001)


def capo(chain: Chain, ratio: int, answer: int, **changes: Answer) -> PriceGraph:
    """wstETH whose cap started at 1.2 ten thousand seconds ago and grows by 1e9 + 1e-6 per second."""
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.put(
        B,
        BASE_TO_USD_AGGREGATOR=A,
        RATIO_PROVIDER=P,
        RATIO_DECIMALS=18,
        getRatio=ratio,
        getSnapshotRatio=12 * 10**17,
        getSnapshotTimestamp=NOW - 10_000,
        decimals=8,
        description="Capped wstETH / stETH(ETH) / USD",
        latestAnswer=answer,
    )
    if "getMaxRatioGrowthPerSecond" not in changes:
        chain.put(B, getMaxRatioGrowthPerSecondScaled=10**15 + 1, SCALING_FACTOR=10**6)
    chain.put(B, **changes)
    return resolved(chain, B)


def test_a_ratio_under_its_cap() -> None:
    # cap 1.2e18 + (1e15 + 1) * 10_000 / 1e6 = 1_200_010_000_000_000_000; 1.19 is below it: 2500 * 1.19 = 2975
    graph = capo(Chain(), 119 * 10**16, 2975_00000000)
    assert graph.warnings == ()
    assert set(inputs(graph)) == {"ETH/USD", "wstETH/ETH ratio"}
    held = next(quantity for quantity in graph.quantities if isinstance(quantity, Least))
    assert held.label == "ratio, at most the cap"
    top = graph.quantities[graph.feeds[0]]
    assert isinstance(top, Fraction)
    assert (top.label, top.source) == ("Capped wstETH / stETH(ETH) / USD", B)
    assert next(q for q in graph.quantities if isinstance(q, Input) and q.kind == "ratio").source == P


@pytest.mark.parametrize(("answer", "known"), [(119 * 10**16, True), (118 * 10**16, False)])
def test_a_ratio_of_an_aggregator_has_its_age(
    monkeypatch: pytest.MonkeyPatch, answer: int, known: bool
) -> None:
    """CLRatePriceCapAdapter: the provider is an aggregator, if what it answers is the ratio."""
    monkeypatch.setattr("defiliq.oracle.resolve.promises", lambda chain_id: {P: Promise(86_400, 50)})
    chain = Chain()
    chain.put(P, latestAnswer=answer, latestTimestamp=NOW - 90_000)
    graph = capo(chain, 119 * 10**16, 2975_00000000)
    ratio = next(q for _, q in graph.inputs if q.kind == "ratio")
    assert ratio.updated_at == (NOW - 90_000 if known else None)
    stale = f"wstETH/ETH ratio ({P[:10]}..) is stale: its answer is 90000 s old, its heartbeat 86400 s"
    assert graph.warnings == ((stale,) if known else ())


def test_a_ratio_at_its_cap_grows_with_it() -> None:
    # 2500e8 * 1_200_010_000_000_000_000 / 1e18 = 300_002_500_000
    graph = capo(Chain(), 13 * 10**17, 300_002_500_000)
    assert graph.warnings == ()
    values = graph.values(NOW)
    held = next(quantity for quantity in graph.quantities if isinstance(quantity, Least))
    assert [values[k] for k in held.of] == [13 * 10**17, 1_200_010_000_000_000_000]
    # one year later: 1.2e18 + (1e15 + 1) * (10_000 + 31_536_000) / 1e6 = 1_231_546_000_031_546_000 - rounding
    later = 12 * 10**17 + (10**15 + 1) * (10_000 + YEAR) // 10**6
    assert price(graph, NOW + YEAR) == ETHER * later // 10**18


def test_the_older_cap_grows_by_whole_numbers() -> None:
    # 1.2e18 + 1_000_000_000 * 10_000 = 1_200_010_000_000_000_000
    graph = capo(Chain(), 13 * 10**17, 300_002_500_000, getMaxRatioGrowthPerSecond=10**9)
    assert graph.warnings == ()
    growing = next(quantity for quantity in graph.quantities if isinstance(quantity, Growing))
    assert (growing.growth, growing.scale) == (10**9, 1)


@given(
    ratio=st.integers(0, 10**19),
    growth=st.integers(0, 10**20),
    later=st.integers(0, 10**9),
    base=st.integers(0, 10**16),
)
@settings(deadline=None)
def test_capped_ratios_everywhere(ratio: int, growth: int, later: int, base: int) -> None:
    def straight(base: int, ratio: int, at: int) -> int:
        most = 12 * 10**17 + growth * (at - (NOW - 10_000)) // 10**6
        return 0 if base <= 0 or ratio <= 0 else base * min(ratio, most) // 10**18

    graph = capo(Chain(), ratio, straight(ETHER, ratio, NOW), getMaxRatioGrowthPerSecondScaled=growth)
    assert price(graph, NOW + later, **{"ETH/USD": base}) == straight(base, ratio, NOW + later)


def test_a_ratio_without_a_cap() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.put(
        B,
        BASE_TO_USD_AGGREGATOR=A,
        RATIO_PROVIDER=P,
        RATIO_DECIMALS=18,
        getRatio=123_456_789_012_345_678,
        decimals=8,
        latestAnswer=30_864_197_253,
    )
    graph = resolved(chain, B, names=["stX"])
    assert graph.warnings == ()
    assert set(inputs(graph)) == {"ETH/USD", "stX/ETH ratio"}


@pytest.mark.parametrize(
    ("base", "provider", "rate", "decimals", "value"),
    [
        ("ETH_TO_BASE", "STETH", "getPooledEthByShares(1000000000000000000)", 18, 1_193371824550718263),
        ("CBETH_TO_BASE", "RATE_PROVIDER", "exchangeRate", 18, 1_117234567890123456),
        ("ETH_TO_USD", "RETH", "getExchangeRate", 18, 1_151234567890123456),
        ("MATIC_TO_BASE", "RATE_PROVIDER", "getRate", 18, 1_091234567890123456),
        ("DAI_TO_USD", "RATE_PROVIDER", "chi", 27, 1_169072790123456789012345678),
        ("DAI_TO_BASE", "sDAI", "convertToAssets(1000000000000000000)", 18, 1_169072790123456789),
    ],
)
def test_rates_of_the_first_adapters(base: str, provider: str, rate: str, decimals: int, value: int) -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.put(P, **{rate: value})
    answer = ETHER * value // 10**decimals
    mine: dict[str, Answer] = {base: A, provider: P, "RATIO_DECIMALS": decimals, "latestAnswer": answer}
    chain.put(B, decimals=8, description="stX/ETH/USD", **mine)
    graph = resolved(chain, B)
    assert graph.warnings == ()
    assert set(inputs(graph)) == {"ETH/USD", "stX/ETH ratio"}
    assert price(graph, **{"stX/ETH ratio": 2 * value}) == ETHER * 2 * value // 10**decimals


def test_a_stable_price_cap() -> None:
    chain = Chain()
    chain.aggregator(A, 99_979_000, "USDC / USD")
    chain.put(
        B,
        ASSET_TO_USD_AGGREGATOR=A,
        getPriceCap=104_000_000,
        decimals=8,
        description="Capped USDC / USD",
        latestAnswer=99_979_000,
    )
    graph = resolved(chain, B)
    assert graph.warnings == ()
    assert price(graph, **{"USDC/USD": 104_000_001}) == 104_000_000
    assert price(graph, **{"USDC/USD": 103_999_999}) == 103_999_999
    assert price(graph, **{"USDC/USD": 0}) == 0


def test_a_euro_price_cap() -> None:
    # 1.04 (4 decimals) of EUR/USD 1.12345678: 116_839_505.12
    chain = Chain()
    chain.aggregator(A, 1_17000000, "EURC / USD")
    chain.aggregator(B, 1_12345678, "EUR / USD")
    chain.put(
        C,
        ASSET_TO_USD_AGGREGATOR=A,
        BASE_TO_USD_AGGREGATOR=B,
        getPriceCapRatio=10_400,
        RATIO_DECIMALS=4,
        decimals=8,
        description="Capped EURC/USD",
        latestAnswer=1_16839505,
    )
    graph = resolved(chain, C)
    assert graph.warnings == ()
    assert price(graph, **{"EUR/USD": 1_20000000}) == 1_17000000
    assert price(graph, **{"EURC/USD": 1_10000000}) == 1_10000000


def test_a_linear_discount_ends_at_maturity() -> None:
    # a year to go at 7.5%: 1e18 - 0.075e18 = 0.925e18; 1_00010000 * 0.925 = 92_509_250
    chain = Chain()
    chain.aggregator(A, 1_00010000, "USDT / USD")
    chain.put(
        B,
        ASSET_TO_USD_AGGREGATOR=A,
        PENDLE_PRINCIPAL_TOKEN=P,
        MATURITY=NOW + YEAR,
        discountRatePerYear=75 * 10**15,
        decimals=8,
        description="PT Capped USDe USDT/USD linear discount 05FEB2026",
        latestAnswer=92_509_250,
    )
    graph = resolved(chain, B)
    assert graph.warnings == ()
    assert price(graph, NOW + YEAR // 2) == 1_00010000 * (10**18 - YEAR // 2 * 75 * 10**15 // YEAR) // 10**18
    assert price(graph, NOW + YEAR) == price(graph, NOW + 2 * YEAR) == 1_00010000


def test_mkr_follows_sky() -> None:
    # 6_650_503 * 24_000 * (1e18 - 0.02e18) / 1e18 = 156_419_830_560
    chain = Chain()
    chain.aggregator(A, 6_650_503, "SKY / USD")
    chain.put(
        B,
        REFERENCE_FEED=A,
        DISCOUNT_PROVIDER=P,
        EXCHANGE_RATE=24_000,
        discount=2 * 10**16,
        decimals=8,
        description="MKR/USD (calculated)",
        latestAnswer=156_419_830_560,
    )
    graph = resolved(chain, B)
    assert graph.warnings == ()
    assert price(graph, **{"SKY/USD": 1}) == 23_520


@pytest.mark.parametrize(
    "getters",
    [
        {"price": 1_23456789, "ACL_MANAGER": P, "DECIMALS": 8},
        {"ONE_USD": 1_23456789, "latestRoundData": (0, 1_23456789, NOW, NOW, 0)},
        {"GHO_PRICE": 1_23456789},
        {"PRICE": 1_23456789},
    ],
)
def test_fixed_prices(getters: dict[str, Answer]) -> None:
    chain = Chain()
    chain.put(A, decimals=8, latestAnswer=1_23456789, **getters)
    graph = resolved(chain, A)
    assert graph.warnings == ()
    assert graph.inputs == ()
    assert price(graph, NOW + YEAR) == 1_23456789


def test_staked_ether_pegged_to_ether_is_known_by_its_name() -> None:
    chain = Chain()
    chain.put(A, DECIMALS=18, decimals=18, description="stETH/ETH", latestAnswer=10**18)
    chain.put(B, DECIMALS=18, decimals=18, description="stY/ETH", latestAnswer=10**18)
    chain.aggregator(C, ETHER, "ETH / USD")
    shared: dict[str, Answer] = {"PEG_TO_BASE": C, "DECIMALS": 8, "DENOMINATOR": 10**26, "decimals": 8}
    for at, asset in ((D, A), (P, B)):
        chain.put(at, ASSET_TO_PEG=asset, latestAnswer=ETHER, **shared)
    assert set(inputs(resolved(chain, D))) == {"ETH/USD"}
    assert set(inputs(resolved(chain, P))) == {"ETH/USD", "stY/ETH"}


# Compound III: asked by latestRoundData, and without latestAnswer.


def comet(chain: Chain, answer: int, **getters: Answer) -> PriceGraph:
    """A Compound feed at D that answers so."""
    chain.put(D, latestRoundData=rounds(answer), **getters)
    return resolved(chain, D, asked_by=LATEST_ROUND)


def test_compound_constant() -> None:
    graph = comet(Chain(), 10**8, constantPrice=10**8, decimals=8, description="Constant price feed")
    assert (graph.inputs, graph.warnings, price(graph)) == ((), (), 10**8)


@pytest.mark.parametrize(("decimals", "answer"), [(8, 9_98765432), (20, 998765432123456789 * 1000)])
def test_compound_scaling(decimals: int, answer: int) -> None:
    chain = Chain()
    chain.aggregator(A, 998765432123456789 * 10, "wstETH / ETH", decimals=18)
    graph = comet(chain, answer, underlyingPriceFeed=A, decimals=decimals, description="wstETH / ETH")
    assert set(inputs(graph)) == {"wstETH/ETH"}
    assert price(graph) == answer


@pytest.mark.parametrize(
    "getters", [("priceFeedA", "priceFeedB"), ("WBTCToBTCPriceFeed", "BTCToUSDPriceFeed")]
)
def test_compound_multiplies(getters: tuple[str, str]) -> None:
    chain = Chain()
    chain.aggregator(A, 1_193371824550718263, "wstETH / ETH", decimals=18)
    chain.aggregator(B, ETHER, "ETH / USD")
    mine: dict[str, Answer] = {getters[0]: A, getters[1]: B, "combinedScale": 10**26, "priceFeedScale": 10**8}
    graph = comet(chain, 298_342_956_137, decimals=8, **mine)  # 1.1933... * 2500
    assert graph.warnings == ()
    assert price(graph, **{"ETH/USD": 1}) == 1


@given(a=st.integers(0, 10**24), b=st.integers(1, 10**24), moved=st.integers(0, 10**24))
@settings(deadline=None)
def test_compound_divides_everywhere(a: int, b: int, moved: int) -> None:
    def straight(a: int, b: int) -> int:
        return 0 if a <= 0 or b <= 0 else a * 10**8 * 10**8 // b // 10**18

    chain = Chain()
    chain.aggregator(A, a, "X / ETH", decimals=18)
    chain.aggregator(B, b, "Y / ETH", decimals=8)
    scales: dict[str, Answer] = {"priceFeedAScale": 10**18, "priceFeedBScale": 10**8, "priceFeedScale": 10**8}
    graph = comet(chain, straight(a, b), priceFeedA=A, priceFeedB=B, decimals=8, **scales)
    assert price(graph, **{"Y/ETH": moved}) == straight(a, moved)


def test_compound_vault_shares() -> None:
    # 1.05 USDS a share at 0.9999: 1_050_000_000_000_000_001 * 99_990_000 * 1e8 / 1e26 = 104_989_500
    chain = Chain()
    chain.aggregator(A, 99_990_000, "USDS / USD")
    chain.put(P, **{"decimals": 18, "convertToAssets(1000000000000000000)": 1_050_000_000_000_000_001})
    graph = comet(
        chain,
        104_989_500,
        rateProvider=P,
        underlyingPriceFeed=A,
        combinedScale=10**26,
        priceFeedScale=10**8,
        decimals=8,
        description="sUSDS / USD",
    )
    assert graph.warnings == ()
    assert set(inputs(graph)) == {"USDS/USD", "A/USDS ratio"}


@pytest.mark.parametrize(("rate", "decimals"), [("getRate", 18), ("rsETHPrice", 18), ("getRate", 6)])
def test_compound_rates(rate: str, decimals: int) -> None:
    chain = Chain()
    chain.put(P, **{rate: 1_034567 * 10 ** (decimals - 6)})
    graph = comet(chain, 1_03456700, underlyingPriceFeed=P, decimals=8, description="ezETH / ETH")
    assert graph.warnings == ()
    (ratio,) = [quantity for _, quantity in graph.inputs]
    assert (ratio.name, ratio.kind, ratio.decimals) == ("ezETH/ETH ratio", "ratio", decimals)


def test_compound_wrapped_staked_ether() -> None:
    # 0.9991 ETH * 1e18 / 0.84 = 1_189_404_761_904_761_904.7; to 8 decimals: 118_940_476
    chain = Chain()
    chain.aggregator(A, 999_100_000_000_000_000, "STETH / ETH", decimals=18)
    chain.put(P, tokensPerStEth=840_000_000_000_000_000)
    graph = comet(
        chain,
        118_940_476,
        stETHtoETHPriceFeed=A,
        stETHToETHPriceFeedDecimals=18,
        wstETH=P,
        wstETHScale=10**18,
        decimals=8,
        description="Custom price feed for wstETH / ETH",
    )
    assert graph.warnings == ()
    assert set(inputs(graph)) == {"STETH/ETH", "stETH/wstETH ratio"}
    assert price(graph, **{"stETH/wstETH ratio": 0}) == 0
