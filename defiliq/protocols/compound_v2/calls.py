"""Compound v2's liquidateBorrow over float columns, for sweeps. The law is in take.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from defiliq.book import Book
from defiliq.calls import (
    WENT,
    Calls,
    CallTerms,
    Moved,
    Pairs,
    Standing,
    best_pairs,
    is_short,
    margins,
    pairs_of,
    whole,
)
from defiliq.calls.terms import Bools, Floats
from defiliq.protocols.compound_v2.accrual import accrued
from defiliq.protocols.compound_v2.legs import weight_wad
from defiliq.protocols.compound_v2.market import (
    COIN,
    CompoundMarket,
    CTokenReserve,
    ProductRounding,
)
from defiliq.units import WAD

REASONS: Final = (
    "",
    "no collateral to seize",
    "seize is paused",
    "MARKET_NOT_LISTED",
    "no part of the debt may be repaid",
    "division by zero",
    "LIQUIDATE_SEIZE_TOO_MUCH",
)
PAUSED, NOT_LISTED, NOTHING_REPAYABLE, WORTHLESS, TOO_MUCH = range(2, 7)
LASTING: Final = NOT_LISTED
_UNIT: Final = float(WAD)


@dataclass(frozen=True, slots=True)
class CompoundCalls:
    """liquidateBorrow on the legs of one book. Balances are underlying, cTokens appear where they round."""

    close_factor: float
    incentive_wad: float
    rounding: ProductRounding
    is_paused: bool
    rate: Floats
    """(K,) underlying base units per cToken base unit."""
    seize_share: Floats
    """(K,) what the protocol keeps of seized cTokens."""
    deprecated: Bools
    """(K,)"""
    listed: Bools
    """(K,)"""
    lent: Floats
    """(K,) underlying base units that the cToken has lent out, which no repayment may exceed."""
    coin_per_sent: Floats
    """(K,) the share by which a supply grows for each base unit of the chain's own coin that is sent to its
    cToken with a call, and counts there before the debt is repaid; 0 of every other kind."""

    reasons: ClassVar[tuple[str, ...]] = REASONS
    """As take.py says them, without names of assets."""
    lasting: ClassVar[int] = LASTING
    """BARE to LASTING."""
    untold: ClassVar[tuple[int, ...]] = ()
    """None."""

    def breaks(self, standing: Standing) -> Bools:
        """(n,) whether there is a shortfall, or a debt in a deprecated market."""
        broken: Bools = is_short(standing) | standing.always
        return broken

    def calls(self, standing: Standing) -> Calls:
        """The call that pays best on each account, all of which break."""
        if self.is_paused:
            return Calls.none(standing, PAUSED)
        pairs = pairs_of(standing, standing.supplied > 0, standing.owed > 0)
        held, owed = standing.kind.take(pairs.seize), standing.kind.take(pairs.repay)
        most = self._most(pairs, standing)
        ratio_wad = self._ratio_wad(standing.worth.take(pairs.repay), standing.worth.take(pairs.seize), held)
        rate = self.rate.take(held)
        supplied = standing.supplied.take(pairs.seize)
        tokens = np.round(supplied / rate)
        fits = np.full_like(most, np.inf)
        np.divide((tokens + 1) * _UNIT, ratio_wad, out=fits, where=ratio_wad > 0)
        repaid = np.minimum(most, np.ceil(fits) - 1)
        seized = np.minimum(whole(np.where(np.isfinite(ratio_wad), ratio_wad, 0.0) * repaid / _UNIT), tokens)
        kept = whole(seized * self.seize_share.take(held))
        taken = np.where(seized == tokens, supplied, seized * rate)
        reason = np.select(
            [
                ~self.listed.take(held) | ~self.listed.take(owed),
                most <= 0,
                ~np.isfinite(ratio_wad),
                repaid <= 0,
            ],
            [NOT_LISTED, NOTHING_REPAYABLE, WORTHLESS, TOO_MUCH],
            WENT,
        )
        moved = Moved(taken, taken - whole((seized - kept) * rate), repaid)
        calls = best_pairs(standing, pairs, moved, reason.astype(np.int8))
        self._count_bad_debt(standing, calls)
        still = (calls.owed_left > 0) & self.deprecated.take(standing.kind)
        calls.always[:] = standing.any(still)
        return calls

    def _most(self, pairs: Pairs, standing: Standing) -> Floats:
        """(p,) the most of each pair's debt that one call may repay (most_repayable, most_sendable)."""
        kind, owed = standing.kind.take(pairs.repay), standing.owed.take(pairs.repay)
        deprecated = self.deprecated.take(kind)
        # That an account breaks is taken for granted; only who owes a deprecated debt may do so without.
        short = (is_short(standing) | ~standing.always).take(pairs.account)
        part = np.where(deprecated, owed, np.where(short, whole(owed * self.close_factor), 0.0))
        most = np.minimum(part, self.lent.take(kind))
        if not self.coin_per_sent.any():
            return most
        margin = margins(standing)
        backs_more = self.coin_per_sent.take(kind) * standing.supplied.take(pairs.repay)
        backs_more *= standing.terms.weight.take(kind) * standing.worth.take(pairs.repay)
        room = np.full_like(most, np.inf)
        np.divide(-margin.take(pairs.account), backs_more, out=room, where=(backs_more > 0) & ~deprecated)
        return np.where(short, np.minimum(most, np.ceil(room) - 1), most)

    def _ratio_wad(
        self, owed_worth: Floats, held_worth: Floats, held: np.ndarray[tuple[int], np.dtype[np.intp]]
    ) -> Floats:
        """cTokens per base unit of debt as a wad, cut as liquidateCalculateSeizeTokens cuts it; inf where the
        collateral is worth nothing.
        """
        half = 0.5 if self.rounding == "half_up" else 0.0
        numerator = whole(self.incentive_wad * owed_worth + half)
        denominator = whole(held_worth * self.rate.take(held) * _UNIT + half)
        ratio = np.full_like(numerator, np.inf)
        np.divide(numerator * _UNIT, denominator, out=ratio, where=denominator > 0)
        return whole(ratio)

    def _count_bad_debt(self, standing: Standing, calls: Calls) -> None:
        """Debt beyond what is left, where no collateral is left that one more base unit would not seize."""
        went = calls.reason == WENT
        repaid = np.flatnonzero(calls.repaid > 0)
        worth = np.zeros(len(standing))
        worth[standing.account.take(repaid)] = standing.worth.take(repaid)
        per_unit = self._ratio_wad(worth.take(standing.account), standing.worth, standing.kind) / _UNIT
        stays = calls.supplied_left / self.rate.take(standing.kind) > np.floor(per_unit) + 0.5
        gone = went & ~standing.any(stays)
        left = standing.sum((calls.owed_left - calls.supplied_left) * standing.worth)
        calls.bad_debt_base[:] = np.where(gone, np.maximum(0.0, left), 0.0)


