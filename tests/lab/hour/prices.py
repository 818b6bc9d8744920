"""Prices of the hour: a seeded path off the chain, which aggregators follow once it left them behind."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab.reserves import RATIO


@dataclass(frozen=True, slots=True)
class Quoted:
    """How one driver moves, and when its answer is written."""

    volatility_bps: int
    """Of one block's move."""
    deviation_bps: int
    """What the path must be away from the answer for a new one."""
    beta_pct: int
    """How much of the market's drift it follows."""


QUOTED: Mapping[str, Quoted] = {
    "ETH/USD": Quoted(12, 50, 100),
    "BTC/USD": Quoted(9, 50, 80),
    "LINK/USD": Quoted(16, 100, 130),
    "CRV/USD": Quoted(20, 100, 120),
    "USDC/USD": Quoted(1, 8, 0),
    "USDT/USD": Quoted(1, 10, 0),
    "wBTC/BTC": Quoted(1, 20, 0),
    RATIO: Quoted(1, 5, 0),
}
DRIFTS_BPS = ((12, 33, -500), (40, 55, 900), (60, 80, -1_500), (86, 98, 400))
"""From and to which percent of the hour the market moves so far as a whole."""


@dataclass
class Path:
    """Where prices stand off the chain, and what their sources answer."""

    draw: random.Random
    answers: dict[str, int]
    blocks: int
    paused: set[str] = field(default_factory=set)
    """Drivers whose source is told nothing."""
    _prices: dict[str, int] = field(default_factory=dict)

    def step(self, block: int) -> dict[str, tuple[int, int]]:
        """One block on: the drivers that get a new answer, with the one before."""
        drift = self._drift_bps(block)
        for name, quoted in QUOTED.items():
            price = self._prices.get(name, self.answers[name])
            noise = self.draw.randint(-1_000, 1_000) * quoted.volatility_bps
            moved = noise + drift * quoted.beta_pct * 10
            self._prices[name] = price * (10_000_000 + moved) // 10_000_000
        return {name: self._write(name) for name in QUOTED if name not in self.paused and self._is_due(name)}

    def crash(self, name: str, percent: int) -> None:
        """Let a price fall by so much before the next step."""
        self._prices[name] = self._prices[name] * (100 - percent) // 100

    def price(self, name: str) -> int:
        """Where it stands off the chain."""
        return self._prices[name]

    def _is_due(self, name: str) -> bool:
        answer = self.answers[name]
        return abs(self._prices[name] - answer) * 10_000 >= answer * QUOTED[name].deviation_bps

    def _write(self, name: str) -> tuple[int, int]:
        before, self.answers[name] = self.answers[name], self._prices[name]
        return before, self.answers[name]

    def _drift_bps(self, block: int) -> int:
        for start, end, total in DRIFTS_BPS:
            first, last = self.blocks * start // 100, self.blocks * end // 100
            if first <= block < last:
                return total // (last - first)
        return 0
