"""Simulated prices: calm and wild times, jumps, a drift, and the moves within each candle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from defiliq.cex.history import Floats
from defiliq.cex.population.world import World

YEAR_DAYS = 365.0
_CALM_DAYS = 3.0
"""How long wild and calm times last: half of a deviation is gone after so many days."""
_WILDNESS = 0.45
"""Standard deviation of the logarithm of volatility around its mean."""
_TAKER_NOISE = 0.03
_TAKER_PULL = 0.04
"""How far from one half the takers' share of a candle goes, by chance and with its own move."""


@dataclass(frozen=True, slots=True)
class PricePath:
    """Prices of a market, warm-up first."""

    moves_usd: Floats
    """(t, m) the prices within each candle, in order. The last is its close, and the next one's open."""
    open_usd: Floats
    """(t,)"""
    traded: Floats
    """(t, m) how a candle's volume is spread over its moves; each row sums to 1."""
    taker_buy_share: Floats
    """(t,)"""

    @property
    def high_usd(self) -> Floats:
        """(t,)"""
        high: Floats = np.maximum(self.moves_usd.max(axis=1), self.open_usd)
        return high

    @property
    def low_usd(self) -> Floats:
        """(t,)"""
        low: Floats = np.minimum(self.moves_usd.min(axis=1), self.open_usd)
        return low

    @property
    def close_usd(self) -> Floats:
        """(t,)"""
        return self.moves_usd[:, -1]


def price_path(rng: np.random.Generator, world: World) -> PricePath:
    """Draw one. The drift falls on the published stretch alone."""
    t, m = world.warm_up + world.candles, world.moves
    wild = _wildness(rng, t, world.step_days)
    scale = world.volatility * np.sqrt(world.step_days / YEAR_DAYS / m) * wild[:, None]
    steps = rng.standard_normal((t, m)) * scale
    jumps = rng.random((t, m)) < world.jumps_daily * world.step_days / m
    steps += jumps * rng.standard_normal((t, m)) * world.jump_size
    steps[world.warm_up :] += world.drift / (world.candles * m)
    logs = np.cumsum(steps.ravel()).reshape(t, m)
    before = np.concatenate(([0.0], logs[:-1, -1]))
    began = before[world.warm_up]
    activity = np.abs(steps) / scale + rng.gamma(4.0, 0.25, (t, m))
    own = (logs[:, -1] - before) / (scale[:, 0] * np.sqrt(m))
    share = 0.5 + _TAKER_PULL * np.tanh(own) + _TAKER_NOISE * rng.standard_normal(t)
    return PricePath(
        moves_usd=world.start_usd * np.exp(logs - began),
        open_usd=world.start_usd * np.exp(before - began),
        traded=activity / activity.sum(axis=1, keepdims=True),
        taker_buy_share=np.clip(share, 0.02, 0.98),
    )


def _wildness(rng: np.random.Generator, t: int, step_days: float) -> Floats:
    """(t,) volatility over its mean: clustered in time."""
    keep = 0.5 ** (step_days / _CALM_DAYS)
    shocks = rng.standard_normal(t) * _WILDNESS * np.sqrt(1 - keep**2)
    logs = np.empty(t)
    now = rng.standard_normal() * _WILDNESS
    for i, shock in enumerate(shocks):
        now = keep * now + shock
        logs[i] = now
    wild: Floats = np.exp(logs - _WILDNESS**2)
    return wild


def lately(values: Floats, step_days: float) -> Floats:
    """(t,) which way a column leaned in the days before each row, -1 to 1: an average over all rows before
    it in which half of a weight is gone after a day, over its own deviation.

    Of what was before each candle, so that what is opened in it follows what traders could see.
    """
    keep = 0.5**step_days
    means = np.zeros(len(values))
    now = 0.0
    for i, one in enumerate(values[:-1]):
        now = keep * now + (1 - keep) * one
        means[i + 1] = now
    deviation = float(means.std())
    leaned: Floats = np.tanh(means / deviation) if deviation > 0 else means
    return leaned
