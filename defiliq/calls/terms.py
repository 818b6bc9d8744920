"""What liquidation calls take, as float columns: the same rules as each protocol's `take`, for whole books.

Sweeps ask the same of a hundred thousand accounts again and again, so here amounts are doubles. They follow
the law's roundings to whole token units where a double has that many digits, and agree with it to about 1e-9
and one unit. A choice that hangs on less than that (two pairs that pay alike, a health factor at an edge) can
fall the other way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

NO_LEG = -1
WENT = 0
"""The reason of a call that goes through."""
BARE = 1
"""The reason of no call on an account that has nothing to hand over."""
_LAST_DIGITS = 2.0**-50
"""A product of doubles can end just off the integer that it is; nothing else comes so near to one."""


def whole(amount: Floats) -> Floats:
    """Rounded down to whole units, but for a share of 2**-50."""
    return np.floor(amount + np.minimum(amount * _LAST_DIGITS, 0.25))


def raised(amount: Floats) -> Floats:
    """Rounded up to whole units, but for a share of 2**-50."""
    return np.ceil(amount - np.minimum(amount * _LAST_DIGITS, 0.25))


class Balances(NamedTuple):
    """What calls change: what every leg has and owes at one moment of a simulation."""

    supplied: Floats
    """(L,) token base units that a call may seize; 0 where the leg backs nothing and none may."""
    owed: Floats
    """(L,) token base units."""
    always: Bools
    """(N,) accounts that may be called as long as they owe, whatever their margin is."""

    def copy(self) -> Balances:
        """The same apart from these."""
        return Balances(self.supplied.copy(), self.owed.copy(), self.always.copy())


@dataclass(frozen=True, slots=True)
class CallTerms:
    """A book's legs as calls see them, and the protocol's rule of what one call takes.

    N accounts and L legs, as in the book. What legs of one reserve have in common is told once, of K kinds of
    legs: tables so small that they stay in the cache. A token base unit of a leg is worth price / unit, in
    base currency integers. An account may be called when the sum of weight * value supplied is below the sum
    of burden * value owed; the rule decides, and may say more.
    """

    first_leg: NDArray[np.int64]
    """(N + 1,)"""
    kind: Ints
    """(L,) each leg's place in the tables (K,): its reserve, and what else the protocol tells apart."""
    supplied: Floats
    """(L,) token base units that a call may seize; 0 where the leg backs nothing and none may."""
    owed: Floats
    """(L,) token base units."""
    always: Bools
    """(N,) accounts that may be called as long as they owe, whatever their margin is."""
    reserves: Ints
    """(K,) positions in market.reserves."""
    feeds: Ints
    """(K,) positions in market.prices."""
    unit: Floats
    """(K,) token base units in one base currency integer at a price of 1."""
    weight: Floats
    """(K,)"""
    least_weight: Floats
    """(K,) the least that roundings in proportion leave of it; `weight` itself where there are none."""
    burden: Floats
    """(K,)"""
    rule: CallRule
    is_position: Bools | None = None
    """(K,) whether the leg is a perpetual's position; None where none is."""

    def __len__(self) -> int:
        return len(self.always)

    def only(self, rows: Ints) -> CallTerms:
        """The accounts `rows`, in that order."""
        legs, first = legs_of(self.first_leg, rows)
        return replace(
            self,
            first_leg=first.astype(np.int64),
            kind=self.kind.take(legs),
            supplied=self.supplied.take(legs),
            owed=self.owed.take(legs),
            always=self.always.take(rows),
        )

    @property
    def account_of_leg(self) -> Ints:
        """(L,) the account that each leg belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_leg))

    @property
    def balances(self) -> Balances:
        """As the book has them."""
        return Balances(self.supplied, self.owed, self.always)


@dataclass(frozen=True, slots=True)
class Standing:
    """Some accounts of a book, n with m legs, at one moment and at some prices."""

    terms: CallTerms
    rows: Ints
    """(n,) positions in the book."""
    first: Ints
    """(n + 1,) the legs of account i are first[i] to first[i + 1]."""
    account: Ints
    """(m,) which of the n accounts."""
    legs: Ints
    """(m,) positions in the book."""
    kind: Ints
    """(m,) places in the tables of the terms."""
    worth: Floats
    """(m,) base currency integers per token base unit."""
    supplied: Floats
    """(m,) token base units."""
    owed: Floats
    """(m,) token base units."""
    always: Bools
    """(n,) whether the account may be called whatever its margin is."""

    @classmethod
    def of(cls, terms: CallTerms, rows: Ints, price: Floats, now: Balances) -> Standing:
        """The accounts `rows` with these balances, where `price` has one per feed."""
        legs, first = legs_of(terms.first_leg, rows)
        kind = terms.kind.take(legs)
        worth = (price.take(terms.feeds) / terms.unit).take(kind)
        return cls._of(terms, rows, legs, first, kind, worth, now)

    @classmethod
    def apart(cls, terms: CallTerms, rows: Ints, price: Floats) -> Standing:
        """The accounts `rows` as the book has them, where `price` is (m,): their own legs', in order."""
        legs, first = legs_of(terms.first_leg, rows)
        kind = terms.kind.take(legs)
        return cls._of(terms, rows, legs, first, kind, price / terms.unit.take(kind), terms.balances)

    @classmethod
    def _of(
        cls, terms: CallTerms, rows: Ints, legs: Ints, first: Ints, kind: Ints, worth: Floats, now: Balances
    ) -> Standing:
        return cls(
            terms=terms,
            rows=rows,
            first=first,
            account=np.repeat(np.arange(len(rows)), first[1:] - first[:-1]),
            legs=legs,
            kind=kind,
            worth=worth,
            supplied=now.supplied.take(legs),
            owed=now.owed.take(legs),
            always=now.always.take(rows),
        )

    def only(self, chosen: Bools) -> Standing:
        """Some of these accounts."""
        kept = np.flatnonzero(chosen)
        if len(kept) == len(self):
            return self
        places, first = legs_of(self.first, kept)
        return replace(
            self,
            rows=self.rows.take(kept),
            first=first,
            account=np.repeat(np.arange(len(kept)), first[1:] - first[:-1]),
            legs=self.legs.take(places),
            kind=self.kind.take(places),
            worth=self.worth.take(places),
            supplied=self.supplied.take(places),
            owed=self.owed.take(places),
            always=self.always.take(kept),
        )

    def left_by(self, calls: Calls) -> Standing:
        """The same accounts right after some calls."""
        return replace(self, supplied=calls.supplied_left, owed=calls.owed_left, always=calls.always)

    def __len__(self) -> int:
        return len(self.rows)

    def sum(self, per_leg: Floats) -> Floats:
        """(n,) sums over each account's legs."""
        return np.bincount(self.account, per_leg, minlength=len(self)).astype(np.float64, copy=False)

    def any(self, per_leg: Bools) -> Bools:
        """(n,) whether it holds of any of an account's legs."""
        found: Bools = np.bincount(self.account[per_leg], minlength=len(self)) > 0
        return found


