"""Interest of a cToken between its last accrual and a tick of its clock (CToken.accrueInterest).

One linear step: the rate is that of the stored cash, borrows and reserves, however long ago they were.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from defiliq.units import WAD


class Accruing(Protocol):
    """The part of a cToken that interest works on."""

    @property
    def cash(self) -> int:
        """What it holds of its underlying."""
        ...

    @property
    def total_borrows(self) -> int:
        """Stored."""
        ...

    @property
    def total_reserves(self) -> int:
        """Stored."""
        ...

    @property
    def total_supply(self) -> int:
        """Of cTokens."""
        ...

    @property
    def initial_exchange_rate_wad(self) -> int:
        """The exchange rate while there are no cTokens."""
        ...

    @property
    def reserve_factor_wad(self) -> int:
        """The reserves' share of interest."""
        ...

    @property
    def borrow_rate_wad(self) -> int:
        """Per tick."""
        ...

    @property
    def borrow_index_wad(self) -> int:
        """Stored."""
        ...

    @property
    def accrued_at(self) -> int:
        """The tick of the last accrual."""
        ...


class Accrued(NamedTuple):
    """A cToken's state after accrual."""

    exchange_rate_wad: int
    """Underlying base units per cToken base unit."""
    borrow_index_wad: int
    total_borrows: int
    total_reserves: int


def accrued(reserve: Accruing, tick: int) -> Accrued:
    """A cToken's state at `tick`; as stored where that is not after the last accrual."""
    ticks = max(0, tick - reserve.accrued_at)
    factor = reserve.borrow_rate_wad * ticks
    interest = factor * reserve.total_borrows // WAD
    borrows = reserve.total_borrows + interest
    reserves = reserve.reserve_factor_wad * interest // WAD + reserve.total_reserves
    index = factor * reserve.borrow_index_wad // WAD + reserve.borrow_index_wad
    return Accrued(exchange_rate(reserve, borrows, reserves), index, borrows, reserves)


def exchange_rate(reserve: Accruing, borrows: int, reserves: int) -> int:
    """Underlying per cToken as a wad (CToken.exchangeRateStored)."""
    if reserve.total_supply == 0:
        return reserve.initial_exchange_rate_wad
    return (reserve.cash + borrows - reserves) * WAD // reserve.total_supply


def borrow_balance(principal: int, at_index_wad: int, index_wad: int) -> int:
    """What is owed when the borrow index stands at `index_wad` (CToken.borrowBalanceStored)."""
    return 0 if principal == 0 else principal * index_wad // at_index_wad
