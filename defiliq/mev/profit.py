"""What a liquidation leaves to whoever does it: bonus less gas, flash loan and what the exit costs.

Exact in the token that is repaid: every amount is what the contracts would move. Nothing that is not known is
taken as 0: without an exit, a gas price or a price of the native coin there is no net, and `lacks` says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from defiliq.mev.costs import Costs
from defiliq.mev.deal import FLASH, Deal, deal_of, worth_base
from defiliq.mev.exits import Sale
from defiliq.types import Liquidation, Market


@dataclass(frozen=True, slots=True)
class Kept:
    """Collateral that finds no buyer in the exit: it counts for nothing in the net."""

    reserve: int
    amount: int


@dataclass(frozen=True, slots=True)
class Profit:
    """One liquidation with its costs. Amounts are base units of the repaid token, or say otherwise."""

    deal: Deal
    sales: tuple[Sale, ...]
    exit_out: int | None
    """What all that is got comes to; None where some of it has no exit."""
    kept: tuple[Kept, ...]
    slippage_base: int | None
    """What is sold at oracle prices less what the sales brought at oracle prices, in base currency integers:
    fees of pools and their distance from the oracle are in it."""
    flash_fee: int | None
    """None where it is not known what a loan costs."""
    gas_units: int | None
    gas_price_wei: int | None
    gas_base: int | None
    """In base currency integers, rounded up."""
    gas: int | None
    """In base units of the repaid token, rounded up."""
    net: int | None
    net_base: int | None
    """The same in base currency integers, rounded down."""
    lacks: str
    """Why the net is not known; '' where it is."""
    remark: str

    @property
    def is_known(self) -> bool:
        """Whether there is a net."""
        return self.net_base is not None


def profit(taken: Liquidation, market: Market, costs: Costs, deal: Deal | None = None) -> Profit:
    """What a liquidation leaves at a market's prices.

    `deal` says what it is to its earner where that is not plainly a liquidator who repays and is handed
    collateral: Comet's storefront, dYdX's insurance fund; it also knows how many legs the account has.
    """
    deal = deal_of(taken, market) if deal is None else deal
    return _of_fund(deal) if deal.fund_gains is not None else _of_trade(deal, market, costs)


def _of_fund(deal: Deal) -> Profit:
    """The chain liquidates by itself: nobody pays gas, and no collateral is sold by whoever earns."""
    gains = deal.fund_gains
    return Profit(deal, (), None, (), None, 0, 0, None, 0, 0, gains, gains, "", deal.remark)


@dataclass(frozen=True, slots=True)
class _Sold:
    """All that a deal hands over, once it is sold."""

    sales: tuple[Sale, ...]
    kept: tuple[Kept, ...]
    out: int
    """Base units of the repaid token, with what is handed over in it."""
    slippage_base: int
    lacks: tuple[str, ...]
    """Why some of it has no exit."""


def _of_trade(deal: Deal, market: Market, costs: Costs) -> Profit:
    sold = _sold(deal, market, costs)
    units = costs.units(deal, sum(sale.swaps for sale in sold.sales), market)
    gas_base, gas = _gas(units, deal, market, costs)
    lacks = [
        costs.lacks,
        *_unlent(deal, market, costs),
        *sold.lacks,
        *_unpaid(units, gas, costs, deal, market),
    ]
    why = "; ".join(reason for reason in lacks if reason)
    fee = costs.flash_fee(deal)
    net = None if why or gas is None or fee is None else sold.out - deal.paid - fee - gas
    return Profit(
        deal=deal,
        sales=sold.sales,
        exit_out=None if sold.lacks else sold.out,
        kept=sold.kept,
        slippage_base=None if sold.lacks else sold.slippage_base,
        flash_fee=fee,
        gas_units=units,
        gas_price_wei=costs.gas_price_wei,
        gas_base=gas_base,
        gas=gas,
        net=net,
        net_base=None if net is None else worth_base(market, deal.paid_reserve, net),
        lacks=why,
        remark="; ".join(said for said in (deal.remark, *_left_over(sold, market), costs.note) if said),
    )


def _sold(deal: Deal, market: Market, costs: Costs) -> _Sold:
    """What each part that is handed over brings, sold for what is repaid."""
    sales, kept, lacks, out, slippage = [], [], [], 0, Fraction(0)
    swap_cost = _swap_cost(deal, market, costs)
    for got in deal.got:
        pair = got.reserve, deal.paid_reserve
        if _is_same(market, *pair) or got.usable == 0:
            out += got.usable
            continue
        way_out = costs.exits.get(pair)
        if way_out is None:
            lacks.append(costs.no_exit.get(pair, f"no exit is known for {_pair(market, *pair)}"))
            continue
        sale = way_out.sell(got.usable, costs.moved(*pair, market), swap_cost)
        sales.append(sale)
        out += sale.got
        slippage += _worth(market, got.reserve, sale.sold) - _worth(market, deal.paid_reserve, sale.got)
        kept += [Kept(got.reserve, sale.left)] if sale.left else []
    return _Sold(tuple(sales), tuple(kept), out, ceil(slippage), tuple(lacks))


def _unlent(deal: Deal, market: Market, costs: Costs) -> Iterator[str]:
    """Why there is no flash loan, where one is needed."""
    if costs.flash is not None and deal.paid and deal.paid_reserve in costs.flash.refused:
        symbol = market.reserves[deal.paid_reserve].symbol
        yield f"the pool lends no flash loans of {symbol}: give --flash none, or basis points"


def _gas(units: int | None, deal: Deal, market: Market, costs: Costs) -> tuple[int | None, int | None]:
    """Gas in base currency integers and in the repaid token, both rounded up."""
    if units is None or costs.gas_price_wei is None:
        return None, None
    wei = units * costs.gas_price_wei
    if wei == 0:
        return 0, 0
    base, token = costs.native.worth_base(wei, market), costs.in_debt_token(wei, deal, market)
    return (None, None) if base is None or token is None else (ceil(base), ceil(token))


def _swap_cost(deal: Deal, market: Market, costs: Costs) -> Fraction:
    """The gas of one swap in the repaid token, by which ways out are chosen; 0 where it is not known."""
    one, none = costs.units(deal, 1, market), costs.units(deal, 0, market)
    if one is None or none is None or costs.gas_price_wei is None:
        return Fraction(0)
    worth = costs.in_debt_token((one - none) * costs.gas_price_wei, deal, market)
    return Fraction(0) if worth is None else worth


def _unpaid(units: int | None, gas: int | None, costs: Costs, deal: Deal, market: Market) -> Iterator[str]:
    """Why the cost of gas is not known."""
    if units is None:
        calls = costs.unmeasured(deal, market)
        what = "a flash loan" if calls == (FLASH,) else "a liquidation"
        yield f"the gas of {what} in {market.protocol} was not measured: give --gas-units"
    elif costs.gas_price_wei is None:
        yield "no gas price is known: give --gas-gwei"
    elif gas is None:
        yield f"no price of {costs.native.symbol} is known here: give --native-usd"


def _left_over(sold: _Sold, market: Market) -> Iterator[str]:
    """What is not in the sales."""
    if len(sold.sales) > 1:
        yield "each collateral is sold as if the others were not: pools that they share would bring less"
    for one in sold.kept:
        symbol = market.reserves[one.reserve].symbol
        yield f"the exit runs dry: {one.amount} base units of {symbol} are kept and count for nothing"


def _is_same(market: Market, one: int, other: int) -> bool:
    return market.reserves[one].asset == market.reserves[other].asset


def _pair(market: Market, sold: int, bought: int) -> str:
    return f"{market.reserves[sold].symbol}/{market.reserves[bought].symbol}"


def _worth(market: Market, reserve: int, amount: int) -> Fraction:
    held = market.reserves[reserve]
    unit = held.unit * market.price_unit(held.feed)
    return Fraction(amount * market.price_of(reserve) * market.base_unit, unit)
