"""What follows from a book without a node: health, verdicts, levels, the ladder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.engine import screen, solve
from defiliq.errors import InputError, UnresolvedLevel
from defiliq.ladder import (
    HEALTH_COLUMNS,
    LEVEL_COLUMNS,
    as_table,
    build_ladder,
    factor_text,
    identity,
    to_usd,
)
from defiliq.oracle.drivers import drivers, find_driver, group_driver
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Health, Level, Liquidation, Market, Refusal

Sides: TypeAlias = Literal["both", "long", "short"]

Counter: TypeAlias = Callable[[int, int], None]
"""Told how many of how many accounts are done."""


@dataclass(frozen=True, slots=True)
class Solved:
    """The levels of a book on some drivers."""

    levels: tuple[Level, ...]
    never: dict[str, int]
    """Driver name to the number of accounts that no price of it breaks on the asked sides."""
    unresolved: tuple[tuple[str, str], ...]
    """(account, driver) where rounding alone decides over more prices than can be searched: no level."""


def health(book: Book[Any]) -> pd.DataFrame:
    """One row per account: totals, health factor, verdict, and whether a liquidation would be let through.

    `callable` is false for healthy accounts too; `reason` says why a liquidatable one cannot be called.
    """
    head = identity(book.market) | {"evaluated_at": book.market.timestamp}
    rows = [head | health_row(account, book.market) for account in book.accounts()]
    return as_table(rows, HEALTH_COLUMNS)


def health_row(account: Account, market: Market) -> dict[str, object]:
    """One account's row of the health table, without the identity columns."""
    protocol = PROTOCOLS[market.protocol]
    judged: Health = protocol.health(account, market)
    taken = protocol.take(account, market) if judged.liquidatable else Refusal("")
    return {
        "account": account.owner,
        "health_factor": factor_text(judged.factor_wad),
        "collateral_usd": to_usd(judged.collateral_base, market),
        "debt_usd": to_usd(judged.debt_base, market),
        "available_borrows_usd": to_usd(judged.available_borrows_base, market),
        "liquidatable": judged.liquidatable,
        "callable": isinstance(taken, Liquidation),
        "reason": taken.reason if isinstance(taken, Refusal) else "",
        "mode": account.mode,
        "threshold_bps": judged.threshold_bps,
        "ltv_bps": judged.ltv_bps,
        "collateral_raw": str(judged.collateral_base),
        "debt_raw": str(judged.debt_base),
    }


def liquidatable(book: Book[Any]) -> NDArray[np.bool_]:
    """The verdict on every account, in order: a float screen decides the clear ones, the law the rest."""
    protocol = PROTOCOLS[book.market.protocol]
    return screen.liquidatable(
        protocol.margin(book),
        book.market.prices,
        lambda i: protocol.rule(book.nameless(i), book.market),
    )


def choose_drivers(
    market: Market, names: Sequence[str] = (), groups: Sequence[str] = ()
) -> tuple[Driver, ...]:
    """The drivers that some names mean; without names every group, then every feed."""
    grouped = tuple(group_driver(market, spec) for spec in groups)
    if not names:
        return (*grouped, *drivers(market))
    chosen = {driver.name: driver for driver in (find_driver(market, name, grouped) for name in names)}
    return tuple(chosen.values())


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
    wanted = range(len(book)) if rows is None else rows
    broken, exposed = liquidatable(book), [_exposed(book, driver) for driver in chosen]
    levels: list[Level] = []
    never = {driver.name: 0 for driver in chosen}
    unresolved: list[tuple[str, str]] = []
    for done, i in enumerate(wanted):
        searched = [driver for driver, rows in zip(chosen, exposed, strict=True) if broken[i] or rows[i]]
        for level in _account_levels(book, i, chosen, searched, side, unresolved):
            if level.outcome == "never":
                never[level.driver.name] += 1
            if include_never or level.outcome != "never":
                levels.append(level)
        if on_progress is not None and (done % 64 == 63 or done + 1 == len(wanted)):
            on_progress(done + 1, len(wanted))
    return Solved(tuple(levels), never, tuple(unresolved))


