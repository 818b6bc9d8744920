"""A book whose accounts are liquidated in columns: a hundred thousand of them in milliseconds.

The counterpart of liquidating one account at a time by the protocol's law, in doubles (see `calls.terms` for
what that costs in exactness). One book can be copied for each shock of a sweep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.calls import WENT, Balances, Calls, CallTerms, Standing
from defiliq.engine.places import Places
from defiliq.engine.sums import steady_sum, steady_sums
from defiliq.engine.taken import Taken
from defiliq.errors import ConservationBroken

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

MOST_CALLS: Final = 4096
"""So many calls on one account at one price; only a chain that cuts them small needs more than a few."""
_SLACK_BASE_UNITS: Final = 3.0
_SLACK_SHARE: Final = 1e-9
_COLUMNS: Final = 3
"""Sums per reserve: seized, fees, repaid."""
_BASES: Final = 4
"""Sums in base currency: seized, repaid, bonus, bad debt."""


@dataclass(slots=True)
class _State:
    """What liquidations change."""

    balances: Balances
    net: Floats
    """(L,) weighted supply less burdened debt per price integer, where `Places` has each leg."""
    closed: NDArray[np.int8]
    """(N,) the lasting reason why an account is never called; WENT where there is none."""
    bad_base: Floats
    """(N,) what was last said of its bad debt: a call on what little was left says it anew."""

    def copy(self) -> _State:
        """The same apart from this."""
        return _State(self.balances.copy(), self.net.copy(), self.closed.copy(), self.bad_base.copy())


class ColumnBook:
    """The accounts of a book that owe something, as columns that liquidations change."""

    def __init__(self, terms: CallTerms, reserves: int) -> None:
        """`reserves` is how many the market has."""
        terms = terms.only(np.argsort(-np.diff(terms.first_leg), kind="stable"))
        self.terms, self._reserves = terms, reserves
        self._places = Places(terms.first_leg)
        self._kind = self._places.laid_out(terms.kind)
        self._least, self._due = terms.least_weight / terms.unit, terms.burden / terms.unit
        net = terms.supplied * self._least.take(terms.kind) - terms.owed * self._due.take(terms.kind)
        closed, bad_base = np.zeros(len(terms), dtype=np.int8), np.zeros(len(terms))
        self._state = _State(terms.balances.copy(), self._places.laid_out(net), closed, bad_base)
        self._is_new = True
        self._begun: dict[tuple[int, ...], tuple[_State, Taken]] = {}
        """What the first prices of the book and all its copies led to: most often spot, for every one."""

    @classmethod
    def of(cls, book: Book[Any], call_terms: Callable[[Book[Any]], CallTerms]) -> Self:
        """A book's debtors, by its protocol's terms."""
        return cls(call_terms(book.keep(book.debtors)), len(book.market.reserves))

    def copy(self) -> Self:
        """The same accounts once more, to be liquidated apart from these."""
        other = copy(self)
        other._state = self._state.copy()
        return other

    def settle(self, prices: Sequence[int]) -> Taken:
        """Liquidate at these oracle prices, one per feed, until nothing more goes through."""
        key, is_new = tuple(prices), self._is_new
        self._is_new = False
        if is_new and key in self._begun:
            state, taken = self._begun[key]
            self._state = state.copy()
            return taken
        taken = self._settle(np.array([float(price) for price in prices]))
        if is_new and not self._begun:
            self._begun[key] = self._state.copy(), taken
        return taken

    def _settle(self, price: Floats) -> Taken:
        """The same in doubles."""
        terms, rule, balances = self.terms, self.terms.rule, self._state.balances
        tally, touched = _Tally(terms, self._reserves), np.zeros(len(terms), dtype=np.bool_)
        standing = Standing.of(terms, self._suspects(price, tally), price, balances)
        broken = rule.breaks(standing)
        for _ in range(MOST_CALLS):
            standing = standing.only(broken)
            if not len(standing):
                break
            calls = rule.calls(standing)
            tally.put(standing, calls, self._newly_bad(standing, calls))
            self._apply(standing, calls)
            went = calls.reason == WENT
            touched[standing.rows[went]] = True
            standing = standing.left_by(calls)
            broken = rule.breaks(standing) & went
        else:
            tally.refused[f"more than {MOST_CALLS} calls at one price"] += int(np.count_nonzero(broken))
        return tally.taken(int(np.count_nonzero(touched)))

    def _suspects(self, price: Floats, tally: _Tally) -> Ints:
        """The accounts that may break: not those whose weighted sum is safe.

        Those that no price makes callable are only counted.
        """
        worth = price.take(self.terms.feeds).take(self._kind)
        worth *= self._state.net
        margin = self._places.sums(worth, len(self.terms))
        suspects = np.flatnonzero((margin < 0) | self._state.balances.always)
        closed = self._state.closed.take(suspects)
        tally.refuse(closed)
        return suspects.take(np.flatnonzero(closed == WENT))

    def _newly_bad(self, standing: Standing, calls: Calls) -> Floats:
        """(n,) bad debt that was not said to be so before. What a fund pays, it pays every time."""
        told, went = self._state.bad_base.take(standing.rows), calls.reason == WENT
        is_paid = standing.any(calls.backstop != 0)
        self._state.bad_base[standing.rows] = np.where(went & ~is_paid, calls.bad_debt_base, told)
        return calls.bad_debt_base - np.where(went, told, 0.0)

    def _apply(self, standing: Standing, calls: Calls) -> None:
        """Write down what calls left."""
        legs, kind, (supplied, owed, always) = standing.legs, standing.kind, self._state.balances
        supplied[legs], owed[legs] = calls.supplied_left, calls.owed_left
        backed, due = calls.supplied_left * self._least.take(kind), calls.owed_left * self._due.take(kind)
        self._state.net[self._places.of_leg.take(legs)] = backed - due
        always[standing.rows] = calls.always
        is_lasting = (calls.reason != WENT) & (calls.reason <= self.terms.rule.lasting)
        self._state.closed[standing.rows[is_lasting]] = calls.reason[is_lasting]


class _Tally:
    """What calls did at one set of prices, and the proof that nothing is lost on the way."""

    def __init__(self, terms: CallTerms, reserves: int) -> None:
        self.terms, self.reserves = terms, reserves
        self.calls = 0
        self.refused: Counter[str] = Counter()
        self._tokens: list[Floats] = []
        self._groups: list[Ints] = []
        self._bases: list[tuple[Floats, ...]] = []

    def put(self, standing: Standing, calls: Calls, newly_bad: Floats) -> None:
        """Add the calls on some accounts."""
        _require_conserved(standing, calls)
        self.calls += int(np.count_nonzero(calls.reason == WENT))
        self.refuse(calls.reason)
        reserve = self.terms.reserves.take(standing.kind)
        for k, tokens in enumerate((calls.seized, calls.fees, calls.repaid)):
            moved = np.flatnonzero(tokens != 0)
            self._tokens.append(tokens.take(moved))
            self._groups.append(reserve.take(moved) + k * self.reserves)
        self._bases.append((calls.seized_base, calls.repaid_base, calls.bonus_base, newly_bad))

    def refuse(self, reasons: NDArray[np.int8]) -> None:
        """Count the accounts that stay as they are, by reason."""
        for reason, count in enumerate(np.bincount(reasons).tolist()):
            if reason != WENT and count:
                self.refused[self.terms.rule.reasons[reason]] += count

    def taken(self, accounts: int) -> Taken:
        """The sums, which do not hang on the order of accounts."""
        sums = [0.0] * (_COLUMNS * self.reserves)
        bases = [0.0] * _BASES
        if self._tokens:
            tokens, groups = np.concatenate(self._tokens), np.concatenate(self._groups)
            sums = steady_sums(tokens, groups, len(sums)).tolist()
            bases = [steady_sum(np.concatenate(parts)) for parts in zip(*self._bases, strict=True)]
        seized, fees, repaid = (sums[k * self.reserves : (k + 1) * self.reserves] for k in range(_COLUMNS))
        seized_base, repaid_base, bonus_base, bad_debt_base = bases
        return Taken(
            accounts,
            self.calls,
            seized,
            fees,
            repaid,
            seized_base,
            repaid_base,
            bonus_base,
            bad_debt_base,
            dict(sorted(self.refused.items())),
        )


def _require_conserved(standing: Standing, calls: Calls) -> None:
    """ConservationBroken unless what accounts lost is what was seized, and debts fell by what was repaid.

    More debt than was repaid may only go where it is said to be bad, and no more than that; what a backstop
    pays for is repaid.
    """
    change = (calls.supplied_left - standing.supplied) - (calls.owed_left - standing.owed)
    rest = change + calls.seized + calls.fees - calls.repaid - calls.backstop
    slack = _SLACK_BASE_UNITS + _SLACK_SHARE * (standing.supplied + standing.owed)
    off = np.flatnonzero(np.abs(rest) > slack)
    if not len(off):
        return
    account = standing.account.take(off)
    # The bad debt of each leg may be told rounded down.
    gone = np.maximum((rest.take(off) - slack.take(off)) * standing.worth.take(off) - 1, 0.0)
    said = np.where(standing.any(calls.backstop != 0), 0.0, calls.bad_debt_base)
    is_more = np.bincount(account, gone, minlength=len(standing)) > said * (1 + _SLACK_SHARE)
    wrong = off[(rest.take(off) < 0) | is_more.take(account)]
    if len(wrong):
        leg = int(wrong[0])
        row, reserve = standing.rows[standing.account[leg]], standing.terms.reserves[standing.kind[leg]]
        raise ConservationBroken(f"account {row}", f"reserve {reserve}", int(rest[leg]))
