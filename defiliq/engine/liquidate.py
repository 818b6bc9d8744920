"""A book whose accounts are liquidated in columns: a hundred thousand of them in milliseconds.

The counterpart of liquidating one account at a time by the protocol's law, in doubles (see `calls.terms` for
what that costs in exactness). One book can be copied for each shock of a sweep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.calls import BARE, WENT, Calls, CallTerms, Standing
from defiliq.engine.sums import steady_sums
from defiliq.engine.taken import Taken
from defiliq.errors import ConservationBroken

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

MOST_CALLS: Final = 4096
"""So many calls on one account at one price; only a chain that cuts them small needs more than a few."""
_SLACK_BASE_UNITS: Final = 3.0
_SLACK_SHARE: Final = 1e-9


class ColumnBook:
    """The accounts of a book that owe something, as columns that liquidations change."""

    def __init__(self, terms: CallTerms, reserves: int) -> None:
        """Every account of `terms` has a leg; `reserves` is how many the market has."""
        self.terms, self._reserves = terms, reserves
        self.balances = terms.balances.copy()
        self._bare = np.zeros(len(terms), dtype=np.bool_)
        self._starts = terms.first_leg[:-1]
        self._least = terms.least_weight / terms.unit
        self._due = terms.burden / terms.unit
        self._net = terms.supplied * self._least - terms.owed * self._due

    @classmethod
    def of(cls, book: Book[Any], call_terms: Callable[[Book[Any]], CallTerms]) -> Self:
        """A book's debtors, by its protocol's terms."""
        return cls(call_terms(book.keep(book.debtors)), len(book.market.reserves))

    def copy(self) -> Self:
        """The same accounts once more, to be liquidated apart from these."""
        other = object.__new__(type(self))
        other.terms, other._reserves, other._starts = self.terms, self._reserves, self._starts
        other._least, other._due = self._least, self._due
        other.balances, other._net, other._bare = self.balances.copy(), self._net.copy(), self._bare.copy()
        return other

    def settle(self, prices: Sequence[int]) -> Taken:
        """Liquidate at these oracle prices, one per feed, until nothing more goes through."""
        price = np.array([float(price) for price in prices]).take(self.terms.feeds)
        tally = _Tally(self.terms, self._reserves)
        rows, touched = self._suspects(price), np.zeros(len(self.terms), dtype=np.bool_)
        for _ in range(MOST_CALLS):
            standing = self._broken(rows, price)
            rows = standing.rows
            if not len(rows):
                break
            calls = self.terms.rule.calls(standing)
            went = calls.reason == WENT
            self._bare[rows[calls.reason == BARE]] = True
            tally.put(standing, calls)
            self._apply(standing, calls)
            rows = rows[went]
            touched[rows] = True
        tally.refused[f"more than {MOST_CALLS} calls at one price"] += len(rows)
        tally.refused[self.terms.rule.reasons[BARE]] = int(np.count_nonzero(self._bare))
        return tally.taken(int(np.count_nonzero(touched)))

    def _suspects(self, price: Floats) -> Ints:
        """The accounts that may break: not those whose weighted sum is safe, or that have nothing left."""
        if not len(self.terms):
            return np.zeros(0, dtype=np.intp)
        margin = np.add.reduceat(self._net * price, self._starts)
        return np.flatnonzero(((margin < 0) | self.balances.always) & ~self._bare)

    def _broken(self, rows: Ints, price: Floats) -> Standing:
        """Those of some accounts that the rule lets be liquidated."""
        standing = Standing.of(self.terms, rows, price, self.balances)
        breaks = self.terms.rule.breaks(standing)
        return standing if breaks.all() else Standing.of(self.terms, rows[breaks], price, self.balances)

    def _apply(self, standing: Standing, calls: Calls) -> None:
        """Write down what calls left."""
        legs, (supplied, owed, always) = standing.legs, self.balances
        supplied[legs], owed[legs] = calls.supplied_left, calls.owed_left
        backed, due = calls.supplied_left * self._least.take(legs), calls.owed_left * self._due.take(legs)
        self._net[legs] = backed - due
        always[standing.rows] = calls.always


class _Tally:
    """What calls did at one set of prices, and the proof that nothing is lost on the way."""

    def __init__(self, terms: CallTerms, reserves: int) -> None:
        self.terms, self.reserves = terms, reserves
        self.calls = 0
        self.refused: Counter[str] = Counter()
        self._legs: list[tuple[Ints, Floats, Floats, Floats]] = []
        self._bases: list[tuple[Floats, ...]] = []

    def put(self, standing: Standing, calls: Calls) -> None:
        """Add the calls on some accounts."""
        went = calls.reason == WENT
        _require_conserved(standing, calls)
        self.calls += int(np.count_nonzero(went))
        for reason, count in enumerate(np.bincount(calls.reason).tolist()):
            if reason not in (WENT, BARE) and count:
                self.refused[self.terms.rule.reasons[reason]] += count
        reserve = self.terms.reserves.take(standing.legs)
        self._legs.append((reserve, calls.seized, calls.fees, calls.repaid))
        bases = calls.seized_base, calls.repaid_base, calls.bonus_base, calls.bad_debt_base
        self._bases.append(tuple(base[went] for base in bases))

    def taken(self, accounts: int) -> Taken:
        """The sums, which do not hang on the order of accounts."""
        reserve = np.concatenate([np.zeros(0, dtype=np.intp), *(part[0] for part in self._legs)])
        tokens = [
            steady_sums(
                np.concatenate([np.zeros(0), *(part[k] for part in self._legs)]), reserve, self.reserves
            )
            for k in (1, 2, 3)
        ]
        bases = [np.concatenate([np.zeros(0), *(part[k] for part in self._bases)]) for k in range(4)]
        seized_base, repaid_base, bonus_base, bad_debt_base = (
            float(steady_sums(base, np.zeros(len(base), dtype=np.intp), 1)[0]) for base in bases
        )
        seized, fees, repaid = (found.tolist() for found in tokens)
        refused = {reason: count for reason, count in sorted(self.refused.items()) if count}
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
            refused,
        )


def _require_conserved(standing: Standing, calls: Calls) -> None:
    """ConservationBroken unless what accounts lost is what was seized, and debts fell by what was repaid.

    More debt than was repaid may only go where it is said to be bad.
    """
    change = (calls.supplied_left - standing.supplied) - (calls.owed_left - standing.owed)
    rest = change + calls.seized + calls.fees - calls.repaid - calls.backstop
    slack = _SLACK_BASE_UNITS + _SLACK_SHARE * (standing.supplied + standing.owed)
    excused = (calls.bad_debt_base > 0).take(standing.account)
    wrong = np.flatnonzero((rest < -slack) | ((rest > slack) & ~excused))
    if len(wrong):
        leg = int(wrong[0])
        row, reserve = standing.rows[standing.account[leg]], standing.terms.reserves[standing.legs[leg]]
        raise ConservationBroken(f"account {row}", f"reserve {reserve}", int(rest[leg]))
