"""One account's legs as a person reads them, for every protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LegValue:
    """One leg at the market's prices and time, interest included."""

    reserve: int
    """Position in `Market.reserves`."""
    feed: int
    """Position of its price in `Market.prices`."""
    supplied: int
    """Token base units."""
    supplied_base: int
    """In the market's base currency."""
    owed: int
    """Token base units."""
    owed_base: int
    """In the market's base currency."""
    counted: bool
    """Whether the rule counts the supply."""
    seizable: bool
    """Whether a liquidation may take the supply."""
    threshold_bps: int
    """The liquidation threshold that applies to this account, cut to whole basis points."""
    is_position: bool = False
    """Whether it is a perpetual's position: no token is handed over, it is closed at a price."""
    receipts: int | None = None
    """Base units of `Reserve.receipt` that the supply is held as; None where there is no such token."""
