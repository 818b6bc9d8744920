"""Rows of a venue put on one regular grid of candles; what is missing or was mended is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.cex.history import Floats, Int64s
from defiliq.cex.venues.rows import Rows
from defiliq.errors import BadVenueAnswer

MS: Final = 1_000
LARGEST_PRICE_USD: Final = 1e12
LARGEST_AMOUNT: Final = 1e18
LONGEST_FUNDING_S: Final = 8 * 3_600
"""No venue here settles more rarely."""
LATE_CANDLES: Final = 2
"""So many at the end may not be published yet."""


def utc(at: int) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles on a grid: `at` (t,) seconds; `values` (t, 7) as the venues' series have them, NaN in gaps."""

    at: Int64s
    step_s: int
    values: Floats
    faults: tuple[str, ...]

    @property
    def until_at(self) -> int:
        """When the last one ends."""
        return int(self.at[-1]) + self.step_s


def once(rows: Rows) -> tuple[Rows, int]:
    """One row per time, the later one of those that were sent, and how many contradicted each other."""
    if len(rows) < 2:
        return rows, 0
    order = np.argsort(rows.at_ms, kind="stable")
    at_ms, values = rows.at_ms[order], rows.values[order]
    is_again = at_ms[1:] == at_ms[:-1]
    is_same = ((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))).all(axis=1)
    is_last = np.append(~is_again, True)
    return Rows(at_ms[is_last], values[is_last]), int((is_again & ~is_same).sum())


def candles_of(
    venue: str, rows: Rows, step_s: int, since_at: int, until_at: int, listed_at: int | None
) -> Candles:
    """Candles of [since, until) on the grid, from the first that there is to the last.

    The rows have passed `judge_candles`. BadVenueAnswer where there are none.
    """
    rows, contradictions = once(rows.within(since_at * MS, until_at * MS))
    if not len(rows):
        raise BadVenueAnswer(venue, f"no candles between {utc(since_at)} and {utc(until_at)}")
    place = rows.at_ms // (step_s * MS)
    at = np.arange(place[0], place[-1] + 1, dtype=np.int64) * step_s
    values = np.full((len(at), rows.values.shape[1]), np.nan)
    values[place - place[0]] = rows.values
    faults = []
    if contradictions:
        faults.append(
            f"{contradictions} candles were sent twice with different numbers; the later were kept."
        )
    is_gap = np.isnan(values[:, 3])
    if is_gap.any():
        faults.append(
            f"{int(is_gap.sum())} of {len(at)} candles are missing, the first at {_first(at, is_gap)}."
        )
    began_at = max(since_at, listed_at or 0)
    if at[0] >= began_at + step_s:
        faults.append(f"there are no candles before {utc(int(at[0]))}.")
    if at[-1] + (LATE_CANDLES + 1) * step_s < until_at:
        faults.append(f"there are no candles from {utc(int(at[-1]) + step_s)} on.")
    return Candles(at, step_s, values, tuple(faults))


def judge_candles(venue: str, rows: Rows, step_s: int) -> None:
    """BadVenueAnswer where a candle is not on the grid, or its numbers make no sense."""
    values = rows.values
    if (rows.at_ms % (step_s * MS)).any():
        raise BadVenueAnswer(venue, f"a candle that does not open at a multiple of {step_s} s")
    opened, high, low, close, volume = values[:, :5].T
    if (values[:, :4] <= 0).any() or (values[:, :4] > LARGEST_PRICE_USD).any():
        raise BadVenueAnswer(venue, "a candle with a price that is none")
    if (high < np.maximum(opened, close)).any() or (low > np.minimum(opened, close)).any():
        raise BadVenueAnswer(venue, "a candle whose prices are not between its low and its high")
    bought, traded = values[:, 5], values[:, 6]
    with np.errstate(invalid="ignore"):
        is_absurd = (volume < 0) | (volume > LARGEST_AMOUNT) | (bought < 0) | (bought > traded)
    if is_absurd.any():
        raise BadVenueAnswer(venue, "a candle with a volume that is none")


