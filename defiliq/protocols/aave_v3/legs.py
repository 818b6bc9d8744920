"""What an account's legs are worth counting, before any price: balances, thresholds, LTVs."""

from __future__ import annotations

from typing import NamedTuple

from defiliq.protocols.aave_v3.accrual import stable_balance
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.types import Account, Leg
from defiliq.units import mul_div_up, ray_mul_down, ray_mul_half_up, ray_mul_up

FIRST_DIRECTED_REVISION = 9
"""v3.5: balances round against the account, supply down and debt up."""
FIRST_DECOUPLED_REVISION = 10
"""v3.6: a reserve whose own threshold is 0 can still be collateral, through an eMode or at threshold 0."""
FIRST_ISOLATED_EMODE_REVISION = 11


class Counted(NamedTuple):
    """One leg with everything but its price settled."""

    reserve: int
    feed: int
    unit: int
    supplied: int
    """Counted collateral in token base units; 0 where the leg backs nothing."""
    owed: int
    """Debt in token base units."""
    threshold_bps: int
    ltv_bps: int


def supplied_balance(leg: Leg, income_ray: int, revision: int) -> int:
    """AToken balance at a supply index (AToken.balanceOf; TokenMath.getATokenBalance from v3.5)."""
    rounded = ray_mul_half_up if revision < FIRST_DIRECTED_REVISION else ray_mul_down
    return rounded(leg.collateral, income_ray)


def owed_balance(leg: Leg, debt_ray: int, revision: int, timestamp: int) -> int:
    """Variable debt at its index and stable debt at a time (both debt tokens' balanceOf)."""
    rounded = ray_mul_half_up if revision < FIRST_DIRECTED_REVISION else ray_mul_up
    variable = rounded(leg.debt, debt_ray)
    return variable if leg.stable is None else variable + stable_balance(leg.stable, timestamp)


def emode_of(account: Account, market: AaveMarket) -> EMode | None:
    """The account's category; None where it uses none."""
    return None if account.mode == 0 else market.emodes[account.mode]


def is_in_emode(reserve: AaveReserve, emode: EMode | None) -> bool:
    """Whether a reserve as collateral enjoys the category's parameters."""
    return emode is not None and emode.collateral_bitmap >> reserve.id & 1 == 1


def backs_debt(leg: Leg, reserve: AaveReserve, revision: int) -> bool:
    """Whether the contract counts the leg as collateral (GenericLogic.calculateUserAccountData)."""
    return leg.counted and (revision >= FIRST_DECOUPLED_REVISION or reserve.liquidation_threshold_bps != 0)


def _ltv_bps(reserve: AaveReserve, emode: EMode | None, revision: int) -> int:
    """ValidationLogic.getUserReserveLtv, and the same inline before revision 10."""
    own_bps = reserve.ltv_bps
    if emode is None:
        return own_bps
    if is_in_emode(reserve, emode):
        zero = (
            emode.ltvzero_bitmap >> reserve.id & 1 if revision >= FIRST_DECOUPLED_REVISION else own_bps == 0
        )
        return 0 if zero else emode.ltv_bps
    return 0 if emode.isolated and revision >= FIRST_ISOLATED_EMODE_REVISION else own_bps


def price_feed(reserve: AaveReserve, emode: EMode | None) -> int:
    """The feed that prices a reserve for this account: its category's own, if it has one (v3.0, v3.1)."""
    if emode is not None and emode.feed is not None and is_in_emode(reserve, emode):
        return emode.feed
    return reserve.feed


def counted_legs(account: Account, market: AaveMarket) -> tuple[Counted, ...]:
    """All legs of an account that its health hangs on."""
    emode = emode_of(account, market)
    legs = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        backs = backs_debt(leg, reserve, market.revision)
        in_emode = emode is not None and is_in_emode(reserve, emode)
        threshold_bps = emode.liquidation_threshold_bps if emode is not None and in_emode else None
        legs.append(
            Counted(
                reserve=leg.reserve,
                feed=price_feed(reserve, emode),
                unit=reserve.unit,
                supplied=supplied_balance(leg, reserve.income_ray, market.revision) if backs else 0,
                owed=owed_balance(leg, reserve.debt_ray, market.revision, market.timestamp),
                threshold_bps=reserve.liquidation_threshold_bps if threshold_bps is None else threshold_bps,
                ltv_bps=_ltv_bps(reserve, emode, market.revision),
            )
        )
    return tuple(legs)


def value_bend(balance: int, unit: int, bend: int) -> int:
    """How far balance * price / unit, rounded, may lie from a straight line between two of its values.

    Less than 1 for the rounding, nothing where the balance is whole tokens, and less than the balance for
    each integer that the price itself may `bend`.
    """
    rounding = 0 if balance % unit == 0 else 1
    return rounding + bend * mul_div_up(balance, 1, unit)
