"""Book: all accounts of one market at one block, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts as Amounts
from defiliq.amounts import Signed
from defiliq.types import Account, Leg, Market, StableDebt

M = TypeVar("M", bound=Market)


@dataclass(frozen=True, slots=True)
class Book(Generic[M]):
    """All accounts of one market at one block.

    N accounts and L legs; the legs of account i are the rows first_leg[i] to first_leg[i + 1].
    `failed` names the accounts that were found but could not be read, with the reason: they are in no column.
    """

    market: M
    owners: NDArray[np.uint8]
    """(N, K) accounts as bytes, as `market.account_key` gives them: addresses, on most markets."""
    modes: NDArray[np.uint8]
    """(N,) eMode categories."""
    first_leg: NDArray[np.int64]
    """(N + 1,)"""
    reserves: NDArray[np.int16]
    """(L,) positions in market.reserves."""
    collateral: Amounts
    """(L,) in the protocol's own unit."""
    debt: Amounts
    """(L,) in the protocol's own unit; stable-rate debt is apart."""
    counted: NDArray[np.bool_]
    """(L,) whether the collateral backs debt."""
    stable: Mapping[int, StableDebt] = field(default_factory=dict)
    """Leg row to stable-rate debt; empty on every market that has none."""
    debt_index: Amounts | None = None
    """(L,) the borrow index at which each debt was last settled, where the protocol keeps one per account."""
    funding_index: Signed | None = None
    """(L,) the funding index at which each position was last settled, where the protocol has funding."""
    failed: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.modes)

    @property
    def legs(self) -> int:
        """L, the number of legs."""
        return len(self.reserves)

    @property
    def account_of_leg(self) -> NDArray[np.int64]:
        """(L,) the account each leg belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.first_leg))

    @property
    def debtors(self) -> NDArray[np.bool_]:
        """(N,) the accounts that owe something: no other ever breaks."""
        owes = self.debt.is_positive()
        owes[list(self.stable)] = True
        owing: NDArray[np.bool_] = np.bincount(self.account_of_leg[owes], minlength=len(self)) > 0
        return owing

    def owner(self, i: int) -> str:
        """The name of account `i`."""
        return self.market.account_name(self.owners[i].tobytes())

    def account(self, i: int) -> Account:
        """Account `i` as exact ints."""
        return Account(self.owner(i), int(self.modes[i]), self._legs_of(i))

    def nameless(self, i: int) -> Account:
        """Account `i` without its owner, whom no law asks for: to spell one costs more than to judge one."""
        return Account("", int(self.modes[i]), self._legs_of(i))

    def _legs_of(self, i: int) -> tuple[Leg, ...]:
        return tuple(
            Leg(
                self.reserves.item(k),
                self.collateral[k],
                self.debt[k],
                self.counted.item(k),
                self.stable.get(k),
                None if self.debt_index is None else self.debt_index[k],
                None if self.funding_index is None else self.funding_index[k],
            )
            for k in range(self.first_leg.item(i), self.first_leg.item(i + 1))
        )

    def accounts(self) -> Iterator[Account]:
        """All accounts, in order."""
        return (self.account(i) for i in range(len(self)))

    def keep(self, wanted: NDArray[np.bool_]) -> Book[M]:
        """The accounts that a mask (N,) names, in the same order."""
        return self.pick(np.flatnonzero(wanted))

    def pick(self, wanted: NDArray[np.intp]) -> Book[M]:
        """The accounts at some positions, each at most once, in that order."""
        counts = np.diff(self.first_leg)[wanted]
        first_leg = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        legs = np.repeat(self.first_leg[wanted] - first_leg[:-1], counts) + np.arange(first_leg[-1])
        return replace(
            self,
            owners=self.owners[wanted],
            modes=self.modes[wanted],
            first_leg=first_leg,
            reserves=self.reserves[legs],
            collateral=self.collateral.take(legs),
            debt=self.debt.take(legs),
            counted=self.counted[legs],
            stable=_picked(self.stable, legs),
            debt_index=None if self.debt_index is None else self.debt_index.take(legs),
            funding_index=None if self.funding_index is None else self.funding_index.take(legs),
        )

    @classmethod
    def joined(cls, market: M, parts: Sequence[Book[M]]) -> Book[M]:
        """The accounts of several books of one market in a row; at least one book.

        Legs of a part without indices get 0 for theirs where another part has some.
        """
        begins = np.cumsum([0, *(part.legs for part in parts[:-1])]).tolist()
        stable = {
            begin + leg: debt
            for begin, part in zip(begins, parts, strict=True)
            for leg, debt in part.stable.items()
        }
        indexed = any(part.debt_index is not None for part in parts)
        funded = any(part.funding_index is not None for part in parts)
        counts = [np.diff(part.first_leg) for part in parts]
        return cls(
            market=market,
            owners=np.concatenate([part.owners for part in parts]),
            modes=np.concatenate([part.modes for part in parts]),
            first_leg=np.concatenate(([0], np.cumsum(np.concatenate(counts)))).astype(np.int64),
            reserves=np.concatenate([part.reserves for part in parts]),
            collateral=Amounts.joined([part.collateral for part in parts]),
            debt=Amounts.joined([part.debt for part in parts]),
            counted=np.concatenate([part.counted for part in parts]),
            stable=stable,
            debt_index=Amounts.joined([_indices(part) for part in parts]) if indexed else None,
            funding_index=Signed.joined([_fundings(part) for part in parts]) if funded else None,
            failed={owner: reason for part in parts for owner, reason in part.failed.items()},
        )

    def updated(self, changed: Book[M]) -> Book[M]:
        """This book with the accounts of `changed` as they are there, and with its market.

        Known accounts keep their places and new ones come last. An account that failed in `changed` leaves
        the columns, and one that was read leaves `failed`. ValueError where the markets differ in their
        reserves, whose positions would then mean something else, or where `changed` has an account twice.
        """
        if _reserves_of(self.market) != _reserves_of(changed.market):
            raise ValueError("the market has other reserves: its accounts must be read anew")
        rows = {key.tobytes(): len(self) + k for k, key in enumerate(changed.owners)}
        if len(rows) != len(changed):
            raise ValueError("an account is there twice")
        key_of = changed.market.account_key
        lost = {key_of(name) for name in changed.failed}
        now = np.arange(len(self))
        for place in _candidates(self.owners, [*rows, *lost]):
            key = self.owners[place].tobytes()
            now[place] = -1 if key in lost else rows.pop(key, place)
        order = np.concatenate([now[now >= 0], np.fromiter(rows.values(), np.int64, len(rows))])
        both = Book.joined(changed.market, [self, changed])
        known = {key.tobytes() for key in changed.owners} if self.failed else set()
        failed = {name: why for name, why in self.failed.items() if key_of(name) not in known}
        return replace(both.pick(order), failed={**failed, **changed.failed})

    def find(self, owner: str) -> int | None:
        """Position of an account, in any spelling; None where the book does not have it."""
        key = self.market.account_key(owner)
        return next((k for k in _candidates(self.owners, [key]) if self.owners[k].tobytes() == key), None)

    @classmethod
    def build(
        cls, market: M, accounts: Sequence[Account], failed: Mapping[str, str] | None = None
    ) -> Book[M]:
        """Columns of exact accounts: the inverse of `account`."""
        legs = [leg for account in accounts for leg in account.legs]
        owners = [market.account_key(account.owner) for account in accounts]
        counts = [len(account.legs) for account in accounts]
        return cls(
            market=market,
            owners=np.frombuffer(b"".join(owners), dtype=np.uint8).reshape(len(owners), market.account_bytes),
            modes=np.array([account.mode for account in accounts], dtype=np.uint8),
            first_leg=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            reserves=np.array([leg.reserve for leg in legs], dtype=np.int16),
            collateral=Amounts.of([leg.collateral for leg in legs]),
            debt=Amounts.of([leg.debt for leg in legs]),
            counted=np.array([leg.counted for leg in legs], dtype=np.bool_),
            stable={k: leg.stable for k, leg in enumerate(legs) if leg.stable is not None},
            debt_index=_debt_index(legs),
            funding_index=_funding_index(legs),
            failed=dict(failed) if failed is not None else {},
        )


def _reserves_of(market: Market) -> list[tuple[int, str]]:
    """What the positions of a market's reserves mean."""
    return [(reserve.id, reserve.asset) for reserve in market.reserves]


