"""The exact levels of a book on some drivers: columns where the protocol offers them, the law elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms, ValueTerms
from defiliq.engine import bulk, screen, solve
from defiliq.engine.exact import ranges
from defiliq.engine.sweep import FOR_LAW, FOUND, NEVER, UNRESOLVED
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Level, Rule, Side

Sides: TypeAlias = Literal["both", "long", "short"]

Counter: TypeAlias = Callable[[int, int], None]
"""Told how many of how many accounts are done."""

Bracket: TypeAlias = tuple[int, int] | None
"""Between which integers a level is known to lie; None where nothing is known."""

ROWS_AT_ONCE = 1 << 20
"""Accounts whose columns are solved together: they stay small enough to be counted off as progress."""
LEAST_LOOKS, SHARED_LOOKS = 100, 1 << 13
"""What columns gave up the law may see by its other bound: at least so many looks each, so many together."""


@dataclass(frozen=True, slots=True)
class Solved:
    """The levels of a book on some drivers."""

    levels: tuple[Level, ...]
    never: dict[str, int]
    """Driver name to the number of accounts that no price of it breaks on the asked sides."""
    unresolved: tuple[tuple[str, str], ...]
    """(account, driver) where rounding alone decides over more prices than can be searched, or where it takes
    a price to 0 before the account breaks: no level."""


def solve_book(
    book: Book[Any],
    chosen: Sequence[Driver],
    side: Sides = "both",
    *,
    include_never: bool = False,
    rows: Sequence[int] | None = None,
    on_progress: Counter | None = None,
) -> Solved:
    """The exact levels of a book's accounts, or of some `rows` of it, on each driver."""
    protocol = PROTOCOLS[book.market.protocol]
    wanted = np.arange(len(book)) if rows is None else np.array(rows, dtype=np.intp)
    terms = protocol.margin(book)
    task = _Task(book, terms, protocol.values(book), ("long", "short") if side == "both" else (side,))
    broken = screen.liquidatable(terms, book.market.prices, task.rule)
    answers = [_Answers() for _ in chosen]
    total, done = len(wanted) * len(chosen), 0
    for driver, answer in zip(chosen, answers, strict=True):
        is_exposed = _exposed(book, driver)
        for first in range(0, len(wanted), ROWS_AT_ONCE):
            some = wanted[first : first + ROWS_AT_ONCE]
            task.solve(driver, some, broken, is_exposed, answer, include_never=include_never)
            done += len(some)
            if on_progress is not None:
                on_progress(done // len(chosen), total // len(chosen))
    return Solved(
        tuple(level for answer in answers for level in sorted(answer.levels, key=_by_account)),
        {driver.name: answer.never for driver, answer in zip(chosen, answers, strict=True)},
        tuple(pair for answer in answers for pair in answer.unresolved),
    )


@dataclass(slots=True)
class _Answers:
    """What one driver does to the accounts so far."""

    levels: list[Level] = field(default_factory=list)
    never: int = 0
    unresolved: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Task:
    """A book with its columns, and the sides that are asked about."""

    book: Book[Any]
    terms: MarginTerms
    values: ValueTerms | None
    sides: tuple[Side, ...]

    def rule(self, row: int) -> Rule:
        """The law for one account."""
        market = self.book.market
        return PROTOCOLS[market.protocol].rule(self.book.nameless(row), market)

    def narrowed(self, driver: Driver, row: int) -> Driver:
        """A driver as far as one account is concerned; in a mode, feeds of no leg may concern it too."""
        book = self.book
        if book.modes[row]:
            return driver
        legs = book.reserves[book.first_leg[row] : book.first_leg[row + 1]].tolist()
        return driver.only({book.market.reserves[reserve].feed for reserve in legs})

    def exposed_side(self, driver: Driver, row: int) -> Side:
        """The side that hurts an account, by the law."""
        return solve.exposed_side(self.rule(row), self.book.market.prices, self.narrowed(driver, row))

    def solve(
        self,
        driver: Driver,
        rows: NDArray[np.intp],
        broken: NDArray[np.bool_],
        is_exposed: NDArray[np.bool_],
        answer: _Answers,
        *,
        include_never: bool,
    ) -> None:
        """Add what a driver does to some accounts."""
        answer.levels += self._already(driver, rows[broken[rows]])
        for row in rows[~broken[rows] & ~is_exposed[rows]].tolist() if include_never else ():
            answer.levels.append(Level(row, driver, self.sides[0], "never", None))
        answer.never += int((~broken[rows] & ~is_exposed[rows]).sum())
        searched = rows[~broken[rows] & is_exposed[rows]]
        for moved, some in self._by_reach(driver, searched):
            self._search(driver, moved, some, answer, include_never=include_never)

    def _by_reach(self, driver: Driver, rows: NDArray[np.intp]) -> Iterator[tuple[Driver, NDArray[np.intp]]]:
        """The driver as far as some accounts are concerned, and those accounts.

        A price of few integers is gone early on the way down, where all others can still be searched: who has
        no leg on it is not held up by it. In a mode, feeds of no leg may hold up whoever is in it.
        """
        market, is_plain = self.book.market, self.book.modes[rows] == 0
        if not driver.is_cut:
            yield driver, rows
            return
        yield driver, rows[~is_plain]
        rows = rows[is_plain]
        reach = {feed: float(max(driver.only({feed}).lowest, driver.shallow)) for feed in driver.feeds}
        of_reserve = np.array([reach.get(reserve.feed, 0.0) for reserve in market.reserves])
        legs, account = ranges(self.book.first_leg[rows], self.book.first_leg[rows + 1])
        of_row = np.zeros(len(rows))
        np.maximum.at(of_row, account, of_reserve[self.book.reserves[legs]])
        for least in np.unique(of_row).tolist():
            yield driver.only({feed for feed, it in reach.items() if it <= least}), rows[of_row == least]

    def _search(
        self,
        driver: Driver,
        moved: Driver,
        searched: NDArray[np.intp],
        answer: _Answers,
        *,
        include_never: bool,
    ) -> None:
        """Add what a driver does to some accounts that it may break; `moved` is what it is to them."""
        prepared = bulk.prepare(self.terms, self.values, self.book.market.prices, moved, searched)
        found = {side: bulk.crossings(prepared, side) for side in self.sides}
        states = np.stack([one.state for one in found.values()])
        by_law = np.any(states == FOR_LAW, axis=0)
        for k, row in zip(np.flatnonzero(by_law).tolist(), searched[by_law].tolist(), strict=True):
            open_sides = {side: one.bracket(k) for side, one in found.items() if one.state.item(k) != NEVER}
            self._add_by_law(driver, row, answer, None, open_sides, include_never=include_never)
        hard = np.any(states == UNRESOLVED, axis=0) & ~by_law
        looks = max(LEAST_LOOKS, SHARED_LOOKS // max(1, int(hard.sum())))
        for row in searched[hard].tolist():
            open_sides = dict.fromkeys(self.sides)
            self._add_by_law(driver, row, answer, looks, open_sides, include_never=include_never)
        settled = ~by_law & ~hard
        for side, one in found.items():
            answer.levels += _levels(driver, side, searched, one, settled)
        never = settled & np.all(states == NEVER, axis=0)
        if moved.is_cut and "long" in found:
            for k in np.flatnonzero(settled & (found["long"].state == NEVER)).tolist():
                if self._may_break_beyond(moved, row := searched.item(k)):
                    never[k] = False
                    answer.unresolved.append((self.book.owner(row), driver.name))
        answer.never += int(never.sum())
        if include_never:
            for row in searched[never].tolist():
                side = self.exposed_side(driver, row)
                answer.levels.append(Level(row, driver, self._asked(side), "never", None))

    def _already(self, driver: Driver, rows: NDArray[np.intp]) -> list[Level]:
        """Accounts that are liquidatable at spot, under the side that hurts them where it is asked about."""
        prices = self.book.market.prices
        is_short, known = bulk.exposed_sides(bulk.prepare(self.terms, self.values, prices, driver, rows))
        levels = []
        for row, short, sure in zip(rows.tolist(), is_short.tolist(), known.tolist(), strict=True):
            side: Side = "short" if short else "long"
            side = side if sure else self.exposed_side(driver, row)
            if side in self.sides:
                levels.append(Level(row, driver, side, "already", driver.spot))
        return levels

    def _may_break_beyond(self, moved: Driver, row: int) -> bool:
        """Whether an account's margin is gone further down than its prices can be followed.

        There one of them is below its first integer, which no oracle says: what it says instead is not known.
        """
        return moved.is_cut and self.rule(row).margin(moved.lead(self.book.market.prices, 0)) < 0

    def _by_law(
        self, driver: Driver, row: int, most_looks: int | None, open_sides: Mapping[Side, Bracket]
    ) -> list[Level]:
        """One account's levels on the sides that are open; a single `never` where there are none."""
        prices, rule = self.book.market.prices, self.rule(row)
        brackets = {side: bracket for side, bracket in open_sides.items() if bracket is not None}
        moved = self.narrowed(driver, row)
        found = solve.find_levels(
            rule, row, prices, moved, tuple(open_sides), most_looks=most_looks, brackets=brackets
        )
        asked = [level._replace(driver=driver) for level in found if level.side in self.sides]
        return asked if asked else [Level(row, driver, self.sides[0], "never", None)]

    def _add_by_law(
        self,
        driver: Driver,
        row: int,
        answer: _Answers,
        most_looks: int | None,
        open_sides: Mapping[Side, Bracket],
        *,
        include_never: bool,
    ) -> None:
        try:
            levels = self._by_law(driver, row, most_looks, open_sides)
        except UnresolvedLevel:
            answer.unresolved.append((self.book.owner(row), driver.name))
            return
        has_long = any(level.side == "long" and level.outcome == "price" for level in levels)
        if "long" in self.sides and not has_long and self._may_break_beyond(self.narrowed(driver, row), row):
            answer.unresolved.append((self.book.owner(row), driver.name))
            levels = [level for level in levels if level.outcome == "price"]
        is_never = [level.outcome for level in levels] == ["never"]
        answer.never += is_never
        if include_never or not is_never:
            answer.levels += levels

    def _asked(self, side: Side) -> Side:
        """The side that a `never` is written under."""
        return side if side in self.sides else self.sides[0]


def _by_account(level: Level) -> int:
    return level.account


def _levels(
    driver: Driver,
    side: Side,
    rows: NDArray[np.intp],
    found: bulk.Crossings,
    settled: NDArray[np.bool_],
) -> list[Level]:
    """The levels that columns hold, as exact types."""
    kept = settled & (found.state == FOUND)
    bands = [None if band == bulk.NO_BAND else band for band in found.band[kept].tolist()]
    columns = (
        rows[kept].tolist(),
        repeat(driver),
        repeat(side),
        repeat("price"),
        found.price[kept].tolist(),
        bands,
    )
    # What Level._make does, without a Python frame for each of a million.
    return list(map(partial(tuple.__new__, Level), zip(*columns, strict=False)))


def _exposed(book: Book[Any], driver: Driver) -> NDArray[np.bool_]:
    """(N,) the accounts that owe something and that the driver can touch.

    It touches whoever has a leg on a feed it moves; in a mode, feeds that price no reserve count too, because
    they may stand in for one.
    """
    market, account_of_leg, count = book.market, book.account_of_leg, len(book)
    feeds = np.array([reserve.feed for reserve in market.reserves], dtype=np.intp)
    moved = driver.feeds
    on_driver = np.isin(feeds, list(moved))[book.reserves]
    touched = np.bincount(account_of_leg[on_driver], minlength=count) > 0
    if moved - set(feeds.tolist()):
        touched |= book.modes != 0
    return touched & book.debtors
