"""Liquidations where insurance funds pay no more than they have (x/clob liquidations.go, deleveraging.go).

A fill at the order's own price may cost the fund more than it has, or than one block lets it lose on one
subaccount. The chain then only fills at prices that cost less, so the order is taken to be filled at the
worst of those. Where that is better than the oracle price for the subaccount nobody fills it: a bankrupt
subaccount's whole position is shared out among opposite ones, any other is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from defiliq.chain.protobuf import varint
from defiliq.protocols.dydx_v4.after import position_of, to_fund
from defiliq.protocols.dydx_v4.deleveraging import deleverage_price, fund_can_pay, offset_position
from defiliq.protocols.dydx_v4.insurance import balances_of, fund_place, with_balance
from defiliq.protocols.dydx_v4.legs import positions_of, usdc_of
from defiliq.protocols.dydx_v4.limits import Tally, max_insurance_left
from defiliq.protocols.dydx_v4.liquidation import (
    LiquidationOrder,
    bankruptcy_quote_quantums,
    in_order,
    oracle_subticks,
    size_at,
)
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.risk import quote_quantums, scale_of
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.settle import USDC, Position, Subaccount, to_account
from defiliq.protocols.dydx_v4.take import order_of, taken_at
from defiliq.types import Account, Backing, Balances, Liquidation, Refusal, SharedOut, Shortfall, Taking

_AT_ONCE: Final = 64
"""So many opposite subaccounts are asked at a time; the answer is the same for any number."""


def take_backed(order: LiquidationOrder, market: DydxMarket, balances: Balances) -> Taking | Shortfall:
    """What an order takes where the funds have `balances`, or why nothing."""
    found = taken_at(order, market)
    fund = fund_place(market, order.place)
    if fund not in balances:
        return found
    most = max_insurance_left(Tally(), market.liquidations, market.reserves[order.place].id)
    means = min(balances[fund], most)
    if fund_can_pay(means, to_fund(found)):
        return found
    dearer = borne(order, market, means)
    if dearer is not None:
        return taken_at(dearer, market)
    if deleverage_price(account_risk(order.account, market), market, order.place) == "bankruptcy":
        return Shortfall(order.place, -size_at(order.account, order.place))
    return Refusal("ErrInsuranceFundHasInsufficientFunds: net collateral is not negative yet")


def borne(order: LiquidationOrder, market: DydxMarket, means: int) -> LiquidationOrder | None:
    """The order at the worst price that costs the fund no more than `means`; None where that is better for
    the subaccount than the oracle price, at which nobody fills it.
    """
    perpetual, tick = market.reserves[order.place], market.reserves[order.place].subticks_per_tick
    due = bankruptcy_quote_quantums(order.account, market, order.place, order.delta)
    numerator, denominator = scale_of(perpetual.quantum_conversion_exponent)
    oracle, subtick = oracle_subticks(market, order.place), order.quantums * numerator
    if order.is_buy:
        # What is paid is cut to an integer, and must stay below one more than the most.
        above = -(-(means - due + 1) * denominator // subtick)
        subticks = (above - 1) // tick * tick
        return order._replace(subticks=subticks) if oracle <= subticks >= tick else None
    subticks = -(-(due - means) * denominator // (subtick * tick)) * tick
    return order._replace(subticks=subticks) if subticks <= oracle else None


def line_up(orders: Sequence[LiquidationOrder], market: DydxMarket) -> list[int]:
    """The order in which a block places orders (SortLiquidationOrders).

    Equals, which the chain sorts by their hashes, go by the store's keys.
    """
    place_in = {order.account.owner: k for k, order in enumerate(orders)}
    ranked = in_order(orders, market, lambda order: store_key(order.account.owner))
    return [place_in[order.account.owner] for order in ranked]


def store_key(name: str) -> bytes:
    """What sorts subaccounts as the chain's store lists them (SubaccountId.ToStateKey): by the length of the
    owner, the owner, and the number as protobuf writes it, which leaves 0 out.
    """
    owner, _, number = name.rpartition("/")
    return bytes([len(owner)]) + owner.encode() + (varint(int(number)) if int(number) else b"")


def paid_to_fund(market: DydxMarket, taken: Liquidation) -> tuple[int, int]:
    """(place of the fund, quote quantums that a fill gives it), negative where it pays."""
    return fund_place(market, position_of(taken)), to_fund(taken)


def share_out(
    account: Account, others: Iterator[Account], market: DydxMarket, lacking: Shortfall
) -> SharedOut:
    """A bankrupt subaccount's position among `others`, asked in order, at its bankruptcy price."""
    perpetual, place = market.reserves[lacking.reserve], lacking.reserve
    liquidated, remaining, there = to_subaccount(account, market), lacking.amount, market
    changed: dict[int, Account] = {}
    asked = 0
    while remaining:
        some = [to_subaccount(other, market) for other in islice(others, _AT_ONCE)]
        if not some:
            break
        found = offset_position(liquidated, some, there, perpetual.id, remaining, "bankruptcy")
        liquidated, *left = found.subaccounts
        took = {name for name, _ in found.fills}
        for k, raw in enumerate(left, start=asked):
            if raw.name in took:
                changed[k] = to_account(raw, market)
        remaining, there, asked = found.remaining, found.market, asked + len(some)
    closed = abs(lacking.amount - remaining)
    worth = quote_quantums(closed, market.price_of(place), perpetual)
    return SharedOut(to_account(liquidated, market), changed, closed, worth, there)


def to_subaccount(account: Account, market: DydxMarket) -> Subaccount:
    """A judged account as a settled subaccount. Quote balances of positions stay in its USDC."""
    owner, _, number = account.owner.rpartition("/")
    usdc = usdc_of(account)
    positions = (
        Position(market.reserves[place].id, size, market.reserves[place].funding_index)
        for place, size in positions_of(account)
    )
    ordered = tuple(sorted(positions, key=lambda held: held.perpetual_id))
    return Subaccount(owner, int(number), ((USDC, usdc),) if usdc else (), ordered)


BACKING: Final = Backing(
    balances=balances_of,
    with_balance=with_balance,
    order=order_of,
    in_order=line_up,
    take=take_backed,
    paid=paid_to_fund,
    key=store_key,
    share_out=share_out,
)
"""The insurance funds' law."""
