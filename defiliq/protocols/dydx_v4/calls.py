"""dYdX v4's liquidation orders over float columns, for sweeps. The law is in take.py and liquidation.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from defiliq.book import Book
from defiliq.calls import WENT, Calls, CallTerms, Standing, raised, whole
from defiliq.calls.terms import Bools, Floats, Ints
from defiliq.protocols.dydx_v4.explain import is_open
from defiliq.protocols.dydx_v4.market import DydxMarket, LiquidationsConfig, Perpetual
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.units import PPM

REASONS: Final = (
    "",
    "nothing to hand over",
    "ErrLiquidationConflictsWithClobPairStatus",
    "GetFillablePrice",
)
CLOSED, NEGATIVE_PRICE = 2, 3
LASTING: Final = CLOSED
_MOST_SUBTICKS: Final = 2.0**64


class Risks(NamedTuple):
    """What positions and accounts are worth and require, in quote quantums (risk.py)."""

    notional: Floats
    """(m,) signed; USDC as it is."""
    margin: Floats
    """(m,) maintenance."""
    net: Floats
    """(n,)"""
    required: Floats
    """(n,) maintenance."""

    @property
    def cover(self) -> Floats:
        """(n,) net collateral as a share of what is required; 0 where nothing is, which nobody liquidates."""
        return np.divide(self.net, self.required, out=np.zeros_like(self.net), where=self.required > 0)


class Order(NamedTuple):
    """The orders of k accounts, for one position each."""

    size: Floats
    """(k,) signed base quantums of the position."""
    quantums: Floats
    """(k,)"""
    subticks: Floats
    """(k,) NaN where the fillable price is below zero, which the chain refuses."""


@dataclass(frozen=True, slots=True)
class DydxCalls:
    """Liquidation orders on the legs of one book, filled at their own price."""

    config: LiquidationsConfig
    initial: Floats
    """(K,) initial margin of a notional."""
    maintenance: Floats
    """(K,) the part of the initial margin that is maintenance margin."""
    is_usdc: Bools
    """(K,)"""
    on_book: Bools
    """(K,) whether the position's book takes liquidation orders."""
    step: Floats
    """(K,) base quantums that orders are multiples of."""
    tick: Floats
    """(K,) subticks that prices of orders are multiples of."""
    subtick: Floats
    """(K,) quote quantums per base quantum in one subtick."""

    reasons: ClassVar[tuple[str, ...]] = REASONS
    """As take.py says them."""
    lasting: ClassVar[int] = LASTING
    """BARE to LASTING."""
    untold: ClassVar[tuple[int, ...]] = ()
    """None."""

    def breaks(self, standing: Standing) -> Bools:
        """(n,) whether net collateral is below the maintenance margin, and there is one."""
        risks = self._risks(standing)
        broken: Bools = (risks.required > 0) & (risks.required > risks.net)
        return broken

    def _risks(self, standing: Standing) -> Risks:
        notional = whole(standing.supplied * standing.worth) - whole(standing.owed * standing.worth)
        margin = self._margin(np.abs(notional), standing.kind)
        return Risks(notional, margin, standing.sum(notional), standing.sum(margin))

    def _margin(self, notional: Floats, kind: Ints) -> Floats:
        """Maintenance margin of notionals, rounded up twice."""
        return raised(raised(notional * self.initial.take(kind)) * self.maintenance.take(kind))

    def calls(self, standing: Standing) -> Calls:
        """The order for each account's largest position on an open book, filled at its own price."""
        calls = Calls.none(standing, CLOSED)
        risks = self._risks(standing)
        chosen = self._largest(standing, risks)
        rows = standing.account.take(chosen)
        order = self._order(standing, risks, chosen, rows)
        is_refused = np.isnan(order.subticks)
        calls.reason[rows] = np.where(is_refused, NEGATIVE_PRICE, WENT)
        kept = np.flatnonzero(~is_refused)
        self._fill(standing, risks, calls, chosen.take(kept), Order(*(column.take(kept) for column in order)))
        return calls

    def _largest(self, standing: Standing, risks: Risks) -> Ints:
        """(k,) the leg of the largest position on an open book, of the accounts that have one; the first of
        equals.
        """
        size = standing.supplied - standing.owed
        open_legs = self.on_book.take(standing.kind) & (size != 0)
        amount = np.where(open_legs, np.abs(risks.notional), -1.0)
        largest = np.maximum.reduceat(amount, standing.first[:-1])
        places = np.flatnonzero(open_legs & (amount == largest.take(standing.account)))
        first = np.diff(standing.account.take(places), prepend=-1) > 0
        return places[first]

    def _order(self, standing: Standing, risks: Risks, chosen: Ints, rows: Ints) -> Order:
        """Size and price of each order (liquidatable_delta, fillable_price, to_subticks)."""
        kind, worth = standing.kind.take(chosen), standing.worth.take(chosen)
        size = standing.supplied.take(chosen) - standing.owed.take(chosen)
        held, notional = np.abs(size), np.abs(risks.notional.take(chosen))
        config, step = self.config, self.step.take(kind)
        least = np.minimum(notional, float(config.min_position_notional_liquidated))
        part = whole(notional * (config.max_position_portion_liquidated_ppm / PPM))
        most = np.minimum(np.maximum(least, part), float(config.max_notional_liquidated))
        in_steps = whole(whole(most / worth) / step) * step
        quantums = np.where((notional <= most) | (held <= step), held, np.clip(in_steps, step, held))

        short = (config.bankruptcy_adjustment_ppm / PPM) * (1.0 - risks.cover.take(rows))
        spread = risks.margin.take(chosen) * (config.spread_to_maintenance_margin_ratio_ppm / PPM)
        price = (risks.notional.take(chosen) - np.clip(short, 0.0, 1.0) * spread) / size
        exact, tick = price / self.subtick.take(kind), self.tick.take(kind)
        ticks = np.where(size > 0, raised(exact / tick), whole(exact / tick))
        subticks = np.clip(ticks * tick, tick, _MOST_SUBTICKS - tick)
        return Order(size, quantums, np.where(price < 0, np.nan, subticks))

    def _fill(self, standing: Standing, risks: Risks, calls: Calls, chosen: Ints, order: Order) -> None:
        """Fill whole orders at their own price, and settle with the insurance fund (after.py)."""
        kind, rows, worth = (
            standing.kind.take(chosen),
            standing.account.take(chosen),
            standing.worth.take(chosen),
        )
        is_long = order.size > 0
        signed = np.where(is_long, 1.0, -1.0)
        left = np.abs(order.size) - order.quantums
        left_notional = whole(left * worth)
        released = risks.margin.take(chosen) - self._margin(left_notional, kind)
        share = np.floor(risks.cover.take(rows) * released)
        due = risks.notional.take(chosen) - signed * left_notional - share
        paid = whole(order.subticks * order.quantums * self.subtick.take(kind))
        beyond = signed * paid - due
        fee = np.minimum(whole(paid * (self.config.max_liquidation_fee_ppm / PPM)), beyond)
        to_fund = np.where(beyond > 0, fee, beyond)
        closed_base = whole(order.quantums * worth)

        calls.seized_base[rows] = np.where(is_long, closed_base, paid)
        calls.repaid_base[rows] = np.where(is_long, paid, closed_base)
        calls.bonus_base[rows] = signed * (closed_base - paid)
        calls.fee_base[rows] = np.where(is_long, 0.0, np.maximum(0.0, to_fund))
        calls.bad_debt_base[rows] = np.maximum(0.0, -to_fund)
        cash = np.flatnonzero(self.is_usdc.take(standing.kind)).take(rows)
        seize, repay = np.where(is_long, chosen, cash), np.where(is_long, cash, chosen)
        calls.seize_leg[rows], calls.repay_leg[rows] = standing.legs.take(seize), standing.legs.take(repay)
        calls.seized[seize] = np.where(is_long, order.quantums, paid)
        calls.repaid[repay] = np.where(is_long, paid, order.quantums)
        calls.fees[cash] = calls.fee_base[rows]
        calls.backstop[cash] = np.where(is_long, -to_fund, np.maximum(0.0, -to_fund))
        _settle(calls, chosen, signed * left)
        balance = (standing.supplied - standing.owed).take(cash) + signed * paid - to_fund
        _settle(calls, cash, balance)


