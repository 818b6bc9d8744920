"""Verdicts over stretches of a driver against the verdict at every integer of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.dydx_solo import LIQUID, SoloMarket, rule
from defiliq.types import Account
from defiliq.units import WAD
from tests.protocols.dydx_solo.states import (
    accounts,
    at_the_edge,
    drivers,
    holding,
    listed,
    markets,
    solo,
)
from tests.verdicts import (
    assert_decided_at_one,
    assert_holds_at_all,
    assert_levels_are_nearest,
    near_spot,
    short_stretches,
)

MANY = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDEST = 60


@st.composite
def scenes(draw: st.DrawFn) -> tuple[SoloMarket, Account, Driver]:
    """Small numbers near the edge, where every rounding can flip a verdict; and now and then large ones."""
    small = draw(st.integers(0, 3)) > 0
    market = draw(markets(prices=st.integers(1, 300) if small else st.integers(1, 10**30)))
    most = 500 if small else 2**90
    account = draw(st.one_of(at_the_edge(market, most=most), accounts(market, most=most)))
    return market, account, draw(drivers(market))


def flicker() -> tuple[SoloMarket, Account, Driver]:
    """Supply and debt of one price and nearly one worth: what premiums cut off decides at each integer."""
    half = {"margin_premium_wad": WAD // 2}
    market = solo([listed(0, 36, **half), listed(1, 36, **half)], [100, 100], margin_ratio_wad=0)
    return market, holding(9, -4), driver_of_feeds("X", 100, 1, (Move(0), Move(1)))


@MANY
@given(scenes(), st.integers(0, WIDEST), st.integers(0, WIDEST), st.booleans())
def test_a_verdict_over_a_stretch_holds_at_every_integer(
    scene: tuple[SoloMarket, Account, Driver], near: int, width: int, falls: bool
) -> None:
    market, account, driver = scene
    walk = near_spot(driver, near, width, falls=falls)
    assert_holds_at_all(rule(account, market), market, driver, walk)


@MANY
@given(scenes(), st.integers(-50, 50))
def test_a_single_integer_is_always_decided(scene: tuple[SoloMarket, Account, Driver], away: int) -> None:
    market, account, driver = scene
    assert_decided_at_one(rule(account, market), market, driver, away)


@settings(MANY, max_examples=300)
@given(scenes())
def test_a_level_is_the_nearest_of_all_integers(scene: tuple[SoloMarket, Account, Driver]) -> None:
    market, account, driver = scene
    assert_levels_are_nearest(rule(account, market), market, driver)


def test_straight_lines_decide_where_the_worst_case_does_not() -> None:
    """Supply and debt rise together a hundredfold: their joins tell nothing, their lines everything."""
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    driver = driver_of_feeds("X", 10**18, 10**18, (Move(0), Move(1, 12, 10)))
    stretch = driver.stretch(market.prices, 10**17, 10**19)
    assert rule(holding(14 * 10**20, -(10**21)), market).verdict_over(stretch) is False
    assert rule(holding(13 * 10**20, -(10**21)), market).verdict_over(stretch) is True
    assert rule(holding(1380 * 10**18, -(10**21)), market).verdict_over(stretch) is None


@pytest.mark.parametrize(
    ("premium", "move"),
    [
        pytest.param(WAD // 2, Move(1), id="many cuts at once"),
        pytest.param(0, Move(1, 2, 3), id="the debts' price bends"),
        pytest.param(WAD // 3, Move(1, 3, 2), id="both"),
    ],
)
def test_margins_that_leave_their_line_by_nearly_all_they_can(premium: int, move: Move) -> None:
    """Five supplies of one price and five debts of another, whose cuts fall together: every short stretch."""
    reserves = [listed(k, 36, feed=k // 5, margin_premium_wad=premium) for k in range(10)]
    market = solo(reserves, [30, 30, *[1] * 8], margin_ratio_wad=WAD // 10)
    driver = driver_of_feeds("X", 30, 1, [Move(0), move])
    told: list[bool | None] = []
    for owed in range(15, 120):
        law = rule(holding(*[11] * 5, *(-((owed + k) // 5) for k in range(5))), market)
        told += short_stretches(law, market, driver, range(15, 40, 3))
    assert set(told) == {True, False, None}


@pytest.mark.parametrize(
    ("premium", "ratio", "owed", "held"),
    [(WAD // 3, WAD, 5, 106), (WAD // 10, 2 * WAD - 1, 9, 236), (WAD // 10, 9 * WAD // 10, 7, 117)],
)
def test_debts_that_lose_nearly_one_each_to_their_premium(
    premium: int, ratio: int, owed: int, held: int
) -> None:
    """Eight of them, and what they lose counts once more for the margin that they require."""
    debts = [listed(k, 36, feed=1, margin_premium_wad=premium) for k in range(1, 9)]
    market = solo([listed(0, 36), *debts], [30, 30, *[1] * 7], margin_ratio_wad=ratio)
    driver = driver_of_feeds("X", 30, 1, (Move(0), Move(1)))
    law = rule(holding(held, *[-owed] * 8), market)
    verdicts = [law.liquidatable(driver.lead(market.prices, at)) for at in range(60)]
    assert set(verdicts[1:]) == {True, False}
    short_stretches(law, market, driver, range(5, 40))


def test_where_only_rounding_decides_the_verdict_is_not_told() -> None:
    market, account, driver = flicker()
    law = rule(account, market)
    verdicts = {law.liquidatable(driver.lead(market.prices, at)) for at in range(50, 151)}
    assert verdicts == {False}
    assert law.verdict_over(driver.stretch(market.prices, 50, 150)) is not True


def test_a_liquid_account_at_any_price() -> None:
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    driver = driver_of_feeds("X", 10**18, 10**18, (Move(0), Move(1)))
    stretch = driver.stretch(market.prices, 1, 10**30)
    assert rule(holding(10**30, -1, mode=LIQUID), market).verdict_over(stretch) is True
    assert rule(holding(10**30, mode=LIQUID), market).verdict_over(stretch) is False
    to_nothing = stretch._replace(low=[0, 0], start=[0, 0])
    assert rule(holding(10**30, -1, mode=LIQUID), market).verdict_over(to_nothing) is None
