"""The liquidation order that the chain places for a subaccount, and what it costs (x/clob liquidations.go).

Prices of a position's close are amounts of quote quantums, positive where the subaccount receives them. The
bankruptcy price shares net collateral out by maintenance margin; the fillable price is the worst that the
order takes; what lies between a fill and the bankruptcy price is the insurance fund's, up to a fee.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from defiliq.protocols.dydx_v4.legs import positions_of
from defiliq.protocols.dydx_v4.limits import Tally, liquidatable_delta
from defiliq.protocols.dydx_v4.market import DydxMarket, Perpetual
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import Risk, position_risk, quote_quantums, scale_of
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.types import Account
from defiliq.units import PPM, mul_div_down

_MAX_UINT64 = 2**64 - 1


class LiquidationOrder(NamedTuple):
    """An order of a liquidated subaccount, good for one block, that only takes."""

    account: Account
    place: int
    """Of the perpetual in the market's reserves."""
    is_buy: bool
    """Whether it closes a short."""
    quantums: int
    subticks: int
    """The worst price that it takes."""

    @property
    def delta(self) -> int:
        """Base quantums with the order's sign."""
        return self.quantums if self.is_buy else -self.quantums


def size_at(account: Account, place: int) -> int:
    """The account's signed position in the perpetual at a place; 0 where it has none."""
    return next((size for held, size in positions_of(account) if held == place), 0)


def _closing(account: Account, place: int, delta: int) -> int:
    """The position that `delta` closes, in part or whole."""
    size = size_at(account, place)
    if size * delta >= 0 or abs(delta) > abs(size):
        raise ChainRefused("ErrInvalidPerpetualPositionSizeDelta", f"{delta} of a position of {size}")
    return size


def _with_margin(account: Account, market: DydxMarket) -> Risk:
    """The account's risk, whose margin the chain divides by."""
    risk = account_risk(account, market)
    if risk.maintenance_margin == 0:
        raise ChainRefused("division by zero", "the subaccount has no maintenance margin")
    return risk


def bankruptcy_quote_quantums(account: Account, market: DydxMarket, place: int, delta: int) -> int:
    """What closing `delta` must bring so that the rest shares the same net collateral per margin, rounded up
    (GetBankruptcyPriceInQuoteQuantums).
    """
    size = _closing(account, place, delta)
    total = _with_margin(account, market)
    perpetual, price = market.reserves[place], market.price_of(place)
    before, after = position_risk(perpetual, price, size), position_risk(perpetual, price, size + delta)
    released = before.maintenance_margin - after.maintenance_margin
    share = total.net_collateral * released // total.maintenance_margin
    return before.net_collateral - after.net_collateral - share


def fillable_price(account: Account, market: DydxMarket, place: int, delta: int) -> Fraction:
    """The worst price at which the chain closes a position, in quote quantums per base quantum
    (GetFillablePrice).

    It lies off the oracle price by a part of the position's margin that grows as net collateral falls.
    """
    size = _closing(account, place, delta)
    total, config = _with_margin(account, market), market.liquidations
    held = position_risk(market.reserves[place], market.price_of(place), size)
    unbounded = Fraction(config.bankruptcy_adjustment_ppm, PPM) * (
        1 - Fraction(total.net_collateral, total.maintenance_margin)
    )
    bounded = min(max(unbounded, Fraction(0)), Fraction(1))
    spread = Fraction(held.maintenance_margin * config.spread_to_maintenance_margin_ratio_ppm, PPM)
    price = Fraction(held.net_collateral - bounded * spread, size)
    if price < 0:
        raise ChainRefused("GetFillablePrice", "calculated fillable price is negative")
    return price


