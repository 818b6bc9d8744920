"""An account of Solo right after an operation with one Liquidate action (OperationImpl._liquidate)."""

from __future__ import annotations

from defiliq.protocols.dydx_solo.market import LIQUID, SoloMarket
from defiliq.protocols.dydx_solo.take import liquidate
from defiliq.types import Account, Leg, Liquidation


def after(account: Account, market: SoloMarket, taken: Liquidation) -> Account:
    """The account once `taken` went through, which `take` said of it at this market's prices and time.

    Its status is Liquid from then on. Pars of zero make no leg. Where nothing was handed over, the pars stay
    as they are, so that what is taken next is nothing again.
    """
    market = market.at_time(market.timestamp) if market.stored else market
    pars = {leg.reserve: leg.collateral - leg.debt for leg in account.legs}
    if taken.seizures and taken.debt_to_cover is not None:
        (seizure,) = taken.seizures
        left = liquidate(market, pars, seizure.reserve, taken.repay_reserve, taken.debt_to_cover).after
    else:
        left = pars
    legs = tuple(
        Leg(reserve, max(0, par), max(0, -par), counted=True) for reserve, par in sorted(left.items()) if par
    )
    return Account(account.owner, LIQUID, legs)
