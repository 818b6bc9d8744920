"""What the law of Compound v2 needs to know of a Comptroller beside prices: cTokens, factors, rates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, Self, TypeAlias

from defiliq.errors import NoLaterTime
from defiliq.protocols.compound_v2.accrual import accrued
from defiliq.types import Market, Reserve

COIN: Final = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
"""How a chain's own coin, which is no contract, is written as an address."""

Clock: TypeAlias = Literal["block", "timestamp"]
"""What interest counts: blocks (Compound, Venus) or seconds (Moonwell, Benqi)."""

ProductRounding: TypeAlias = Literal["down", "half_up"]
"""How a Comptroller rounds the product of two wads. Down: ExponentialNoError.mul_ (Compound and Venus today,
Benqi, Moonwell). Half up: Exponential.mulExp (older ones, such as Venus' ComptrollerG1 to G3). All
else is cut by both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CTokenReserve(Reserve):
    """A cToken and its underlying; `asset`, `symbol` and `decimals` are the underlying's.

    `Leg.collateral` counts cTokens, `Leg.debt` is the principal of the account's borrow snapshot, and
    `Leg.debt_index` the borrow index of that snapshot.
    """

    c_token: str
    c_symbol: str
    is_listed: bool
    collateral_factor_wad: int
    is_deprecated: bool
    """Factor 0, borrowing paused and the whole interest for reserves: its debts can be repaid by liquidators
    without any shortfall (Comptroller.isDeprecated; not in every fork)."""
    cash: int
    total_borrows: int
    total_reserves: int
    total_supply: int
    """Of cTokens."""
    initial_exchange_rate_wad: int
    reserve_factor_wad: int
    borrow_rate_wad: int
    """Per tick of the market's clock, at the stored totals."""
    borrow_index_wad: int
    """As it was last written."""
    accrued_at: int
    """The tick at which it was last written: a block number or a timestamp."""
    seize_share_wad: int
    """protocolSeizeShareMantissa: what the protocol keeps of seized cTokens; 0 where the cToken has none."""
    accrues_plainly: bool
    """Whether the cToken accrues as this arithmetic does; one that does not (cDAI, whose cash earns the DSR)
    is only judged at the block that was read."""
    exchange_rate_at_block_wad: int = 0
    """What the cToken itself answers after accruing at the block; needed where it does not accrue plainly."""
    borrow_index_at_block_wad: int = 0
    """What the cToken itself answers after accruing at the block; needed where it does not accrue plainly."""
    exchange_rate_now_wad: int = 0
    """At the market's tick, or as stored; set by `at_time` and `as_stored`."""
    borrow_index_now_wad: int = 0
    """At the market's tick, or as stored; set by `at_time` and `as_stored`."""

    @property
    def receipt(self) -> tuple[str, str]:
        """The cToken."""
        return self.c_token, self.c_symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundMarket(Market):
    """A Comptroller at one block. Prices are the oracle's mantissas: 36 less the token's decimals."""

    reserves: tuple[CTokenReserve, ...]
    comptroller: str
    oracle: str
    close_factor_wad: int
    liquidation_incentive_wad: int
    seize_paused: bool
    clock: Clock
    pace_blocks: int
    """So many blocks ..."""
    pace_seconds: int
    """... took so many seconds before the block: how a clock of blocks is set to a later time."""
    product_rounding: ProductRounding = "down"
    vai_controller: str | None = None
    """Venus' contract of debts in VAI, whose debtors are refused; None where there is none."""

    def tick_at(self, timestamp: int) -> int:
        """What the market's clock shows at a time, at or after the block's own."""
        if self.clock == "timestamp":
            return timestamp
        return self.block.number + (timestamp - self.block.timestamp) * self.pace_blocks // self.pace_seconds

    def at_time(self, timestamp: int) -> Self:
        """The same market at `timestamp`, at or after the block's own: interest accrued, caps grown.

        All cTokens accrue, as a liquidator can make them. NoLaterTime for a later time than the
        block's where a cToken accrues in its own way.
        """
        if timestamp < self.block.timestamp:
            raise ValueError(f"timestamp {timestamp} lies before the block's own {self.block.timestamp}")
        return replace(self, timestamp=timestamp, prices=self.prices_at(timestamp)).as_accrued()

    def as_accrued(self) -> Self:
        """The same market at its own time and prices, with all cTokens accrued."""
        tick = self.tick_at(self.timestamp)
        accrued_reserves = tuple(self._later(reserve, tick) for reserve in self.reserves)
        return replace(self, stored=False, reserves=accrued_reserves)

    def _later(self, reserve: CTokenReserve, tick: int) -> CTokenReserve:
        if not reserve.accrues_plainly:
            if tick != self.tick_at(self.block.timestamp):
                raise NoLaterTime(reserve.symbol, reserve.c_token)
            rate, index = reserve.exchange_rate_at_block_wad, reserve.borrow_index_at_block_wad
        else:
            now = accrued(reserve, tick)
            rate, index = now.exchange_rate_wad, now.borrow_index_wad
        return replace(reserve, exchange_rate_now_wad=rate, borrow_index_now_wad=index)

    def as_stored(self) -> Self:
        """The same market with the indices as they were last written: what getAccountLiquidity answers by."""
        stored = tuple(
            replace(
                reserve,
                exchange_rate_now_wad=accrued(reserve, reserve.accrued_at).exchange_rate_wad,
                borrow_index_now_wad=reserve.borrow_index_wad,
            )
            for reserve in self.reserves
        )
        return replace(self, stored=True, reserves=stored)
