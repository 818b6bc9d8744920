"""The screen and the law agree on every account, on books made to stand at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver
from defiliq.protocols import dydx_v4
from defiliq.protocols.dydx_v4 import DydxMarket, rule
from defiliq.types import Account
from tests.protocols.dydx_v4.states import accounts, at_the_edge, chain, chains, drivers, holding, perpetual
from tests.screening import assert_screen_agrees

SCENES = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Scene = tuple[DydxMarket, Account, Driver]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Small numbers near the edge, where every rounding can flip a verdict; and now and then large ones."""
    small = draw(st.integers(0, 3)) > 0
    market = draw(chains(small=small))
    most = 5_000 if small else 2**66
    account = draw(st.one_of(at_the_edge(market, most=most), accounts(market, most=most)))
    return market, account, draw(drivers(market))


def assert_screen(market: DydxMarket, rows: Sequence[Account]) -> int:
    """Every sure verdict is the law's; how many are sure."""
    named = [replace(row, owner=f"dydx1q/{k}") for k, row in enumerate(rows)]
    return assert_screen_agrees(dydx_v4, Book.build(market, named))


@st.composite
def populations(draw: st.DrawFn) -> tuple[DydxMarket, list[Account]]:
    """Accounts far from the edge, at it, and a few quantums to either side."""
    small = draw(st.booleans())
    market, most = draw(chains(small=small)), 5_000 if small else 2**80
    rows = st.one_of(accounts(market, most=most), at_the_edge(market, most=most))
    held = draw(st.lists(rows, max_size=10))
    return market, [each for each in held if max(each.legs[0].collateral, each.legs[0].debt) < 2**128]


@SCENES
@given(populations())
@example(
    (
        chain([perpetual(1, atomic_resolution=-7)], [50]),
        [holding(-5, 1), holding(-4, 1), holding(4, -1), holding(6, -1)],
    )
)
def test_the_screen_never_contradicts_the_law(scene: tuple[DydxMarket, list[Account]]) -> None:
    assert_screen(*scene)


@SCENES
@given(scenes())
def test_the_screen_at_a_level_and_beside_it(scene: Scene) -> None:
    market, account, driver = scene
    try:
        levels = find_levels(rule(account, market), 0, market.prices, driver, most_looks=20_000)
    except UnresolvedLevel:
        return
    for level in levels:
        if level.outcome == "price" and level.price is not None:
            for at in range(max(driver.lowest, level.price - 2), level.price + 3):
                assert_screen(market.at_prices(driver.prices(at)), [account])


@pytest.mark.parametrize("sign", [1, -1])
def test_every_rounding_lies_within_the_screens_doubt(sign: int) -> None:
    """Ten positions of 1.9 that count as 1, each with a margin of 1 where a millionth is required."""
    listed = [
        perpetual(k, atomic_resolution=-7, initial_margin_ppm=1, maintenance_fraction_ppm=1)
        for k in range(1, 11)
    ]
    market = chain(listed, [1] * 10)
    rows = [holding(-sign * usdc, *[19 * sign] * 10) for usdc in range(41)]
    sure = assert_screen(market, rows)
    assert sum(rule(row, market).liquidatable(market.prices) for row in rows) > 15
    assert sure < 10, "the line is within 30 of most"


def test_who_is_far_from_the_edge_does_not_need_the_law() -> None:
    market = chain([perpetual(1), perpetual(2)], [3_000, 50])
    rows = [
        holding(k * 10**4 - 50 * 10**7, 10**5, -(10**4)) for k in range(2_000) if abs(k * 10**4 - 2 * 10**8)
    ]
    assert assert_screen(market, rows) > 0.99 * len(rows)


def test_prices_of_0_as_a_stress_may_make_them() -> None:
    """What is worth nothing requires no margin, however large it is."""
    market = chain([perpetual(1), perpetual(2)], [0, 100])
    rows = [
        holding(-5, 1),
        holding(-5, 2**65),
        holding(-5, -(2**65)),
        holding(-5, 2**65, 1),
        holding(-500, 9, 1),
    ]
    assert_screen(market, rows)
    assert [rule(row, market).liquidatable(market.prices) for row in rows] == [False] * 4 + [True]
