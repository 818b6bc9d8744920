"""What a liquidation takes in dYdX v4: the order that the chain places, filled at the worst price it takes.

Nobody calls a liquidation here. The chain puts an order for one position of the subaccount on the book, and
whoever rests there at the order's price or better fills it. Closing a long gives base quantums away for USDC,
closing a short USDC for base quantums. What the filler gains is the difference to the oracle price.
"""

from __future__ import annotations

from defiliq.protocols.dydx_v4.explain import CLOSED, is_open
from defiliq.protocols.dydx_v4.legs import positions_of
from defiliq.protocols.dydx_v4.limits import Tally
from defiliq.protocols.dydx_v4.liquidation import (
    LiquidationOrder,
    fill_quote_quantums,
    insurance_fund_delta,
    order_for,
    size_at,
)
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import quote_quantums
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.types import Account, Backstop, Liquidation, Refusal, Seizure, Taking


def take(account: Account, market: DydxMarket) -> Taking:
    """What the order for the largest position on an open book takes at the market's prices, or why none does.

    The whole order is filled at its own price, the worst that it takes.
    """
    order = order_of(account, market)
    return order if isinstance(order, Refusal) else taken_at(order, market)


def order_of(account: Account, market: DydxMarket) -> LiquidationOrder | Refusal:
    """The order for the largest position on an open book, or why there is none.

    The chain draws a position per block; the largest is the one that moves the most.
    """
    if not account_risk(account, market).is_liquidatable:
        return Refusal("ErrSubaccountNotLiquidatable: net collateral covers the maintenance margin")
    held = [place for place, _ in positions_of(account)]
    on_book = [place for place in held if is_open(market, place)]
    if not on_book:
        return Refusal(_closed(held, market))
    place = max(on_book, key=lambda k: abs(_notional(market, k, size_at(account, k))))
    try:
        return order_for(account, market, place, Tally())
    except ChainRefused as refused:
        return Refusal(str(refused))


def _closed(held: list[int], market: DydxMarket) -> str:
    books = ", ".join(
        f"{market.reserves[place].symbol} {CLOSED[market.reserves[place].clob_status]}" for place in held
    )
    return f"ErrLiquidationConflictsWithClobPairStatus: {books}"


def _notional(market: DydxMarket, place: int, quantums: int) -> int:
    return quote_quantums(quantums, market.price_of(place), market.reserves[place])


def taken_at(order: LiquidationOrder, market: DydxMarket) -> Liquidation:
    """The whole order at its own price. It pays no trading fee; what its filler pays is left out."""
    perpetual = market.reserves[order.place]
    notional = _notional(market, order.place, order.quantums)
    paid = fill_quote_quantums(perpetual, order.quantums, order.subticks)
    fund_delta = insurance_fund_delta(
        order.account,
        market,
        order.place,
        is_buy=order.is_buy,
        quantums=order.quantums,
        subticks=order.subticks,
    )
    fee = max(0, fund_delta)
    if order.is_buy:
        seizure = Seizure(USDC, paid, paid, protocol_fee=fee)
        repay_reserve, repaid, repaid_base = order.place, order.quantums, notional
    else:
        seizure = Seizure(order.place, order.quantums, notional)
        repay_reserve, repaid, repaid_base = USDC, paid, paid
    return Liquidation(
        seizures=(seizure,),
        repay_reserve=repay_reserve,
        repaid=repaid,
        repaid_base=repaid_base,
        bonus_base=seizure.base - repaid_base,
        bad_debt_base=max(0, -fund_delta),
        debt_to_cover=repaid,
        backstop=Backstop(USDC, max(0, -fund_delta) if order.is_buy else -fund_delta),
        remark=_remark(order, market, fund_delta),
    )


def _remark(order: LiquidationOrder, market: DydxMarket, fund_delta: int) -> str:
    """How the order came about, and who bears what the subaccount cannot."""
    perpetual, held = market.reserves[order.place], abs(size_at(order.account, order.place))
    drawn_from, said = sum(1 for _ in positions_of(order.account)), []
    if drawn_from > 1:
        said.append(f"the largest of {drawn_from} positions, of which each block draws one")
    if order.quantums < held:
        percent = 100 * order.quantums // held
        said.append(f"{percent or 'less than 1'}% of it in this block")
    fund = "its own insurance fund" if perpetual.is_isolated else "the insurance fund"
    if fund_delta > 0:
        said.append(f"a fee of {_in_usdc(fund_delta)} goes to {fund}")
    if fund_delta < 0:
        said.append(f"{fund} pays {_in_usdc(-fund_delta)}")
        if -fund_delta > market.liquidations.max_quantums_insurance_lost:
            said.append("more than it may in one block")
    if account_risk(order.account, market).net_collateral < 0:
        said.append("unfilled, opposite positions take it over at the bankruptcy price")
    return "; ".join(said)


def _in_usdc(quote: int) -> str:
    whole, rest = divmod(quote, 10**6)
    return f"{whole}.{rest:06d} USDC"
