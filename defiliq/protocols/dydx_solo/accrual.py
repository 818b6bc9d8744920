"""Interest of one market of Solo between its last index update and a timestamp (Interest.calculateNewIndex).

One linear step: the rate is that of the stored totals and indices, however long ago those were written.
"""

from __future__ import annotations

from typing import Protocol

from defiliq.units import WAD, mul_div_down, mul_div_up


class Accruing(Protocol):
    """The part of a market that interest works on."""

    @property
    def borrow_index_wad(self) -> int:
        """Stored."""
        ...

    @property
    def supply_index_wad(self) -> int:
        """Stored."""
        ...

    @property
    def accrued_at(self) -> int:
        """When they were stored."""
        ...

    @property
    def borrow_rate_wad(self) -> int:
        """Per second."""
        ...

    @property
    def total_borrow_par(self) -> int:
        """Of all borrowers."""
        ...

    @property
    def total_supply_par(self) -> int:
        """Of all suppliers."""
        ...


def supplied_wei(par: int, supply_index_wad: int) -> int:
    """The tokens of a positive par, rounded down (Interest.parToWei)."""
    return mul_div_down(par, supply_index_wad, WAD)


def owed_wei(par: int, borrow_index_wad: int) -> int:
    """The tokens of a negative par's size, rounded up (Interest.parToWei)."""
    return mul_div_up(par, borrow_index_wad, WAD)


def total_wei(market: Accruing) -> tuple[int, int]:
    """(borrowed, supplied) tokens of a whole market by stored indices (Interest.totalParToWei)."""
    borrowed = owed_wei(market.total_borrow_par, market.borrow_index_wad)
    return borrowed, supplied_wei(market.total_supply_par, market.supply_index_wad)


def accrued_indices(market: Accruing, earnings_rate_wad: int, timestamp: int) -> tuple[int, int]:
    """(borrow, supply) index at `timestamp`, not before the last update.

    Suppliers get the earnings rate's share of what borrowers pay, spread over all that is supplied; where
    more is borrowed than supplied, each supplied token gets no more than that share.
    """
    borrow_interest = market.borrow_rate_wad * (timestamp - market.accrued_at)
    borrowed, supplied = total_wei(market)
    supply_interest = 0
    if supplied:
        supply_interest = mul_div_down(borrow_interest, earnings_rate_wad, WAD)
        if borrowed < supplied:
            supply_interest = mul_div_down(supply_interest, borrowed, supplied)
    return (
        market.borrow_index_wad + mul_div_down(market.borrow_index_wad, borrow_interest, WAD),
        market.supply_index_wad + mul_div_down(market.supply_index_wad, supply_interest, WAD),
    )
