"""Break-evens and peaks of functions that jump."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from defiliq.mev.prices import GRID, find_break_even, find_peak, grid

FUNCTIONS = st.lists(
    st.tuples(st.integers(-(10**6), 10**6), st.integers(-1_000, 1_000), st.integers(-(10**8), 10**8)),
    min_size=1,
    max_size=5,
)
"""Pieces: where each begins, its slope and its height."""


def at(pieces: list[tuple[int, int, int]], price: int) -> int:
    begun = [piece for piece in sorted(pieces) if piece[0] <= price]
    start, slope, height = (begun or [min(pieces)])[-1]
    return height + slope * (price - start)


@given(FUNCTIONS, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_a_break_even_pays_and_its_neighbour_does_not(
    pieces: list[tuple[int, int, int]], near: int, far: int
) -> None:
    found = find_break_even(lambda price: at(pieces, price), near, far)
    points = grid(near, far)
    if found is None:
        assert all(at(pieces, point) < 0 for point in points)
        return
    assert at(pieces, found) >= 0
    assert min(near, far) <= found <= max(near, far)
    if found != near:
        assert at(pieces, found + (1 if near > found else -1)) < 0
    assert all(at(pieces, point) < 0 for point in points if abs(point - near) < abs(found - near))


@given(FUNCTIONS, st.integers(-500, 500), st.integers(-500, 500))
def test_a_peak_is_no_lower_than_any_point_of_the_grid(
    pieces: list[tuple[int, int, int]], near: int, far: int
) -> None:
    found = find_peak(lambda price: at(pieces, price), near, far)
    assert found is not None
    assert at(pieces, found) >= max(at(pieces, point) for point in grid(near, far))


@given(st.integers(0, 10**11), st.integers(1, 10**11), st.booleans())
def test_a_single_hill_is_found_to_the_integer_nearly(top: int, width: int, rises: bool) -> None:
    near, far = (top + width, max(0, top - width)) if rises else (max(0, top - width), top + width)
    found = find_peak(lambda price: -((price - top) ** 2), near, far)
    assert found is not None
    assert abs(found - top) <= max(1, 2 * width // 30_000)


def test_unknown_is_not_paying() -> None:
    assert find_break_even(lambda price: None, 100, 0) is None
    assert find_peak(lambda price: None, 100, 0) is None
    assert find_break_even(lambda price: None if price > 50 else 1, 100, 0) == 50
    assert find_peak(lambda price: None if price > 50 else price, 100, 0) == 50


def test_of_equal_peaks_the_nearest() -> None:
    assert find_peak(lambda price: 7, 10**9, 10**8) == 10**9
    assert find_peak(lambda price: 7, 5, 5) == 5


def test_a_window_between_two_points_is_hidden() -> None:
    """What the module says it cannot see: 9 prices that pay, between points 1,000 apart."""
    points = grid(64_000, 0)
    assert len(points) == GRID + 1
    assert points[1] == 63_000
    assert find_break_even(lambda price: 1 if 63_400 < price < 63_410 else -1, 64_000, 0) is None


def test_grids() -> None:
    assert grid(3, 0) == [3, 2, 1, 0]
    assert grid(0, 2) == [0, 1, 2]
    assert grid(5, 5) == [5]
    whole = grid(10**30, 1)
    assert (whole[0], whole[-1], len(whole)) == (10**30, 1, GRID + 1)