def levels(
    book: Book[Any], driver: str | None = None, side: Sides = "both", groups: Sequence[str] = ()
) -> pd.DataFrame:
    """Where every account breaks, `never` and `already` included: one row per level, exact and in floats."""
    _check_side(side)
    chosen = choose_drivers(book.market, _names(driver), groups)
    solved = solve_book(book, chosen, side, include_never=True)
    protocol = PROTOCOLS[book.market.protocol]
    table = build_ladder(book, solved.levels, _take_nothing, protocol.health, include_never=True)
    return table[list(LEVEL_COLUMNS)]


def ladder(
    book: Book[Any],
    driver: str | Sequence[str] | None = None,
    side: Sides = "both",
    groups: Sequence[str] = (),
    *,
    include_never: bool = False,
    on_progress: Counter | None = None,
) -> pd.DataFrame:
    """The rungs along one driver, some, or all: who breaks where, and what a liquidator can take there.

    `attrs["never"]` counts, per driver, the accounts that no price of it breaks; `attrs["unresolved"]` names
    (account, driver) where only rounding decides and no level is given.
    """
    _check_side(side)
    chosen = choose_drivers(book.market, _names(driver), groups)
    solved = solve_book(book, chosen, side, include_never=include_never, on_progress=on_progress)
    protocol = PROTOCOLS[book.market.protocol]
    table = build_ladder(book, solved.levels, protocol.take, protocol.health, include_never=include_never)
    table.attrs["never"] = solved.never
    table.attrs["unresolved"] = [list(pair) for pair in solved.unresolved]
    return table


def at_time(book: Book[Any], timestamp: int) -> Book[Any]:
    """The same book with interest accrued to a later instant, all else as in its block."""
    if timestamp < book.market.block.timestamp:
        raise InputError(
            f"timestamp {timestamp} lies before the block's own, {book.market.block.timestamp}. "
            "Use a later one."
        )
    return replace(book, market=book.market.at_time(timestamp))


def _names(driver: str | Sequence[str] | None) -> tuple[str, ...]:
    if driver is None:
        return ()
    return (driver,) if isinstance(driver, str) else tuple(driver)


def _check_side(side: str) -> None:
    if side not in ("both", "long", "short"):
        raise InputError(f"no side {side!r}. Use both, long or short.")


def _account_levels(
    book: Book[Any],
    i: int,
    chosen: Sequence[Driver],
    searched: Sequence[Driver],
    side: Sides,
    unresolved: list[tuple[str, str]],
) -> Iterator[Level]:
    """One account's levels on each chosen driver; those that are not `searched` cannot break it."""
    market = book.market
    rule = PROTOCOLS[market.protocol].rule(book.nameless(i), market) if searched else None
    for driver in chosen:
        if rule is None or driver not in searched:
            yield Level(i, driver, _one(side), "never", None)
            continue
        try:
            found = solve.find_levels(rule, i, market.prices, driver)
        except UnresolvedLevel:
            unresolved.append((book.owner(i), driver.name))
            continue
        asked = [level for level in found if side in ("both", level.side) or level.outcome == "never"]
        if asked or found[0].outcome == "already":
            yield from asked
        else:
            yield Level(i, driver, _one(side), "never", None)


def _one(side: Sides) -> Literal["long", "short"]:
    """The side that a `never` is written under."""
    return "short" if side == "short" else "long"


def _exposed(book: Book[Any], driver: Driver) -> NDArray[np.bool_]:
    """(N,) the accounts that owe something and that the driver can touch.

    It touches whoever has a leg on a feed it moves; in a mode, feeds that price no reserve count too, because
    they may stand in for one.
    """
    market, account_of_leg, count = book.market, book.account_of_leg, len(book)
    feeds = np.array([reserve.feed for reserve in market.reserves], dtype=np.intp)
    moved = driver.feeds
    on_driver = np.isin(feeds, list(moved))[book.reserves]
    owes = (book.debt.high > 0) | (book.debt.low > 0)
    owes[list(book.stable)] = True
    touched = np.bincount(account_of_leg[on_driver], minlength=count) > 0
    if moved - set(feeds.tolist()):
        touched |= book.modes != 0
    debtors: NDArray[np.bool_] = np.bincount(account_of_leg[owes], minlength=count) > 0
    return touched & debtors


def _take_nothing(account: Account, market: Market) -> Refusal:
    """In place of a protocol's `take`, where only prices are asked for."""
    return Refusal("")