def _first(at: Int64s, mask: NDArray[np.bool_]) -> str:
    return utc(int(at[np.argmax(mask)]))


def at_ends(candles: Candles, rows: Rows, period_s: int, *, stamps_end: bool) -> Floats:
    """(t,) the first column at the end of each candle, where a row stands for just that moment; else NaN."""
    rows, _ = once(rows)
    end_s = _seconds(rows.at_ms) + (0 if stamps_end else period_s)
    place, is_exact = np.divmod(end_s - candles.step_s - candles.at[0], candles.step_s)
    is_in = (is_exact == 0) & (place >= 0) & (place < len(candles.at))
    column = np.full(len(candles.at), np.nan)
    column[place[is_in]] = rows.values[is_in, 0]
    return column


def summed(candles: Candles, rows: Rows) -> Floats:
    """(t, k) sums of what began within each candle, NaN where nothing did."""
    rows, _ = once(rows)
    place = (_seconds(rows.at_ms) - candles.at[0]) // candles.step_s
    is_in = (place >= 0) & (place < len(candles.at))
    sums = np.zeros((len(candles.at), rows.values.shape[1]))
    np.add.at(sums, place[is_in], rows.values[is_in])
    is_empty = np.bincount(place[is_in], minlength=len(candles.at)) == 0
    sums[is_empty] = np.nan
    return sums


def funding_of(candles: Candles, rows: Rows) -> Floats:
    """(t,) the rates settled within each candle, 0 where none was, NaN where none can be known.

    Nothing is known more than a settlement before the first row; none is settled later than the last candle.
    """
    if not len(rows):
        return np.full(len(candles.at), np.nan)
    rates = np.nan_to_num(summed(candles, rows)[:, 0])
    known_from_at = int(_seconds(rows.at_ms).min()) - LONGEST_FUNDING_S
    rates[candles.at + candles.step_s <= known_from_at] = np.nan
    return rates


def interest_faults(
    candles: Candles, interest: Floats, spans: Sequence[tuple[int, int, int]]
) -> tuple[Floats, list[str]]:
    """Open interest without readings that are none, and what is missing of it.

    `spans` are the (period_s, since_at, until_at) that it was asked for in, the newest first.
    """
    faults = []
    with np.errstate(invalid="ignore"):
        is_none = (interest <= 0) | (interest > LARGEST_AMOUNT)
    if is_none.any():
        interest = np.where(is_none, np.nan, interest)
        faults.append(f"{int(is_none.sum())} readings of open interest are not positive: they were left out.")
    known = np.flatnonzero(np.isfinite(interest))
    if not len(known):
        return interest, [*faults, "no open interest was published for these candles."]
    ends = candles.at + candles.step_s
    if ends[known[0]] > candles.at[0] + max(candles.step_s, spans[-1][0]):
        faults.append(f"there is no open interest before {utc(int(ends[known[0]]))}.")
    for period_s, since_at, until_at in spans[1:]:
        is_in = (ends > since_at) & (ends <= until_at) & np.isfinite(interest)
        if is_in.any():
            faults.append(f"before {utc(until_at)}, open interest is known once in {period_s} s only.")
    period_s, since_at, until_at = spans[0]
    is_due = (ends >= max(since_at, ends[known[0]])) & (ends <= min(until_at, ends[known[-1]]))
    is_due &= ends % max(period_s, candles.step_s) == 0
    holes = is_due & ~np.isfinite(interest)
    if holes.any():
        faults.append(
            f"{int(holes.sum())} of {int(is_due.sum())} readings of open interest are missing, "
            f"the first at {_first(ends, holes)}."
        )
    late_s = int(ends[-1] - ends[known[-1]])
    if late_s > 2 * max(period_s, candles.step_s):
        faults.append(f"there is no open interest after {utc(int(ends[known[-1]]))}.")
    return interest, faults


def _seconds(at_ms: Int64s) -> Int64s:
    """Whole seconds: venues stamp some readings a few milliseconds after the moment."""
    return (at_ms + MS // 2) // MS
