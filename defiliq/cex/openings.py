"""What one dollar that is opened in a candle becomes: shares of it by liquidation bucket, side and prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.cex.history import Floats, History, Int64s
from defiliq.cex.priors import Prior
from defiliq.errors import InputError


@dataclass(frozen=True, slots=True)
class Factors:
    """Liquidation price over entry price, by leverage, of one prior's typical position."""

    leverages: tuple[float, ...]
    """Those of the prior, in its order."""
    long: Floats
    """(l,) below 1; NaN where the venue does not allow the leverage at that size, or no price liquidates; 1
    where its margin does not even do at entry, which is not allowed either."""
    short: Floats
    """(l,) above 1; NaN likewise."""


@dataclass(frozen=True, slots=True)
class Shots:
    """Which distances from entry the opened dollars of all priors have, for both sides at once.

    A lane is one side under one prior: longs of every prior come first, then shorts.
    """

    lane: Int64s
    """(q,) rising."""
    away: Floats
    """(q,) logarithm of liquidation price over entry, in buckets."""
    log_leverage: Floats
    """(q,) natural logarithm."""
    weight: Floats
    """(q,) shares of the lane before any tilt."""
    is_placed: NDArray[np.bool_]
    """(q,) whether any price liquidates it. What has none is in no bucket, and `away` is 0."""
    lanes: int

    @property
    def is_long(self) -> NDArray[np.bool_]:
        """(q,)"""
        return self.lane < self.lanes // 2


def shots_of(priors: Sequence[Prior], factors: Sequence[Factors], log_step: float) -> Shots:
    """Priors with the factors of each as columns.

    A leverage above every one that has a factor is not allowed, and its weight moves to the highest that has
    one. A leverage below one that has a factor is liquidated at no price. InputError where no leverage of a
    prior has a factor, or one makes no sense.
    """
    if len(priors) != len(factors):
        raise InputError(f"there are {len(priors)} leverage priors, and distances for {len(factors)}.")
    parts = [
        _lane(prior, given, side, k + offset)
        for offset, side in ((0, "long"), (len(priors), "short"))
        for k, (prior, given) in enumerate(zip(priors, factors, strict=True))
    ]
    lane, factor, leverage, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    is_placed = ~np.isnan(factor)
    away = np.log(np.where(is_placed, factor, 1.0)) / log_step
    return Shots(lane.astype(np.int64), away, np.log(leverage), weight, is_placed, 2 * len(priors))


def _lane(prior: Prior, given: Factors, side: str, lane: int) -> tuple[Floats, Floats, Floats, Floats]:
    factor = given.long if side == "long" else given.short
    factor = np.where(factor == 1, np.nan, factor)
    if given.leverages != prior.leverages or len(factor) != len(prior.leverages):
        raise InputError(f"the distances given are not of the leverages of the prior {prior.name!r}.")
    known = np.flatnonzero(~np.isnan(factor))
    if not len(known):
        raise InputError(
            f"no leverage of the prior {prior.name!r} is allowed for a {side} of ${prior.position_usd:,.0f}."
        )
    fine = (factor > 0) & (factor < 1) if side == "long" else (factor > 1) & np.isfinite(factor)
    if not fine[known].all():
        raise InputError(f"a {side} cannot be liquidated at {factor[known][~fine[known]][0]:g} of its entry.")
    end = int(known[-1]) + 1
    weight = np.array(prior.weights)
    weight[end - 1] += weight[end:].sum()
    weight = weight[:end] / weight[:end].sum()
    return np.full(end, lane), factor[:end], np.array(prior.leverages[:end], dtype=np.float64), weight


@dataclass(frozen=True, slots=True)
class Openings:
    """Shares of what is opened in some candles: (t, e), an entry being a distance at a point of the path."""

    cell: Int64s
    """(t, e) place in the flattened (lanes, buckets) grid."""
    share: Floats
    """(t, e) of what its lane opens; 0 where it broke again within its candle."""
    lane: Int64s
    """(e,)"""
    placed: Floats
    """(t, lanes) sum of the shares: what is left of 1 is in no bucket."""
    lowest: Int64s
    """(t,) the lowest bucket of any long or short, counted from the grid's first."""
    highest: Int64s


