"""Estimates of exchanges: a year of 5-minute candles in columns, and the same law level by level."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np

from defiliq.cex.estimate import DEFAULT, estimate
from defiliq.cex.history import History, Instrument
from defiliq.cex.levels import Estimate
from defiliq.cex.openings import Factors, shots_of
from defiliq.cex.priors import PRIORS
from defiliq.cex.walk import State, walk
from defiliq.model.heat import SIDES
from tests.bench.plain_estimate import PlainLane, plain_estimate
from tests.bench.report import Note, Report, Row, best_of

YEAR = 105_120
"""5-minute candles of 365 days."""
SEED = 7
VENUES = ("binance", "bybit", "okx")
SECONDS_FOR_YEAR = 20
MOST_MB = 1024
PLAIN = 2_000
"""Candles that are also walked level by level: no more, because it takes long."""
_YEARLY = 0.6
"""Standard deviation of a year's return."""


def bench_cex(candles: int = YEAR, plain: int = PLAIN) -> list[Report]:
    """Three venues under three priors at the end of a year, in one process."""
    histories = [year_of(venue, SEED + k, candles) for k, venue in enumerate(VENUES)]
    factors = [_factors(prior.leverages) for prior in PRIORS]
    found: list[Estimate] = []

    def run() -> None:
        found[:] = [estimate(history, factors) for history in histories]

    seconds = best_of(1, run)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    short = _head(histories[0], min(plain, candles))
    lanes: dict[int, PlainLane] = {}

    def walk_plainly() -> None:
        for k, (prior, given) in enumerate(zip(PRIORS, factors, strict=True)):
            for offset, side in zip((0, len(PRIORS)), SIDES, strict=True):
                lanes[k + offset] = plain_estimate(short, side, prior, given, DEFAULT)

    plainly = best_of(1, walk_plainly)
    (state,) = walk(short, shots_of(PRIORS, factors, DEFAULT.log_step), DEFAULT, [len(short) - 1])
    differ = sum(_differing(state, k, lane) for k, lane in lanes.items())
    year = seconds * YEAR / candles
    return [
        Report(
            f"estimates: {len(VENUES)} venues, {len(PRIORS)} priors, {candles:,} candles each, seed {SEED}",
            [
                Row("defiliq.cex.estimate, candles", candles * len(VENUES), seconds),
                Row("level by level in Python", len(short), plainly, 10),
            ],
            [
                Note(f"a year of 5 minutes would take {year:.1f} s", ok=year <= SECONDS_FOR_YEAR),
                Note(f"the process has had {peak:,.0f} MB at most", ok=peak <= MOST_MB),
                Note(f"buckets held at the end: {sum(len(one.bucket) for one in found):,}"),
                Note(f"buckets or scores that differ from the law: {differ}", ok=differ == 0),
            ],
            is_wrong=differ > 0,
        )
    ]


def year_of(venue: str, seed: int, candles: int) -> History:
    """A random walk in 5-minute candles with wicks, open interest and volume as of a large venue."""
    rng = np.random.default_rng(seed)
    deviation = _YEARLY / np.sqrt(YEAR)
    close = 60_000 * np.exp(np.cumsum(rng.normal(0, deviation, candles)))
    start = np.concatenate([[60_000.0], close[:-1]])
    wicks = np.exp(np.abs(rng.normal(0, deviation / 2, (2, candles))))
    interest = 80_000 * np.exp(np.cumsum(rng.normal(0, 0.0015, candles)))
    unknown = np.full(candles, np.nan)
    return History(
        instrument=Instrument(venue, "BTC/USDT:USDT", "BTC", "USDT"),
        step_s=300,
        at=1_700_000_100 + 300 * np.arange(candles, dtype=np.int64),
        open_usd=start,
        high_usd=np.maximum(start, close) * wicks[0],
        low_usd=np.minimum(start, close) / wicks[1],
        close_usd=close,
        volume_usd=interest * close * rng.lognormal(-5.1, 0.5, candles),
        open_interest=interest,
        taker_buy_share=np.clip(rng.normal(0.5, 0.05, candles), 0, 1),
        funding_rate=unknown,
        long_short_ratio=unknown,
        executed=None,
        fetched_at=1_700_000_100 + 300 * candles,
        source="made up for a benchmark",
    )


def _factors(leverages: tuple[float, ...], maintenance_rate: float = 0.004) -> Factors:
    margin = 1 / np.array(leverages)
    return Factors(leverages, 1 - margin + maintenance_rate, 1 + margin - maintenance_rate)


def _head(history: History, count: int) -> History:
    columns = (
        *("at", "open_usd", "high_usd", "low_usd", "close_usd", "volume_usd", "open_interest"),
        *("taker_buy_share", "funding_rate", "long_short_ratio"),
    )
    return replace(history, **{name: getattr(history, name)[:count] for name in columns})


def _differing(state: State, lane: int, plain: PlainLane) -> int:
    """Buckets of a lane in which dollars or scores are not the law's to nine digits."""
    buckets = state.first + np.arange(state.alive.shape[1])
    for mine, theirs in ((state.alive[lane], plain.units), (state.score[lane], plain.score)):
        wanted = np.array([theirs.get(bucket, 0.0) for bucket in buckets.tolist()])
        differ = int((np.abs(mine - wanted) > 1e-9 * wanted).sum())
        if differ or theirs.keys() - set(buckets.tolist()):
            return max(differ, 1)
    return 0
