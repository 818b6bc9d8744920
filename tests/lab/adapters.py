"""One of each price adapter over feeds that anyone may set, and many answers of one in a single call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain
from tests.lab.contract import Contract

DAY_S = 86_400
HIGHEST = 10**26
"""What a knob is set to at most, where two of them are multiplied: far inside int256."""
NOWHERE = "0x" + "0" * 40
WRAPPED, WRAPPER_DELAY_S = "wrapped composite", 10
_ANSWERS = "answers((address,bytes4)[],int256[],address)"


@dataclass(frozen=True, slots=True)
class Knob:
    """A contract that answers one number, which anyone may set."""

    contract: Contract
    setter: str
    edges: tuple[int, ...]
    """Where the adapter may bend: a cap, the usual value."""
    lowest: int = 0
    """Below, the adapter answers nothing: it divides by what is set, without a guard, or refuses it."""
    highest: int = HIGHEST
    """Above, the adapter's product may not fit into int256."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """One price adapter on a chain, and what it is computed from."""

    name: str
    contract: Contract
    knobs: tuple[Knob, ...]


class Bench:
    """Deploys adapters, and asks them while their feeds are set."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._code = solidity.own()
        self._prober = chain.deploy(self._code["Prober"])

    def deploy(self, name: str, *arguments: object) -> Contract:
        """One contract of `solidity/`."""
        return self.chain.deploy(self._code[name], *arguments)

    def feed(
        self,
        answer: int,
        decimals: int,
        description: str,
        *edges: int,
        lowest: int = 0,
        highest: int = HIGHEST,
    ) -> Knob:
        """A price feed."""
        feed = self.deploy("SettableFeed", answer, decimals, description)
        return Knob(feed, "setAnswer", (answer, *edges), lowest, highest)

    def ratio(self, ratio: int, decimals: int, *edges: int, lowest: int = 0) -> Knob:
        """A rate provider, which answers under every name that adapters ask for."""
        provider = self.deploy("SettableRatio", ratio, decimals)
        return Knob(provider, "setRatio", (ratio, *edges), lowest)

    def answers(
        self, adapter: Deployed, worlds: Sequence[tuple[int, Sequence[Sequence[int]]]]
    ) -> list[list[int]]:
        """What the adapter answers at some times, with its knobs at each row; no trace is left.

        Each world is a block's timestamp and the rows that are tried in it, all in one call.
        """
        function = self._prober.functions[_ANSWERS]
        setters = [
            (knob.contract.address, knob.contract.functions[knob.setter].selector) for knob in adapter.knobs
        ]
        requests: list[tuple[str, tuple[object, ...]]] = []
        for timestamp, rows in worlds:
            flat = [value for row in rows for value in row]
            data = function.data([setters, flat, adapter.contract.address])
            request = {"from": DEPLOYER, "to": self._prober.address, "data": data}
            requests.append(("eth_call", (request, "latest", {}, {"time": hex(timestamp)})))
        return [list(function.answer(raw)) for raw in self.chain.rpc.batch(requests)]


def deploy_aave(bench: Bench) -> list[Deployed]:
    """One of each of Aave's adapters, some in several sizes."""
    return [*_synchronised(bench), *_ratio_caps(bench), *_coin_caps(bench), *_converted(bench)]


def deploy_fixed(bench: Bench) -> list[Deployed]:
    """Price contracts that nothing moves."""
    return [
        Deployed("fixed", bench.deploy("FixedPriceAdapter", 123_456_789, 8, "Fixed GHO / USD"), ()),
        Deployed("one dollar", bench.deploy("OneDollarAdapter"), ()),
        Deployed("constant", bench.deploy("CompoundConstantFeed", 8, 100_000_000), ()),
    ]


def deploy_compound(bench: Bench) -> list[Deployed]:
    """One of each of Compound III's price feeds, some in several sizes."""
    return [*_rescaled(bench), *_compound_pairs(bench), *_compound_caps(bench)]


def deploy_market_cap(bench: Bench) -> Deployed:
    """Compound III's capped rate with a market's rate in it; knobs: base price, rate, market's rate."""
    eth, market = bench.feed(2_498_20517361, 8, "ETH / USD"), bench.feed(99_987_654, 8, "ezETH / ETH market")
    snapshot = 1_049_000_000_000_000_123
    rate = bench.ratio(1_049_876_543_210_987_654, 18, snapshot)
    ends = eth.contract.address, rate.contract.address
    cap = bench.deploy("CompoundRateCap", *ends, 18, 8, "ezETH / USD CAPO", market.contract.address)
    bench.chain.send(cap, "setSnapshot", snapshot, bench.chain.now() - 30 * DAY_S, 400)
    return Deployed("market's rate under a cap", cap, (eth, rate, market))


