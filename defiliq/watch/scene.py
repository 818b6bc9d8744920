"""One block as everything that is told of it sees it: after it, and after the one evaluated before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.oracle.drivers import drivers
from defiliq.pricing.driver import Driver
from defiliq.types import Head, Level
from defiliq.watch.glance import Glance
from defiliq.watch.judge import Judge, Valuer
from defiliq.watch.memory import Memory, Status
from defiliq.watch.policy import Policy
from defiliq.watch.schema import identity_at


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

    def row_before(self, account: str) -> int | None:
        """Where an account was after the block before; None where it was not there, or owed nothing."""
        if self.before is None:
            return None
        row = self.before.book.find(account)
        return row if row is not None and owes(self.before.book, row) else None


def owes(book: Book[Any], row: int) -> bool:
    """Whether an account has any debt."""
    legs = range(book.first_leg.item(row), book.first_leg.item(row + 1))
    return any(book.debt[leg] > 0 or leg in book.stable for leg in legs)


def alone(book: Book[Any], row: int) -> Book[Any]:
    """A book of one of its accounts."""
    return book.pick(np.array([row]))
