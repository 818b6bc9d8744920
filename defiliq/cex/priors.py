"""Leverage priors: assumptions on who trades with how much leverage. Named, shown, changeable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prior:
    """How opened dollars are spread over leverages, and what a typical position is."""

    name: str
    leverages: tuple[float, ...]
    """Rising."""
    weights: tuple[float, ...]
    """Shares of the opened notional, summing to 1."""
    position_usd: float = 50_000.0
    """The typical position's notional, which picks the margin tier. Never the open interest of all."""
