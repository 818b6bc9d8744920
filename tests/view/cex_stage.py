"""Estimates for pictures: what a venue's book might be, written down or drawn with a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from defiliq.cex.compare import Comparison, compare
from defiliq.cex.confirm import cluster_signal, confirm
from defiliq.cex.differences import differences_of
from defiliq.cex.history import Floats, History, Instrument, Int64s, OrderBook, VenueData
from defiliq.cex.levels import Estimate, EstimateOverTime
from defiliq.cex.phase import phase, phase_together
from defiliq.model.clusters import find_clusters
from defiliq.model.over_time import buckets_of
from defiliq.view.cex_beside import Beside
from tests.view.heat_stage import BLOCK_AT, wide_heat

STEP_PCT = 0.25
PRIORS = ("careful", "usual", "bold")
Sided = tuple[float, str, tuple[float, ...]]
"""Price, side, dollars under each prior."""


def contract(venue: str = "binance", asset: str = "ETH") -> Instrument:
    return Instrument(venue, f"{asset}/USDT:USDT", asset, "USDT")


def estimate_of(
    levels: Sequence[Sided],
    spot: float = 3000.0,
    *,
    instrument: Instrument | None = None,
    priors: tuple[str, ...] = PRIORS,
    step_pct: float = STEP_PCT,
    open_interest_usd: float = 2e9,
    coverage: tuple[float, ...] = (0.7, 0.8, 0.9),
    source: str = "binance through ccxt 4.5.90",
    faults: tuple[str, ...] = (),
) -> Estimate:
    """An estimate of some levels; the score is what the dollars are, the older (lower) half weighing half."""
    prices = np.array([level[0] for level in levels], dtype=np.float64)
    buckets = buckets_of(prices, step_pct)
    held = np.arange(buckets.min(), buckets.max() + 1) if len(levels) else np.zeros(0, dtype=np.int64)
    sides: dict[str, Floats] = {side: np.zeros((len(priors), len(held))) for side in ("long", "short")}
    for bucket, (_, side, dollars) in zip(buckets, levels, strict=True):
        sides[side][:, bucket - held[0]] += dollars
    return Estimate(
        instrument or contract(),
        BLOCK_AT,
        spot,
        step_pct,
        priors,
        len(priors) // 2,
        held,
        sides["long"],
        sides["short"],
        sides["long"] / 2,
        sides["short"],
        open_interest_usd,
        np.array(coverage),
        np.array(coverage),
        source,
        faults,
    )


@cache
def wide_estimate(
    venue: str = "binance", scale: float = 1.0, seed: int = 7, spot: float = 3000.0
) -> Estimate:
    """Several hundred buckets on both sides, with heavy places that differ a little from venue to venue."""
    draw = np.random.default_rng(seed)
    width = math.log1p(STEP_PCT / 100)
    far = np.arange(1, 240)
    levels: list[Sided] = []
    for side, sign in (("long", -1), ("short", 1)):
        peaks = draw.choice(np.arange(8, 120), 6, replace=False)
        heights = draw.pareto(1.5, 6) + 0.5
        for k in far:
            shape = 0.3 * math.exp(-k / 90) + sum(
                height * math.exp(-(((k - peak) / 2.5) ** 2))
                for peak, height in zip(peaks, heights, strict=True)
            )
            dollars = tuple(
                float(scale * 4e6 * shape * share * draw.uniform(0.8, 1.2)) for share in (0.55, 1.0, 1.7)
            )
            levels.append((spot * math.exp(sign * (k - 0.5) * width), side, dollars))
    return estimate_of(
        levels,
        spot,
        instrument=contract(venue),
        source="bundled sample, simulated",
        open_interest_usd=2.4e9 * scale,
    )


@cache
def estimate_over_time(count: int = 120, missing: int | None = 70, seed: int = 5) -> EstimateOverTime:
    """Moments every four hours: levels are opened around spot, and spot eats what it reaches."""
    draw = np.random.default_rng(seed)
    step = 0.5
    bucket: Int64s = np.arange(*buckets_of(np.array([2100.0, 4300.0]), step))
    middles = np.exp((bucket + 0.5) * math.log1p(step / 100))
    longs, shorts = np.zeros(len(bucket)), np.zeros(len(bucket))
    spot, spots, frames = 3000.0, [], []
    for k in range(count):
        moved = spot * math.exp(draw.normal(0, 0.008))
        low, high = min(spot, moved) * 0.998, max(spot, moved) * 1.002
        spot = moved
        for leverage, share in ((5, 0.2), (10, 0.3), (25, 0.3), (50, 0.2)):
            size = share * draw.pareto(1.4) * 2e6
            near = np.abs(np.log(middles / (spot * (1 - 1 / leverage)))) < 0.006
            longs[near] += size
            shorts[np.abs(np.log(middles / (spot * (1 + 1 / leverage)))) < 0.006] += size
        longs[middles >= low], shorts[middles <= high] = 0.0, 0.0
        is_missing = k == missing
        spots.append(math.nan if is_missing else spot)
        frames.append([np.full(len(bucket), math.nan)] * 2 if is_missing else [longs.copy(), shorts.copy()])
    sides = np.array(frames)
    at: Int64s = BLOCK_AT + 14_400 * np.arange(count)
    return EstimateOverTime(contract(), step, at, np.array(spots), bucket, sides[:, 0], sides[:, 1])


@cache
def wide_comparison() -> tuple[Comparison, tuple[Estimate, ...]]:
    """`wide_ladder` beside three venues that agree in part with it and with each other."""
    estimates = (
        wide_estimate("binance", 6.0, 7, 3004.0),
        wide_estimate("bybit", 3.0, 8, 2998.0),
        wide_estimate("okx", 2.0, 7, 3001.0),
    )
    return compare(wide_heat(), estimates), estimates


def history_of(venue: str = "binance", *, funding: float = -0.0002, fall: float = 0.7) -> History:
    """Eight days of hours in which open interest falls to a share of itself, and who pays is told by sign."""
    rows = 8 * 24
    at: Int64s = BLOCK_AT - 3600 * np.arange(rows, 0, -1)
    price = np.full(rows, 3000.0)
    nothing = np.full(rows, math.nan)
    rates = np.zeros(rows)
    rates[7::8] = funding
    return History(
        instrument=contract(venue),
        step_s=3600,
        at=at,
        open_usd=price,
        high_usd=price,
        low_usd=price,
        close_usd=price,
        volume_usd=np.full(rows, 1e7),
        open_interest=np.linspace(1e5, fall * 1e5, rows),
        taker_buy_share=np.full(rows, 0.5),
        funding_rate=rates,
        long_short_ratio=nothing,
        executed=None,
        fetched_at=BLOCK_AT,
        source="a test's",
    )


def book_of(middle: float = 3000.0) -> OrderBook:
    """A million dollars every 0.1% on both sides, 3% deep."""
    away = np.arange(1, 31) / 1000
    sizes = np.full(30, 1e6)
    return OrderBook(BLOCK_AT, middle * (1 - away), sizes, middle * (1 + away), sizes)


@cache
def wide_beside(name: str = "") -> Beside:
    """`wide_comparison` with everything that can stand beside it; `name` is put where names are."""
    found, estimates = wide_comparison()
    if name:
        named = [replace(one, instrument=replace(one.instrument, symbol=name)) for one in estimates]
        estimates = tuple(replace(one, source=name, faults=(name,), priors=(name,) * 3) for one in named)
        found = compare(wide_heat(), estimates)
    data = [VenueData(history_of(one.instrument.venue), book_of()) for one in estimates]
    signals = [cluster_signal(level.name, level.cluster) for level in found.levels if level.name == "sum"]
    scores = [("estimate", 1.31, 1.12, 1.52), (name or "one-sided", 1.02, 0.9, 1.17)]
    return Beside(
        comparison=found,
        estimates=estimates,
        over_time=(estimate_over_time(),),
        clusters={
            f"{one.instrument.venue} {one.instrument.symbol}": find_clusters(one.heat()) for one in estimates
        },
        confirmations=tuple(confirm(signal, data, found) for signal in signals),
        phases=(*(phase(one.history) for one in data), phase_together([one.history for one in data])),
        differences=differences_of(["binance", "bybit", "okx"]),
        backtest=pd.DataFrame(scores, columns=["label", "lift", "lift_low", "lift_high"]),
    )
