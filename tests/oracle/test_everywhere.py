"""Every kind at random inputs and times: the graph gives what the contract's few lines give, written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.oracle.survey import LATEST_ANSWER, LATEST_ROUND
from tests.builders import NOW
from tests.oracle.contracts import A, Answer, B, C, Chain, P, resolved

YEAR = 365 * 24 * 3600
WAD = 10**18


class Sample(NamedTuple):
    """One contract over one or two feeds, and its arithmetic in the first's and the second's answer."""

    getters: dict[str, Answer]
    straight: Callable[[int, int, int], int]
    """(first, second, timestamp) to the answer, of answers that are not negative."""
    feeds: tuple[int, ...] = (8,)
    """The decimals of the feeds at A and B."""
    others: dict[str, Answer] | None = None
    """What the contract at P answers; its last answer is the second input where there is one feed."""
    asked_by: str = LATEST_ANSWER


def guarded(answer: Callable[[int, int], int]) -> Callable[[int, int, int], int]:
    return lambda a, b, _: answer(a, b) if a > 0 and b > 0 else 0


SAMPLES = {
    "PegToBase": Sample(
        {"ASSET_TO_PEG": A, "PEG_TO_BASE": B, "DECIMALS": 8, "DENOMINATOR": 10**26},
        guarded(lambda a, b: a * b * 10**8 // 10**26),
        (18, 8),
    ),
    "BaseToPeg": Sample(
        {"ASSET_TO_PEG": A, "BASE_TO_PEG": B, "DECIMALS": 8},
        guarded(lambda a, b: a * 10**8 // b),
        (18, 18),
    ),
    "FixedRatio": Sample(
        {"BASE_TO_PEG": A, "PRICE_RATIO": 9_713, "MULTIPLIER": 10**16, "DECIMALS": 8},
        lambda a, _, __: 9_713 * 10**16 // (10_000 * a) if a > 0 else 0,
    ),
    "Stable": Sample(
        {"ASSET_TO_USD_AGGREGATOR": A, "getPriceCap": 104_000_000},
        lambda a, _, __: min(a, 104_000_000),
    ),
    "Euro": Sample(
        {
            "ASSET_TO_USD_AGGREGATOR": A,
            "BASE_TO_USD_AGGREGATOR": B,
            "getPriceCapRatio": 10_437,
            "RATIO_DECIMALS": 4,
        },
        lambda a, b, _: min(a, b * 10_437 // 10**4),
        (8, 8),
    ),
    "Pendle": Sample(
        {
            "ASSET_TO_USD_AGGREGATOR": A,
            "PENDLE_PRINCIPAL_TOKEN": P,
            "MATURITY": NOW + 10**7,
            "discountRatePerYear": 76_543_210_987_654_321,
        },
        lambda a, _, at: a * (WAD - max(0, NOW + 10**7 - at) * 76_543_210_987_654_321 // YEAR) // WAD,
    ),
    "Discounted": Sample(
        {"REFERENCE_FEED": A, "DISCOUNT_PROVIDER": P, "EXCHANGE_RATE": 24_000, "discount": WAD // 77},
        lambda a, _, __: a * 24_000 * (WAD - WAD // 77) // WAD,
    ),
    "Multiplicative": Sample(
        {"priceFeedA": A, "priceFeedB": B, "combinedScale": 10**26, "priceFeedScale": 10**8},
        guarded(lambda a, b: a * b * 10**8 // 10**26),
        (18, 8),
        asked_by=LATEST_ROUND,
    ),
    "Reverse": Sample(
        {
            "priceFeedA": A,
            "priceFeedB": B,
            "priceFeedAScale": 10**18,
            "priceFeedBScale": 10**8,
            "priceFeedScale": 10**8,
        },
        guarded(lambda a, b: a * 10**8 * 10**8 // b // 10**18),
        (18, 8),
        asked_by=LATEST_ROUND,
    ),
    "Scaling": Sample({"underlyingPriceFeed": A}, lambda a, _, __: a // 10**10, (18,), asked_by=LATEST_ROUND),
    "Vault": Sample(
        {"rateProvider": P, "underlyingPriceFeed": A, "combinedScale": 10**14, "priceFeedScale": 10**8},
        guarded(lambda a, rate: rate * a * 10**8 // 10**14),
        others={"decimals": 6, "convertToAssets(1000000)": 0},
        asked_by=LATEST_ROUND,
    ),
    "Wrapped": Sample(
        {
            "stETHtoETHPriceFeed": A,
            "stETHToETHPriceFeedDecimals": 18,
            "wstETH": P,
            "wstETHScale": WAD,
        },
        guarded(lambda a, tokens: a * WAD // tokens // 10**10),
        (18,),
        {"tokensPerStEth": 0},
        LATEST_ROUND,
    ),
    "rETH": Sample(
        {"ETH_TO_USD": A, "RETH": P, "RATIO_DECIMALS": 18},
        guarded(lambda a, rate: a * rate // WAD),
        others={"getExchangeRate": 0},
    ),
}

amounts = st.one_of(st.integers(1, 10**6), st.integers(1, 10**28), st.integers(10**7, 10**11))


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
@given(
    stands=st.tuples(amounts, amounts),
    moved=st.tuples(amounts, amounts),
    zero=st.booleans(),
    later=st.integers(0, 10**9),
)
@settings(max_examples=30, deadline=None)
def test_the_graph_is_the_arithmetic(
    sample: Sample, stands: tuple[int, int], moved: tuple[int, int], zero: bool, later: int
) -> None:
    chain = Chain()
    for at, answer, decimals in zip((A, B), stands, sample.feeds, strict=False):
        chain.aggregator(at, answer, f"{at[-4:]} / USD", decimals=decimals)
    if sample.others is not None:
        chain.put(P, **(sample.others | {list(sample.others)[-1]: stands[1]}))
    answer = sample.straight(*stands, NOW)
    chain.put(C, decimals=8, description="X", latestAnswer=answer, **sample.getters)
    chain.put(C, latestRoundData=(1, answer, NOW, NOW, 1))
    graph = resolved(chain, C, asked_by=sample.asked_by)
    assert graph.warnings == ()
    assert graph.prices(NOW) == (answer,)
    goal = (0 if zero else moved[0], moved[1])
    elsewhere = dict(zip(((A, P) if sample.others else (A, B)), goal, strict=True))
    positions = {k: elsewhere[quantity.source] for k, quantity in graph.inputs}
    assert len(positions) == (2 if sample.others or len(sample.feeds) == 2 else 1)
    assert graph.prices(NOW + later, positions) == (sample.straight(*goal, NOW + later),)
