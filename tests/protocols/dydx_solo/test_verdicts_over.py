"""Verdicts over stretches of a driver against the verdict at every integer of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.dydx_solo import LIQUID, SoloMarket, rule
from defiliq.types import Account, Side
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
    law = rule(account, market)
    start = max(driver.lowest, driver.spot - near)
    walk = [at for at in range(start, driver.spot + width + 1) if driver.lowest <= at <= driver.highest]
    if falls:
        walk.reverse()
    verdict = law.verdict_over(driver.stretch(market.prices, walk[0], walk[-1]))
    verdicts = {law.liquidatable(driver.lead(market.prices, at)) for at in walk}
    event(f"{verdict} where {sorted(verdicts)}")
    if verdict is None:
        assert len(walk) > 1
    else:
        assert verdicts == {verdict}


@MANY
@given(scenes(), st.integers(-50, 50))
def test_a_single_integer_is_always_decided(scene: tuple[SoloMarket, Account, Driver], away: int) -> None:
    market, account, driver = scene
    at = min(max(driver.lowest, driver.spot + away), driver.highest)
    law = rule(account, market)
    expected = law.liquidatable(driver.lead(market.prices, at))
    assert law.verdict_over(driver.stretch(market.prices, at, at)) is expected


@settings(MANY, max_examples=300)
@given(scenes())
def test_a_level_is_the_nearest_of_all_integers(scene: tuple[SoloMarket, Account, Driver]) -> None:
    """Every integer between spot and the level, or up to 300 of them, is safe; the level is not."""
    market, account, driver = scene
    law = rule(account, market)

    def liquidatable(at: int) -> bool:
        return law.liquidatable(driver.lead(market.prices, at))

    try:
        found = find_levels(law, 0, market.prices, driver, most_looks=20_000)
    except UnresolvedLevel:
        event("only rounding decides")
        return
    levels = {level.side: level for level in found}
    if any(level.outcome == "already" for level in levels.values()):
        assert liquidatable(driver.spot)
        return
    sides: tuple[tuple[int, Side, int], ...] = ((-1, "long", driver.shallow), (1, "short", driver.highest))
    for step, side, end in sides:
        price = levels[side].price if side in levels else None
        last = max(driver.lowest, end, driver.spot - 300) if step < 0 else min(end, driver.spot + 300)
        if price is not None:
            assert liquidatable(price)
            last = max(last, price + 1) if step < 0 else min(last, price - 1)
        assert not any(liquidatable(at) for at in range(driver.spot, last + step, step))


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
    told = []
    for owed in range(15, 120):
        law = rule(holding(*[11] * 5, *(-((owed + k) // 5) for k in range(5))), market)
        verdicts = [law.liquidatable(driver.lead(market.prices, at)) for at in range(60)]
        for start in range(15, 40, 3):
            for end in range(start, start + 16):
                verdict = law.verdict_over(driver.stretch(market.prices, start, end))
                told.append(verdict)
                if verdict is not None:
                    assert set(verdicts[start : end + 1]) == {verdict}, (owed, start, end)
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
    for start in range(5, 40):
        for end in range(start, start + 15):
            verdict = law.verdict_over(driver.stretch(market.prices, start, end))
            assert verdict is None or set(verdicts[start : end + 1]) == {verdict}, (start, end)


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
