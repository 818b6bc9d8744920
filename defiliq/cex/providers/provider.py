"""What a provider of market data is, what it can be asked, and the columns its answers end up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from defiliq.cex.history import Instrument

Kind = Literal["history", "liquidations", "levels", "heatmap", "funding"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

LIQUIDATIONS_COLUMNS: Final = ("at", "long_usd", "short_usd")
"""What was liquidated in each interval that opens at `at`: of longs, and of shorts."""
LEVELS_COLUMNS: Final = ("price_usd", "side", "size_usd", "score", "provider")
"""A provider's own levels, from the lowest price up. `side` is long, short or unknown. `size_usd` is NaN
where the provider does not say that its sizes are dollars. `score` is the size over the largest, 0 to 1."""
HEATMAP_COLUMNS: Final = ("at", "price_usd", "size_usd", "provider")
"""A provider's own levels over time."""
FUNDING_COLUMNS: Final = ("at", "rate")
"""The rate that the venue quoted at the end of each interval, per funding period, as a fraction. It is no
payment: what was settled, and when, is another matter, and is in a history where a provider says it."""

QUOTE: Final = "USDT"
"""What the contracts that are asked about are quoted and settled in."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. None is asked unless it is named."""

    name: str
    variables: tuple[str, ...]
    """Environment variables that hold the user's own keys. Empty where none is needed."""
    offers: tuple[Kind, ...]
    """What of its data is read here."""
    venues: tuple[str, ...]
    """Venues it can be asked about, the first one unless another is named. Empty where it knows none."""
    intervals: Mapping[int, str]
    """Seconds to its own name of a candle's length. Empty where it has no candles."""
    url: str
    """Where it is asked."""
    docs_url: str
    documented: str
    """Which document the shapes of its answers are from, and of when."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a provider: a perpetual that is quoted in USDT, and a stretch of time."""

    asset: str
    """BTC"""
    venue: str
    """binance, bybit, okx; empty for a provider that knows no venues."""
    since_at: int
    until_at: int
    """Exclusive."""
    step_s: int
    fetched_at: int

    @property
    def days(self) -> float:
        """How long the stretch is."""
        return (self.until_at - self.since_at) / 86_400

    @property
    def instrument(self) -> Instrument:
        """The contract, as the rest of the room knows it."""
        return Instrument(self.venue, f"{self.asset}/{QUOTE}:{QUOTE}", self.asset, QUOTE)

    def covers(self, at: int) -> bool:
        """Whether a moment is within the stretch."""
        return self.since_at <= at < self.until_at