def openings(
    history: History,
    rows: Int64s,
    shots: Shots,
    grid: tuple[int, int],
    log_step: float,
    points: int,
    tilts: Floats,
) -> Openings:
    """What a dollar opened in each of some candles becomes. `grid` is its first bucket and its width; `tilts`
    (t,) are those candles' exponents.

    Entries lie evenly along the path open, low, high, close of a candle that rises, and open, high, low,
    close of one that falls. What the rest of the path trades through is opened and gone within the candle, so
    it is in no open interest at its end: its share falls to the others of its lane.
    """
    path, rest_low, rest_high = paths(history, rows, log_step, points)
    first, width = grid
    bucket = np.floor(path[:, None, :] + shots.away[:, None]).astype(np.int64)
    middle = bucket + 0.5
    is_alive = np.where(shots.is_long[:, None], middle < rest_low[:, None, :], middle > rest_high[:, None, :])
    weight = tilted(shots, tilts)
    raw = np.where(is_alive & shots.is_placed[:, None], weight[:, :, None] / points, 0.0)
    starts = np.searchsorted(shots.lane, np.arange(shots.lanes))
    sums = np.add.reduceat(raw.sum(axis=2), starts, axis=1)
    due = np.add.reduceat(np.where(shots.is_placed, weight, 0.0), starts, axis=1)
    placed = np.where(sums > 0, due, 0.0)
    scale = placed / np.where(sums > 0, sums, 1.0)
    share = raw * scale[:, shots.lane, None]
    bucket -= first
    count = len(bucket)
    return Openings(
        cell=(bucket + (shots.lane * width)[:, None]).reshape(count, -1),
        share=share.reshape(count, -1),
        lane=np.repeat(shots.lane, points),
        placed=placed,
        lowest=bucket[:, ~shots.is_long].min(axis=(1, 2)),
        highest=bucket[:, shots.is_long].max(axis=(1, 2)),
    )


def tilted(shots: Shots, tilts: Floats) -> Floats:
    """(t, q) weights times leverage ** tilt for longs, and ** -tilt for shorts, summing to 1 per lane."""
    sign = np.where(shots.is_long, 1.0, -1.0)
    weight = shots.weight * np.exp(tilts[:, None] * (sign * shots.log_leverage))
    starts = np.searchsorted(shots.lane, np.arange(shots.lanes))
    whole: Floats = weight / np.add.reduceat(weight, starts, axis=1)[:, shots.lane]
    return whole


def leans(buy_share: Floats, step_s: int, half_life_s: float) -> Floats:
    """(t,) how unusual the takers' buying of late is, against all that was before: -1 to 1, 0 as always.

    An average of the share in which older candles weigh less, away from one half, over the root mean square
    of its own past, cut off smoothly. Candles that tell no share change nothing.
    """
    keep = 0.5 ** (step_s / half_life_s)
    flow, flows = 0.0, []
    for share in buy_share.tolist():
        if not math.isnan(share):
            flow = keep * flow + (1 - keep) * (share - 0.5)
        flows.append(flow)
    found = np.array(flows)
    usual = np.sqrt(np.cumsum(found**2) / np.arange(1, len(found) + 1))
    cut: Floats = np.tanh(found / np.where(usual > 0, usual, 1.0))
    return cut


def paths(history: History, rows: Int64s, log_step: float, points: int) -> tuple[Floats, Floats, Floats]:
    """(t, n) log prices in buckets along each candle, and the lowest and highest of the path after each."""
    columns = (history.open_usd, history.low_usd, history.high_usd, history.close_usd)
    start, low, high, end = (np.log(column[rows]) / log_step for column in columns)
    rises = end >= start
    corners = np.stack([start, np.where(rises, low, high), np.where(rises, high, low), end], axis=1)
    lengths = np.abs(np.diff(corners, axis=1))
    walked = np.concatenate([np.zeros((len(start), 1)), np.cumsum(lengths, axis=1)], axis=1)
    at = walked[:, -1:] * ((np.arange(points) + 0.5) / points)
    path = np.empty_like(at)
    rest_low, rest_high = np.empty_like(at), np.empty_like(at)
    path[:] = corners[:, :1]
    for leg in range(3):
        begun, length = walked[:, leg, None], lengths[:, leg, None]
        share = np.clip((at - begun) / np.where(length > 0, length, 1.0), 0.0, 1.0)
        path += share * (corners[:, leg + 1] - corners[:, leg])[:, None]
    rest_low[:], rest_high[:] = path, path
    for corner in range(1, 4):
        is_ahead, there = walked[:, corner, None] >= at, corners[:, corner, None]
        rest_low = np.where(is_ahead, np.minimum(rest_low, there), rest_low)
        rest_high = np.where(is_ahead, np.maximum(rest_high, there), rest_high)
    return path, rest_low, rest_high
