"""One account's legs as a person reads them: underlying balances and values, counted or not."""

from __future__ import annotations

from defiliq.protocols.compound_v2.legs import owed_balance, underlying
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.explained import LegValue
from defiliq.types import Account, Leg
from defiliq.units import BPS, WAD, mul_div_down


def explain(account: Account, market: CompoundMarket) -> tuple[LegValue, ...]:
    """The account's legs; those that count add up to what `rules.health` says."""
    values = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        price = market.prices[reserve.feed]
        supplied = underlying(leg.collateral, reserve.exchange_rate_now_wad)
        owed = owed_balance(leg, reserve)
        values.append(
            LegValue(
                reserve=leg.reserve,
                feed=reserve.feed,
                supplied=supplied,
                supplied_base=mul_div_down(supplied, price, WAD),
                owed=owed,
                owed_base=mul_div_down(owed, price, WAD),
                counted=leg.counted,
                seizable=True,  # entered or not: a liquidator may name any of them
                threshold_bps=mul_div_down(reserve.collateral_factor_wad, BPS, WAD),
                receipts=leg.collateral,
            )
        )
    return tuple(values)


def remarks(account: Account, market: CompoundMarket) -> tuple[str, ...]:
    """What no number of an account says: markets that are not entered, and debts that need no shortfall."""
    owes = any(leg.debt for leg in account.legs)
    return tuple(remark for leg in account.legs for remark in _remarks(leg, market, owes=owes))


def _remarks(leg: Leg, market: CompoundMarket, *, owes: bool) -> list[str]:
    reserve = market.reserves[leg.reserve]
    found = []
    if leg.debt and reserve.is_deprecated:
        found.append(
            f"{reserve.c_symbol} is deprecated: whoever owes {reserve.symbol} can be liquidated without a "
            "shortfall, and the close factor does not limit the repayment"
        )
    if not leg.counted and leg.collateral:
        seizable = ", but a liquidator can seize it" if owes else ""
        found.append(f"{reserve.c_symbol} is not entered: it backs nothing{seizable}")
    if not leg.counted and leg.debt:
        found.append(f"{reserve.c_symbol} is not entered: this debt does not count")
    return found
