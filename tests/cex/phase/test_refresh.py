"""Every minute, or every 15 seconds while the price runs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.refresh import Cadence, refresh_seconds
from defiliq.errors import InputError


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ([], 60),
        ([0.0, 1.0, -2.4], 60),
        ([2.5], 60),
        ([-2.5], 60),
        ([math.nextafter(2.5, 3)], 15),
        ([0.1, -2.6, 0.0], 15),
        ([math.nan], 60),
        ([math.nan, 3.0], 15),
    ],
)
def test_more_than_two_and_a_half_percent_is_fast(changes: list[float], seconds: int) -> None:
    assert refresh_seconds(changes) == seconds


def seen(*prices: tuple[float, float]) -> Cadence:
    cadence = Cadence()
    for at, price in prices:
        cadence = cadence.after(at, price)
    return cadence


def test_nothing_and_one_price_are_calm() -> None:
    assert Cadence().wait_s == 60
    assert seen((0, 100)).wait_s == 60


def test_a_run_is_followed_until_it_is_a_minute_old() -> None:
    cadence = seen((0, 100), (60, 97))
    assert cadence.wait_s == 15
    waits = []
    for at in (75, 90, 105, 120, 135):
        cadence = cadence.after(at, 97)
        waits.append(cadence.wait_s)
    assert waits == [15, 15, 15, 15, 60]


def test_exactly_so_much_is_no_run() -> None:
    assert seen((0, 60_000), (60, 61_500)).wait_s == 60
    assert seen((0, 60_000), (60, 61_501)).wait_s == 15
    assert seen((0, 60_000), (60, 58_500)).wait_s == 60


def test_a_run_over_several_looks_counts_as_a_whole() -> None:
    assert seen((0, 100), (15, 101), (30, 102), (45, 103)).wait_s == 15
    assert seen((0, 100), (30, 101), (60, 102), (90, 103), (120, 104)).wait_s == 60


def test_a_minute_is_still_within_a_minute() -> None:
    assert seen((0, 100), (30, 101.5), (60, 103)).wait_s == 15
    assert seen((0, 100), (30, 101.5), (60.1, 103)).wait_s == 60


def test_there_and_back_is_a_run() -> None:
    assert seen((0, 100), (15, 103), (30, 100)).wait_s == 15


def test_looks_further_apart_count_per_minute() -> None:
    """5% within two minutes is 2.5% in one; a little more is more."""
    assert seen((0, 100), (120, 105)).wait_s == 60
    assert seen((0, 100), (120, 105.1)).wait_s == 15


def test_what_is_no_price_or_goes_back_is_refused() -> None:
    with pytest.raises(InputError, match="no price"):
        Cadence().after(0, 0)
    with pytest.raises(InputError, match="no price"):
        Cadence().after(0, math.nan)
    with pytest.raises(InputError, match="cannot follow"):
        seen((10, 1), (9, 1))


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(90, 110)), max_size=30))
def test_it_remembers_a_minute_and_one_price(steps: list[tuple[float, float]]) -> None:
    cadence, now = Cadence(), 0.0
    for passed, price in steps:
        now += passed
        cadence = cadence.after(now, price)
        kept = [at for at, _ in cadence.seen]
        assert sum(at < now - 60 for at in kept) <= 1
        assert cadence.wait_s in (15, 60)
