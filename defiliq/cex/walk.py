"""The state of an estimate, candle after candle: what is alive at which price, and what is in no bucket.

Every lane, which is one side under one prior, always sums to the open interest. Thinning touches all that is
alive, and decay all scores, so both are kept as one factor per lane: a candle touches only what it opens and
what it trades through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.cex.history import Floats, History, Int64s
from defiliq.cex.openings import Openings, Shots, leans, openings
from defiliq.errors import InputError

_CHUNK = 1024
"""Candles whose openings are laid out at a time."""
NARROWEST_PCT = 0.001
"""Of a bucket: below, the grid is larger than any use of it."""
_SMALL, _LARGE = 1e-100, 1e100
"""Beyond these a factor is multiplied in, before floats end."""


@dataclass(frozen=True, slots=True)
class EstimateSettings:
    """What an estimate assumes beside its priors. docs/cex.md says what each does to recovery."""

    step_pct: float = 0.1
    """The width of a price bucket."""
    points: int = 8
    """Entries per candle and leverage, evenly along its path."""
    tilt: float = 0.3
    """Weights go with leverage ** (tilt * lean) for longs and with the inverse for shorts, lean being how
    unusual the takers' buying of late is, from -1 to 1 (see `leans`). 0 is no tilt."""
    flow_half_life_s: float = 86_400.0
    """How fast buying by takers is forgotten by that lean."""
    churn: float = 0.25
    """The share of a candle's volume by which positions that last are opened and closed. Opened is half of
    that volume plus the change of open interest, closed half of it minus the change; where the change alone
    is larger than that volume, only the change counts, as with 0."""
    half_life_s: float = 5400.0
    """How long until a level's score is half, unless fresh open interest renews it; infinite for never."""

    def __post_init__(self) -> None:
        """InputError where a setting makes no sense."""
        if not NARROWEST_PCT <= self.step_pct < math.inf:
            raise InputError(f"a bucket cannot be {self.step_pct}% wide. Give {NARROWEST_PCT:g}% or more.")
        if self.points < 1:
            raise InputError(f"a candle needs at least one entry, not {self.points}.")
        if not (math.isfinite(self.tilt) and 0 <= self.churn <= 1):
            raise InputError("the tilt has to end, and the churn to be a share from 0 to 1.")
        if not (self.half_life_s > 0 and self.flow_half_life_s > 0):
            raise InputError("a half-life has to be above 0.")

    @property
    def log_step(self) -> float:
        """The width of a bucket in the natural logarithm of price."""
        return math.log1p(self.step_pct / 100)


@dataclass(frozen=True, slots=True)
class State:
    """What is alive at the end of one candle, in what the venue counts open interest in."""

    row: int
    """Of the history."""
    first: int
    """The first bucket."""
    alive: Floats
    """(lanes, buckets)"""
    score: Floats
    """(lanes, buckets)"""
    unplaced: Floats
    """(lanes,) open interest that is in no bucket."""
    open_interest: float
    """The last one known; the lanes sum to it, but for what was traded through since."""


def walk(history: History, shots: Shots, settings: EstimateSettings, stops: Sequence[int]) -> Iterator[State]:
    """The states at the ends of some rows of the history. ValueError unless they rise and are rows of it.

    A candle without a price lets nothing die, since nothing was seen to be traded through; what open interest
    changed while it or the price was not known is attributed to the candle where both are known again.
    """
    waiting = list(stops)
    if waiting != sorted(waiting) or not all(0 <= row < len(history) for row in waiting):
        raise ValueError(f"{waiting} are no rising rows of {len(history)} candles")
    first, width = grid_of(history, shots, settings.log_step)
    lanes = _Lanes(shots.lanes, width, settings)
    low, high = _reached(history, settings.log_step, first)
    is_seen = _is_seen(history)
    volume = _volume(history)
    interest = np.where(is_seen, history.open_interest, np.nan)
    tilts = settings.tilt * leans(history.taker_buy_share, history.step_s, settings.flow_half_life_s)
    count = waiting[-1] + 1 if waiting else 0
    for begin in range(0, count, _CHUNK):
        rows = slice(begin, min(begin + _CHUNK, count))
        laid = _laid(history, rows, is_seen, shots, (first, width), settings, tilts)
        place = np.cumsum(is_seen[rows]) - 1
        columns = zip(
            range(rows.start, rows.stop),
            is_seen[rows].tolist(),
            low[rows].tolist(),
            high[rows].tolist(),
            interest[rows].tolist(),
            volume[rows].tolist(),
            place.tolist(),
            strict=True,
        )
        for row, seen, longs_from, shorts_to, reported, traded, k in columns:
            lanes.age(history.step_s)
            if seen:
                lanes.consume(longs_from, shorts_to)
                lanes.change(reported, traded, laid, k)
            while waiting and waiting[0] == row:
                yield lanes.state(waiting.pop(0), first)


