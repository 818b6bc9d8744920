"""What tests ask of a liquidation of one pair of legs."""

from __future__ import annotations

from defiliq.types import Liquidation, Seizure


def sole(taken: Liquidation) -> Seizure:
    """Its one seizure."""
    (seizure,) = taken.seizures
    return seizure


def cover(taken: Liquidation) -> int:
    """The amount that its call names."""
    assert taken.debt_to_cover is not None
    return taken.debt_to_cover
