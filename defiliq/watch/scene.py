"""One block as everything that is told of it sees it: after it, and after the one evaluated before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.oracle.drivers import drivers
from defiliq.oracle.movers import Movers
from defiliq.pricing.driver import Driver
from defiliq.types import Head, Level
from defiliq.watch.glance import Glance
from defiliq.watch.judge import Judge, Valuer
from defiliq.watch.memory import Memory, Status
from defiliq.watch.policy import Policy
from defiliq.watch.schema import identity_at

FEW: Final = 8
"""So many accounts are looked up one by one; for more, all of a book are numbered first."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a market after one block: all that the next step needs."""

    head: Head
    book: Book[Any]
    memory: Memory
    liquidatable: NDArray[np.bool_]
    """(N,) the verdict on every account."""
    nearest: Mapping[int, Level]
    """Row of an account to its nearest level, where one lies within `Policy.leave_pct`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One account that is not quiet."""

    row: int
    status: Status | None
    """None: the filters leave it out."""
    true: Status
    """Whatever the filters."""
    level: Level | None
    """The nearest, where it is not liquidatable."""


@dataclass(frozen=True)
class Scene:
    """One block. What is slow and seldom needed is found when it is asked for."""

    glance: Glance
    book: Book[Any]
    liquidatable: NDArray[np.bool_]
    nearest: Mapping[int, Level]
    before: State | None
    """None where the block before was not evaluated."""
    memory: Memory
    """As it was before the block."""
    parameters: Mapping[str, str]
    policy: Policy
    judge: Judge
    valued: dict[tuple[str, str, int | None], dict[str, object]] = field(default_factory=dict)
    """By account, driver and level: what was valued already."""

    @property
    def head(self) -> Head:
        """The block."""
        return self.glance.head

    @cached_property
    def named(self) -> Mapping[str, object]:
        """The fields that every event of the block starts with."""
        return identity_at(self.book.market)

    @cached_property
    def drivers(self) -> Mapping[str, Driver]:
        """What moves the market's prices, by name."""
        return {driver.name: driver for driver in drivers(self.book.market)}

    @cached_property
    def moved(self) -> Sequence[str]:
        """The drivers that stand elsewhere than after the block before."""
        old = () if self.before is None else drivers(self.before.book.market)
        spots = {driver.name: driver.spot for driver in old}
        return [name for name, now in self.drivers.items() if spots.get(name, now.spot) != now.spot]

    @cached_property
    def movers(self) -> Movers:
        """Which driver a liquidation is told of, where no level was seen to be crossed."""
        return Movers(self.book.market)

    @cached_property
    def valuer(self) -> Valuer:
        """What a liquidation is worth in the block."""
        return self.judge.valuer(self.head, self.book.market)

    @cached_property
    def has_new_parameters(self) -> bool:
        """Whether anything but prices and indices changed."""
        return dict(self.parameters) != dict(self.memory.parameters)

    @cached_property
    def liquidated(self) -> frozenset[str]:
        """Who was liquidated in the block."""
        return frozenset(event.account for event in self.glance.happened)

    def owing_before(self, accounts: Iterable[str]) -> dict[str, int]:
        """Where accounts were after the block before; without those that were not there, or owed nothing."""
        if self.before is None:
            return {}
        book = self.before.book
        owes = book.debtors
        return {account: row for account, row in rows_in(book, accounts).items() if owes[row]}


def rows_in(book: Book[Any], accounts: Iterable[str]) -> dict[str, int]:
    """Where some accounts are in a book, in the order of their names; without those that are not there."""
    names = sorted(accounts)
    if len(names) <= FEW:
        return {name: row for name in names if (row := book.find(name)) is not None}
    places = {key.tobytes(): row for row, key in enumerate(book.owners)}
    found = {name: places.get(book.market.account_key(name)) for name in names}
    return {name: row for name, row in found.items() if row is not None}
