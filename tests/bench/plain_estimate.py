"""The estimator's law level by level, in plain Python: what the columns of `cex.walk` must agree with.

Every bucket that is alive is touched in every candle, as scripts that keep a table of levels do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

from defiliq.cex.history import History
from defiliq.cex.openings import Factors
from defiliq.cex.priors import Prior
from defiliq.cex.walk import EstimateSettings
from defiliq.types import Side


@dataclass(slots=True)
class PlainLane:
    """One side under one prior: contracts and scores by bucket, and what is in no bucket."""

    units: dict[int, float] = field(default_factory=dict)
    score: dict[int, float] = field(default_factory=dict)
    unplaced: float = 0.0
    consumed: float = 0.0

    @property
    def total(self) -> float:
        """Contracts of the side."""
        return math.fsum(self.units.values()) + self.unplaced

    def thin(self, factor: float) -> None:
        """So much of everything is left."""
        for bucket in self.units:
            self.units[bucket] *= factor
            self.score[bucket] *= factor
        self.unplaced *= factor


def plain_estimate(
    history: History, side: Side, prior: Prior, factors: Factors, settings: EstimateSettings
) -> PlainLane:
    """One lane at the end of a history."""
    lane, step = PlainLane(), math.log1p(settings.step_pct / 100)
    keep = 1.0 if math.isinf(settings.half_life_s) else 0.5 ** (history.step_s / settings.half_life_s)
    leans = plain_leans(history, settings)
    reported, volume = math.nan, 0.0
    for row in range(len(history)):
        for bucket in lane.score:
            lane.score[bucket] *= keep
        candle = [
            float(c[row]) for c in (history.open_usd, history.high_usd, history.low_usd, history.close_usd)
        ]
        if any(math.isnan(price) for price in candle):
            continue
        _consume(lane, side, candle, step)
        traded = float(history.volume_usd[row])
        if not math.isnan(traded):
            volume += traded if history.instrument.is_inverse else traded / candle[3]
        interest = float(history.open_interest[row])
        if math.isnan(interest):
            continue
        if math.isnan(reported):
            lane.unplaced = interest
        else:
            rise = interest - reported
            turned = max(settings.churn * volume, abs(rise))
            shares = plain_shares(
                candle, side, prior, factors, settings.tilt * leans[row], settings.points, step
            )
            _change(lane, (turned + rise) / 2, (turned - rise) / 2, shares)
        reported, volume = interest, 0.0
    return lane


def plain_leans(history: History, settings: EstimateSettings) -> list[float]:
    """How unusual the takers' buying of late is, candle by candle."""
    keep = 0.5 ** (history.step_s / settings.flow_half_life_s)
    flow, squares, found = 0.0, 0.0, []
    for count, share in enumerate(history.taker_buy_share.tolist(), start=1):
        flow = flow if math.isnan(share) else keep * flow + (1 - keep) * (share - 0.5)
        squares += flow * flow
        found.append(math.tanh(flow / math.sqrt(squares / count)) if squares else 0.0)
    return found


def plain_shares(
    candle: list[float], side: Side, prior: Prior, factors: Factors, tilt: float, points: int, step: float
) -> dict[int, float]:
    """What of a contract opened in a candle stands at its end, by bucket; it may come to less than 1."""
    given = (factors.long if side == "long" else factors.short).tolist()
    known = [k for k, factor in enumerate(given) if not math.isnan(factor)]
    weights = [*prior.weights[: known[-1]], math.fsum(prior.weights[known[-1] :])]
    exponent = tilt if side == "long" else -tilt
    leaned = [w * lev**exponent for w, lev in zip(weights, prior.leverages, strict=False)]
    whole, found = math.fsum(leaned), dict[int, float]()
    for price, rest in _path(candle, points):
        for k in known:
            bucket = math.floor(math.log(price * given[k]) / step)
            middle = math.exp((bucket + 0.5) * step)
            if middle < min(rest) if side == "long" else middle > max(rest):
                found[bucket] = found.get(bucket, 0.0) + leaned[k]
    stands = math.fsum(found.values())
    due = math.fsum(leaned[k] for k in known) / whole
    return {bucket: due * share / stands for bucket, share in found.items()} if stands else {}


def _path(candle: list[float], points: int) -> list[tuple[float, list[float]]]:
    """Prices evenly along the logarithm of a candle's path, each with the prices that are still to come."""
    start, high, low, end = candle
    corners = [start, low, high, end] if end >= start else [start, high, low, end]
    legs = [abs(math.log(b / a)) for a, b in pairwise(corners)]
    found = []
    for k in range(points):
        left, leg = math.fsum(legs) * (k + 0.5) / points, 0
        while leg < 2 and left > legs[leg]:
            left -= legs[leg]
            leg += 1
        share = left / legs[leg] if legs[leg] else 0.0
        price = corners[leg] * (corners[leg + 1] / corners[leg]) ** share
        found.append((price, [price, *corners[leg + 1 :]]))
    return found


def _consume(lane: PlainLane, side: Side, candle: list[float], step: float) -> None:
    for bucket in list(lane.units):
        middle = math.exp((bucket + 0.5) * step)
        if middle >= candle[2] if side == "long" else middle <= candle[1]:
            lane.consumed += lane.units.pop(bucket)
            del lane.score[bucket]


def _change(lane: PlainLane, opened: float, closed: float, shares: dict[int, float]) -> None:
    whole = lane.total + opened
    factor = 1 - max(closed - lane.consumed, 0.0) / whole if whole > 0 else 1.0
    lane.thin(factor)
    added = opened * factor + max(lane.consumed - closed, 0.0)
    lane.consumed = 0.0
    for bucket, share in shares.items():
        fresh, old, score = share * added, lane.units.get(bucket, 0.0), lane.score.get(bucket, 0.0)
        lane.units[bucket] = old + fresh
        lane.score[bucket] = score + fresh + min(fresh, old - score)
    lane.unplaced += added * (1 - math.fsum(shares.values()))
