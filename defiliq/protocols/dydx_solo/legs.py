"""What an account's legs count in Solo before any price: token amounts at the market's indices, premiums."""

from __future__ import annotations

from typing import NamedTuple

from defiliq.protocols.dydx_solo.accrual import owed_wei, supplied_wei
from defiliq.protocols.dydx_solo.market import LIQUID, SoloMarket, SoloReserve
from defiliq.types import Account, Leg
from defiliq.units import WAD


class Counted(NamedTuple):
    """One leg with everything but its price settled."""

    reserve: int
    feed: int
    supplied: int
    """Token base units."""
    owed: int
    """Token base units."""
    weight_wad: int
    """1 + margin premium: supplies are divided by it and debts multiplied."""


def supplied_balance(leg: Leg, reserve: SoloReserve) -> int:
    """What a positive par is worth in tokens at the market's indices."""
    return supplied_wei(leg.collateral, reserve.supply_index_now_wad)


def owed_balance(leg: Leg, reserve: SoloReserve) -> int:
    """What a negative par owes in tokens at the market's indices."""
    return owed_wei(leg.debt, reserve.borrow_index_now_wad)


def counted_leg(leg: Leg, reserve: SoloReserve) -> Counted:
    """A leg at the indices that its reserve has now."""
    return Counted(
        reserve=leg.reserve,
        feed=reserve.feed,
        supplied=supplied_balance(leg, reserve),
        owed=owed_balance(leg, reserve),
        weight_wad=WAD + reserve.margin_premium_wad,
    )


def counted_legs(account: Account, market: SoloMarket) -> tuple[Counted, ...]:
    """The legs of an account that are not zero; Solo counts all of them."""
    return tuple(
        counted_leg(leg, market.reserves[leg.reserve]) for leg in account.legs if leg.collateral or leg.debt
    )


def is_liquid(account: Account) -> bool:
    """Whether a liquidation needs no look at the account's values (OperationImpl._liquidate)."""
    return account.mode == LIQUID
