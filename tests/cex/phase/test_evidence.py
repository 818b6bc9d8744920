"""Open interest, funding and order books: numbers by hand, and numbers that are not known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.evidence import (
    book_depth,
    funding_skew,
    open_interest_trend,
    skew_together,
    trend_together,
)
from defiliq.cex.history import VenueData
from defiliq.cex.tracks import track
from tests.cex.phase.histories import DAY, HOUR, book, data, ending, history

NAN = math.nan
CANDLES = 24 * 8


def test_open_interest_over_a_day_and_a_week() -> None:
    """1,000 a week ago, 1,200 a day ago, 1,080 now; 100 dollars a coin now, whatever it was."""
    held = np.full(CANDLES, 1_000.0)
    held[-30:] = 1_200
    held[-1] = 1_080
    found = open_interest_trend(track(history(open_interest=held, price=ending(100, before=50))))
    assert found.now_usd == 108_000
    assert found.day_pct == pytest.approx(-10, rel=1e-12)
    assert found.week_pct == pytest.approx(8, rel=1e-12)


def test_a_change_needs_both_of_its_ends() -> None:
    found = open_interest_trend(track(history(24 * 3)))
    assert found.day_pct == 0
    assert math.isnan(found.week_pct)
    unknown = open_interest_trend(track(history(open_interest=ending(NAN, before=1))))
    assert all(math.isnan(value) for value in (unknown.now_usd, unknown.day_pct))


def test_together_each_change_is_of_those_that_know_both_ends() -> None:
    """100 to 110 and 300 to 270 is 400 to 380; the third is known now alone."""
    parts = [
        history(open_interest=ending(1.1, before=1.0)),
        history(open_interest=ending(2.7, before=3.0), venue="okx"),
        history(open_interest=ending(5.0, before=NAN), venue="bybit"),
    ]
    found = trend_together([track(one) for one in parts])
    assert found.now_usd == pytest.approx(110 + 270 + 500)
    assert found.day_pct == pytest.approx(-5, rel=1e-12)
    none = trend_together([])
    assert math.isnan(none.now_usd)
    assert math.isnan(none.day_pct)


def by_days(*rates: float) -> list[float]:
    """Funding by the hour, a third of each day's rate every eight hours."""
    column = []
    for rate in rates:
        column += [rate / 3 if hour % 8 == 7 else 0.0 for hour in range(24)]
    return column


def test_funding_of_a_week() -> None:
    """Eight days: of the seven before the last, two are below it, two like it, three above: (2 + 1) / 7."""
    days = [0.0001, 0.0002, 0.0003, 0.0003, 0.0004, 0.0005, 0.0006, 0.0003]
    found = funding_skew(history(funding=by_days(*days)))
    assert found.last_day_rate == 0.0003
    assert found.mean_day_rate == pytest.approx(sum(days[1:]) / 7)
    assert found.percentile == pytest.approx(100 * 3 / 7)
    assert found.sign == "longs_pay"


@pytest.mark.parametrize(("rate", "sign"), [(-0.0001, "shorts_pay"), (0.0, "nobody_pays"), (NAN, None)])
def test_who_pays(rate: float, sign: str | None) -> None:
    assert funding_skew(history(funding=rate)).sign == sign


def test_a_percentile_among_few_days_is_none() -> None:
    seven = funding_skew(history(24 * 7, funding=by_days(*[0.0001] * 7)))
    assert math.isnan(seven.percentile)
    assert seven.mean_day_rate == pytest.approx(0.0001)
    eight = funding_skew(history(24 * 8, funding=by_days(*[0.0001] * 7, 0.0002)))
    assert eight.percentile == 100


def test_a_day_with_an_unknown_candle_is_unknown() -> None:
    column = np.array(by_days(*[0.0001] * 9, 0.0004))
    column[24 * 8 + 3] = NAN  # the day before the last
    found = funding_skew(history(len(column), funding=column))
    assert found.mean_day_rate == pytest.approx((0.0004 + 5 * 0.0001) / 6)
    assert found.percentile == 100
    column[-1] = NAN
    assert math.isnan(funding_skew(history(len(column), funding=column)).last_day_rate)
    assert math.isnan(funding_skew(history(12)).mean_day_rate)


def test_daily_candles_have_days_too() -> None:
    found = funding_skew(history(9, DAY, funding=[0.0001] * 8 + [-0.0002]))
    assert (found.last_day_rate, found.percentile) == (-0.0002, 0)


