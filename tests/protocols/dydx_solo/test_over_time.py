"""The law over seconds against the law at each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.engine.eta import find_eta
from defiliq.pricing.graph import Fixed, Fraction, Growing, Input, PriceGraph, Quantity
from defiliq.protocols import dydx_solo
from defiliq.protocols.dydx_solo import LIQUID, SoloMarket, rule, rule_over_time
from defiliq.types import Account
from defiliq.units import WAD
from tests.builders import NOW, address
from tests.protocols.dydx_solo.states import accounts, at_the_edge, holding, listed, markets, solo
from tests.verdicts import assert_breaks, assert_holds_at_seconds, assert_is_the_law

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
YEAR_S = 365 * 86_400


@st.composite
def graphs(draw: st.DrawFn, market: SoloMarket) -> PriceGraph:
    """Per feed an input, or one that grows with time."""
    quantities: list[Quantity] = []
    feeds = []
    for price in market.prices:
        first = len(quantities)
        quantities.append(Input(f"I{first}", "aggregator", address(0xF000 + first), price, 8))
        if draw(st.booleans()):
            quantities.append(Growing(100, NOW - 7, draw(st.integers(0, 20)), 10))
            quantities.append(Fraction((first, first + 1), (), 1, 100))
        feeds.append(len(quantities) - 1)
    return PriceGraph(tuple(quantities), tuple(feeds))


@st.composite
def scenes(draw: st.DrawFn, later: int = 0) -> tuple[SoloMarket, Account]:
    """Rates that move an index within seconds, prices that time moves, and an account that is near its edge
    some seconds later.
    """
    market = draw(markets(prices=st.integers(1, 3000)))
    if draw(st.booleans()):
        market = replace(market, graph=draw(graphs(market))).at_time(NOW)
    most = draw(st.sampled_from([500, 10**5, 2**60]))
    near = at_the_edge(market.at_time(NOW + later), most=most)
    return market, draw(st.one_of(near, near, near, accounts(market, most=most)))


@MANY
@given(scenes(), st.integers(0, 400))
def test_at_one_second_it_is_the_law(scene: tuple[SoloMarket, Account], later: int) -> None:
    assert_is_the_law(dydx_solo, *scene, later)


@settings(MANY, max_examples=600)
@given(st.data(), st.integers(0, 60), st.integers(0, 60))
def test_a_verdict_over_seconds_holds_at_each_of_them(data: st.DataObject, later: int, width: int) -> None:
    market, account = data.draw(scenes(later + width // 2))
    assert_holds_at_seconds(dydx_solo, market, account, later, width)


def breaking_by_interest() -> tuple[SoloMarket, Account]:
    """A dollar debt at about 5% a year against a supply that bears nothing and covers 1% more."""
    rate = 5 * WAD // (100 * YEAR_S)
    market = solo([listed(0), listed(1, borrow_rate_wad=rate)], [10**18, 10**18])
    return market, holding(11615 * 10**17, -(10**21))


def test_the_second_at_which_interest_breaks_an_account() -> None:
    """1161.5 against 1150 at one line of 5% a year: a fifth of a year, and the first second past it."""
    market, account = breaking_by_interest()
    found = find_eta(rule_over_time(account, market), NOW, YEAR_S)
    assert found.at is not None
    assert_breaks(dydx_solo, market, account, found.at)
    assert abs(found.at - NOW - YEAR_S // 5) < 60
    assert find_eta(rule_over_time(account, market), NOW, 1000).outcome == "never"


def test_suppliers_earn_while_borrowers_pay() -> None:
    """Supply and debt in tokens of which all is lent out and all interest passed on: both grow alike."""
    full = {"borrow_rate_wad": WAD // YEAR_S, "total_borrow_par": 10**30, "total_supply_par": 10**30}
    market = solo([listed(0, **full), listed(1, **full)], [10**18, 10**18], earnings_rate_wad=WAD)
    safe = rule_over_time(holding(1160 * 10**18, -(10**21)), market)
    assert safe.verdict_over(NOW, NOW + 50 * YEAR_S) is False
    assert rule_over_time(holding(1140 * 10**18, -(10**21)), market).verdict_over(NOW, NOW + YEAR_S) is True


def test_stored_indices_do_not_grow() -> None:
    """What getAdjustedAccountValues answers stays, however long nobody operates."""
    market, account = breaking_by_interest()
    over_time = rule_over_time(account, market.as_stored())
    assert over_time.verdict_over(NOW, NOW + 50 * YEAR_S) is False
    assert over_time.health(NOW + 50 * YEAR_S) == rule(account, market).health(market.prices)


def test_a_debt_without_supply_a_supply_without_debt_and_a_liquid_account() -> None:
    market, _ = breaking_by_interest()
    assert rule_over_time(holding(0, -1), market).verdict_over(NOW, NOW + YEAR_S) is True
    for safe in (holding(10**18), holding(0, 10**18), holding(10**18, mode=LIQUID)):
        assert rule_over_time(safe, market).verdict_over(NOW, NOW + YEAR_S) is False
    liquid = rule_over_time(holding(10**30, -1, mode=LIQUID), market)
    assert liquid.verdict_over(NOW, NOW + YEAR_S) is True
    assert liquid.health(NOW).liquidatable


@pytest.mark.parametrize(
    ("supplies", "held", "debts", "owed", "premium", "ratio"),
    [
        pytest.param(8, 110, 8, 100, 0, WAD // 10, id="eight of each"),
        pytest.param(8, 164, 8, 122, WAD // 10, WAD // 10, id="with premiums"),
        pytest.param(8, 8, 8, 7, WAD // 10, 0, id="a few units"),
        pytest.param(8, 31, 1, 146, WAD // 10, WAD // 3, id="many supplies"),
        pytest.param(8, 26, 1, 202, 0, 0, id="many supplies without premiums"),
    ],
)
def test_amounts_that_leave_their_line_by_nearly_one_each(
    supplies: int, held: int, debts: int, owed: int, premium: int, ratio: int
) -> None:
    """All lent out, all interest passed on: both sides grow alike, and what is cut falls together."""
    grown = {"borrow_rate_wad": 4 * WAD // 1000, "total_borrow_par": 10**30, "total_supply_par": 10**30}
    count = supplies + debts
    market = solo(
        [listed(k, 36, margin_premium_wad=premium, **grown) for k in range(count)],
        [1] * count,
        margin_ratio_wad=ratio,
        earnings_rate_wad=WAD,
    )
    over_time = rule_over_time(holding(*[held] * supplies, *[-owed] * debts), market)
    verdicts = [over_time.health(NOW + k).liquidatable for k in range(60)]
    assert set(verdicts) == {True, False}
    for first in range(40):
        for last in range(first, min(first + 30, 60)):
            verdict = over_time.verdict_over(NOW + first, NOW + last)
            assert verdict is None or {verdict} == set(verdicts[first : last + 1]), (first, last)


def test_where_a_price_that_time_moves_meets_an_index() -> None:
    """The supply's price gains 0.4 per second in whole steps, the debt in a line: alike in the long run."""
    rate = {"borrow_rate_wad": 400, "accrued_at": NOW}
    for apart in range(-3, 4):
        graph = PriceGraph((Growing(10**18 + apart, NOW, 400, 1), Fixed(1)), (0, 1))
        market = solo(
            [listed(0, 36), listed(1, 36, **rate)], graph.prices(NOW), graph=graph, margin_ratio_wad=0
        )
        over_time = rule_over_time(holding(1, -(10**18)), market)
        verdicts = [over_time.health(NOW + k).liquidatable for k in range(101)]
        assert set(verdicts) == {apart < 0}
        for last in (0, 1, 2, 50, 100):
            assert over_time.verdict_over(NOW, NOW + last) in (None, apart < 0)
