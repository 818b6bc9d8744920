"""Margin tiers of a venue: what a position of some size must keep, as data with date and source."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Tier:
    """One row of a venue's table, exact."""

    floor: Fraction
    """Above this notional (exclusive; 0 for the first), in the table's unit."""
    cap: Fraction
    """Up to it, inclusive."""
    maintenance_rate: Fraction
    max_leverage: Fraction
    cum: Fraction
    """What is deducted so that margin has no step between tiers: floor * (mmr - mmr before) + cum before."""


@dataclass(frozen=True, slots=True)
class TierTable:
    """The tiers of one contract at one venue."""

    venue: str
    symbol: str
    unit: str
    """What floors and caps count: USDT, contracts, or the asset's coins."""
    as_of: str
    """ISO date on which they were so."""
    source: str
    tiers: tuple[Tier, ...]
