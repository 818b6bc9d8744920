"""Estimates of several contracts of one asset, added up on one axis of prices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from defiliq.cex.history import Floats, Instrument
from defiliq.cex.levels import Estimate
from defiliq.errors import InputError
from defiliq.model.axis import MOST_APART_S, MOST_TIMES_APART


def together(estimates: Sequence[Estimate]) -> Estimate:
    """Their dollars and scores, prior by prior, bucket by bucket; at the price where each lies, whatever its
    venue's spot.

    Spot is the mean of theirs, weighted with open interest; coverage likewise. InputError where they are of
    different assets, priors or buckets, or of spots further apart than `MOST_TIMES_APART`. Estimates further
    apart in time than `MOST_APART_S` are added up with a fault. One alone is what it is.
    """
    if not estimates:
        raise InputError("there is no estimate to add up.")
    first = estimates[0]
    if len(estimates) == 1:
        return first
    for other in estimates[1:]:
        _refuse_other(first, other)
    weights = np.array([one.open_interest_usd for one in estimates])
    shares = weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1 / len(weights))
    low = min(int(one.bucket[0]) for one in estimates)
    high = max(int(one.bucket[-1]) for one in estimates)
    parts = [_spread(one, low, high) for one in estimates]
    long_usd, short_usd, long_score, short_score = (sum_of(column) for column in zip(*parts, strict=True))
    return Estimate(
        instrument=_joined([one.instrument for one in estimates]),
        at=max(one.at for one in estimates),
        spot_usd=float(shares @ np.array([one.spot_usd for one in estimates])),
        step_pct=first.step_pct,
        priors=first.priors,
        mid=first.mid,
        bucket=np.arange(low, high + 1),
        long_usd=long_usd,
        short_usd=short_usd,
        long_score=long_score,
        short_score=short_score,
        open_interest_usd=float(weights.sum()),
        coverage_long=shares @ np.array([one.coverage_long for one in estimates]),
        coverage_short=shares @ np.array([one.coverage_short for one in estimates]),
        source="; ".join(dict.fromkeys(one.source for one in estimates)),
        faults=(*_named_faults(estimates), *_apart(estimates)),
    )


def sum_of(parts: Sequence[Floats]) -> Floats:
    """Arrays of one shape, added up."""
    whole: Floats = np.sum(parts, axis=0)
    return whole


def _spread(one: Estimate, low: int, high: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Its columns on the common buckets."""
    width = ((0, 0), (int(one.bucket[0]) - low, high - int(one.bucket[-1])))
    return (
        np.pad(one.long_usd, width),
        np.pad(one.short_usd, width),
        np.pad(one.long_score, width),
        np.pad(one.short_score, width),
    )


def _joined(instruments: Sequence[Instrument]) -> Instrument:
    """A name for all: different parts joined by `+`."""
    venue, symbol, settle = (
        "+".join(dict.fromkeys(getattr(one, name) for one in instruments))
        for name in ("venue", "symbol", "settle")
    )
    expiries = {one.expires_at for one in instruments}
    return Instrument(
        venue=venue,
        symbol=symbol,
        asset=instruments[0].asset,
        settle=settle,
        is_inverse=all(one.is_inverse for one in instruments),
        expires_at=expiries.pop() if len(expiries) == 1 else None,
    )


def _named_faults(estimates: Sequence[Estimate]) -> list[str]:
    return [
        f"{one.instrument.venue} {one.instrument.symbol}: {fault}"
        for one in estimates
        for fault in one.faults
    ]


def _apart(estimates: Sequence[Estimate]) -> list[str]:
    times = [one.at for one in estimates]
    if max(times) - min(times) <= MOST_APART_S:
        return []
    return [f"What is added up is of times {(max(times) - min(times)) // 60} minutes apart."]


def _refuse_other(first: Estimate, other: Estimate) -> None:
    names = [f"{one.instrument.venue} {one.instrument.symbol}" for one in (first, other)]
    if first.instrument.asset != other.instrument.asset:
        raise InputError(f"{names[0]} and {names[1]} are of different assets, and have no common price.")
    if first.priors != other.priors or first.mid != other.mid or first.step_pct != other.step_pct:
        raise InputError(
            f"{names[0]} and {names[1]} were estimated under different priors, or in other buckets."
        )
    low, high = sorted((first.spot_usd, other.spot_usd))
    if high > MOST_TIMES_APART * low:
        raise InputError(f"{names[0]} and {names[1]} are not of one price: {low:g} and {high:g}.")
