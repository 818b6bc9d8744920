"""Tracks: what a phase is read from, of one contract or of several together, at the same moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from defiliq.cex.history import EXECUTED_COLUMNS, Floats, History, Int64s
from defiliq.errors import InputError

DECIMALS = 15
"""Of sums of funding rates: beyond them is what floats round."""
STALE_S = 900
"""What was last known longer ago than this is not known any more."""


@dataclass(frozen=True, slots=True)
class Track:
    """Columns (t,) at moments that are `step_s` seconds apart."""

    name: str
    step_s: int
    at: Int64s
    """The moments at which candles end, rising."""
    open_interest: Floats
    """In units of the same worth all along, so that only trades change it. NaN where it is not known."""
    unit_usd: float
    """What a unit is worth at the last known price."""
    price_usd: Floats
    funding_rate: Floats
    """Settled since the moment before. NaN where it is not known, and of contracts that expire: they settle
    none, which says nothing of who is crowded.
    """
    liquidated_at: Int64s
    """When something was liquidated, as far as that is published."""
    liquidated_usd: Floats
    is_silent: bool = False
    """Whether nobody publishes it."""
    faults: tuple[str, ...] = ()

    def last_known(self, column: Floats, at: int) -> float:
        """The last known value of a column at a time; NaN if it is too old."""
        return float(carried(self.at, column, np.array([at]))[0])

    def change_pct(self, column: Floats, since_s: int) -> float:
        """By how much a column has changed in the last so many seconds; NaN where an end is not known."""
        now = self.last_known(column, self.until_at)
        before = self.last_known(column, self.until_at - since_s)
        return 100 * (now - before) / before if before > 0 else math.nan

    def funding(self, since_s: int, until_at: int | None = None) -> float:
        """The rate settled in so many seconds up to a time, to 15 decimals, so that three times 0.01% is
        0.03%. NaN where a candle of it is not known.

        Candles that are longer than that are taken to have settled evenly.
        """
        end = self.until_at if until_at is None else until_at
        window = max(since_s, self.step_s)
        is_in = (self.at > end - window) & (self.at <= end)
        if int(is_in.sum()) * self.step_s < window:
            return math.nan
        return round(float(self.funding_rate[is_in].sum()) * (since_s / window), DECIMALS)

    @property
    def until_at(self) -> int:
        """The last moment."""
        return int(self.at[-1])


def track(history: History) -> Track:
    """One contract's. InputError where there is no candle."""
    if not len(history):
        raise InputError(f"{name_of(history)} has no candle to judge.")
    known = history.close_usd[~np.isnan(history.close_usd)]
    price = float(known[-1]) if len(known) else math.nan
    executed = pd.DataFrame(columns=list(EXECUTED_COLUMNS)) if history.executed is None else history.executed
    return Track(
        name=name_of(history),
        step_s=history.step_s,
        at=history.at + history.step_s,
        open_interest=history.open_interest,
        unit_usd=1.0 if history.instrument.is_inverse else price,
        price_usd=history.close_usd,
        funding_rate=history.funding_rate * (1.0 if history.instrument.expires_at is None else math.nan),
        liquidated_at=executed["at"].to_numpy(dtype=np.int64),
        liquidated_usd=executed["size_usd"].to_numpy(dtype=np.float64),
        is_silent=history.executed is None,
        faults=tuple(f"{name_of(history)}: {fault}" for fault in history.faults),
    )


def pooled(tracks: Sequence[Track], name: str = "together") -> Track:
    """Several contracts as one, at the moments of the coarsest, as long as all of them are known.

    Open interest is summed, and not known wherever one's is not. Prices are the mean; funding is weighted by
    open interest. A contract whose open interest is never known is left out, which is a fault. InputError
    where none is left, or where they share no time.
    """
    faults = [fault for one in tracks for fault in one.faults]
    lacking = [one.name for one in tracks if np.isnan(one.open_interest * one.unit_usd).all()]
    faults += [f"{lost} is left out: its open interest is not known." for lost in lacking]
    kept = [one for one in tracks if one.name not in lacking]
    if not kept:
        raise InputError("no contract's open interest is known, so there is nothing to pool.")
    coarsest = max(kept, key=lambda one: one.step_s)
    first, last = max(int(one.at[0]) for one in kept), min(one.until_at for one in kept)
    grid = coarsest.at[(coarsest.at >= first) & (coarsest.at <= last)]
    if not len(grid):
        raise InputError(f"{' and '.join(one.name for one in kept)} share no time.")
    held = np.array([one.unit_usd * carried(one.at, one.open_interest, grid) for one in kept])
    rates = np.array([settled(one, grid, coarsest.step_s) for one in kept])
    weights = np.where(np.isnan(rates), 0.0, np.nan_to_num(held))
    total, paid = weights.sum(axis=0), (np.nan_to_num(rates) * weights).sum(axis=0)
    return Track(
        name=name,
        step_s=coarsest.step_s,
        at=grid,
        open_interest=held.sum(axis=0),
        unit_usd=1.0,
        price_usd=np.mean([carried(one.at, one.price_usd, grid) for one in kept], axis=0),
        funding_rate=np.divide(paid, total, out=np.full(len(grid), math.nan), where=total > 0),
        liquidated_at=np.concatenate([one.liquidated_at for one in kept]),
        liquidated_usd=np.concatenate([one.liquidated_usd for one in kept]),
        is_silent=all(one.is_silent for one in kept),
        faults=tuple(faults),
    )


def name_of(history: History) -> str:
    """What a contract is called in a sentence."""
    return f"{history.instrument.venue} {history.instrument.symbol}"


def carried(at: Int64s, column: Floats, moments: Int64s) -> Floats:
    """The last known value at each moment; NaN before the first, and where it is older than `STALE_S`."""
    known = np.flatnonzero(~np.isnan(column))
    filled = np.full(len(moments), math.nan)
    if not len(known):
        return filled
    last = np.searchsorted(at[known], moments, side="right") - 1
    source = known[np.maximum(last, 0)]
    is_fresh = (last >= 0) & (moments - at[source] <= STALE_S)
    filled[is_fresh] = column[source[is_fresh]]
    return filled


def settled(one: Track, moments: Int64s, since_s: int) -> Floats:
    """What settled in the seconds up to each moment; NaN where a candle of them is not known."""
    ends = np.searchsorted(one.at, moments, side="right")
    starts = np.searchsorted(one.at, moments - since_s, side="right")
    piled = np.concatenate([[0.0], np.cumsum(np.nan_to_num(one.funding_rate))])
    unknown = np.concatenate([[0], np.cumsum(np.isnan(one.funding_rate))])
    is_known = (unknown[ends] == unknown[starts]) & (ends > starts)
    return np.where(is_known, np.round(piled[ends] - piled[starts], DECIMALS), math.nan)
