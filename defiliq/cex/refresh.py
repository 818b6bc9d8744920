"""How often a picture that follows the market is made anew: every minute, and faster while prices run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from defiliq.errors import InputError

CALM_S, FAST_S = 60, 15
FAST_ABOVE_PCT = 2.5
"""A price that moves more than this within a minute is fast; exactly this is not."""
MINUTE_S = 60


def refresh_seconds(changes_pct: Iterable[float]) -> int:
    """How long to wait: 15 seconds if a change within a minute, up or down, is above 2.5%, else 60.

    A change that is not known (NaN) says nothing.
    """
    return FAST_S if any(abs(change) > FAST_ABOVE_PCT for change in changes_pct) else CALM_S


@dataclass(frozen=True, slots=True)
class Cadence:
    """What a loop that follows prices remembers: those of the last minute, and the one before them."""

    seen: tuple[tuple[float, float], ...] = ()
    """(time in seconds, price), in order of time."""

    def after(self, at: float, price_usd: float) -> Cadence:
        """Having seen a price. InputError for a time before the last one, or for what is no price."""
        if not (0 < price_usd < math.inf):
            raise InputError(f"{price_usd} is no price.")
        if self.seen and at < self.seen[-1][0]:
            raise InputError(f"a price of second {at} cannot follow one of second {self.seen[-1][0]}.")
        recent = [k for k, (when, _) in enumerate(self.seen) if when >= at - MINUTE_S]
        first = recent[0] if recent else len(self.seen)
        return Cadence((*self.seen[max(first - 1, 0) :], (at, price_usd)))

    def changes_pct(self) -> list[float]:
        """Each change between two prices at most a minute apart, and between the two that are further apart
        the part of it that falls on a minute, were it even.
        """
        changes = []
        for k, (later, price) in enumerate(self.seen):
            for earlier, before in self.seen[:k]:
                change = 100 * (price - before) / before
                passed = later - earlier
                if passed <= MINUTE_S:
                    changes.append(change)
                elif (earlier, before) == self.seen[k - 1]:
                    changes.append(change * MINUTE_S / passed)
        return changes

    @property
    def wait_s(self) -> int:
        """How long to wait before the next look."""
        return refresh_seconds(self.changes_pct())
