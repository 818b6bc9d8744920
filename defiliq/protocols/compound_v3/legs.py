"""What an account's legs count in a Comet before any price: balances at the market's indices, factors."""

from __future__ import annotations

from typing import NamedTuple

from defiliq.protocols.compound_v3.accrual import present_value
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve
from defiliq.types import Account, Leg


class Counted(NamedTuple):
    """One leg with everything but its price settled."""

    reserve: int
    feed: int
    unit: int
    supplied: int
    """Counted collateral in token base units; 0 for the base asset, which backs nothing."""
    owed: int
    """Debt in token base units: 0 but for the base asset."""
    liquidate_factor_wad: int
    borrow_factor_wad: int


def supplied_balance(leg: Leg, reserve: CometReserve, market: CometMarket) -> int:
    """A collateral's balance, which bears no interest, or a positive principal's (Comet.balanceOf)."""
    if reserve.offset is not None:
        return leg.collateral
    return present_value(leg.collateral, market.supply_index_now)


def owed_balance(leg: Leg, reserve: CometReserve, market: CometMarket) -> int:
    """What a negative principal owes (Comet.borrowBalanceOf); only the base asset is ever owed."""
    return present_value(leg.debt, market.borrow_index_now) if reserve.offset is None else 0


def backs_debt(leg: Leg, reserve: CometReserve) -> bool:
    """Whether the Comet counts the leg as collateral (CometCore.isInAsset)."""
    return leg.counted and reserve.offset is not None


def counted_legs(account: Account, market: CometMarket) -> tuple[Counted, ...]:
    """The legs of an account that its health hangs on."""
    legs = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        supplied = leg.collateral if backs_debt(leg, reserve) else 0
        owed = owed_balance(leg, reserve, market)
        if supplied or owed:
            legs.append(
                Counted(
                    reserve=leg.reserve,
                    feed=reserve.feed,
                    unit=reserve.unit,
                    supplied=supplied,
                    owed=owed,
                    liquidate_factor_wad=reserve.liquidate_factor_wad,
                    borrow_factor_wad=reserve.borrow_factor_wad,
                )
            )
    return tuple(legs)
