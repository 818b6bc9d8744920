"""What the law of Aave v3 needs to know of a market beside prices: indices, thresholds, eModes, flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from defiliq.protocols.aave_v3.accrual import normalized_debt, normalized_income
from defiliq.types import Market, Reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveReserve(Reserve):
    """A reserve as Pool.getReserveData and its configuration bitmap describe it."""

    a_token: str
    variable_debt_token: str
    stable_debt_token: str | None
    """None from revision 5 (v3.2) on."""
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    """Above 1e4: 10500 is a bonus of 5%."""
    liquidation_protocol_fee_bps: int
    is_active: bool
    is_frozen: bool
    is_paused: bool
    borrowing_enabled: bool
    emode_category: int
    """The one category of the asset in revisions <= 4; 0 from v3.2 on, where eModes hold bitmaps."""
    grace_period_until: int
    """No liquidation up to and at this timestamp (v3.1 on); 0 before."""
    liquidity_index_ray: int
    liquidity_rate_ray: int
    variable_borrow_index_ray: int
    variable_borrow_rate_ray: int
    updated_at: int
    supply_cap: int | None = None
    """Whole tokens that may be supplied, 0 for no end; None where a file is older than this field."""
    borrow_cap: int | None = None
    """Whole tokens that may be borrowed, 0 for no end; None where a file is older than this field."""
    income_ray: int = 0
    """Normalized income at the market's timestamp; set by `AaveMarket.at_time`."""
    debt_ray: int = 0
    """Normalized variable debt at the market's timestamp; set by `AaveMarket.at_time`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EMode:
    """One efficiency mode category."""

    id: int
    label: str
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    collateral_bitmap: int
    """Bit per reserve id. In revisions <= 4 it is made of the reserves' own categories."""
    borrowable_bitmap: int
    ltvzero_bitmap: int = 0
    """From revision 10 (v3.6) on."""
    isolated: bool = False
    """Revision 11 (v3.7): collateral outside the category counts for no borrowing power."""
    feed: int | None = None
    """The category's own price source in revisions <= 4, as a feed; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveMarket(Market):
    """An Aave v3 pool at one block, with indices accrued to `timestamp`."""

    reserves: tuple[AaveReserve, ...]
    revision: int
    """POOL_REVISION: it selects the arithmetic."""
    emodes: Mapping[int, EMode]
    liquidations_allowed: bool
    """What the price oracle sentinel says (L2s, revisions <= 10); True where there is none."""
    provider: str
    pool: str
    oracle: str

    def at_time(self, timestamp: int) -> Self:
        """The same market at `timestamp`, at or after the block's own: indices accrued, caps grown."""
        if timestamp < self.block.timestamp:
            raise ValueError(f"timestamp {timestamp} lies before the block's own {self.block.timestamp}")
        reserves = tuple(
            replace(
                reserve,
                income_ray=normalized_income(reserve, timestamp),
                debt_ray=normalized_debt(reserve, timestamp, self.revision),
            )
            for reserve in self.reserves
        )
        prices = self.prices_at(timestamp)
        return replace(self, timestamp=timestamp, reserves=reserves, prices=prices)
