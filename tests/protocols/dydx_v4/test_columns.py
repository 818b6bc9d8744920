"""dYdX v4's columns against its law: requirements, levels, bands and screens, on states made to be hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.book import Book, Requirement
from defiliq.engine import bulk
from defiliq.engine.solve import find_levels
from defiliq.engine.sweep import FOR_LAW, FOUND, NEVER, UNRESOLVED
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.dydx_v4 import DydxMarket, margin, rule, values
from defiliq.protocols.dydx_v4.values import beyond_columns
from defiliq.types import Account, Side
from defiliq.units import PPM
from tests.protocols.dydx_v4.states import chain, drivers, holding, perpetual
from tests.protocols.dydx_v4.test_screen import assert_screen, scenes

SCENES = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIDES: tuple[Side, Side] = ("long", "short")
Scene = tuple[DydxMarket, Account, Driver]


def up(millionths: int) -> int:
    """Whole ones, rounded up."""
    return (millionths + PPM - 1) // PPM


@SCENES
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 3_000_000), st.integers(0, 2**60 - 1)),
            st.one_of(st.sampled_from([0, 1, 20_000, 999_999, PPM]), st.integers(0, PPM)),
            st.one_of(st.sampled_from([0, 1, 600_000, 999_999, PPM]), st.integers(0, PPM)),
        ),
        max_size=40,
    )
)
def test_a_requirement_is_rounded_up_twice(rows: list[tuple[int, int, int]]) -> None:
    value, first, second = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(3))
    required = Requirement(first, second, PPM)
    expected = [up(up(v * a) * b) for v, a, b in rows]
    assert required.of(value).tolist() == expected
    assert required.take(np.arange(len(rows))[::-1]).of(value[::-1]).tolist() == expected[::-1]
    assert all(0 <= needed <= v for needed, (v, _, _) in zip(expected, rows, strict=True))


def assert_as_the_law(market: DydxMarket, account: Account, driver: Driver) -> set[int]:
    """Columns say of an account that is safe at spot what the law says; the states that they end in."""
    law = rule(account, market)
    if law.liquidatable(driver.lead(market.prices, driver.spot)):
        return set()
    book = Book.build(market, [account])
    prepared = bulk.prepare(margin(book), values(book), market.prices, driver, np.arange(1))
    states = set()
    for side in SIDES:
        found = bulk.crossings(prepared, side)
        states.add(int(found.state[0]))
        if found.state[0] in (FOR_LAW, UNRESOLVED):
            continue
        try:
            levels = find_levels(law, 0, market.prices, driver, (side,), most_looks=2_000)
        except UnresolvedLevel:
            continue
        expected = [(level.price, level.band or bulk.NO_BAND) for level in levels if level.outcome == "price"]
        assert expected == ([(found.price[0], found.band[0])] if found.state[0] == FOUND else []), side
    return states


def told(states: set[int]) -> None:
    names = {NEVER: "never", FOUND: "found", FOR_LAW: "for the law", UNRESOLVED: "unresolved"}
    event(", ".join(sorted(names[state] for state in states)) or "already")


@SCENES
@given(scenes())
def test_levels_of_any_state(scene: Scene) -> None:
    told(assert_as_the_law(*scene))


@st.composite
def real_scenes(draw: st.DrawFn) -> Scene:
    """Sizes and scales of the chain: units from 1 to 10**18 and beyond, dust, whales, USDC near nothing."""
    count = draw(st.integers(1, 4))
    listed, prices = [], []
    for position in range(1, count + 1):
        resolution, exponent = draw(st.integers(-12, 2)), draw(st.integers(-12, 0))
        imf, mf = draw(
            st.sampled_from([(20_000, 600_000), (50_000, 600_000), (10**6, 200_000), (1, 1), (10**6, 10**6)])
        )
        listed.append(
            perpetual(
                position,
                atomic_resolution=resolution,
                exponent=exponent,
                initial_margin_ppm=imf,
                maintenance_fraction_ppm=mf,
            )
        )
        prices.append(draw(st.integers(10**6, 10**10)))
    market = chain(listed, prices)
    sizes = []
    for reserve, price in zip(listed, prices, strict=True):
        one = max(1, int(10**-reserve.quantum_exponent if reserve.quantum_exponent < 0 else 1) // price)
        scale = draw(st.sampled_from([0, 1, 3, 10**3, 10**6, 10**9, 10**12]))
        size = draw(st.integers(max(0, one * scale // 2), min(one * scale * 2, 2**80)))
        sizes.append(size * draw(st.sampled_from([1, -1])))
    bare = rule(holding(0, *sizes), market).margin(market.prices)
    usdc = draw(
        st.one_of(
            st.integers(-3, 3),
            st.integers(-3, 3).map(lambda off: off - bare),
            st.integers(1, 200).map(lambda share: -bare + abs(bare) * share // 100),
            st.just(2**70),
        )
    )
    return market, holding(usdc, *sizes), draw(st.one_of(drivers(market), billionths(market)))


def billionths(market: DydxMarket) -> st.SearchStrategy[Driver]:
    """All together, as `ALL` moves them: 10**9 is where they stand."""
    moves = [Move(feed, price, 10**9) for feed, price in enumerate(market.prices) if feed]
    return st.just(driver_of_feeds("ALL", 10**9, 10**9, moves))


@settings(SCENES, max_examples=500)
@given(real_scenes())
def test_levels_of_real_sizes(scene: Scene) -> None:
    told(assert_as_the_law(*scene))


@st.composite
def mixed_scenes(draw: st.DrawFn) -> Scene:
    """A long and a short in two perpetuals of one market, which nearly cancel: rounding alone decides."""
    resolution = draw(st.integers(-8, -5))
    margins = [(draw(st.sampled_from([1, 3_000, 50_000, 400_000])), draw(st.sampled_from([1, 600_000, PPM])))]
    margins.append(draw(st.sampled_from([margins[0], (20_000, 500_000)])))
    listed = [
        perpetual(
            k,
            feed=1,
            atomic_resolution=resolution,
            initial_margin_ppm=imf,
            maintenance_fraction_ppm=mf,
        )
        for k, (imf, mf) in enumerate(margins, start=1)
    ]
    price, size = draw(st.integers(2, 2_000)), draw(st.integers(1, 3_000))
    market = chain(listed, [price, 1])
    sizes = [size, -size + draw(st.integers(-3, 3))]
    if draw(st.booleans()):
        sizes.reverse()
    bare = rule(holding(0, *sizes), market).margin(market.prices)
    usdc = draw(st.one_of(st.integers(-8, 8), st.integers(-1, 8).map(lambda off: off - bare)))
    return market, holding(usdc, *sizes), driver_of_feeds("P1-USD", price, 1, [Move(1)])


@settings(SCENES, max_examples=250)
@given(mixed_scenes())
def test_levels_of_a_long_and_a_short_on_one_driver(scene: Scene) -> None:
    told(assert_as_the_law(*scene))


@pytest.mark.parametrize("margins", [((50_000, 600_000), (50_000, 600_000)), ((1, PPM), (2, PPM))])
def test_a_flicker_has_the_laws_band(margins: Sequence[tuple[int, int]]) -> None:
    """Longs and shorts of one market whose values and margins are rounded at different prices."""
    listed = [
        perpetual(k, feed=1, atomic_resolution=-7, initial_margin_ppm=imf, maintenance_fraction_ppm=mf)
        for k, (imf, mf) in enumerate(margins, start=1)
    ]
    market = chain(listed, [1_000, 1])
    driver = driver_of_feeds("P1-USD", 1_000, 1, [Move(1)])
    bands = 0
    for size in (1, 7, 13, 49):
        for off, other in product((1, 3, 7), (size, size + 1)):
            bare = rule(holding(0, size, -other), market).margin(market.prices)
            account = holding(off - bare, size, -other)
            assert_as_the_law(market, account, driver)
            bands += sum(one > bulk.NO_BAND for one in bands_of(market, account, driver))
    assert bands >= 4


def bands_of(market: DydxMarket, account: Account, driver: Driver) -> list[int]:
    """What columns say of both sides."""
    book = Book.build(market, [account])
    prepared = bulk.prepare(margin(book), values(book), market.prices, driver, np.arange(1))
    return [bulk.crossings(prepared, side).band.item(0) for side in SIDES]


DUST = chain([perpetual(1, atomic_resolution=-7)], [50])
"""A quantum is worth 5 quote quantums."""


@pytest.mark.parametrize("price", [1, 9, 10, 11, 50])
def test_dust_that_is_worth_nothing_near_a_price_of_1(price: int) -> None:
    market = DUST.at_prices({1: price})
    driver = driver_of_feeds("P1-USD", price, 1, [Move(1)])
    rows = [holding(usdc, size) for size in range(-4, 5) for usdc in range(-12, 13)]
    assert UNRESOLVED not in set().union(*(assert_as_the_law(market, row, driver) for row in rows))
    assert_screen(market, rows)


BITCOIN = chain(
    [perpetual(1, atomic_resolution=-10, exponent=-5, initial_margin_ppm=20_000)],
    [2868819524],
)
JOINT = driver_of_feeds("ALL", 10**9, 10**9, [Move(1, 2868819524, 10**9)])


@pytest.mark.parametrize("usdc", [-3, -2, -1])
@pytest.mark.parametrize("size", [*range(330_000_000, 500_000_001, 10_000_000), 499_999_999])
def test_joint_drivers_that_jump_from_nothing_to_more_than_1(size: int, usdc: int) -> None:
    """At a billionth of spot a price of 2868819524 is 2, at two it is 5.

    So a position goes from a notional of 0, which requires no margin, to 2 at once: the law never liquidates
    one that owes a quantum, though its margin is negative at the lowest integer.
    """
    market = chain(
        [perpetual(1, atomic_resolution=-10, exponent=-5, initial_margin_ppm=20_000)], [2868819524]
    )
    driver = driver_of_feeds("ALL", 10**9, 10**9, [Move(1, 2868819524, 10**9)])
    assert_as_the_law(market, holding(usdc, size), driver)


def test_the_lowest_integer_of_a_joint_driver_is_for_the_law() -> None:
    market = chain(
        [perpetual(1, atomic_resolution=-10, exponent=-5, initial_margin_ppm=20_000)], [2868819524]
    )
    driver = driver_of_feeds("ALL", 10**9, 10**9, [Move(1, 2868819524, 10**9)])
    account = holding(-1, 450_000_000)
    law = rule(account, market)
    assert law.margin(driver.lead(market.prices, 1)) < 0
    assert not law.liquidatable(driver.lead(market.prices, 1))
    assert [level.outcome for level in find_levels(law, 0, market.prices, driver)] == ["never"]
    assert assert_as_the_law(market, account, driver) == {FOR_LAW, NEVER}


def test_ten_positions_whose_values_and_margins_are_all_rounded() -> None:
    """Each loses nearly 1 of its value and nearly 2 to its margin: the lines must allow for all of it."""
    listed = [
        perpetual(k, feed=1, atomic_resolution=-8, initial_margin_ppm=10_001, maintenance_fraction_ppm=99)
        for k in range(1, 11)
    ]
    market = chain(listed, [1_000, *[1] * 9])
    driver = driver_of_feeds("P1-USD", 1_000, 1, [Move(1)])
    found = set()
    for sign in (1, -1):
        for usdc in range(50, 2_000, 7):
            sizes = [sign * (99 + k) for k in range(10)]
            found |= assert_as_the_law(market, holding(-sign * usdc, *sizes), driver)
    assert FOUND in found
    assert not found & {FOR_LAW, UNRESOLVED}


def test_who_is_for_the_law() -> None:
    """A position without a margin fraction; a scale beyond the columns; debt and no notional. No one else."""
    listed = [
        perpetual(1),
        perpetual(2, initial_margin_ppm=0),
        perpetual(3, maintenance_fraction_ppm=0),
        perpetual(4, exponent=1),
        perpetual(5, atomic_resolution=-25),
        perpetual(6, atomic_resolution=-24),
        perpetual(7, atomic_resolution=-7),
    ]
    market = chain(listed, [50] * 7)
    rows = [
        (holding(-1, 1), False),
        (holding(-1, 0, 1), True),
        (holding(-1, 0, 0, 1), True),
        (holding(-1, 0, 0, 0, 1), True),
        (holding(-1, 0, 0, 0, 0, 10**19), True),
        (holding(-1, 0, 0, 0, 0, 0, 2 * 10**16), False),
        (holding(-1, 0, 0, 0, 0, 0, 1), True),
        (holding(-1, 0, 0, 0, 0, 0, 0, 1), False),
        (holding(-1), True),
        (holding(1), False),
        (holding(5, 1, 0, 0, 0, 0, 0, -1), False),
        (holding(5, 1, 1), True),
    ]
    book = Book.build(market, [replace(row, owner=f"dydx1q/{k}") for k, (row, _) in enumerate(rows)])
    assert beyond_columns(book).tolist() == [expected for _, expected in rows]
    assert values(book).law_only.tolist() == margin(book).law_only.tolist() == [e for _, e in rows]
    assert_screen(market, [row for row, _ in rows])


def test_no_margin_and_nothing_left_is_left_alone() -> None:
    """Without a margin fraction nobody is liquidated however much is owed: the screen must not say so."""
    market = chain([perpetual(1, initial_margin_ppm=0), perpetual(2, atomic_resolution=-7)], [1_000, 9])
    rows = [holding(-(10**6), 1), holding(-(10**6), 0, 1), holding(-(10**6)), holding(-(10**6), -1)]
    assert_screen(market, rows)
    for account in rows:
        assert not rule(account, market).liquidatable(market.prices)
        for feed, price in ((1, 1_000), (2, 9)):
            states = assert_as_the_law(market, account, driver_of_feeds("X", price, 1, [Move(feed)]))
            assert FOUND not in states


@pytest.mark.parametrize("bits", [59, 60, 61, 63, 64, 65, 70, 95])
def test_whales(bits: int) -> None:
    """Values beyond 2**60 are for the law; a size beyond 2**64 alone is not."""
    small = chain([perpetual(1, atomic_resolution=-24)], [2_000_000])
    large = chain([perpetual(1)], [2_000_000])
    driver = driver_of_feeds("P1-USD", 2_000_000, 1, [Move(1)])
    for market in (small, large):
        for size in (2**bits, -(2**bits)):
            bare = rule(holding(0, size), market).margin(market.prices)
            states = assert_as_the_law(market, holding(-bare + abs(bare) // 9 + 5, size), driver)
            value = 2**bits * 2_000_000 // (10**18 if market is small else 1)
            if value < 2**58:
                assert states == {FOUND, NEVER}
            assert states <= {FOUND, NEVER, FOR_LAW}
