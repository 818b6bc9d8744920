"""The phase of a cascade: is leverage building, is it being liquidated, or is it washed out?

A reading of public numbers by stated thresholds; no forecast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.tracks import Track, pooled, track
from defiliq.errors import InputError
from defiliq.model.metrics import DAY_S, WASHED_OUT_PCT

PhaseLabel: TypeAlias = Literal["building", "under_way", "washed_out", "quiet"]

PHASE_COLUMNS = (
    *("name", "at", "phase", "open_interest_usd", "peak_at", "from_peak_pct", "day_pct", "fast_pct"),
    *("price_fast_pct", "funding_rate", "funding_before_rate", "liquidated_usd", "faults"),
)


@dataclass(frozen=True, slots=True)
class PhaseSettings:
    """The thresholds. The fall and the sign of funding are the seeds'; the others are choices."""

    window_s: int = 7 * DAY_S
    """In which open interest has its peak."""
    washed_out_pct: float = WASHED_OUT_PCT
    """Open interest that has fallen so far from its peak, or further, is washed out once funding is below 0.
    Falls of 20 to 30% are what cascades end with.
    """
    funding_s: int = 8 * 3_600
    """Over which funding is summed: the longest time between two settlements of the large venues."""
    trend_s: int = DAY_S
    rising_pct: float = 5.0
    """Open interest that has risen so far over the trend, or further, is building up."""
    elevated_rate: float = 0.0001
    """Funding above it is elevated. 0.01% per 8 hours is the interest in the venues' own formulas, which
    longs pay while the market is balanced.
    """
    fast_s: int = 3_600
    falling_pct: float = -5.0
    """Open interest that has fallen so far within `fast_s`, or further, falls fast."""
    moving_pct: float = 2.5
    """A price that has moved so far within `fast_s`, either way, or further, is moving."""

    def __post_init__(self) -> None:
        times = (self.window_s, self.funding_s, self.trend_s, self.fast_s)
        rates = (self.washed_out_pct, self.rising_pct, self.elevated_rate, self.falling_pct, self.moving_pct)
        if min(times) <= 0 or not all(map(math.isfinite, rates)):
            raise InputError("a phase needs times above 0 and thresholds that are numbers.")


DEFAULTS = PhaseSettings()


@dataclass(frozen=True, slots=True)
class Phase:
    """One contract's, or that of several together, with the numbers behind it. NaN is what is not known."""

    name: str
    at: int
    """The end of the last candle."""
    label: PhaseLabel | None
    """None where what is not known could decide."""
    open_interest_usd: float
    """At the last price."""
    peak_at: int | None
    from_peak_pct: float
    """How far open interest is from its peak within the window, at one price all along: 0 or below."""
    day_pct: float
    """Its change over the trend, a day."""
    fast_pct: float
    """Its change over the last hour."""
    price_fast_pct: float
    """The price's over the last hour."""
    funding_rate: float
    """Settled in the last 8 hours; positive when longs pay."""
    funding_before_rate: float
    """Settled in the 8 hours before open interest's peak."""
    liquidated_usd: float
    """Executed liquidations of the last hour, as far as they are published; NaN where nobody does."""
    faults: tuple[str, ...]


def phase(history: History, settings: PhaseSettings = DEFAULTS) -> Phase:
    """One contract's phase at the end of its last candle. InputError where there is no candle.

    Under way: open interest falls fast while the price moves, and liquidations were executed within that time
    (where nobody publishes any, that is not asked). Else washed out: open interest is 20% or
    more below its peak and funding is below 0. Else building: open interest has risen by 5% or more in a day
    and funding is elevated. Else quiet. Candles longer than an hour cannot show what falls fast: they are
    never under way, which is a fault.
    """
    return judge(track(history), settings)


def phase_together(histories: Sequence[History], settings: PhaseSettings = DEFAULTS) -> Phase:
    """The phase of several contracts as one (see `tracks.pooled`)."""
    return judge(pooled([track(history) for history in histories]), settings)


