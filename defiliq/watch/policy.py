"""What is worth telling: how near is near, of whom, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

DEFAULT_WITHIN_PCT: Final = 2.0
DEFAULT_COOLDOWN_S: Final = 600


@dataclass(frozen=True, slots=True)
class Policy:
    """Filters and thresholds of one watch. Time is the chain's."""

    within_pct: float = DEFAULT_WITHIN_PCT
    """An account approaches where its nearest level lies within so many percent of spot."""
    leave_pct: float = 1.25 * DEFAULT_WITHIN_PCT
    """It no longer does once that level is farther than so many percent: above `within_pct`."""
    cooldown_s: int = DEFAULT_COOLDOWN_S
    """After an event about an account nothing less urgent is told of it for so long. It is held back, not
    dropped: what still holds then is told then. What is more urgent is told at once."""
    min_debt_usd: float = 0.0
    min_profit_usd: float | None = None
    """None asks for no profit; otherwise accounts whose net profit is unknown are not told of."""
    drivers: frozenset[str] | None = None
    """Names of drivers, of which only levels count for `approaching`; None is all."""
    owners: frozenset[str] | None = None
    """Accounts as the market spells them; None is all."""

    @property
    def within(self) -> Fraction:
        """`within_pct` as the decimal that was written."""
        return Fraction(str(self.within_pct))

    @property
    def leave(self) -> Fraction:
        """`leave_pct` as the decimal that was written."""
        return Fraction(str(self.leave_pct))