def call_terms(book: Book[CompoundMarket]) -> CallTerms:
    """The book's legs as liquidateBorrow sees them: at accrued indices, entered or not."""
    market = book.market.as_accrued() if book.market.stored else book.market
    kind = book.reserves + len(market.reserves) * book.counted.astype(np.intp)

    def table(number: Callable[[CTokenReserve], float]) -> Floats:
        """(K,) a number of each reserve, first not entered and then entered."""
        return np.array([number(reserve) for reserve in market.reserves] * 2, dtype=np.float64)

    entered = np.repeat((0.0, 1.0), len(market.reserves))
    rate = table(lambda reserve: reserve.exchange_rate_now_wad / WAD)
    deprecated = table(lambda reserve: reserve.is_deprecated) > 0
    weight = table(lambda reserve: _factor(reserve, market.product_rounding)) * entered
    owed = _owed(book, table(lambda reserve: float(reserve.borrow_index_now_wad)).take(kind))
    owes_deprecated = deprecated.take(kind) & (owed > 0)
    rule = CompoundCalls(
        close_factor=market.close_factor_wad / WAD,
        incentive_wad=float(market.liquidation_incentive_wad),
        rounding=market.product_rounding,
        is_paused=market.seize_paused,
        rate=rate,
        seize_share=table(lambda reserve: reserve.seize_share_wad / WAD),
        deprecated=deprecated,
        listed=table(lambda reserve: reserve.is_listed) > 0,
        lent=table(lambda reserve: _lent(reserve, market)),
        coin_per_sent=table(_coin_per_sent) * entered,
    )
    return CallTerms(
        first_leg=book.first_leg,
        kind=kind,
        supplied=book.collateral.to_float() * rate.take(kind),
        owed=owed,
        always=np.bincount(book.account_of_leg[owes_deprecated], minlength=len(book)) > 0,
        reserves=np.tile(np.arange(len(market.reserves)), 2),
        feeds=table(lambda reserve: reserve.feed).astype(np.intp),
        unit=np.full(len(weight), _UNIT),
        weight=weight,
        least_weight=weight,
        burden=entered,
        rule=rule,
    )


def _factor(reserve: CTokenReserve, rounding: ProductRounding) -> float:
    """The collateral factor, as its product with the exchange rate leaves it."""
    rate = reserve.exchange_rate_now_wad
    return weight_wad(reserve, rounding) / rate if rate else 0.0


def _owed(book: Book[CompoundMarket], index_now: Floats) -> Floats:
    """(L,) what legs owe, cut to base units."""
    debt = book.debt.to_float()
    if book.debt_index is None:
        return debt
    then = book.debt_index.to_float()
    growth = np.divide(index_now, then, out=np.ones_like(then), where=then > 0)
    return whole(debt * growth)


def _lent(reserve: CTokenReserve, market: CompoundMarket) -> float:
    if not reserve.accrues_plainly:
        return np.inf
    return float(accrued(reserve, market.tick_at(market.timestamp)).total_borrows)


def _coin_per_sent(reserve: CTokenReserve) -> float:
    """A supply's growth for each base unit of coin that its cToken holds more."""
    if reserve.asset != COIN or reserve.is_deprecated or not reserve.total_supply:
        return 0.0
    return WAD / (reserve.exchange_rate_now_wad * reserve.total_supply)
