"""Verdicts over stretches of a driver against the verdict at every integer of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.compound_v3 import CometMarket, CometReserve, rule
from defiliq.types import Account
from defiliq.units import WAD
from tests.protocols.compound_v3.states import (
    SMALL_DECIMALS,
    accounts,
    at_the_edge,
    base_asset,
    collateral,
    comet,
    comets,
    drivers,
    owing,
)
from tests.verdicts import (
    assert_decided_at_one,
    assert_holds_at_all,
    assert_levels_are_nearest,
    near_spot,
    short_stretches,
)

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDEST = 60


@st.composite
def scenes(draw: st.DrawFn) -> tuple[CometMarket, Account, Driver]:
    """Small numbers near the edge, where every rounding can flip a verdict; and now and then large ones."""
    small = draw(st.integers(0, 3)) > 0
    decimals = SMALL_DECIMALS if small else st.sampled_from([6, 8, 18])
    prices = st.integers(1, 300) if small else st.integers(1, 10**13)
    market = draw(comets(decimals=decimals, prices=prices))
    most = 5000 if small else 2**90
    account = draw(st.one_of(at_the_edge(market, most=most), accounts(market, most=most)))
    return market, account, draw(drivers(market))


def flicker() -> tuple[CometMarket, Account, Driver]:
    """A base and a collateral of one price: the exact margin is 0, and rounding decides at each integer."""
    market = comet([base_asset(1), collateral(1, 0, liquidate_factor_wad=9 * WAD // 10)], [100, 100])
    return market, owing(-9, 1), driver_of_feeds("X", 100, 1, (Move(0), Move(1)))


@MANY
@given(scenes(), st.integers(0, WIDEST), st.integers(0, WIDEST), st.booleans())
@example(flicker(), 0, 50, True)
def test_a_verdict_over_a_stretch_holds_at_every_integer(
    scene: tuple[CometMarket, Account, Driver], near: int, width: int, falls: bool
) -> None:
    market, account, driver = scene
    walk = near_spot(driver, near, width, falls=falls)
    assert_holds_at_all(rule(account, market), market, driver, walk)


@MANY
@given(scenes(), st.integers(-50, 50))
def test_a_single_integer_is_always_decided(scene: tuple[CometMarket, Account, Driver], away: int) -> None:
    market, account, driver = scene
    assert_decided_at_one(rule(account, market), market, driver, away)


@settings(MANY, max_examples=300)
@given(scenes())
def test_a_level_is_the_nearest_of_all_integers(scene: tuple[CometMarket, Account, Driver]) -> None:
    market, account, driver = scene
    assert_levels_are_nearest(rule(account, market), market, driver)


def test_straight_lines_decide_where_the_worst_case_does_not() -> None:
    """Collateral and debt rise together a hundredfold: their joins tell nothing, their lines everything."""
    market = comet([base_asset(6), collateral(1)], [10**8, 10**8])
    driver = driver_of_feeds("X", 10**8, 10**8, (Move(0), Move(1, 12, 10)))
    stretch = driver.stretch(market.prices, 10**7, 10**9)
    assert rule(owing(-(10**9), 10**21), market).verdict_over(stretch) is False
    assert rule(owing(-2 * 10**9, 10**21), market).verdict_over(stretch) is True
    assert rule(owing(-102 * 10**7, 10**21), market).verdict_over(stretch) is None


CUT = [collateral(k, 1, liquidate_factor_wad=95 * WAD // 100) for k in range(1, 11)]
WHOLE = [collateral(1, 0, liquidate_factor_wad=WAD)]
THIRDS = (2, 3)


@pytest.mark.parametrize(
    ("decimals", "listed", "balance", "moves", "debts"),
    [
        pytest.param(1, CUT, 13, [Move(k) for k in range(11)], range(108, 137), id="many cuts at once"),
        pytest.param(
            0, WHOLE, 300, [Move(0), Move(1, *THIRDS)], range(190, 211), id="collateral's price bends"
        ),
        pytest.param(0, WHOLE, 200, [Move(0, *THIRDS), Move(1)], range(290, 311), id="debt's price bends"),
    ],
)
def test_margins_that_leave_their_line_by_nearly_all_they_can(
    decimals: int, listed: list[CometReserve], balance: int, moves: list[Move], debts: range
) -> None:
    """Collateral and debt under one driver, whose cuts fall together in some places: every short stretch."""
    market = comet([base_asset(decimals), *listed], [30] * (len(listed) + 1))
    driver = driver_of_feeds("X", 30, 1, moves)
    told: list[bool | None] = []
    for debt in debts:
        told += short_stretches(rule(owing(-debt, *[balance] * len(listed)), market), market, driver)
    assert set(told) == {True, False, None}


def test_where_only_rounding_decides_the_search_gives_up_by_name() -> None:
    market, account, driver = flicker()
    with pytest.raises(UnresolvedLevel):
        find_levels(rule(account, market), 0, market.prices, driver, most_looks=1000)
