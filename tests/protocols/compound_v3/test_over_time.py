"""The law over seconds against the law at each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.engine.eta import find_eta
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph, Quantity
from defiliq.protocols import compound_v3
from defiliq.protocols.compound_v3 import CometMarket, RateCurve, rule, rule_over_time
from defiliq.types import Account
from defiliq.units import WAD
from tests.builders import NOW, address
from tests.protocols.compound_v3.states import (
    SMALL_DECIMALS,
    accounts,
    at_the_edge,
    base_asset,
    collateral,
    comet,
    comets,
    owing,
)
from tests.verdicts import assert_breaks, assert_holds_at_seconds, assert_is_the_law

MANY = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DOLLAR = 10**8
YEAR_S = 365 * 86_400


@st.composite
def graphs(draw: st.DrawFn, market: CometMarket) -> PriceGraph:
    """Per feed an input, or one under a growing cap, times a growing ratio, or discounted."""
    quantities: list[Quantity] = []
    feeds = []
    for price in market.prices:
        first = len(quantities)
        quantities.append(Input(f"I{first}", "aggregator", address(0xF000 + first), price, 8))
        kind = draw(st.sampled_from(["plain", "capped", "grown", "discounted"]))
        if kind == "capped":
            start = max(1, price - draw(st.integers(0, 30)))
            quantities += [Growing(start, NOW, draw(st.integers(0, 30)), 10), Least((first, first + 1))]
        elif kind == "grown":
            quantities += [
                Growing(100, NOW - 7, draw(st.integers(0, 20)), 10),
                Fraction((first, first + 1), (), 1, 100),
            ]
        elif kind == "discounted":
            quantities += [
                Discount(1000, draw(st.integers(0, 500)), NOW + 40, 50),
                Fraction((first, first + 1), (), 1, 1000),
            ]
        else:
            quantities.append(Fixed(1))
            feeds.append(first)
            continue
        feeds.append(len(quantities) - 1)
    return PriceGraph(tuple(quantities), tuple(feeds))


@st.composite
def scenes(draw: st.DrawFn, later: int = 0) -> tuple[CometMarket, Account]:
    """Rates that move an index within seconds, prices that time moves, and an account that is near its edge
    some seconds later.
    """
    market = draw(comets(decimals=SMALL_DECIMALS, prices=st.integers(1, 3000)))
    if draw(st.booleans()):
        graph = draw(graphs(market))
        timed = replace(market, graph=graph).at_time(NOW)
        market = timed if min(timed.prices) > 0 else market
    most = draw(st.sampled_from([500, 10**5]))
    near = at_the_edge(market.at_time(NOW + later), most=most)
    return market, draw(st.one_of(near, near, near, accounts(market, most=most)))


@MANY
@given(scenes(), st.integers(0, 400))
def test_at_one_second_it_is_the_law(scene: tuple[CometMarket, Account], later: int) -> None:
    assert_is_the_law(compound_v3, *scene, later)


@settings(MANY, max_examples=500)
@given(st.data(), st.integers(0, 60), st.integers(0, 60))
def test_a_verdict_over_seconds_holds_at_each_of_them(data: st.DataObject, later: int, width: int) -> None:
    market, account = data.draw(scenes(later + width // 2))
    assert_holds_at_seconds(compound_v3, market, account, later, width)


def breaking_by_interest() -> tuple[CometMarket, Account]:
    """A dollar debt at about 5% a year against collateral that covers a little more."""
    rates = RateCurve(kink_wad=WAD, slope_low_wad=0, slope_high_wad=0, base_wad=5 * WAD // (100 * YEAR_S))
    market = comet([base_asset(6), collateral(1)], [DOLLAR, 100 * DOLLAR], borrow_rates=rates)
    return market, owing(-84 * 10**6, 10**18)


def test_the_second_at_which_interest_breaks_an_account() -> None:
    """85 of backing against 84 at one line of 5% a year: 1/84 of growth, and the first second past it."""
    market, account = breaking_by_interest()
    found = find_eta(rule_over_time(account, market), NOW, YEAR_S)
    assert found.at is not None
    assert_breaks(compound_v3, market, account, found.at)
    assert abs(found.at - NOW - YEAR_S * 20 // 84) < 60
    assert find_eta(rule_over_time(account, market), NOW, 1000).outcome == "never"


def test_stored_indices_do_not_grow() -> None:
    """What isLiquidatable answers stays, however long nobody accrues."""
    market, account = breaking_by_interest()
    over_time = rule_over_time(account, market.as_stored())
    assert over_time.verdict_over(NOW, NOW + 50 * YEAR_S) is False
    assert over_time.health(NOW + 50 * YEAR_S) == rule(account, market).health(market.prices)


def test_a_debt_without_collateral_and_collateral_without_debt() -> None:
    market, _ = breaking_by_interest()
    assert rule_over_time(owing(-(10**6)), market).verdict_over(NOW, NOW + YEAR_S) is True
    for safe in (owing(10**6), owing(0, 10**18)):
        assert rule_over_time(safe, market).verdict_over(NOW, NOW + YEAR_S) is False


@pytest.mark.parametrize(
    ("accrues_in", "price_per_s", "ends"),
    [
        pytest.param(0, 400, range(-5, 6), id="an index that climbs in whole steps"),
        pytest.param(50, 200, range(-1005, -995), id="an index that waits, as on no chain"),
    ],
)
def test_where_an_index_is_no_straight_line(accrues_in: int, price_per_s: int, ends: range) -> None:
    """A debt of 1e18 whole tokens, so that one step of the index is worth 1000, against collateral that gains
    by price exactly what the debt gains by interest in the long run: 0.4 steps per second.
    """
    rates = RateCurve(kink_wad=WAD, slope_low_wad=0, slope_high_wad=0, base_wad=400)
    whole = collateral(1, 0, liquidate_factor_wad=WAD)
    for apart in ends:
        graph = PriceGraph((Fixed(1), Growing(10**18 + apart, NOW, price_per_s, 1)), (0, 1))
        market = comet(
            [base_asset(0), whole],
            graph.prices(NOW),
            graph=graph,
            borrow_rates=rates,
            accrued_at=NOW + accrues_in,
        )
        over_time = rule_over_time(owing(-(10**18), 1), market)
        verdicts = [over_time.health(NOW + k).liquidatable for k in range(101)]
        for last in (1, 2, 3, 4, 5, 10, 50, 60, 99, 100):
            verdict = over_time.verdict_over(NOW, NOW + last)
            assert verdict is None or {verdict} == set(verdicts[: last + 1])
        assert over_time.verdict_over(NOW, NOW + 100) is not True


def test_where_a_price_that_time_moves_is_no_straight_line() -> None:
    """Collateral gains 2500 at every second or third second, the debt 1000 at each: alike in the long run."""
    rates = RateCurve(kink_wad=WAD, slope_low_wad=0, slope_high_wad=0, base_wad=1000)
    listed = [collateral(k, 0, liquidate_factor_wad=WAD) for k in (1, 2)]
    graph = PriceGraph((Fixed(1), Growing(4 * 10**14, NOW, 4, 10), Fixed(1)), (0, 1, 2))
    market = comet([base_asset(0), *listed], graph.prices(NOW), graph=graph, borrow_rates=rates)
    for apart in range(0, 3000, 250):
        over_time = rule_over_time(owing(-(10**18), 2500, apart), market)
        verdicts = [over_time.health(NOW + k).liquidatable for k in range(51)]
        assert any(verdicts) is (apart < 2000)
        for last in (*range(1, 11), 50):
            verdict = over_time.verdict_over(NOW, NOW + last)
            assert verdict is None or {verdict} == set(verdicts[: last + 1])