def test_funding_together_is_weighted_by_open_interest() -> None:
    one = history(open_interest=30.0, funding=by_days(*[0.0004] * 8))
    other = history(open_interest=10.0, funding=by_days(*[-0.0004] * 8), venue="okx")
    silent = history(open_interest=60.0, funding=NAN, venue="bybit")
    assert skew_together([one, other, silent]).last_day_rate == pytest.approx(0.0002, rel=1e-12)
    assert skew_together([silent]).sign is None
    assert math.isnan(skew_together([]).mean_day_rate)


BIDS = [(99.9, 100.0), (99.5, 200.0), (99.0, 400.0), (98.0, 800.0)]
ASKS = [(100.1, 50.0), (101.0, 70.0)]


def test_what_rests_near_the_middle() -> None:
    """The middle is 100; bids lie 0.1, 0.5, 1 and 2% below it."""
    found = book_depth([data(history(), book(BIDS, ASKS))], "long", 300.0)
    assert found.within_usd == (300, 700, 1_500)
    assert found.published_pct == pytest.approx(2)
    assert found.least_moved_pct == found.most_moved_pct == pytest.approx(0.5)
    assert not found.runs_dry
    assert found.names == ("binance ETH/USDT:USDT",)


@pytest.mark.parametrize(
    ("traded", "moved"), [(0.0, 0.0), (1.0, 0.1), (100.0, 0.1), (100.01, 0.5), (1_500.0, 2.0)]
)
def test_how_far_a_sale_goes_through_the_bids(traded: float, moved: float) -> None:
    found = book_depth([data(history(), book(BIDS, ASKS))], "long", traded)
    assert found.most_moved_pct == pytest.approx(moved)


def test_purchases_meet_asks() -> None:
    found = book_depth([data(history(), book(BIDS, ASKS))], "short", 60.0)
    assert found.within_usd == (50, 120, 120)
    assert found.most_moved_pct == pytest.approx(1)


def test_a_book_that_runs_dry_moves_at_least_as_far_as_it_is_published() -> None:
    found = book_depth([data(history(), book(BIDS, ASKS))], "short", 121.0)
    assert found.runs_dry
    assert found.most_moved_pct == math.inf
    assert found.least_moved_pct == pytest.approx(1)


def test_books_are_merged_by_distance_from_their_own_middles() -> None:
    """The other venue stands at 200, with bids 0.2 and 0.3% below; beyond 0.3% its book is not published."""
    other = book([(199.6, 10.0), (199.4, 1_000.0)], [(200.4, 5.0)])
    both = [data(history(), book(BIDS, ASKS)), data(history(venue="okx"), other)]
    found = book_depth(both, "long", 1_100.0)
    assert found.within_usd[0] == 1_310
    assert found.published_pct == pytest.approx(0.3)
    assert found.least_moved_pct == found.most_moved_pct == pytest.approx(0.3)
    deeper = book_depth(both, "long", 2_000.0)
    assert deeper.least_moved_pct == pytest.approx(0.3)
    assert deeper.most_moved_pct == pytest.approx(2)


@pytest.mark.parametrize(
    "venue",
    [
        data(history()),
        data(history(), book([], ASKS)),
        data(history(), book(BIDS, [])),
        data(history(), book(BIDS, ASKS, at=history().until_at - 2 * HOUR)),
    ],
)
def test_without_a_whole_book_of_now_there_is_none(venue: VenueData) -> None:
    found = book_depth([venue], "long", 1.0)
    assert found.names == ()
    assert all(math.isnan(value) for value in (*found.within_usd, found.least_moved_pct))
    assert not found.runs_dry
    assert book_depth([], "long", 1.0).names == ()


sizes = st.lists(st.tuples(st.floats(0.001, 0.2), st.floats(1, 1e6)), min_size=1, max_size=20)


@given(sizes, sizes, st.floats(0, 1e7), st.floats(1, 2))
def test_more_moves_further_and_the_truth_lies_between(
    one: list[tuple[float, float]], other: list[tuple[float, float]], traded: float, times: float
) -> None:
    venues = [
        data(history(venue=name), book(sorted([(100 * (1 - d), s) for d, s in rest], reverse=True), ASKS))
        for name, rest in (("binance", one), ("okx", other))
    ]
    less, more = (book_depth(venues, "long", usd) for usd in (traded, traded * times))
    assert less.least_moved_pct <= less.most_moved_pct <= more.most_moved_pct
    assert less.least_moved_pct <= more.least_moved_pct
    assert list(less.within_usd) == sorted(less.within_usd)
    alone = book_depth(venues[:1], "long", traded)
    assert all(a <= b for a, b in zip(alone.within_usd, less.within_usd, strict=True))
    assert replace(less, traded_usd=0.0) == replace(
        book_depth(venues[::-1], "long", traded), traded_usd=0.0, names=less.names
    )
