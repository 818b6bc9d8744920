"""Solo Margin's Liquidate action over float columns, for sweeps. The law is in take.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from defiliq.book import Book
from defiliq.calls import (
    BARE,
    WENT,
    Calls,
    CallTerms,
    Moved,
    Pairs,
    Standing,
    best_pairs,
    is_short,
    pairs_of,
    raised,
    whole,
)
from defiliq.calls.terms import Bools, Floats
from defiliq.protocols.dydx_solo.market import LIQUID, SoloMarket, SoloReserve
from defiliq.units import WAD

REASONS: Final = ("", "nothing to hand over", "Borrow value too low")
TOO_LITTLE_LEFT: Final = 2
LASTING: Final = BARE


@dataclass(frozen=True, slots=True)
class SoloCalls:
    """Liquidate on the legs of one book. The spread of a pair widens by a factor of each leg's own."""

    spread: float
    widening: Floats
    """(K,) 1 + spread premium."""
    premium: Floats
    """(K,) 1 + margin premium: what a debt's value counts."""
    least_debt_base: float
    """An operation must not leave less, unless none."""

    reasons: ClassVar[tuple[str, ...]] = REASONS
    """As take.py says them."""
    lasting: ClassVar[int] = LASTING
    """BARE to LASTING."""
    untold: ClassVar[tuple[int, ...]] = (TOO_LITTLE_LEFT,)
    """What take.py does not tell, either."""

    def breaks(self, standing: Standing) -> Bools:
        """(n,) whether supplies fall short of debts and margin, or somebody began to liquidate who owes."""
        owes = standing.any((standing.owed > 0) & (standing.worth > 0))
        broken: Bools = (is_short(standing) | standing.always) & owes
        return broken

    def calls(self, standing: Standing) -> Calls:
        """The call that pays best on each account, all of which break."""
        pairs = pairs_of(standing, standing.supplied > 0, standing.owed > 0)
        held, owed = standing.kind.take(pairs.seize), standing.kind.take(pairs.repay)
        spread = self.spread * self.widening.take(held) * self.widening.take(owed)
        dear = standing.worth.take(pairs.repay) * (1.0 + spread)
        cheap = standing.worth.take(pairs.seize)
        supplied, debt = standing.supplied.take(pairs.seize), standing.owed.take(pairs.repay)
        covered = np.minimum(debt, raised(supplied * cheap / dear))
        asked = np.where(self._is_refused(covered, pairs, standing), self._allowed(pairs, standing), debt)
        asked = np.minimum(asked, debt)
        seized = whole(asked * dear / cheap)
        is_all = seized > supplied
        repaid = np.where(is_all, raised(supplied * cheap / dear), asked)
        taken = np.where(is_all, supplied, seized)
        reason = np.where(asked <= 0, TOO_LITTLE_LEFT, WENT).astype(np.int8)
        calls = best_pairs(standing, pairs, Moved(taken, np.zeros_like(taken), repaid), reason)
        went = calls.reason == WENT
        bare = went & ~standing.any(calls.supplied_left > 0)
        calls.bad_debt_base[:] = np.where(bare, standing.sum(calls.owed_left * standing.worth), 0.0)
        calls.always |= went
        return calls

    def _debt_base(self, pairs: Pairs, standing: Standing) -> Floats:
        """(p,) all debts of each pair's account, by margin premium."""
        owed_base = standing.owed * standing.worth * self.premium.take(standing.kind)
        return standing.sum(owed_base).take(pairs.account)

    def _is_refused(self, repaid: Floats, pairs: Pairs, standing: Standing) -> Bools:
        """(p,) whether a repayment leaves too little debt ("Borrow value too low")."""
        others = self._debt_base(pairs, standing)
        per_unit = standing.worth.take(pairs.repay) * self.premium.take(standing.kind.take(pairs.repay))
        left = others - repaid * per_unit
        is_none = left <= others * 2.0**-48
        refused: Bools = ~is_none & (left < self.least_debt_base)
        return refused

    def _allowed(self, pairs: Pairs, standing: Standing) -> Floats:
        """(p,) the most that leaves just enough debt; 0 where nothing does."""
        per_unit = standing.worth.take(pairs.repay) * self.premium.take(standing.kind.take(pairs.repay))
        room = self._debt_base(pairs, standing) - self.least_debt_base
        return np.maximum(0.0, whole(room / per_unit))


def call_terms(book: Book[SoloMarket]) -> CallTerms:
    """The book's legs as a Liquidate action sees them: at accrued indices."""
    market = book.market.at_time(book.market.timestamp) if book.market.stored else book.market
    kind = book.reserves.astype(np.intp)

    def table(number: Callable[[SoloReserve], float]) -> Floats:
        """(K,) a number of each reserve."""
        return np.array([number(reserve) for reserve in market.reserves], dtype=np.float64)

    premium = table(lambda reserve: 1 + reserve.margin_premium_wad / WAD)
    supply_index = table(lambda reserve: reserve.supply_index_now_wad / WAD)
    borrow_index = table(lambda reserve: reserve.borrow_index_now_wad / WAD)
    rule = SoloCalls(
        spread=market.liquidation_spread_wad / WAD,
        widening=table(lambda reserve: 1 + reserve.spread_premium_wad / WAD),
        premium=premium,
        least_debt_base=float(market.min_borrowed_value_base),
    )
    return CallTerms(
        first_leg=book.first_leg,
        kind=kind,
        supplied=whole(book.collateral.to_float() * supply_index.take(kind)),
        owed=raised(book.debt.to_float() * borrow_index.take(kind)),
        always=book.modes == LIQUID,
        reserves=np.arange(len(market.reserves)),
        feeds=table(lambda reserve: reserve.feed).astype(np.intp),
        unit=np.ones(len(market.reserves)),
        weight=1 / premium,
        least_weight=1 / premium,
        burden=premium * (1 + market.margin_ratio_wad / WAD),
        rule=rule,
    )