def deploy_moonwell(bench: Bench) -> list[Deployed]:
    """Moonwell's composites of two and three feeds, and one that is wrapped."""
    two = _composite(
        bench,
        "composite of two",
        bench.feed(2_498_20517361, 8, "ETH / USD", lowest=1),
        bench.feed(1_083_456_789_012_345_678, 18, "cbETH / ETH", lowest=1),
    )
    three = _composite(
        bench,
        "composite of three",
        bench.feed(2_498_20517361, 8, "ETH / USD", lowest=1, highest=10**15),
        bench.feed(998_700_000_000_000_123, 18, "stETH / ETH", lowest=1, highest=10**25),
        bench.feed(1_193_371, 6, "wstETH / stETH", lowest=1, highest=10**13),
    )
    inner = _composite(
        bench,
        "composite of two, 8 decimals each",
        bench.feed(60_123_99120004, 8, "BTC / USD", lowest=1),
        bench.feed(100_120_345, 8, "LBTC / BTC", lowest=1),
    )
    ends = inner.contract.address, inner.knobs[0].contract.address
    wrapper = bench.deploy("MoonwellCompositeWrapper", *ends, WRAPPER_DELAY_S)
    return [two, three, inner, Deployed(WRAPPED, wrapper, inner.knobs)]


def _synchronised(bench: Bench) -> list[Deployed]:
    btc = bench.feed(60_123_99120004, 8, "BTC / USD")
    wrapped = bench.feed(99_870_000, 8, "WBTC / BTC")
    eth = bench.feed(2_498_20517361, 8, "ETH / USD")
    staked = bench.feed(998_700_000_000_000_123, 18, "stETH / ETH")
    usdc, ether = bench.feed(99_991_537, 8, "USDC / USD"), bench.feed(2_498_20517361, 8, "ETH / USD")
    peg_8 = bench.deploy(
        "PegToBaseAdapter", btc.contract.address, wrapped.contract.address, 8, "WBTC / BTC / USD"
    )
    peg_18 = bench.deploy(
        "PegToBaseAdapter", eth.contract.address, staked.contract.address, 8, "stETH / ETH / USD"
    )
    base = bench.deploy(
        "BaseToPegAdapter", ether.contract.address, usdc.contract.address, 18, "USDC / USD / ETH"
    )
    fixed = bench.deploy("FixedRatioAdapter", ether.contract.address, 9_950, 18, "USD 99.5% / ETH")
    proxy = bench.deploy("FeedProxy", eth.contract.address)
    return [
        Deployed("plain", eth.contract, (eth,)),
        Deployed("proxy", proxy, (eth,)),
        Deployed("peg to base", peg_8, (btc, wrapped)),
        Deployed("peg to base, 18 decimals", peg_18, (eth, staked)),
        Deployed("base to peg", base, (ether, usdc)),
        Deployed("fixed ratio", fixed, (ether,)),
    ]


def _ratio_caps(bench: Bench) -> list[Deployed]:
    """Scaled and older; with a cap that binds at the usual ratio and one that does not."""
    found = []
    for name in ("ScaledRatioCapAdapter", "RatioCapAdapter"):
        for ratio, snapshot, decimals in (
            (1_193_371_824_550_718_263, 1_177_654_321_987_654_321, 18),
            (1_087_654_321, 1_100_000_007, 9),
        ):
            eth = bench.feed(2_498_20517361, 8, "ETH / USD")
            since = bench.chain.now() - 30 * DAY_S
            cap = snapshot + snapshot * 968 // 10_000 * 30 // 365
            provider = bench.ratio(ratio, decimals, snapshot, cap)
            ends = eth.contract.address, provider.contract.address
            adapter = bench.deploy(name, *ends, decimals, "Capped wstETH / stETH(ETH) / USD")
            bench.chain.send(adapter, "setCapParameters", snapshot, since, 968)
            found.append(Deployed(f"{name}, {decimals} decimals", adapter, (eth, provider)))
    return found


def _coin_caps(bench: Bench) -> list[Deployed]:
    usdc = bench.feed(99_991_537, 8, "USDC / USD", 104_000_000)
    dollar = bench.deploy("StableCapAdapter", usdc.contract.address, 104_000_000, "Capped USDC / USD")
    eurc = bench.feed(108_123_456, 8, "EURC / USD", 112_449_999)
    euro = bench.feed(108_125_000, 8, "EUR / USD")
    coins = eurc.contract.address, euro.contract.address
    capped = bench.deploy("EuroCapAdapter", *coins, 104_000_000, 8, "Capped EURC / USD")
    susde = bench.feed(119_876_543, 8, "Capped sUSDe / USDe / USD")
    principal = bench.deploy("Principal", bench.chain.now() + 97 * DAY_S + 13)
    rates = 7_650_000_000_000_123, 30 * 10**16
    token = bench.deploy(
        "DiscountAdapter", susde.contract.address, principal.address, *rates, "PT sUSDe discounted / USD"
    )
    return [
        Deployed("stable cap", dollar, (usdc,)),
        Deployed("euro cap", capped, (eurc, euro)),
        Deployed("discount", token, (susde,)),
    ]


def _converted(bench: Bench) -> list[Deployed]:
    sky = bench.feed(6_543_210, 8, "SKY / USD")
    converter = bench.deploy("Converter", 24_000, 3 * 10**16 + 7)
    token = bench.deploy("ConvertedAdapter", sky.contract.address, converter.address, "MKR/USD (calculated)")
    return [Deployed("converted", token, (sky,))]


