"""One account's legs as a person reads them: balances and values, whether or not they back anything."""

from __future__ import annotations

from defiliq.protocols.compound_v3.legs import backs_debt, owed_balance, supplied_balance
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.explained import LegValue
from defiliq.types import Account, Leg
from defiliq.units import BPS, WAD, mul_div_down


def explain(account: Account, market: CometMarket) -> tuple[LegValue, ...]:
    """The account's legs, rounded as the Comet rounds them."""
    values = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        price = market.prices[reserve.feed]
        supplied, owed = supplied_balance(leg, reserve, market), owed_balance(leg, reserve, market)
        values.append(
            LegValue(
                reserve=leg.reserve,
                feed=reserve.feed,
                supplied=supplied,
                supplied_base=mul_div_down(supplied, price, reserve.unit),
                owed=owed,
                owed_base=mul_div_down(owed, price, reserve.unit),
                counted=backs_debt(leg, reserve),
                seizable=backs_debt(leg, reserve),
                threshold_bps=mul_div_down(reserve.liquidate_factor_wad, BPS, WAD),
            )
        )
    return tuple(values)


def remarks(account: Account, market: CometMarket) -> tuple[str, ...]:
    """What no number of an account says: which of its supplies back nothing, and why."""
    return tuple(_remark(leg, market) for leg in account.legs if leg.collateral and not _backs(leg, market))


def _backs(leg: Leg, market: CometMarket) -> bool:
    return backs_debt(leg, market.reserves[leg.reserve])


def _remark(leg: Leg, market: CometMarket) -> str:
    reserve = market.reserves[leg.reserve]
    if reserve.offset is None:
        return f"{reserve.symbol} is the base asset: supplying it earns interest and backs nothing"
    return f"{reserve.symbol} is not among the account's collaterals (assetsIn): it backs nothing"
