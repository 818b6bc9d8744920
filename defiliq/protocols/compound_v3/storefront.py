"""The storefront of a Comet: what its reserves are, and what it sells seized collateral for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from defiliq.protocols.compound_v3.accrual import accrued_indices, present_value
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.types import Seizure
from defiliq.units import WAD, mul_div_down

BASE = 0
"""Position of the base asset in a Comet's reserves."""


class Purchase(NamedTuple):
    """One call of buyCollateral."""

    reserve: int
    paid: int
    """Base token base units."""
    bought: int
    """Base units of the collateral."""
    gain_base: int
    """The value of what is bought less the value of what is paid, at oracle prices."""


def reserves(market: CometMarket) -> int:
    """Base tokens that belong to nobody, negative where suppliers are owed more (Comet.getReserves)."""
    supply_index, borrow_index = accrued_indices(market, market.timestamp)
    supplied = present_value(market.total_supply, supply_index)
    borrowed = present_value(market.total_borrow, borrow_index)
    return market.reserves[BASE].held - supplied + borrowed


def discounted_price(market: CometMarket, reserve: int) -> int:
    """The price at which a collateral is sold (the first half of Comet.quoteCollateral)."""
    penalty_wad = WAD - market.reserves[reserve].liquidation_factor_wad
    discount_wad = mul_div_down(market.store_front_factor_wad, penalty_wad, WAD)
    return mul_div_down(market.price_of(reserve), WAD - discount_wad, WAD)


def quote_collateral(market: CometMarket, reserve: int, base_amount: int) -> int:
    """How much of a collateral an amount of base tokens buys (Comet.quoteCollateral).

    ZeroDivisionError where the discounted price is 0, as the contract panics.
    """
    worth = market.price_of(BASE) * base_amount * market.reserves[reserve].unit
    return worth // discounted_price(market, reserve) // market.reserves[BASE].unit


def largest_payment(market: CometMarket, reserve: int, amount: int) -> int:
    """The most base tokens whose quote is not more than `amount` of a collateral.

    quoteCollateral(x) is floor(basePrice * x * scale / (discounted * baseScale)), at most `amount` while
    basePrice * x * scale < (amount + 1) * discounted * baseScale.
    """
    short_of = (amount + 1) * discounted_price(market, reserve) * market.reserves[BASE].unit
    return (short_of - 1) // (market.price_of(BASE) * market.reserves[reserve].unit)


def smallest_payment(market: CometMarket, reserve: int, bought: int) -> int:
    """The fewest base tokens whose quote is not less than `bought`: all beyond would buy nothing."""
    worth = bought * discounted_price(market, reserve) * market.reserves[BASE].unit
    return -(-worth // (market.price_of(BASE) * market.reserves[reserve].unit))


def collateral_reserves(market: CometMarket, reserve: int) -> int:
    """What the Comet has of a collateral beyond what accounts supplied (Comet.getCollateralReserves)."""
    return max(0, market.reserves[reserve].held - market.reserves[reserve].supplied)


def purchase(market: CometMarket, seizure: Seizure) -> Purchase | None:
    """Buying all of what was seized, as nearly as one call can; None where there is no price for it.

    Nothing is sold that the Comet does not have (InsufficientReserves), and nothing is paid for nothing.
    """
    k = seizure.reserve
    if discounted_price(market, k) == 0:
        return None
    amount = min(seizure.amount, collateral_reserves(market, k))
    bought = quote_collateral(market, k, largest_payment(market, k, amount))
    paid = smallest_payment(market, k, bought)
    worth = mul_div_down(bought, market.price_of(k), market.reserves[k].unit)
    cost = mul_div_down(paid, market.price_of(BASE), market.reserves[BASE].unit)
    return Purchase(k, paid, bought, worth - cost)


def sell(seizures: Sequence[Seizure], market: CometMarket) -> tuple[int, str]:
    """What a liquidator gains by buying what was seized, and what they should know of it.

    Nobody buys at a loss.
    """
    if market.buy_paused:
        return 0, "buyCollateral is paused: what is seized cannot be bought now"
    offers = [purchase(market, seizure) for seizure in seizures]
    unpriced = [s.reserve for s, offer in zip(seizures, offers, strict=True) if offer is None]
    worthwhile = [offer for offer in offers if offer is not None and offer.gain_base > 0]
    funds = reserves(market)
    sold = best_sale(worthwhile, funds, market.target_reserves)
    left = [offer.reserve for offer in worthwhile if offer not in sold]
    remarks = []
    if left:
        symbol, funds = market.reserves[BASE].symbol, funds + sum(offer.paid for offer in sold)
        remarks.append(
            f"NotForSale: {_names(left, market)}, because reserves of {funds} reach the target of "
            f"{market.target_reserves} (base units of {symbol})"
        )
    lacking = [s.reserve for s in seizures if collateral_reserves(market, s.reserve) < s.amount]
    if lacking:
        remarks.append(f"InsufficientReserves: the Comet holds too little of {_names(lacking, market)}")
    if unpriced:
        remarks.append(f"quoteCollateral has no price for {_names(unpriced, market)}: its discount leaves 0")
    return _gain(sold), "; ".join(remarks)


def best_sale(offers: Sequence[Purchase], funds: int, target: int) -> Sequence[Purchase]:
    """The purchases that gain most, in order; each must find reserves below their target.

    However far a purchase lifts them (NotForSale in Comet.buyCollateral). So each is tried as the last one,
    after as many of the cheapest as leave room for it.
    """
    if funds >= target:
        return ()
    cheapest = sorted(offers, key=lambda offer: (offer.paid, offer.reserve))
    sales = []
    for last in cheapest:
        sale, spent = [], funds
        for offer in cheapest:
            if offer is not last and spent + offer.paid < target:
                sale.append(offer)
                spent += offer.paid
        sales.append([*sale, last])
    return max(sales, key=_gain, default=())


def _gain(sale: Sequence[Purchase]) -> int:
    return sum(offer.gain_base for offer in sale)


def _names(positions: Sequence[int], market: CometMarket) -> str:
    return ", ".join(market.reserves[k].symbol for k in sorted(positions))