def _rescaled(bench: Bench) -> list[Deployed]:
    eth = bench.feed(2_498_20517361, 8, "ETH / USD")
    long = bench.feed(2_498_205173610000001234, 18, "ETH / USD")
    rate = bench.ratio(1_049_876_543_210_987_654, 18)
    return [
        Deployed("scaled up", bench.deploy("CompoundScalingFeed", eth.contract.address, 18), (eth,)),
        Deployed("scaled down", bench.deploy("CompoundScalingFeed", long.contract.address, 8), (long,)),
        Deployed(
            "rate",
            bench.deploy("CompoundRateFeed", rate.contract.address, 8, 18, "ezETH / ETH exchange rate"),
            (rate,),
        ),
    ]


def _compound_pairs(bench: Bench) -> list[Deployed]:
    lbtc, btc = bench.feed(100_120_345, 8, "LBTC / BTC"), bench.feed(60_123_99120004, 8, "BTC / USD")
    ether = bench.feed(2_498_205173610000001234, 18, "ETH / USD")
    usds, vault = bench.feed(99_987_654, 8, "USDS / USD"), bench.ratio(1_065_432_109_876_543_210, 18)
    coins, small = bench.feed(99_987_654, 8, "USDC / USD"), bench.ratio(1_065_432, 6)
    staked = bench.feed(998_700_000_000_000_123, 18, "stETH / ETH")
    wrapped = bench.ratio(837_961_833_456_789_012, 18, lowest=1)

    def pair(name: str, code: str, one: Knob, other: Knob, *rest: object) -> Deployed:
        ends = one.contract.address, other.contract.address
        return Deployed(name, bench.deploy(code, *ends, *rest), (one, other))

    return [
        pair("multiplicative", "CompoundMultiplicativeFeed", lbtc, btc, 8, "LBTC / USD"),
        pair("reverse multiplicative", "CompoundReverseFeed", btc, ether, 8, "BTC / ETH"),
        pair("reverse, longer first", "CompoundReverseFeed", ether, btc, 18, "ETH / BTC"),
        pair("vault", "CompoundVaultFeed", vault, usds, 8, "sUSDS / USD"),
        pair("vault, 6 decimals", "CompoundVaultFeed", small, coins, 8, "sUSDC / USD"),
        pair("wrapped", "CompoundWrappedFeed", staked, wrapped, 8),
    ]


def _compound_caps(bench: Bench) -> list[Deployed]:
    """Capped ratios: caps that bind and that do not, other decimals than the base, each kind of ratio."""
    wad, eight = 1_193_371_824_550_718_263, (2_498_20517361, 8, "ETH / USD")
    free, tight = 1_195_000_000_000_000_007, 1_177_654_321_987_654_321
    long = (2_498_205173610000001234, 18, "ETH / USD")

    def capped(
        code: str, base: tuple[int, int, str], ratio: Knob, snapshot: int, name: str, *rest: object
    ) -> Deployed:
        feed = bench.feed(*base)
        adapter = bench.deploy(code, feed.contract.address, ratio.contract.address, *rest)
        since = bench.chain.now() - 30 * DAY_S
        bench.chain.send(adapter, "setSnapshot", snapshot, since, 968)
        cap = snapshot + snapshot * 968 // 10_000 * 30 // 365
        return Deployed(name, adapter, (feed, replace(ratio, edges=(*ratio.edges, snapshot, cap))))

    def rate(base: tuple[int, int, str], snapshot: int, name: str, decimals: int) -> Deployed:
        rest = 18, decimals, "weETH / USD CAPO", NOWHERE
        return capped("CompoundRateCap", base, bench.ratio(wad, 18), snapshot, name, *rest)

    vault, small = bench.ratio(1_065_432, 18), bench.ratio(1_087_654_321, 9)
    fed = bench.feed(wad, 18, "wstETH / ETH exchange rate")
    dollar, ether = (99_987_654, 8, "USDC / USD"), "wstETH / USD CAPO"
    return [
        rate(eight, tight, "rate under a cap that binds", 8),
        rate(eight, free, "rate under a cap", 8),
        rate(eight, tight, "rate under a cap, more decimals", 18),
        rate(long, free, "rate under a cap, fewer decimals", 8),
        capped("CompoundVaultCap", dollar, vault, 1_060_007, "vault under a cap", 6, 8, "sUSDC / USD CAPO"),
        capped("CompoundFeedCap", eight, fed, tight, "feed under a cap", 8, ether),
        capped("CompoundUnscaledCap", eight, small, 1_080_000_007, "unscaled cap", 9, 8, ether),
    ]


def _composite(bench: Bench, name: str, *feeds: Knob) -> Deployed:
    addresses = [feed.contract.address for feed in feeds]
    oracle = bench.deploy("MoonwellComposite", *addresses, *[NOWHERE] * (3 - len(feeds)))
    return Deployed(name, oracle, feeds)
