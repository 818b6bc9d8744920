"""The earth mover's distance: known by hand, a metric, and equal to the cheapest transport there is."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.distance import as_pct, earth_movers, spread, widest_gap
from defiliq.cex.history import Floats

Spread = tuple[Floats, Floats]


def of(*pairs: tuple[float, float]) -> Spread:
    """Prices and weights."""
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


prices = st.floats(1e-3, 1e7)
weights = st.floats(0, 1e12, allow_subnormal=False)
distributions = (
    st.lists(st.tuples(prices, weights), min_size=1, max_size=12)
    .filter(lambda pairs: max(weight for _, weight in pairs) > 1e-6)
    .map(lambda pairs: of(*pairs))
)


def test_one_dollar_each_is_as_far_as_the_prices() -> None:
    assert earth_movers(*of((100, 5)), *of((110, 7))) == pytest.approx(math.log(1.1), rel=1e-14)
    assert as_pct(earth_movers(*of((100, 5)), *of((110, 7)))) == pytest.approx(10, rel=1e-13)


def test_a_quarter_of_the_dollars_moved() -> None:
    """Three of four dollars stay at 100; one of four goes from 80 to 90."""
    one, other = of((80, 1), (100, 3)), of((90, 10), (100, 30))
    assert earth_movers(*one, *other) == pytest.approx(math.log(90 / 80) / 4, rel=1e-13)


def test_two_dollars_cross_each_other_for_nothing() -> None:
    """Dollars have no names: 100 and 200 against 200 and 100 is the same."""
    assert earth_movers(*of((100, 1), (200, 1)), *of((200, 1), (100, 1))) == 0.0


def test_split_levels_are_the_same_distribution() -> None:
    assert earth_movers(*of((100, 1), (100, 2), (50, 1)), *of((50, 2), (100, 6))) == pytest.approx(
        0, abs=1e-15
    )


def test_disjoint_ones() -> None:
    """Half a dollar each at 1 and 2 to all at 8: half goes ln 8, half ln 4."""
    one, other = of((1, 1), (2, 1)), of((8, 1))
    assert earth_movers(*one, *other) == pytest.approx((math.log(8) + math.log(4)) / 2, rel=1e-14)


@pytest.mark.parametrize("empty", [of(), of((100, 0)), of((100, 0), (90, 0))])
def test_nothing_is_at_no_distance_from_anything(empty: Spread) -> None:
    assert math.isnan(earth_movers(*empty, *of((100, 1))))
    assert math.isnan(earth_movers(*of((100, 1)), *empty))
    assert math.isnan(earth_movers(*empty, *empty))
    assert math.isnan(spread(*empty))


@pytest.mark.parametrize(
    ("bad", "seen"),
    [
        (of((0, 1)), "price"),
        (of((-1, 1)), "price"),
        (of((math.nan, 1)), "price"),
        (of((math.inf, 1)), "price"),
        (of((1, -1)), "weight"),
        (of((1, math.nan)), "weight"),
        ((np.ones(2), np.ones(3)), "2 prices"),
    ],
)
def test_senseless_ones_are_refused(bad: Spread, seen: str) -> None:
    with pytest.raises(ValueError, match=seen):
        earth_movers(*bad, *of((1, 1)))
    with pytest.raises(ValueError, match=seen):
        earth_movers(*of((1, 1)), *bad)


@given(distributions)
def test_it_is_nothing_from_itself(one: Spread) -> None:
    assert earth_movers(*one, *one) == 0.0


@given(distributions, distributions)
def test_it_is_symmetric(one: Spread, other: Spread) -> None:
    assert earth_movers(*one, *other) == pytest.approx(earth_movers(*other, *one), rel=1e-12, abs=1e-12)


@given(distributions, distributions, distributions)
def test_no_way_round_is_shorter(one: Spread, way: Spread, other: Spread) -> None:
    direct = earth_movers(*one, *other)
    assert direct <= earth_movers(*one, *way) + earth_movers(*way, *other) + 1e-12


@given(distributions, st.floats(-90, 900))
def test_a_move_by_so_many_percent_is_so_far(one: Spread, move_pct: float) -> None:
    there = one[0] * (1 + move_pct / 100), one[1]
    assert earth_movers(*one, *there) == pytest.approx(abs(math.log1p(move_pct / 100)), rel=1e-9, abs=1e-12)
    if move_pct >= 0:
        assert as_pct(earth_movers(*one, *there)) == pytest.approx(move_pct, rel=1e-8, abs=1e-9)


@given(distributions, distributions, st.floats(1e-6, 1e6))
def test_only_shares_count(one: Spread, other: Spread, times: float) -> None:
    more = one[0], one[1] * times
    assert earth_movers(*more, *other) == pytest.approx(earth_movers(*one, *other), rel=1e-9, abs=1e-12)


@given(st.lists(prices, min_size=1, max_size=5).flatmap(lambda a: st.tuples(st.just(a), st.permutations(a))))
def test_order_does_not_matter(both: tuple[list[float], list[float]]) -> None:
    one, other = (of(*((price, 1.0) for price in some)) for some in both)
    assert earth_movers(*one, *other) == pytest.approx(0, abs=1e-14)


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(
            st.lists(prices, min_size=n, max_size=n), st.lists(prices, min_size=n, max_size=n)
        )
    )
)
def test_it_is_the_cheapest_of_all_transports(both: tuple[list[float], list[float]]) -> None:
    """Of equal dollars, every way to pair them is tried."""
    one, other = both
    cheapest = min(
        sum(abs(math.log(a / b)) for a, b in zip(one, way, strict=True)) / len(one)
        for way in permutations(other)
    )
    found = earth_movers(*of(*((p, 1.0) for p in one)), *of(*((p, 1.0) for p in other)))
    assert found == pytest.approx(cheapest, rel=1e-9, abs=1e-12)


def test_the_spread_is_the_mean_distance_from_the_median() -> None:
    assert spread(*of((100, 3))) == 0.0
    assert spread(*of((50, 1), (100, 2), (200, 1))) == pytest.approx(math.log(2) / 2, rel=1e-14)
    assert spread(*of((200, 1), (100, 1))) == pytest.approx(math.log(2) / 2, rel=1e-14)


@given(distributions)
def test_no_single_price_is_nearer_than_the_spread(one: Spread) -> None:
    nearest = min(earth_movers(*one, *of((price, 1.0))) for price in one[0])
    assert spread(*one) == pytest.approx(nearest, rel=1e-9, abs=1e-11)


def test_where_curves_are_furthest_apart() -> None:
    """From 100 down, a has 10 at 90 and 5 at 80, b 4 at 95 and 30 at 80."""
    one, other = of((90, 10), (80, 5)), of((95, 4), (80, 30))
    assert widest_gap(*one, *other, falling=True) == (19.0, 80.0)
    assert widest_gap(*other, *one, falling=True) == (-19.0, 80.0)
    assert widest_gap(*one, *of((90, 4), (80, 5)), falling=True) == (-6.0, 90.0)
    assert widest_gap(*one, *other, falling=False) == (25.0, 80.0)


def test_the_same_curves_are_nowhere_apart() -> None:
    gap, at = widest_gap(*of((90, 10)), *of((90, 10)), falling=True)
    assert gap == 0.0
    assert math.isnan(at)
    assert math.isnan(widest_gap(*of(), *of(), falling=False)[1])
