"""What decides where a simulated position is liquidated."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from defiliq.cex.history import Floats
from defiliq.types import Side


class LiquidationRule(Protocol):
    """A venue's rule over positions in columns."""

    def __call__(self, side: Side, entry_usd: Floats, leverage: Floats, coins: Floats) -> Floats:
        """(n,) the mark price at which each is liquidated; NaN where none is."""


def flat_rule(maintenance_rate: float = 0.004) -> LiquidationRule:
    """Isolated margin in dollars with one maintenance rate for all sizes, without fees.

    A position's margin is entry / leverage; it is liquidated where what is left of it equals the maintenance
    margin at that price: entry * (1 -+ 1/leverage) / (1 -+ rate).
    """

    def rule(side: Side, entry_usd: Floats, leverage: Floats, coins: Floats) -> Floats:
        sign = 1.0 if side == "long" else -1.0
        level = entry_usd * (1.0 - sign / leverage) / (1.0 - sign * maintenance_rate)
        return np.where(level > 0, level, np.nan)

    return rule
