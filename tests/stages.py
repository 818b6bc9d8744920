"""A whole book of a lab with all of its levels, and what those claim."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from defiliq.book import Book
from defiliq.pricing.driver import Driver
from defiliq.types import Account, Level, Market

Claim: TypeAlias = tuple[Level, int, bool]
"""That the account of a level is liquidatable, or not, with the level's driver at an integer."""


class Moving(Protocol):
    """A lab whose prices can be moved."""

    @property
    def drivers(self) -> Mapping[str, str]:
        """The contracts that move prices, by the lab's names."""
        ...


T = TypeVar("T")
L = TypeVar("L", bound=Moving)
M = TypeVar("M", bound=Market)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStage(Generic[L, M]):
    """Everybody in one market of a lab at a time, with all levels, `never` included."""

    lab: L
    book: Book[M]
    levels: tuple[Level, ...]
    unresolved: tuple[tuple[str, str], ...]
    shapes: Mapping[str, str] = field(default_factory=dict)

    @property
    def market(self) -> M:
        return self.book.market

    def priced(self, *names: str) -> list[Level]:
        """The levels that have a price, on some drivers or all."""
        found = [level for level in self.levels if level.outcome == "price"]
        return [level for level in found if not names or level.driver.name in names]

    def account(self, level: Level) -> Account:
        return self.book.account(level.account)

    def shape(self, level: Level) -> str:
        return self.shapes[self.book.owner(level.account)]

    def moved(self, driver: Driver, at: int) -> dict[str, int]:
        """What to write where, by the lab's names, so that a driver stands at an integer."""
        names = {address: name for name, address in self.lab.drivers.items()}
        sources = {position: quantity.source for position, quantity in self.market.graph.inputs}
        return {names[sources[position]]: value for position, value in driver.moved_inputs(at).items()}

    def at(self, driver: Driver, at: int) -> M:
        """The market with a driver at an integer."""
        return self.market.at_inputs(driver.moved_inputs(at))


def price_of(level: Level) -> int:
    """The price of a level that has one."""
    assert level.price is not None
    return level.price


def toward_spot(level: Level) -> int:
    """The step from a level to its safe neighbour."""
    return 1 if level.side == "long" else -1


def spread(items: Sequence[T], count: int) -> list[T]:
    """So many of them, evenly from all over."""
    step = max(1, len(items) // count)
    return list(items[::step][:count])


def at_prices(levels: Sequence[Level]) -> list[Claim]:
    """Each breaks at its price, and not at the neighbour."""
    claims = [(level, price_of(level), True) for level in levels]
    return claims + [(level, price_of(level) + toward_spot(level), False) for level in levels]


def nearer_than_prices(levels: Sequence[Level], draw: random.Random) -> list[Claim]:
    """None breaks between its price and spot: some integers of each, near the price and anywhere."""
    claims = []
    for level in levels:
        width = abs(level.driver.spot - price_of(level))
        near = {min(width, distance) for distance in (2, 100)}
        far = {draw.randrange(width) + 1} if width else set()
        claims += [
            (level, price_of(level) + toward_spot(level) * distance, False)
            for distance in near | far
            if distance
        ]
    return claims
