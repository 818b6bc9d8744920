"""Verdicts over stretches of a driver against the verdict at every integer of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.dydx_v4.market import DydxMarket, Perpetual
from defiliq.protocols.dydx_v4.rules import rule
from defiliq.types import Account
from tests.protocols.dydx_v4.states import accounts, at_the_edge, chain, chains, drivers, holding, perpetual
from tests.verdicts import (
    assert_decided_at_one,
    assert_holds_at_all,
    assert_levels_are_nearest,
    near_spot,
    short_stretches,
)

MANY = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDEST = 60


@st.composite
def scenes(draw: st.DrawFn) -> tuple[DydxMarket, Account, Driver]:
    """Small numbers near the edge, where every rounding can flip a verdict; and now and then large ones."""
    small = draw(st.integers(0, 3)) > 0
    market = draw(chains(small=small))
    most = 5000 if small else 2**70
    account = draw(st.one_of(at_the_edge(market, most=most), accounts(market, most=most)))
    return market, account, draw(drivers(market))


@MANY
@given(scenes(), st.integers(0, WIDEST), st.integers(0, WIDEST), st.booleans())
def test_a_verdict_over_a_stretch_holds_at_every_integer(
    scene: tuple[DydxMarket, Account, Driver], near: int, width: int, falls: bool
) -> None:
    market, account, driver = scene
    walk = near_spot(driver, near, width, falls=falls)
    assert_holds_at_all(rule(account, market), market, driver, walk)


@MANY
@given(scenes(), st.integers(1, WIDEST))
def test_a_verdict_down_to_a_price_of_one_holds(
    scene: tuple[DydxMarket, Account, Driver], highest: int
) -> None:
    """Near 0 all notionals are cut to 0, and whoever needs no margin is not liquidated."""
    market, account, driver = scene
    walk = range(driver.lowest, min(driver.lowest + highest, driver.highest) + 1)
    assert_holds_at_all(rule(account, market), market, driver, walk)


@MANY
@given(scenes(), st.integers(-50, 50))
def test_a_single_integer_is_always_decided(scene: tuple[DydxMarket, Account, Driver], away: int) -> None:
    market, account, driver = scene
    assert_decided_at_one(rule(account, market), market, driver, away)


@settings(MANY, max_examples=300)
@given(scenes())
def test_a_level_is_the_nearest_of_all_integers(scene: tuple[DydxMarket, Account, Driver]) -> None:
    market, account, driver = scene
    assert_levels_are_nearest(rule(account, market), market, driver)


def test_straight_lines_decide_where_the_worst_case_does_not() -> None:
    """A long and a short of equal size rise together a hundredfold: the worst case tells nothing."""
    market = chain([perpetual(1), perpetual(2)], [100, 100])
    driver = driver_of_feeds("X", 100, 1, [Move(1), Move(2)])
    stretch = driver.stretch(market.prices, 10, 1000)
    assert rule(holding(10**7, 10**5, -(10**5)), market).verdict_over(stretch) is False
    assert rule(holding(-1, 10**5, -(10**5)), market).verdict_over(stretch) is True
    assert rule(holding(10**6, 10**5, -(10**5)), market).verdict_over(stretch) is None


DIGITS = {"atomic_resolution": -7, "initial_margin_ppm": 500_000, "maintenance_fraction_ppm": 900_000}
PAIRS = [perpetual(k, **DIGITS) for k in range(1, 17)]
WHOLE = [perpetual(1), perpetual(2)]


@pytest.mark.parametrize(
    ("listed", "sizes", "moves"),
    [
        pytest.param(PAIRS, [279, -106] * 8, [Move(k) for k in range(1, 17)], id="many roundings at once"),
        pytest.param(WHOLE, [300, -200], [Move(1, 2, 3), Move(2)], id="a long's price bends"),
        pytest.param(WHOLE, [200, -300], [Move(1), Move(2, 2, 3)], id="a short's price bends"),
    ],
)
def test_margins_that_leave_their_line_by_nearly_all_they_can(
    listed: list[Perpetual], sizes: list[int], moves: list[Move]
) -> None:
    """Longs and shorts under one driver, whose roundings fall together in places: every short stretch."""
    market = chain(listed, [30] * len(listed))
    driver = driver_of_feeds("X", 30, 1, moves)
    needed = [-rule(holding(0, *sizes), market).margin(driver.lead(market.prices, at)) for at in range(60)]
    told: list[bool | None] = []
    for usdc in range(min(needed[15:56]) - 2, max(needed[15:56]) + 3):
        told += short_stretches(rule(holding(usdc, *sizes), market), market, driver)
    assert set(told) == {True, False, None}


def test_no_margin_no_liquidation_however_deep_the_debt() -> None:
    """A short of dust under debt: worth nothing below a price of 10, where the chain leaves it alone."""
    market = chain([perpetual(1, atomic_resolution=-7)], [50])
    law, driver = rule(holding(-5, -1), market), driver_of_feeds("X", 50, 1, [Move(1)])
    assert [law.liquidatable([1, at]) for at in (1, 9, 10, 50)] == [False, False, True, True]
    assert law.verdict_over(driver.stretch(market.prices, 1, 9)) is False
    assert law.verdict_over(driver.stretch(market.prices, 1, 10)) is None
    assert law.verdict_over(driver.stretch(market.prices, 10, 50)) is True
    assert law.margin([1, 1]) == -5


def test_a_straight_line_below_zero_does_not_tell_whether_there_is_a_margin() -> None:
    """A long and a short that cancel under debt: broken but at a price of 1, where both are worth nothing."""
    market = chain([perpetual(1, atomic_resolution=-8), perpetual(2, atomic_resolution=-8)], [300, 300])
    law, driver = rule(holding(-100, 90, -90), market), driver_of_feeds("X", 300, 1, [Move(1), Move(2)])
    assert [law.liquidatable([1, at, at]) for at in (1, 2, 300)] == [False, True, True]
    assert law.verdict_over(driver.stretch(market.prices, 1, 300)) is None
    assert law.verdict_over(driver.stretch(market.prices, 2, 300)) is True
