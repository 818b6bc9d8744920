"""Interest of a Comet between its last accrual and a timestamp (Comet.accruedInterestIndices).

One linear step: utilization and rates are those of the stored totals and indices, however long ago.
"""

from __future__ import annotations

from typing import Final, Protocol

from defiliq.units import WAD

INDEX_SCALE: Final = 10**15


class Curve(Protocol):
    """Rates per second by utilization."""

    @property
    def kink_wad(self) -> int:
        """The utilization at which the slope changes."""
        ...

    @property
    def slope_low_wad(self) -> int:
        """Up to the kink."""
        ...

    @property
    def slope_high_wad(self) -> int:
        """Beyond the kink."""
        ...

    @property
    def base_wad(self) -> int:
        """At no utilization."""
        ...


class Accruing(Protocol):
    """The part of a Comet that interest works on."""

    @property
    def supply_index(self) -> int:
        """Stored."""
        ...

    @property
    def borrow_index(self) -> int:
        """Stored."""
        ...

    @property
    def accrued_at(self) -> int:
        """When they were stored."""
        ...

    @property
    def total_supply(self) -> int:
        """A principal."""
        ...

    @property
    def total_borrow(self) -> int:
        """A principal."""
        ...

    @property
    def supply_rates(self) -> Curve:
        """For suppliers."""
        ...

    @property
    def borrow_rates(self) -> Curve:
        """For borrowers."""
        ...


def present_value(principal: int, index: int) -> int:
    """A principal's balance, rounded down (CometCore.presentValueSupply and presentValueBorrow)."""
    return principal * index // INDEX_SCALE


def utilization_wad(comet: Accruing) -> int:
    """Borrowed over supplied, by stored indices (Comet.getUtilization)."""
    supplied = present_value(comet.total_supply, comet.supply_index)
    borrowed = present_value(comet.total_borrow, comet.borrow_index)
    return 0 if supplied == 0 else borrowed * WAD // supplied


def rate_wad(curve: Curve, utilization: int) -> int:
    """Interest per second (Comet.getSupplyRate and getBorrowRate)."""
    if utilization <= curve.kink_wad:
        return curve.base_wad + curve.slope_low_wad * utilization // WAD
    above = utilization - curve.kink_wad
    return curve.base_wad + curve.slope_low_wad * curve.kink_wad // WAD + curve.slope_high_wad * above // WAD


def accrued_indices(comet: Accruing, timestamp: int) -> tuple[int, int]:
    """(supply, borrow) index at `timestamp` (Comet.accruedInterestIndices)."""
    elapsed = timestamp - comet.accrued_at
    if elapsed <= 0:
        return comet.supply_index, comet.borrow_index
    utilization = utilization_wad(comet)
    supply_rate, borrow_rate = (
        rate_wad(curve, utilization) for curve in (comet.supply_rates, comet.borrow_rates)
    )
    return (
        comet.supply_index + comet.supply_index * supply_rate * elapsed // WAD,
        comet.borrow_index + comet.borrow_index * borrow_rate * elapsed // WAD,
    )
