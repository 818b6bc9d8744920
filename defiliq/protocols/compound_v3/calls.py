"""A Comet's absorb and storefront over float columns, for sweeps. The law is in take.py and storefront.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from defiliq.book import Book
from defiliq.calls import Calls, CallTerms, Standing, is_short, raised, whole
from defiliq.calls.terms import Bools, Floats, Ints
from defiliq.protocols.compound_v3.accrual import INDEX_SCALE
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve
from defiliq.protocols.compound_v3.storefront import reserves
from defiliq.protocols.compound_v3.take import accrued
from defiliq.units import WAD

REASONS: Final = (
    "",
    "nothing to absorb",
    "Paused",
    "this Comet answers targetHealthFactor()",
)
PAUSED, IN_PARTS = 2, 3
LASTING: Final = IN_PARTS


@dataclass(frozen=True, slots=True)
class CometCalls:
    """absorb on the legs of one book, and the sale of what it seized."""

    refused: int
    """Why there is no call on any account; 0 where there are calls."""
    is_base: Bools
    """(K,)"""
    credited: Floats
    """(K,) the share of a collateral's value that an absorbed account is credited."""
    discount: Floats
    """(K,) the share of a collateral's price that its buyer saves."""
    spare: Floats
    """(K,) token base units that the Comet has of a collateral beyond what accounts supplied."""
    funds: float
    """The Comet's reserves, in base token base units."""
    target: float
    """Reserves from which on nothing is for sale; -inf where buyCollateral is paused."""

    reasons: ClassVar[tuple[str, ...]] = REASONS
    """As take.py says them."""
    lasting: ClassVar[int] = LASTING
    """BARE to LASTING."""
    untold: ClassVar[tuple[int, ...]] = (IN_PARTS,)
    """What take.py does not tell, either."""

    def breaks(self, standing: Standing) -> Bools:
        """(n,) whether weighted collateral is worth less than the debt."""
        return is_short(standing)

    def calls(self, standing: Standing) -> Calls:
        """absorb of each account, all of which break."""
        calls = Calls.none(standing, self.refused)
        if self.refused:
            return calls
        legs, kind, worth = standing.legs, standing.kind, standing.worth
        is_base = self.is_base.take(kind)
        base_worth = standing.sum(np.where(is_base, worth, 0.0))
        owed = standing.sum(standing.owed)
        value = whole(standing.supplied * worth)
        credit = whole(standing.sum(whole(value * self.credited.take(kind))) / base_worth)
        calls.seized[:] = standing.supplied
        calls.repaid[:] = standing.owed
        calls.seized_base[:] = standing.sum(value)
        calls.repaid_base[:] = whole(owed * base_worth)
        calls.bad_debt_base[:] = whole(np.maximum(0.0, owed - credit) * base_worth)
        paid_out = owed + np.maximum(0.0, credit - owed)
        calls.bonus_base[:] = self._sold(standing, base_worth, self.target - (self.funds - paid_out))
        seized = np.flatnonzero(standing.supplied > 0)[::-1]
        calls.seize_leg[standing.account.take(seized)] = legs.take(seized)
        calls.repay_leg[standing.account[is_base]] = legs[is_base]
        calls.supplied_left[:], calls.owed_left[:] = 0.0, 0.0
        return calls

    def _sold(self, standing: Standing, base_worth: Floats, room: Floats) -> Floats:
        """(n,) what buying the seized collateral gains; `room` is what reserves lack to their target."""
        kind, worth, account = standing.kind, standing.worth, standing.account
        cheap = worth * (1.0 - self.discount.take(kind))
        is_sold = (standing.supplied > 0) & (cheap > 0)
        of_base = base_worth.take(account)
        dear = np.where(is_sold, cheap, 1.0)
        amount = np.minimum(standing.supplied, np.maximum(0.0, self.spare.take(kind) + standing.supplied))
        bought = np.minimum(amount, whole((np.ceil((amount + 1) * dear / of_base) - 1) * of_base / dear))
        paid = raised(bought * dear / of_base)
        gain = np.where(is_sold, whole(bought * worth) - whole(paid * of_base), 0.0)
        paid = np.where(gain > 0, paid, 0.0)
        gain = np.maximum(gain, 0.0)
        total, most = standing.sum(gain), standing.sum(paid)
        dearest = np.maximum.reduceat(paid, standing.first[:-1])
        fits = (room > 0) & (most - dearest < room)
        some = np.flatnonzero((room > 0) & ~fits)
        total[~fits] = 0.0
        if len(some):
            total[some] = _best_sales(standing, some, paid, gain, room)
        return total


def _best_sales(standing: Standing, some: Ints, paid: Floats, gain: Floats, room: Floats) -> Floats:
    """(k,) the gain of the best sale where not all is sold (best_sale).

    Each purchase is tried as the last one, after as many of the cheapest others as leave room for it.
    """
    most = int(np.diff(standing.first).take(some).max())
    shape = (len(some), most)
    costs, gains = np.full(shape, np.inf), np.zeros(shape)
    for row, i in enumerate(some.tolist()):
        span = slice(standing.first[i], standing.first[i + 1])
        order = np.argsort(np.where(gain[span] > 0, paid[span], np.inf), kind="stable")
        count = int(np.count_nonzero(gain[span] > 0))
        costs[row, :count], gains[row, :count] = paid[span][order][:count], gain[span][order][:count]
    best = np.zeros(len(some))
    for last in range(most):
        others = np.delete(np.arange(most), last)
        fits = np.cumsum(costs[:, others], axis=1) < room.take(some)[:, None]
        best = np.maximum(best, gains[:, last] + (gains[:, others] * fits).sum(axis=1))
    return best


def call_terms(book: Book[CometMarket]) -> CallTerms:
    """The book's legs as absorb sees them: at accrued indices."""
    market = accrued(book.market)
    kind = book.reserves.astype(np.intp)

    def table(number: Callable[[CometReserve], float]) -> Floats:
        """(K,) a number of each reserve."""
        return np.array([number(reserve) for reserve in market.reserves], dtype=np.float64)

    is_base = table(lambda reserve: reserve.offset is None) > 0
    is_base_leg = is_base.take(kind)
    weight = table(lambda reserve: reserve.liquidate_factor_wad / WAD)
    penalty = table(lambda reserve: 1.0 - reserve.liquidation_factor_wad / WAD)
    rule = CometCalls(
        refused=PAUSED
        if market.absorb_paused
        else 0
        if market.target_health_factor_wad is None
        else IN_PARTS,
        is_base=is_base,
        credited=table(lambda reserve: reserve.liquidation_factor_wad / WAD),
        discount=penalty * (market.store_front_factor_wad / WAD),
        spare=table(lambda reserve: float(reserve.held - reserve.supplied)),
        funds=float(reserves(market)),
        target=-np.inf if market.buy_paused else float(market.target_reserves),
    )
    return CallTerms(
        first_leg=book.first_leg,
        kind=kind,
        supplied=np.where(is_base_leg, 0.0, book.collateral.to_float() * book.counted),
        owed=np.where(is_base_leg, whole(book.debt.to_float() * (market.borrow_index / INDEX_SCALE)), 0.0),
        always=np.zeros(len(book), dtype=np.bool_),
        reserves=np.arange(len(market.reserves)),
        feeds=table(lambda reserve: reserve.feed).astype(np.intp),
        unit=table(lambda reserve: float(reserve.unit)),
        weight=weight,
        least_weight=weight,
        burden=np.ones(len(weight)),
        rule=rule,
    )
