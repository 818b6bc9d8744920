"""One account's legs as a person reads them: underlying balances and values, counted or not."""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.protocols.compound_v2.legs import owed_balance, underlying
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.types import Account
from defiliq.units import BPS, WAD, mul_div_down


@dataclass(frozen=True, slots=True)
class LegValue:
    """One leg at the market's prices and indices."""

    reserve: int
    feed: int
    supplied: int
    """Underlying base units, interest included."""
    supplied_base: int
    owed: int
    owed_base: int
    counted: bool
    """Whether the account has entered the market: else neither its supply nor a debt there counts."""
    threshold_bps: int
    """The collateral factor, cut."""


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
                threshold_bps=mul_div_down(reserve.collateral_factor_wad, BPS, WAD),
            )
        )
    return tuple(values)
