"""How a simulated market behaves: its price, its traders, and what they publish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from defiliq.errors import InputError

Mood: TypeAlias = Literal["flow", "price"]


@dataclass(frozen=True, slots=True)
class World:
    """Assumptions of a simulated market. Nothing of it is measured; each is there because estimators meet it.

    The defaults are a calm year's Bitcoin perpetual in hourly candles.
    """

    name: str = "steady"
    candles: int = 1440
    """What is published."""
    warm_up: int = 720
    """Candles before that, in which positions are opened that nobody later sees the opening of."""
    step_s: int = 3600
    moves: int = 12
    """Prices within a candle, two or more. Trades, wicks and liquidations happen at these."""
    start_at: int = 1_767_225_600
    """When the first published candle opens: 2026-01-01T00:00Z."""
    start_usd: float = 60_000.0
    volatility: float = 0.5
    """Of a year, without jumps."""
    drift: float = 0.0
    """What the published stretch adds to the logarithm of price, on average. 0.4: about half again."""
    jumps_daily: float = 0.1
    jump_size: float = 0.03
    """Standard deviation of a jump in the logarithm of price."""
    open_interest: float = 50_000.0
    """Coins, of one side, at the start."""
    growth: float = 0.5
    """What warm-up and the published stretch add to the logarithm of open interest, on average."""
    interest_noise_daily: float = 0.04
    """Standard deviation of a day's change in the logarithm of open interest, beyond its growth."""
    churn_daily: float = 0.5
    """Closed by choice a day over what is open, replaced by others. It is in no change of open interest."""
    hurry: float = 0.0
    """How much churn follows a candle's own range: 0 not at all, 1 in proportion, as round trips do."""
    patience_spread: float = 0.0
    """Standard deviation of the logarithm of how eagerly traders close. At 0 all close alike."""
    round_trips_daily: float = 1.5
    """Volume a day that opens and closes within one candle, over what is open."""
    traders: int = 6_000
    """Positions of both sides at the start, over two. Later ones are as large on average."""
    crowd: float = 1.5
    """Accounts that go long over accounts that go short. Both hold the same coins, so shorts are larger."""
    size_spread: float = 1.3
    """Standard deviation of the logarithm of a position's size."""
    lean: float = 0.3
    """How much leverage follows what happened of late: weights times leverage**(lean * mood) for longs, mood
    within -1 to 1, and with the opposite sign for shorts."""
    mood: Mood = "flow"
    """What that mood is made of: the takers' flow, which an estimator may use, or the price's own way."""
    rescued: float = 0.1
    """Share of positions that add margin, as much again as they began with, when three quarters of the way to
    their level are gone."""
    stopped: float = 0.0
    """Share of positions that close by themselves somewhere on the way to their level: stop orders."""
    halved_daily: float = 0.02
    """Chance a day that a position closes its half."""
    liquidation_replaced: float = 0.7
    """Of what liquidations take out of the open interest, the share that others open again in that candle.
    The rest comes back over days."""

    def __post_init__(self) -> None:
        if min(self.candles, self.moves - 1, self.traders, self.step_s) < 1 or self.warm_up < 0:
            raise InputError("a simulated market needs candles, moves within them, and traders.")
        if min(self.start_usd, self.open_interest, self.volatility) <= 0:
            raise InputError("a simulated market needs a price, volatility and open interest above 0.")

    @property
    def step_days(self) -> float:
        """A candle's length."""
        return self.step_s / 86_400


CHURN = {"none": 0.0, "medium": 0.5, "high": 2.0}
"""Closed by choice a day over what is open."""
TRENDS = {"down": -0.35, "flat": 0.0, "up": 0.35}
"""What sixty days add to the logarithm of price, on average."""