def judge(one: Track, settings: PhaseSettings = DEFAULTS) -> Phase:
    """The phase that a track is in at its end."""
    end, held = one.until_at, one.open_interest
    now = one.last_known(held, end)
    recent = np.flatnonzero((one.at >= end - settings.window_s) & ~np.isnan(held))
    peak = int(recent[np.argmax(held[recent])]) if len(recent) else None
    highest = math.nan if peak is None else float(held[peak])
    peak_at = None if peak is None else int(one.at[peak])
    found = Phase(
        name=one.name,
        at=end,
        label=None,
        open_interest_usd=now * one.unit_usd,
        peak_at=peak_at,
        from_peak_pct=100 * (now - highest) / highest if highest > 0 else math.nan,
        day_pct=one.change_pct(held, settings.trend_s),
        fast_pct=one.change_pct(held, settings.fast_s),
        price_fast_pct=one.change_pct(one.price_usd, settings.fast_s),
        funding_rate=one.funding(settings.funding_s),
        funding_before_rate=math.nan if peak_at is None else one.funding(settings.funding_s, peak_at),
        liquidated_usd=_liquidated(one, settings.fast_s),
        faults=(*one.faults, *_faults(one, settings)),
    )
    return _labelled(found, settings, asks_fast=one.step_s <= settings.fast_s)


def phase_table(phases: Sequence[Phase]) -> pd.DataFrame:
    """PHASE_COLUMNS: a row each, in the order given. An empty `phase` is one that is not known."""
    rows = [
        {name: getattr(one, name) for name in PHASE_COLUMNS if hasattr(one, name)}
        | {
            "phase": "" if one.label is None else one.label,
            "peak_at": pd.NA if one.peak_at is None else one.peak_at,
            "faults": " ".join(one.faults),
        }
        for one in phases
    ]
    table = pd.DataFrame(rows, columns=list(PHASE_COLUMNS))
    floats = [name for name in PHASE_COLUMNS if name.endswith(("_usd", "_pct", "_rate"))]
    return table.astype({"at": "Int64", "peak_at": "Int64"} | dict.fromkeys(floats, "float64"))


def _labelled(found: Phase, settings: PhaseSettings, *, asks_fast: bool) -> Phase:
    """The first phase whose conditions all hold. None where an earlier one could hold for all one knows, and
    where open interest is not known.
    """
    under_way = [
        _if_known(found.fast_pct, found.fast_pct <= settings.falling_pct),
        _if_known(found.price_fast_pct, abs(found.price_fast_pct) >= settings.moving_pct),
        math.isnan(found.liquidated_usd) or found.liquidated_usd > 0,
    ]
    washed_out = [
        _if_known(found.from_peak_pct, found.from_peak_pct <= settings.washed_out_pct),
        _if_known(found.funding_rate, found.funding_rate < 0),
    ]
    building = [
        _if_known(found.day_pct, found.day_pct >= settings.rising_pct),
        _if_known(found.funding_rate, found.funding_rate > settings.elevated_rate),
    ]
    asked: list[tuple[PhaseLabel, list[bool | None]]] = [("washed_out", washed_out), ("building", building)]
    if asks_fast:
        asked.insert(0, ("under_way", under_way))
    label: PhaseLabel | None = None if math.isnan(found.from_peak_pct) else "quiet"
    for name, conditions in asked:
        if False not in conditions:
            label = None if None in conditions else name
            break
    return replace(found, label=label)


def _if_known(value: float, holds: bool) -> bool | None:
    return None if math.isnan(value) else holds


def _liquidated(one: Track, since_s: int) -> float:
    if one.is_silent:
        return math.nan
    is_in = (one.liquidated_at > one.until_at - since_s) & (one.liquidated_at <= one.until_at)
    return math.fsum(one.liquidated_usd[is_in])


def _faults(one: Track, settings: PhaseSettings) -> Iterator[str]:
    if one.step_s > settings.fast_s:
        yield f"{one.name}: candles of {one.step_s} s cannot show what falls within {settings.fast_s} s."
    known = one.at[~np.isnan(one.open_interest)]
    if not len(known):
        yield f"{one.name}: open interest is not known."
        return
    if one.until_at - int(known[-1]) > 0:
        yield f"{one.name}: open interest is not known since {(one.until_at - int(known[-1])) // 60} minutes."
    first = max(int(known[0]), one.until_at - settings.window_s)
    if first - one.step_s > one.until_at - settings.window_s:
        days = (one.until_at - first) / DAY_S
        yield f"{one.name}: its peak is that of {days:.1f} days, not of {settings.window_s / DAY_S:.0f}."
