"""A subaccount right after the order that the chain placed for it was filled (persistMatchedOrders)."""

from __future__ import annotations

from dataclasses import replace

from defiliq.protocols.dydx_v4.legs import size_of, usdc_of
from defiliq.protocols.dydx_v4.limits import Tally
from defiliq.protocols.dydx_v4.liquidation import fill_quote_quantums, insurance_fund_delta, order_for
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.types import Account, Leg, Liquidation


def after(account: Account, market: DydxMarket, taken: Liquidation) -> Account:
    """The subaccount once `taken` went through, which `take` said of it at this market's prices.

    The whole order is filled at its own price, the worst that it takes. The subaccount pays for what it buys
    or is paid for what it sells; what that brings beyond the bankruptcy price goes to the insurance fund, up
    to a fee, and what it lacks comes from there. Liquidations pay no other fee. All positions are settled by
    the fill, their funding being part of the USDC already.

    That holds where the fund can pay, and may pay so much for one subaccount in one block
    (`LiquidationsConfig.max_quantums_insurance_lost`). Where not, the chain fills nothing of the order and
    deleverages the position: `deleveraging.offset_position` says what becomes of it then, which hangs on who
    stands on the opposite side.
    """
    (seizure,) = taken.seizures
    place = taken.repay_reserve if seizure.reserve == USDC else seizure.reserve
    order = order_for(account, market, place, Tally())
    return filled(account, market, place, order.delta, order.subticks)


def filled(account: Account, market: DydxMarket, place: int, delta: int, subticks: int) -> Account:
    """The subaccount once `delta` base quantums of its liquidation order were filled at a price."""
    is_buy, quantums = delta > 0, abs(delta)
    paid = fill_quote_quantums(market.reserves[place], quantums, subticks)
    to_fund = insurance_fund_delta(
        account, market, place, is_buy=is_buy, quantums=quantums, subticks=subticks
    )
    usdc = usdc_of(account) + (-paid if is_buy else paid) - to_fund
    legs = [_sized(Leg(USDC, 0, 0, counted=True), usdc)]
    for leg in account.legs:
        size = size_of(leg) + (delta if leg.reserve == place else 0)
        if leg.reserve != USDC and size:
            index = market.reserves[leg.reserve].funding_index
            legs.append(replace(_sized(leg, size), funding_index=index))
    return replace(account, legs=tuple(legs))


def _sized(leg: Leg, size: int) -> Leg:
    """A leg of a signed size."""
    return replace(leg, collateral=max(0, size), debt=max(0, -size))
