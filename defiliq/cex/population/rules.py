"""What decides where a simulated position is liquidated."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Protocol

import numpy as np

from defiliq.cex.history import Floats
from defiliq.cex.margin import distance_factors
from defiliq.cex.margin.price import counted
from defiliq.cex.openings import Factors
from defiliq.cex.priors import Prior
from defiliq.cex.tiers import TierTable
from defiliq.types import Side

_SIZES_USD = np.geomspace(10.0, 1e9, 81)
"""Where a venue's rule is asked exactly; between them its factors are interpolated."""


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


def venue_rule(venue: str, tiers: TierTable, price_usd: float) -> LiquidationRule:
    """A venue's own isolated margin with its tiers, in which large positions must keep more.

    Level over entry is found in fractions for 81 sizes from 10 dollars to a billion, and interpolated between
    them. A leverage that the tiers do not allow at a size is cut to the highest that they do; a size beyond
    the last tier counts as its cap. `price_usd` says what a coin was worth where tiers count coins.
    """

    @lru_cache(maxsize=512)
    def factors(side: Side, leverage: float) -> Floats:
        found = [_factor(venue, side, leverage, size, tiers, Fraction(price_usd)) for size in _SIZES_USD]
        return np.array(found)

    def rule(side: Side, entry_usd: Floats, leverage: Floats, coins: Floats) -> Floats:
        level = np.full(len(entry_usd), np.nan)
        size = np.log(entry_usd * coins)
        for times in np.unique(leverage).tolist():
            who = leverage == times
            level[who] = entry_usd[who] * np.interp(size[who], np.log(_SIZES_USD), factors(side, times))
        return level

    return rule


def _factor(
    venue: str, side: Side, leverage: float, size_usd: float, tiers: TierTable, price: Fraction
) -> float:
    """Level over entry, or NaN, of a position as large and leveraged as the tiers allow."""
    size, cap = Fraction(size_usd), tiers.tiers[-1].cap
    many = counted(tiers, size, price)
    if cap is not None and many > cap:
        size, many = size * cap / many, cap
    allowed = min(Fraction(leverage), tiers.tier_at(many).max_leverage)
    return float(distance_factors(venue, side, [allowed], size, tiers, entry_usd=price)[0])


def factors_of(rule: LiquidationRule, prior: Prior, price_usd: float) -> Factors:
    """Level over entry of a prior's typical position under a rule: what an estimate is given."""
    leverages = np.array(prior.leverages)
    entry = np.full(len(leverages), price_usd)
    coins = np.full(len(leverages), prior.position_usd / price_usd)
    long = rule("long", entry, leverages, coins) / price_usd
    return Factors(prior.leverages, long, rule("short", entry, leverages, coins) / price_usd)
