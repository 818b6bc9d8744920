"""Compound III's capped ratios against answers worked out by hand from their source."""

from __future__ import annotations

import pytest

from defiliq.oracle.survey import LATEST_ROUND
from defiliq.pricing.graph import PriceGraph
from tests.builders import NOW
from tests.oracle.contracts import A, Chain, D, P, resolved

ETHER = 2500_12345678
RATIO = 1_200000000000000000
SINCE = NOW - 1_000_000
GROWTH = 15_000_000_000 * 10**10
"""Per second, with ten more digits: 0.015 a million seconds."""


def capped(
    answer: int,
    snapshot: int = RATIO,
    *,
    is_capped: int = 0,
    growth: int = GROWTH,
    scale: int | None = 10**10,
    decimals: int = 8,
    since: int = SINCE,
) -> PriceGraph:
    """A price cap adapter over ETH/USD whose ratio stands at 1.2."""
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.put(D, assetToBaseAggregator=A, ratioProvider=P, getRatio=RATIO, ratioDecimals=18)
    chain.put(D, snapshotRatio=snapshot, snapshotTimestamp=since, maxRatioGrowthPerSecond=growth)
    chain.put(D, isCapped=is_capped, decimals=decimals, description="wstETH / USD CAPO SVR Price Feed")
    chain.put(D, latestRoundData=(7, answer, NOW, NOW, 7))
    if scale is not None:
        chain.put(D, GROWTH_RATIO_SCALE=scale)
    return resolved(chain, D, names=["wstETH"], asked_by=LATEST_ROUND)


def names(graph: PriceGraph) -> list[tuple[str, str]]:
    return [(one.name, one.kind) for _, one in graph.inputs]


BOTH = [("ETH/USD", "aggregator"), ("wstETH/ETH ratio", "ratio")]


def test_a_ratio_below_its_cap() -> None:
    graph = capped(3000_14814813)  # 2500.12345678 * 1.2 = 3000.148148136, cut
    assert names(graph) == BOTH
    assert graph.warnings == ()
    assert graph.prices(NOW, {0: 1999_99999999}) == (2399_99999998,)
    # The cap stands at 1.2 + 0.015.
    assert graph.prices(NOW, {1: 2 * RATIO}) == (ETHER * 1215 // 1000,)
    assert graph.prices(NOW + 1_000_000, {1: 2 * RATIO}) == (ETHER * 1230 // 1000,)


def test_a_cap_that_binds() -> None:
    graph = capped(ETHER * 1115 // 1000, 11 * RATIO // 12, is_capped=1)
    assert names(graph) == BOTH
    assert graph.prices(NOW + 1_000_000) == (ETHER * 1130 // 1000,)
    assert graph.prices(NOW, {1: 105 * 10**16}) == (ETHER * 105 // 100,)


def test_growth_before_it_had_a_scale() -> None:
    graph = capped(3000_14814813, growth=15_000_000_000, scale=None)
    assert names(graph) == BOTH
    assert graph.prices(NOW, {1: 2 * RATIO}) == (ETHER * 1215 // 1000,)


@pytest.mark.parametrize(("decimals", "answer"), [(18, 3000_14814813 * 10**10), (6, 3000_148148)])
def test_other_decimals_than_the_base_feed(decimals: int, answer: int) -> None:
    """Scaled up only after it was cut."""
    graph = capped(answer, decimals=decimals)
    assert names(graph) == BOTH


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (capped(3000_14814814), "3000148148"),
        (capped(3000_14814813, is_capped=1), "isCapped"),
        (capped(3000_14814813, since=NOW + 1), "after this block"),
    ],
)
def test_one_that_says_otherwise_is_an_input_of_its_own(graph: PriceGraph, why: str) -> None:
    assert names(graph) == [("wstETH/USD", "unresolved")]
    assert any(why in warning for warning in graph.warnings)
