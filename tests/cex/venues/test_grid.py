"""Candles on one grid, whatever order and shape rows come in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.cex.venues.grid import at_ends, candles_of, funding_of, once, summed
from defiliq.cex.venues.rows import Rows
from tests.cex.stub import Fault, made_world, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, now_ms, read

WORLD = made_world("binance", "BTC/USDT:USDT", until_at=NOW, candles=300)
MIDNIGHT = 1_790_000_000 // DAY_S * DAY_S


def rows_at(*stamps_s: float, value: float = 5.0) -> Rows:
    """Candles of one price at some seconds."""
    return Rows(
        np.array([round(stamp * 1000) for stamp in stamps_s], dtype=np.int64),
        np.full((len(stamps_s), 7), value),
    )


def changed(change: Any) -> Any:
    """What comes back when a change befalls a page of candles."""
    with stub([WORLD], now_ms) as urls:
        urls.fail("binance", Fault(path="/klines", change=change))
        (data,) = read(urls, "binance", days=0.5)
    return data.history


def test_a_gap_is_empty_rows_and_a_count() -> None:
    history = changed(lambda rows: rows[:20] + rows[23:40] + rows[41:])
    assert len(history) == 144
    assert (np.diff(history.at) == STEP_S).all()
    assert np.flatnonzero(np.isnan(history.close_usd)).tolist() == [20, 21, 22, 40]
    assert np.isnan(history.volume_usd[[20, 21, 22, 40]]).all()
    assert np.isfinite(history.open_interest).all()
    (fault,) = history.faults
    assert "4 of 144 candles are missing, the first at 2026-09-21 03:55 UTC." in fault


def test_equal_duplicates_and_disorder_are_mended_silently() -> None:
    history = changed(lambda rows: [*rows[::-1], *rows[10:30], *rows[12:13]])
    assert history.faults == ()
    np.testing.assert_array_equal(history.close_usd, WORLD.history.close_usd[-144:])


def test_contradicting_duplicates_are_told_and_the_later_one_is_kept() -> None:
    def change(rows: Any) -> Any:
        again = [list(row) for row in rows[10:12]]
        again[0][5] = "1"
        again[0][9] = "0.5"
        return [*rows, *again]

    history = changed(change)
    (fault,) = history.faults
    assert "1 candles were sent twice with different numbers" in fault
    assert history.taker_buy_share[10] == 0.5


def test_a_venue_that_begins_later_or_stops_earlier_is_told() -> None:
    history = changed(lambda rows: rows[5:-6])
    assert len(history) == 133
    assert any("no candles before 2026-09-21 02:40 UTC" in fault for fault in history.faults)
    assert any("no candles from 2026-09-21 13:45 UTC on" in fault for fault in history.faults)
    history = changed(lambda rows: rows[:-2])
    assert len(history) == 142
    assert history.faults == ()


def test_no_candle_at_all_is_an_error() -> None:
    with pytest.raises(Exception, match="no candles between"):
        changed(lambda _rows: [])


def test_interest_with_holes_zeros_and_an_early_end_is_told() -> None:
    def change(rows: Any) -> Any:
        rows[7]["sumOpenInterest"] = "0"
        return rows[:50] + rows[52:-8]

    with stub([WORLD], now_ms) as urls:
        urls.fail("binance", Fault(path="InterestHist", change=change))
        (data,) = read(urls, "binance", days=0.5)
    interest = data.history.open_interest
    assert np.flatnonzero(np.isnan(interest)).tolist() == [7, 50, 51, *range(136, 144)]
    told = " ".join(data.history.faults)
    assert "1 readings of open interest are not positive" in told
    assert "3 of 136 readings of open interest are missing" in told
    assert "no open interest after 2026-09-21 13:35 UTC" in told


@given(
    order=st.permutations(range(12)),
    again=st.lists(st.integers(0, 11), max_size=8),
    missing=st.sets(st.integers(1, 10), max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_order_and_repetition_do_not_matter(order: list[int], again: list[int], missing: set[int]) -> None:
    sent = [place for place in [*order, *again] if place not in missing]
    rows = Rows(
        np.array([(MIDNIGHT + 60 * place) * 1000 for place in sent], dtype=np.int64),
        np.array([[place + 1.0] * 7 for place in sent]),
    )
    candles = candles_of("binance", rows, 60, MIDNIGHT, MIDNIGHT + 720, None)
    assert candles.at.tolist() == [MIDNIGHT + 60 * place for place in range(12)]
    expected = [np.nan if place in missing else place + 1.0 for place in range(12)]
    np.testing.assert_array_equal(candles.values[:, 3], expected)
    assert len(candles.faults) == bool(missing)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=20))
def test_the_later_of_two_rows_is_kept(sent: list[tuple[int, int]]) -> None:
    rows = Rows(np.array([at for at, _ in sent]), np.array([[float(value)] for _, value in sent]))
    kept, contradictions = once(rows)
    last: dict[int, int] = {}
    changes = 0
    for at, value in sent:
        changes += at in last and last[at] != value
        last[at] = value
    assert dict(zip(kept.at_ms.tolist(), kept.values[:, 0].tolist(), strict=True)) == last
    assert contradictions == changes


def test_readings_stand_at_the_end_of_a_candle_and_nowhere_else() -> None:
    candles = candles_of(
        "okx", rows_at(*(MIDNIGHT + 60 * place for place in range(10))), 60, MIDNIGHT, MIDNIGHT + 600, None
    )
    stamps = Rows(
        np.array([(MIDNIGHT + 300) * 1000 + 4, (MIDNIGHT + 600) * 1000, (MIDNIGHT + 630) * 1000]),
        np.array([[1.0], [2.0], [3.0]]),
    )
    ended = at_ends(candles, stamps, 300, stamps_end=True)
    assert np.flatnonzero(np.isfinite(ended)).tolist() == [4, 9]
    assert ended[[4, 9]].tolist() == [1.0, 2.0]
    begun = at_ends(candles, stamps, 300, stamps_end=False)
    assert np.flatnonzero(np.isfinite(begun)).tolist() == [9]
    assert begun[9] == 1.0


def test_funding_is_summed_zero_between_and_unknown_before() -> None:
    step_s = 4 * 3_600
    candles = candles_of(
        "okx",
        rows_at(*(MIDNIGHT + step_s * place for place in range(12))),
        step_s,
        MIDNIGHT,
        MIDNIGHT + 2 * DAY_S,
        None,
    )
    settled = [MIDNIGHT + DAY_S + 0.004, MIDNIGHT + DAY_S + 3_600, MIDNIGHT + DAY_S + 8 * 3_600]
    rates = Rows(np.array([round(at * 1000) for at in settled]), np.array([[0.001], [0.002], [-0.004]]))
    column = funding_of(candles, rates)
    assert np.isnan(column[:4]).all()  # ended eight hours or more before the first that is known
    assert column[4:].tolist() == [0, 0, 0.003, 0, -0.004, 0, 0, 0]
    assert np.isnan(summed(candles, rates)[5]).all()
