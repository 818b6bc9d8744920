"""One account's legs as a person reads them: amounts and values, and what its status means."""

from __future__ import annotations

from defiliq.protocols.dydx_solo.legs import owed_balance, supplied_balance
from defiliq.protocols.dydx_solo.market import LIQUID, VAPOR, SoloMarket
from defiliq.protocols.explained import LegValue
from defiliq.types import Account
from defiliq.units import BPS, WAD, mul_div_down


def explain(account: Account, market: SoloMarket) -> tuple[LegValue, ...]:
    """The account's legs at plain values, as getAccountValues adds them up.

    A leg's threshold is the share of its value that a debt without a premium could reach.
    """
    values = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        price = market.prices[reserve.feed]
        supplied, owed = supplied_balance(leg, reserve), owed_balance(leg, reserve)
        needed = (WAD + reserve.margin_premium_wad) * (WAD + market.margin_ratio_wad)
        values.append(
            LegValue(
                reserve=leg.reserve,
                feed=reserve.feed,
                supplied=supplied,
                supplied_base=supplied * price,
                owed=owed,
                owed_base=owed * price,
                counted=True,
                seizable=True,
                threshold_bps=mul_div_down(BPS, WAD * WAD, needed),
            )
        )
    return tuple(values)


def remarks(account: Account, market: SoloMarket) -> tuple[str, ...]:
    """What no number of an account says: its status, and a debt that nothing backs."""
    owes = any(leg.debt for leg in account.legs)
    found = []
    if account.mode == LIQUID:
        found.append(
            "its status is Liquid: what it owes may be liquidated at any price, until one of its own "
            "operations ends with it collateralized"
        )
    if account.mode == VAPOR:
        found.append("its status is Vapor: somebody began to repay its debts from tokens that nobody owns")
    if owes and not any(leg.collateral for leg in account.legs):
        found.append("nothing backs its debt: a liquidation moves nothing, and vaporize repays it")
    return tuple(found)