def _settle(calls: Calls, legs: Ints, size: Floats) -> None:
    """Legs of signed sizes."""
    calls.supplied_left[legs], calls.owed_left[legs] = np.maximum(size, 0.0), np.maximum(-size, 0.0)


def call_terms(book: Book[DydxMarket]) -> CallTerms:
    """The book's legs as orders see them; every account has a leg of USDC, though it be of nothing."""
    market = book.market
    kind, supplied, owed, first_leg = _with_usdc(book)
    reserves = np.arange(len(market.reserves))

    def table(number: Callable[[Perpetual], float]) -> Floats:
        """(K,) a number of each perpetual."""
        return np.array([number(reserve) for reserve in market.reserves], dtype=np.float64)

    initial = table(lambda reserve: reserve.initial_margin_ppm / PPM)
    maintenance = table(lambda reserve: reserve.maintenance_fraction_ppm / PPM)
    weight = 1.0 - initial * maintenance
    rule = DydxCalls(
        config=market.liquidations,
        initial=initial,
        maintenance=maintenance,
        is_usdc=reserves == USDC,
        on_book=np.array([k != USDC and is_open(market, k) for k in reserves.tolist()], dtype=np.bool_),
        step=table(lambda reserve: float(max(1, reserve.step_base_quantums))),
        tick=table(lambda reserve: float(max(1, reserve.subticks_per_tick))),
        subtick=table(lambda reserve: 10.0**reserve.quantum_conversion_exponent),
    )
    return CallTerms(
        first_leg=first_leg,
        kind=kind,
        supplied=supplied,
        owed=owed,
        always=np.zeros(len(book), dtype=np.bool_),
        reserves=reserves,
        feeds=table(lambda reserve: reserve.feed).astype(np.intp),
        unit=table(lambda reserve: 10.0**-reserve.quantum_exponent),
        weight=weight,
        least_weight=weight,
        burden=1.0 + initial * maintenance,
        rule=rule,
        is_position=reserves != USDC,
    )


def _with_usdc(book: Book[DydxMarket]) -> tuple[Ints, Floats, Floats, Ints]:
    """Perpetuals, longs, shorts and first legs, with a leg of no USDC before those of accounts without."""
    account = book.account_of_leg
    has_usdc = np.bincount(account[book.reserves == USDC], minlength=len(book)) > 0
    at = book.first_leg[:-1][~has_usdc]
    first_leg = book.first_leg + np.concatenate(([0], np.cumsum(~has_usdc)))
    return (
        np.insert(book.reserves.astype(np.intp), at, USDC),
        np.insert(book.collateral.to_float(), at, 0.0),
        np.insert(book.debt.to_float(), at, 0.0),
        first_leg,
    )