def grid_of(history: History, shots: Shots, log_step: float) -> tuple[int, int]:
    """The first bucket and the count of all that any level of the history can lie in."""
    lowest = math.log(np.nanmin(history.low_usd)) / log_step + min(0.0, shots.away.min())
    highest = math.log(np.nanmax(history.high_usd)) / log_step + max(0.0, shots.away.max())
    first = math.floor(lowest) - 2
    return first, math.floor(highest) + 3 - first


def _laid(
    history: History,
    rows: slice,
    is_seen: NDArray[np.bool_],
    shots: Shots,
    grid: tuple[int, int],
    settings: EstimateSettings,
    tilts: Floats,
) -> Openings:
    chosen = np.flatnonzero(is_seen[rows]) + rows.start
    return openings(history, chosen, shots, grid, settings.log_step, settings.points, tilts[chosen])


def _is_seen(history: History) -> NDArray[np.bool_]:
    """Whether each candle has all of its prices."""
    start, high, low, close = history.open_usd, history.high_usd, history.low_usd, history.close_usd
    return np.isfinite(start) & np.isfinite(high) & np.isfinite(low) & np.isfinite(close)


def _reached(history: History, log_step: float, first: int) -> tuple[Floats, Floats]:
    """Per row, the lowest bucket whose middle the low reached, and the highest whose middle the high did."""
    low = np.ceil(np.log(history.low_usd) / log_step - 0.5) - first
    high = np.floor(np.log(history.high_usd) / log_step - 0.5) - first
    return np.nan_to_num(low).astype(np.int64), np.nan_to_num(high).astype(np.int64)


def _volume(history: History) -> Floats:
    """What was traded, counted as open interest is; 0 where nobody knows."""
    traded = history.volume_usd if history.instrument.is_inverse else history.volume_usd / history.close_usd
    return np.nan_to_num(traded, nan=0.0)


