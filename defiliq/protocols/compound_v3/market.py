"""What the law of Compound III needs to know of a Comet beside prices: indices, rates, factors, reserves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from defiliq.protocols.compound_v3.accrual import accrued_indices
from defiliq.types import Market, Reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class CometReserve(Reserve):
    """The base asset, or a collateral as getAssetInfo describes it. Legs hold what is noted here.

    Base: `Leg.debt` is a negative principal's size and `Leg.collateral` a positive principal, which backs
    nothing. Collateral: `Leg.collateral` is the balance, and there is no debt.
    """

    offset: int | None
    """The asset's number in the Comet, which is its bit in assetsIn; None for the base asset."""
    borrow_factor_wad: int = 0
    liquidate_factor_wad: int = 0
    """liquidateCollateralFactor: the share of its value that counts against debt."""
    liquidation_factor_wad: int = 0
    """liquidationFactor: the share of its value that an absorbed account is credited."""
    held: int = 0
    """What the Comet holds of the token, in token base units."""
    supplied: int = 0
    """What accounts supplied of it (totalsCollateral), in token base units."""
    supply_cap: int | None = None
    """The most that may be supplied of it, in token base units; None of the base asset, and where a file is
    older than this field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCurve:
    """Rates per second by utilization, as wads: base + low * u up to the kink, then steeper."""

    kink_wad: int
    slope_low_wad: int
    slope_high_wad: int
    base_wad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CometMarket(Market):
    """A Comet at one block. `reserves[0]` is the base asset, the collaterals follow in their order."""

    reserves: tuple[CometReserve, ...]
    comet: str
    supply_index: int
    """baseSupplyIndex as it was last written, in 1e15."""
    borrow_index: int
    """baseBorrowIndex as it was last written, in 1e15."""
    accrued_at: int
    """lastAccrualTime."""
    total_supply: int
    """totalSupplyBase, a principal."""
    total_borrow: int
    """totalBorrowBase, a principal."""
    supply_rates: RateCurve
    borrow_rates: RateCurve
    store_front_factor_wad: int
    target_reserves: int
    """Base token base units; above, collateral is not for sale."""
    absorb_paused: bool
    buy_paused: bool
    target_health_factor_wad: int | None = None
    """What targetHealthFactor() answers; None where the Comet does not know it, as all of them until 2026."""
    supply_index_now: int = 0
    """At the market's timestamp, or as stored; set by `at_time` and `as_stored`."""
    borrow_index_now: int = 0
    """At the market's timestamp, or as stored; set by `at_time` and `as_stored`."""

    def at_time(self, timestamp: int) -> Self:
        """The same market at `timestamp`, at or after the block's own: interest accrued, caps grown."""
        if timestamp < self.block.timestamp:
            raise ValueError(f"timestamp {timestamp} lies before the block's own {self.block.timestamp}")
        supply, borrow = accrued_indices(self, timestamp)
        return replace(
            self,
            timestamp=timestamp,
            prices=self.prices_at(timestamp),
            stored=False,
            supply_index_now=supply,
            borrow_index_now=borrow,
        )

    def as_stored(self) -> Self:
        """The same market with the indices as they were last written: what isLiquidatable answers by."""
        return replace(
            self, stored=True, supply_index_now=self.supply_index, borrow_index_now=self.borrow_index
        )