def to_subticks(price: Fraction, perpetual: Perpetual, *, is_long: bool) -> int:
    """A fillable price as the order states it (ConvertFillablePriceToSubticks).

    Rounded against the filler: up to a subtick and on to a tick where a long is sold, down where a short is
    bought, and within what ticks and 64 bits allow.
    """
    numerator, denominator = scale_of(-perpetual.quantum_conversion_exponent)
    exact = price * Fraction(numerator, denominator)
    tick = perpetual.subticks_per_tick
    if is_long:
        whole = -(-exact.numerator // exact.denominator)
        aligned = -(-whole // tick) * tick
    else:
        aligned = exact.numerator // exact.denominator // tick * tick
    return min(max(aligned, tick), _MAX_UINT64 - _MAX_UINT64 % tick)


def oracle_subticks(market: DydxMarket, place: int) -> Fraction:
    """The oracle price in subticks, uncut (GetOraclePriceSubticksRat)."""
    perpetual = market.reserves[place]
    return market.price_of(place) * Fraction(
        *scale_of(perpetual.quantum_exponent - perpetual.quantum_conversion_exponent)
    )


def fill_quote_quantums(perpetual: Perpetual, quantums: int, subticks: int) -> int:
    """What a fill is paid with, rounded down (FillAmountToQuoteQuantums)."""
    return mul_div_down(subticks * quantums, *scale_of(perpetual.quantum_conversion_exponent))


def insurance_fund_delta(
    account: Account, market: DydxMarket, place: int, *, is_buy: bool, quantums: int, subticks: int
) -> int:
    """What a fill gives the insurance fund, or takes of it where negative (GetLiquidationInsuranceFundDelta).

    The fund has what a fill brings beyond the bankruptcy price, but as a fee no more than a part of the fill.
    """
    if quantums == 0:
        raise ChainRefused("ErrInvalidQuantumsForInsuranceFundDeltaCalculation", "the fill amount is zero")
    paid = fill_quote_quantums(market.reserves[place], quantums, subticks)
    received, delta = (-paid, quantums) if is_buy else (paid, -quantums)
    beyond = received - bankruptcy_quote_quantums(account, market, place, delta)
    if beyond <= 0:
        return beyond
    return min(mul_div_down(paid, market.liquidations.max_liquidation_fee_ppm, PPM), beyond)


def place_to_liquidate(account: Account, market: DydxMarket, offset: int, tally: Tally) -> int:
    """The position that an order is placed for (GetPerpetualPositionToLiquidate).

    The first that this block has not had yet, from the `offset`-th on and around; the chain draws the offset
    pseudo-randomly from the time of the block before.
    """
    places = [place for place, _ in positions_of(account)]
    for k in range(len(places)):
        place = places[(k + offset) % len(places)]
        if market.reserves[place].id not in tally.perpetuals:
            return place
    raise ChainRefused("ErrNoPerpetualPositionsToLiquidate", account.owner)


def order_for(account: Account, market: DydxMarket, place: int, tally: Tally) -> LiquidationOrder:
    """The order that liquidates one position (GetLiquidationOrderForPerpetual)."""
    size = size_at(account, place)
    if size == 0:
        raise ChainRefused("ErrNoPerpetualPositionsToLiquidate", f"{account.owner} in {place}")
    delta = liquidatable_delta(market, place, size, tally)
    price = fillable_price(account, market, place, delta)
    subticks = to_subticks(price, market.reserves[place], is_long=size > 0)
    return LiquidationOrder(account, place, delta > 0, abs(delta), subticks)


def liquidation_order(
    account: Account, market: DydxMarket, offset: int = 0, tally: Tally | None = None
) -> LiquidationOrder:
    """The order of a liquidatable subaccount; ChainRefused of any other (MaybeGetLiquidationOrder)."""
    known = Tally() if tally is None else tally
    if not account_risk(account, market).is_liquidatable:
        raise ChainRefused("ErrSubaccountNotLiquidatable", account.owner)
    return order_for(account, market, place_to_liquidate(account, market, offset, known), known)


def in_order(
    orders: Sequence[LiquidationOrder],
    market: DydxMarket,
    hash_of: Callable[[LiquidationOrder], bytes],
) -> list[LiquidationOrder]:
    """Orders as the chain places them (SortLiquidationOrders).

    Those furthest from the oracle price first, in proportion to it; of equals the larger notional; of those
    the smaller hash.
    """

    def rank(order: LiquidationOrder) -> tuple[Fraction, int, bytes]:
        perpetual, oracle = market.reserves[order.place], oracle_subticks(market, order.place)
        notional = quote_quantums(order.quantums, market.price_of(order.place), perpetual)
        return -Fraction(abs(order.subticks - oracle), oracle), -notional, hash_of(order)

    return sorted(orders, key=rank)
