"""Liquidations as deals: who earns in each protocol, on which pair of legs, by which calls.

Aave v4, whose bonus grows as health falls, has no reader here and so no deals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from defiliq.mev.deal import ABSORB, PURCHASE, Deal, Got, Step, deal_of, worth_base
from defiliq.protocols import PROTOCOLS, aave_v3, compound_v2, compound_v3, dydx_solo
from defiliq.protocols.aave_v3.rules_take import offers as aave_offers
from defiliq.protocols.compound_v2.legs import underlying
from defiliq.protocols.compound_v2.take import offers as compound_offers
from defiliq.protocols.compound_v3.buyer import purchases
from defiliq.protocols.compound_v3.storefront import BASE
from defiliq.protocols.dydx_solo.take import offers as solo_offers
from defiliq.types import Account, Liquidation, Market
from defiliq.units import WAD

OFFERS: Final[Mapping[str, Callable[[Account, Any], object]]] = {
    aave_v3.name: aave_offers,
    compound_v2.name: compound_offers,
    dydx_solo.name: solo_offers,
}
"""Protocols whose liquidator chooses a pair of legs, to the largest call on each pair."""


def deals(account: Account, market: Market, taken: Liquidation) -> list[Deal]:
    """What whoever earns can choose from, `taken` first: `take` said it of this account in this market.

    A liquidator who may name a pair of legs has one deal per pair; elsewhere there is one.
    """
    protocol = PROTOCOLS[market.protocol]
    legs = sum(1 for leg in account.legs if leg.collateral or leg.debt or leg.stable is not None)
    if protocol.backing is not None:
        gains = protocol.backing.paid(market, taken)[1]
        return [replace(deal_of(taken, market), earner="insurance fund", steps=(), fund_gains=gains)]
    if market.protocol == compound_v3.name:
        return [_storefront(account, market, taken)]
    others = [other for other in _offers(account, market) if other != taken]
    found = [deal_of(one, market, legs) for one in (taken, *others)]
    return [_redeemed(deal, market) for deal in found] if market.protocol == compound_v2.name else found


def _offers(account: Account, market: Market) -> Sequence[Liquidation]:
    """The largest call on every pair; nothing where there is only one pair to choose."""
    backing = sum(1 for leg in account.legs if leg.collateral)
    owing = sum(1 for leg in account.legs if leg.debt or leg.stable is not None)
    if backing * owing <= 1 or market.protocol not in OFFERS:
        return ()
    found = OFFERS[market.protocol](account, market)
    return [one for one in found if isinstance(one, Liquidation)] if isinstance(found, list) else ()


def _redeemed(deal: Deal, market: Any) -> Deal:
    """The same where a cToken pays out what it is handed for only as far as its cash goes.

    Whole cTokens are redeemed, and CToken.redeemFresh reverts beyond the cash, to which a repayment of the
    same market is added before.
    """
    parts, remarks = [], [deal.remark] if deal.remark else []
    for got in deal.got:
        held = market.reserves[got.reserve]
        cash = held.cash + (deal.paid if got.reserve == deal.paid_reserve else 0)
        if got.amount <= cash:
            parts.append(got)
            continue
        rate_wad = held.exchange_rate_now_wad
        at_hand = underlying(((cash + 1) * WAD - 1) // rate_wad, rate_wad)
        parts.append(got._replace(at_hand=at_hand))
        remarks.append(
            f"{held.c_symbol} has cash for {at_hand} of {got.amount} base units of {held.symbol}: "
            "the rest stays in cTokens and counts for nothing"
        )
    return replace(deal, got=tuple(parts), remark="; ".join(remarks))


def _storefront(account: Account, market: Any, taken: Liquidation) -> Deal:
    """absorb pays nobody; what it seized is then bought at a discount."""
    bought = purchases(account, market)
    paid = sum(one.paid for one in bought)
    return Deal(
        earner="storefront buyer",
        paid_reserve=BASE,
        paid=paid,
        paid_base=sum(worth_base(market, BASE, one.paid) for one in bought),
        got=tuple(
            Got(one.reserve, one.bought, worth_base(market, one.reserve, one.bought)) for one in bought
        ),
        protocol_fee_base=0,
        debt_to_cover=None,
        steps=(Step(ABSORB, len(taken.seizures)), Step(PURCHASE, times=len(bought))),
        remark=taken.remark,
    )
