"""One account's legs as a person reads them: balances and values, whether or not they back anything."""

from __future__ import annotations

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
from defiliq.protocols.explained import LegValue
from defiliq.types import Account
from defiliq.units import mul_div_down, mul_div_up


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
                seizable=backs_debt(leg, reserve, market.revision),
                threshold_bps=emode.liquidation_threshold_bps if emode is not None and in_emode else own_bps,
            )
        )
    return tuple(values)


def remarks(account: Account, market: AaveMarket) -> tuple[str, ...]:
    """What no number of an account says: nothing."""
    return ()
