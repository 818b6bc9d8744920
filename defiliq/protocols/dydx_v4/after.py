"""A subaccount right after the order that the chain placed for it was filled (persistMatchedOrders)."""

from __future__ import annotations

from dataclasses import replace

from defiliq.protocols.dydx_v4.legs import size_of, usdc_of
from defiliq.protocols.dydx_v4.liquidation import fill_quote_quantums, insurance_fund_delta
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.types import Account, Leg, Liquidation


def after(account: Account, market: DydxMarket, taken: Liquidation) -> Account:
    """The subaccount once `taken` went through, which `take` said of it at this market's prices.

    The subaccount pays for what it buys or is paid for what it sells; what that brings beyond the bankruptcy
    price goes to the insurance fund, up to a fee, and what it lacks comes from there. Liquidations pay no
    other fee. All positions are settled by the fill, their funding being part of the USDC already.

    That the fund can pay is for who asks to see to: `backed.take_backed`.
    """
    (seizure,) = taken.seizures
    if seizure.reserve == USDC:
        delta, received = taken.repaid, -seizure.amount
    else:
        delta, received = -seizure.amount, taken.repaid
    return _changed(account, market, position_of(taken), delta, received - to_fund(taken))


def to_fund(taken: Liquidation) -> int:
    """What a fill gives the insurance fund; negative where the fund pays."""
    paid = 0 if taken.backstop is None else taken.backstop.amount
    return sum(seizure.protocol_fee for seizure in taken.seizures) - paid


def position_of(taken: Liquidation) -> int:
    """The place of the perpetual that a fill closes."""
    (seizure,) = taken.seizures
    return taken.repay_reserve if seizure.reserve == USDC else seizure.reserve


def filled(account: Account, market: DydxMarket, place: int, delta: int, subticks: int) -> Account:
    """The subaccount once `delta` base quantums of its liquidation order were filled at a price."""
    is_buy, quantums = delta > 0, abs(delta)
    paid = fill_quote_quantums(market.reserves[place], quantums, subticks)
    fund = insurance_fund_delta(account, market, place, is_buy=is_buy, quantums=quantums, subticks=subticks)
    return _changed(account, market, place, delta, (-paid if is_buy else paid) - fund)


def _changed(account: Account, market: DydxMarket, place: int, delta: int, received: int) -> Account:
    """The settled subaccount with more of a position and of USDC."""
    legs = [_sized(Leg(USDC, 0, 0, counted=True), usdc_of(account) + received)]
    for leg in account.legs:
        size = size_of(leg) + (delta if leg.reserve == place else 0)
        if leg.reserve != USDC and size:
            index = market.reserves[leg.reserve].funding_index
            legs.append(replace(_sized(leg, size), funding_index=index))
    return replace(account, legs=tuple(legs))


def _sized(leg: Leg, size: int) -> Leg:
    """A leg of a signed size."""
    return replace(leg, collateral=max(0, size), debt=max(0, -size))
