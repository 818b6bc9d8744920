"""What follows from a book without a node: health, verdicts, levels, the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.engine import screen
from defiliq.errors import InputError
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
from defiliq.pipeline.solving import Counter, Sides, solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Health, Liquidation, Market, Refusal, Taking


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
    taken: Taking = protocol.take(account, market) if judged.liquidatable else Refusal("")
    return {
        "account": account.owner,
        "health_factor": factor_text(judged.factor_wad),
        "collateral_usd": to_usd(judged.collateral_base, market),
        "debt_usd": to_usd(judged.debt_base, market),
        "available_borrows_usd": to_usd(judged.available_borrows_base, market),
        "liquidatable": judged.liquidatable,
        "callable": not isinstance(taken, Refusal),
        "reason": taken.remark if isinstance(taken, Liquidation) else taken.reason,
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


def levels(
    book: Book[Any], driver: str | None = None, side: Sides = "both", groups: Sequence[str] = ()
) -> pd.DataFrame:
    """Where every account breaks, `never` and `already` included: one row per level, exact and in floats."""
    _check_side(side)
    chosen = choose_drivers(book.market, _names(driver), groups)
    solved = solve_book(book, chosen, side, include_never=True)
    protocol = PROTOCOLS[book.market.protocol]
    table = build_ladder(
        book, solved.levels, _take_nothing, protocol.health, _explain_nothing, include_never=True
    )
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
    """The rungs along some drivers, or along every one that has a level for someone.

    Each says who breaks where, and what a liquidator can take there. `attrs["never"]` counts, per driver, the
    accounts that no price of it breaks; `attrs["idle"]` names the drivers that are left out because they
    break nobody; `attrs["unresolved"]` names (account, driver) where only rounding decides and no level is
    given.
    """
    _check_side(side)
    names = _names(driver)
    chosen = choose_drivers(book.market, names, groups)
    solved = solve_book(book, chosen, side, include_never=include_never, on_progress=on_progress)
    busy = {level.driver.name for level in solved.levels if level.outcome == "price"}
    if names or include_never or not busy:
        busy = set(solved.never)
    protocol = PROTOCOLS[book.market.protocol]
    kept = [level for level in solved.levels if level.driver.name in busy]
    table = build_ladder(
        book, kept, protocol.take, protocol.health, protocol.explain, include_never=include_never
    )
    table.attrs["never"] = {name: count for name, count in solved.never.items() if name in busy}
    table.attrs["idle"] = [name for name in solved.never if name not in busy]
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


def as_stored(book: Book[Any]) -> Book[Any]:
    """The same book judged by indices as they were last written, as the protocol's own views do.

    NoStoredIndices where the protocol's views show accrued ones only.
    """
    return replace(book, market=book.market.as_stored())


def _names(driver: str | Sequence[str] | None) -> tuple[str, ...]:
    if driver is None:
        return ()
    return (driver,) if isinstance(driver, str) else tuple(driver)


def _check_side(side: str) -> None:
    if side not in ("both", "long", "short"):
        raise InputError(f"no side {side!r}. Use both, long or short.")


def _take_nothing(account: Account, market: Market) -> Refusal:
    """In place of a protocol's `take`, where only prices are asked for."""
    return Refusal("")


def _explain_nothing(account: Account, market: Market) -> tuple[()]:
    """In place of a protocol's `explain`, where only prices are asked for."""
    return ()