def _candidates(owners: NDArray[np.uint8], wanted: Sequence[bytes]) -> list[int]:
    """Positions of the accounts (N, K) that some keys name, perhaps with a few others: the caller compares.

    What is compared here is a number made of each key, so that nothing is sorted but the few keys wanted.
    """
    if not wanted or not len(owners):
        return []
    keys = np.frombuffer(b"".join(wanted), np.uint8).reshape(len(wanted), -1)
    sought = np.sort(_digest(keys))
    digests = _digest(owners)
    places = np.minimum(np.searchsorted(sought, digests), len(sought) - 1)
    found: list[int] = np.flatnonzero(sought[places] == digests).tolist()
    return found


def _digest(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n,) a number made of all bytes of each key (n, K)."""
    padded = np.zeros((len(keys), -(-keys.shape[1] // 8) * 8), np.uint8)
    padded[:, : keys.shape[1]] = keys
    words = padded.view(np.uint64)
    digest = np.zeros(len(keys), np.uint64)
    for k in range(words.shape[1]):
        digest = (digest ^ words[:, k]) * np.uint64(0x9E3779B97F4A7C15)
    return digest


def _picked(stable: Mapping[int, StableDebt], legs: NDArray[np.int64]) -> dict[int, StableDebt]:
    """The stable debts of some legs, by their new rows."""
    if not stable:
        return {}
    rows = np.flatnonzero(np.isin(legs, np.fromiter(stable, np.int64, len(stable))))
    return {int(row): stable[int(legs[row])] for row in rows}


def _indices(book: Book[M]) -> Amounts:
    return Amounts.small(np.zeros(book.legs, np.int64)) if book.debt_index is None else book.debt_index


def _fundings(book: Book[M]) -> Signed:
    none = Signed(Amounts.small(np.zeros(book.legs, np.int64)), np.zeros(book.legs, np.bool_))
    return none if book.funding_index is None else book.funding_index


def _debt_index(legs: Sequence[Leg]) -> Amounts | None:
    """The column of debt indices; None where no leg has one."""
    if all(leg.debt_index is None for leg in legs):
        return None
    return Amounts.of([0 if leg.debt_index is None else leg.debt_index for leg in legs])


def _funding_index(legs: Sequence[Leg]) -> Signed | None:
    """The column of funding indices; None where no leg has one."""
    if all(leg.funding_index is None for leg in legs):
        return None
    return Signed.of([0 if leg.funding_index is None else leg.funding_index for leg in legs])


@dataclass(frozen=True, slots=True)
class MarginTerms:
    """A protocol's rule as lines in prices, for the engine, which need not know whose rule it is.

    An account's margin is the sum over its legs of (credit - debit) * price. The exact rule calls it
    liquidatable when its margin is below zero, up to what rounding moves. Rounding moves each leg by at most
    `step * (1 + price * grain)`, and can take credit down to `credit_floor` in proportion. The floats
    themselves are within `relative_error` of the exact terms, as a share of gross credit plus debit.
    """

    first_leg: NDArray[np.int64]
    """(N + 1,)"""
    account_of_leg: NDArray[np.int64]
    """(L,)"""
    feeds: NDArray[np.intp]
    """(L,) position in market.prices."""
    credit: NDArray[np.float64]
    """(L,) margin per price integer that the leg's collateral gives, >= 0."""
    credit_floor: NDArray[np.float64]
    """(L,) the least that proportional rounding leaves of it; `credit` itself where there is none."""
    debit: NDArray[np.float64]
    """(L,) margin per price integer that the leg's debt takes, >= 0."""
    step: NDArray[np.float64]
    """(L,) the margin in one base currency integer on each side that the leg has."""
    grain: NDArray[np.float64]
    """(F,) whole tokens in one base unit of the coarsest token that the feed prices."""
    relative_error: float
    law_only: NDArray[np.bool_]
    """(N,) accounts that these lines do not describe; they always go to the law."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a value must be backed with besides: ceil(ceil(value * first / unit) * second / unit)."""

    first: NDArray[np.int64]
    """(L,) at most `unit`."""
    second: NDArray[np.int64]
    """(L,) at most `unit`."""
    unit: int

    def of(self, value: NDArray[np.int64]) -> NDArray[np.int64]:
        """(L,) of values that are not negative, in two parts each time, neither above the value."""
        for rate in (self.first, self.second):
            whole, rest = np.divmod(value, self.unit)
            value = whole * rate - (-rest * rate) // self.unit
        return value

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Requirement:
        """Some rows, by number or by mask."""
        return Requirement(self.first[rows], self.second[rows], self.unit)


@dataclass(frozen=True, slots=True)
class ValueTerms:
    """A rule that sums rounded values, as integer columns: what lets the engine prove whole books at once.

    An account is liquidatable where

        sum(floor(weight * floor(supplied * price / unit) / weight_unit))
            < debt_weight * sum(round(owed * price / unit))

    where `round` goes up with `debt_rounds_up`, else down. A weight may only exceed its unit where that is 1.
    With a `requirement` weights and their units are 1, and what each value requires is taken from it where it
    backs and added to it where it is owed.
    """

    supplied: Amounts
    """(L,) counted collateral in token base units."""
    owed: Amounts
    """(L,) debt in token base units."""
    unit: NDArray[np.int64]
    """(L,) token base units in one whole token."""
    weight: NDArray[np.int64]
    """(L,)"""
    weight_unit: int
    debt_weight: int
    debt_rounds_up: bool
    law_only: NDArray[np.bool_]
    """(N,) accounts that these columns do not describe; they always go to the law."""
    requirement: Requirement | None = None