@dataclass(slots=True)
class Calls:
    """What calls do to the accounts of a standing: per account, and per leg of theirs."""

    reason: NDArray[np.int8]
    """(n,) WENT, or why there is no call: a position in the rule's `reasons`."""
    seized_base: Floats
    """(n,) what liquidators get, at oracle prices."""
    repaid_base: Floats
    """(n,)"""
    bonus_base: Floats
    """(n,) what the caller gains at oracle prices."""
    fee_base: Floats
    """(n,) what the protocol keeps of the collateral."""
    bad_debt_base: Floats
    """(n,) debt that nothing backs any more after the call."""
    seize_leg: Ints
    """(n,) the collateral's position in the book, the first of several; NO_LEG where there is none."""
    repay_leg: Ints
    """(n,) the debt's position in the book; NO_LEG where there is none."""
    always: Bools
    """(n,) whether the account may be called from then on whatever its margin is."""
    seized: Floats
    """(m,) token base units that liquidators get."""
    fees: Floats
    """(m,) token base units that the protocol keeps."""
    repaid: Floats
    """(m,) token base units."""
    backstop: Floats
    """(m,) token base units that a fund gives the account besides; negative where it takes them."""
    supplied_left: Floats
    """(m,) token base units."""
    owed_left: Floats
    """(m,) token base units."""

    @classmethod
    def none(cls, standing: Standing, reason: int) -> Calls:
        """No call on any account, for one reason."""
        count, legs = len(standing), len(standing.legs)
        return cls(
            reason=np.full(count, reason, dtype=np.int8),
            seized_base=np.zeros(count),
            repaid_base=np.zeros(count),
            bonus_base=np.zeros(count),
            fee_base=np.zeros(count),
            bad_debt_base=np.zeros(count),
            seize_leg=np.full(count, NO_LEG, dtype=np.intp),
            repay_leg=np.full(count, NO_LEG, dtype=np.intp),
            always=standing.always.copy(),
            seized=np.zeros(legs),
            fees=np.zeros(legs),
            repaid=np.zeros(legs),
            backstop=np.zeros(legs),
            supplied_left=standing.supplied.copy(),
            owed_left=standing.owed.copy(),
        )


class CallRule(Protocol):
    """A protocol's liquidations over columns."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What `Calls.reason` counts through, in the law's words: '' at WENT, then that of BARE."""
        ...

    @property
    def lasting(self) -> int:
        """How many of the reasons no price changes: BARE and those that follow it."""
        ...

    @property
    def untold(self) -> tuple[int, ...]:
        """The reasons at which the protocol may let calls through, but what they take is not told here."""
        ...

    def breaks(self, standing: Standing) -> Bools:
        """(n,) whether each account may be liquidated at all."""
        ...

    def calls(self, standing: Standing) -> Calls:
        """The call that pays best on each account, all of which break.

        A lasting reason stands only where every call is refused for such.
        """
        ...


def legs_of(first_leg: NDArray[np.int64], rows: Ints) -> tuple[Ints, Ints]:
    """(m,) the legs of some accounts, in order; (n + 1,) where each account's begin among them."""
    starts = first_leg.take(rows)
    counts = first_leg.take(rows + 1) - starts
    first = np.zeros(len(rows) + 1, dtype=np.intp)
    np.cumsum(counts, out=first[1:])
    legs = np.repeat(starts - first[:-1], counts) + np.arange(first[-1])
    return legs, first


def margins(standing: Standing) -> Floats:
    """(n,) what weighted supplies are worth, less burdened debts."""
    kind, terms = standing.kind, standing.terms
    backed = standing.supplied * terms.weight.take(kind)
    due = standing.owed * terms.burden.take(kind)
    return standing.sum((backed - due) * standing.worth)


def is_short(standing: Standing) -> Bools:
    """(n,) whether weighted supplies are worth less than burdened debts."""
    short: Bools = margins(standing) < 0
    return short