class _Lanes:
    """Both sides under every prior. Stored amounts are true ones over `scale`; scores also over `youth`."""

    def __init__(self, lanes: int, width: int, settings: EstimateSettings) -> None:
        self.settings = settings
        self.half = lanes // 2
        self.alive = np.zeros((lanes, width))
        self.flat = self.alive.reshape(-1)
        self.has_decay = math.isfinite(settings.half_life_s)
        self.score = np.zeros((lanes, width)) if self.has_decay else self.alive
        self.flat_score = self.score.reshape(-1)
        self.fresh = np.zeros(lanes * width)
        self.scale = np.ones(lanes)
        self.youth = 1.0
        self.placed, self.unplaced = np.zeros(lanes), np.zeros(lanes)
        self.consumed = np.zeros(lanes)
        self.has_consumed = False
        self.traded = 0.0
        self.reported = math.nan
        self.top, self.bottom = -1, width

    def age(self, seconds: float) -> None:
        """Time passes."""
        if self.has_decay:
            self.youth *= 0.5 ** (seconds / self.settings.half_life_s)
            if self.youth < _SMALL:
                self.score *= self.youth
                self.youth = 1.0

    def consume(self, longs_from: int, shorts_to: int) -> None:
        """Longs from one bucket upwards and shorts up to another are traded through."""
        if self.top >= longs_from:
            self._take(slice(0, self.half), slice(longs_from, self.top + 1))
            self.top = longs_from - 1
        if self.bottom <= shorts_to:
            self._take(slice(self.half, None), slice(self.bottom, shorts_to + 1))
            self.bottom = shorts_to + 1

    def _take(self, lanes: slice, buckets: slice) -> None:
        died = self.alive[lanes, buckets].sum(axis=1) * self.scale[lanes]
        self.alive[lanes, buckets] = 0.0
        self.score[lanes, buckets] = 0.0
        self.placed[lanes] -= died
        self.consumed[lanes] += died
        self.has_consumed = True

    def change(self, reported: float, traded: float, laid: Openings, row: int) -> None:
        """Open interest is what is reported now; NaN leaves it to a later candle."""
        self.traded += traded
        if math.isnan(reported):
            return
        if math.isnan(self.reported):
            self.reported = reported
            self.unplaced[:] = reported
            self.traded = 0.0
            return
        before, rise = self.reported, reported - self.reported
        turned = max(self.settings.churn * self.traded, abs(rise))
        opened, closed = (turned + rise) / 2, (turned - rise) / 2
        self.reported, self.traded = reported, 0.0
        gross: Floats | float = opened
        if self.has_consumed:
            gross = self._settle(opened, closed)
        elif closed > 0:
            # What is left of the whole, not 1 less what closed: a volume may dwarf open interest.
            factor = reported / (before + opened)
            self._thin(factor)
            gross = opened * factor
        if self.has_consumed or opened > 0:
            self._open(gross, laid, row)
        self.has_consumed = False

    def _settle(self, opened: float, closed: float) -> Floats:
        """Nets what was traded through with what was closed; per lane, what was opened and stayed."""
        left = self.placed + self.unplaced
        excess = np.maximum(self.consumed - closed, 0.0)
        whole = left + opened
        is_thinned = (closed > self.consumed) & (whole > self.reported)
        factor = np.where(is_thinned, self.reported / np.where(is_thinned, whole, 1.0), 1.0)
        self._thin(factor)
        self.consumed[:] = 0.0
        gross: Floats = opened * factor + excess
        return gross

    def _thin(self, factor: Floats | float) -> None:
        self.scale *= factor
        self.placed *= factor
        self.unplaced *= factor
        if self.scale.min() < _SMALL or self.scale.max() > _LARGE:
            self.alive *= self.scale[:, None]
            if self.has_decay:
                self.score *= self.scale[:, None]
            self.scale[:] = 1.0

    def _open(self, gross: Floats | float, laid: Openings, row: int) -> None:
        placed = gross * laid.placed[row]
        self.placed += placed
        self.unplaced += gross - placed
        cell = laid.cell[row]
        added = laid.share[row] * (gross / self.scale)[laid.lane]
        if self.has_decay:
            self._renew(cell, added)
        else:
            np.add.at(self.flat, cell, added)
        self.top = max(self.top, int(laid.highest[row]))
        self.bottom = min(self.bottom, int(laid.lowest[row]))

    def _renew(self, cell: Int64s, added: Floats) -> None:
        """Fresh amounts count whole, and renew as much of what is old in their bucket.

        A cell may be named several times: every assignment to it is the same.
        """
        np.add.at(self.fresh, cell, added)
        fresh, old, score = self.fresh[cell], self.flat[cell], self.flat_score[cell] * self.youth
        self.flat[cell] = old + fresh
        self.flat_score[cell] = (score + fresh + np.minimum(fresh, old - score)) / self.youth
        self.fresh[cell] = 0.0

    def state(self, row: int, first: int) -> State:
        """A copy of what is now."""
        alive = self.alive * self.scale[:, None]
        score = self.score * (self.scale * self.youth)[:, None]
        interest = 0.0 if math.isnan(self.reported) else self.reported
        return State(row, first, alive, score, self.unplaced.copy(), interest)
