"""One account's legs as a person reads them: balances and values, whether or not they back anything."""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.protocols.aave_v3.legs import (
    FIRST_DIRECTED_REVISION,
    backs_debt,
    emode_of,
    is_in_emode,
    owed_balance,
    price_feed,
    supplied_balance,
)
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account
from defiliq.units import mul_div_down, mul_div_up


@dataclass(frozen=True, slots=True)
class LegValue:
    """One leg at the market's prices and time."""

    reserve: int
    feed: int
    supplied: int
    """Token base units, interest included."""
    supplied_base: int
    owed: int
    owed_base: int
    counted: bool
    """Whether the rule counts the supply; a collateral flag alone is not enough in every revision."""
    threshold_bps: int
    """The eMode's own where the account's category has the reserve."""
    receipts: None = None
    """Nothing: aTokens are counted in the asset's own units."""

    @property
    def seizable(self) -> bool:
        """Whether a liquidation may take the supply: only what is counted."""
        return self.counted


def explain(account: Account, market: AaveMarket) -> tuple[LegValue, ...]:
    """The account's legs, rounded as its pool rounds them."""
    emode = emode_of(account, market)
    debt_value = mul_div_down if market.revision < FIRST_DIRECTED_REVISION else mul_div_up
    values = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        feed = price_feed(reserve, emode)
        price = market.prices[feed]
        supplied = supplied_balance(leg, reserve.income_ray, market.revision)
        owed = owed_balance(leg, reserve.debt_ray, market.revision, market.timestamp)
        in_emode = emode is not None and is_in_emode(reserve, emode)
        own_bps = reserve.liquidation_threshold_bps
        values.append(
            LegValue(
                reserve=leg.reserve,
                feed=feed,
                supplied=supplied,
                supplied_base=mul_div_down(supplied, price, reserve.unit),
                owed=owed,
                owed_base=debt_value(owed, price, reserve.unit),
                counted=backs_debt(leg, reserve, market.revision),
                threshold_bps=emode.liquidation_threshold_bps if emode is not None and in_emode else own_bps,
            )
        )
    return tuple(values)


def remarks(account: Account, market: AaveMarket) -> tuple[str, ...]:
    """What no number of an account says: nothing."""
    return ()
