"""When accounts break by interest alone: nobody touches them, and no price moves but by time itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from defiliq.book import Book
from defiliq.engine.eta import find_eta
from defiliq.errors import InputError, NoLaterTime, UnresolvedEta
from defiliq.ladder import ETA_COLUMNS, as_table, factor_text, identity, to_usd
from defiliq.pipeline.solving import Counter
from defiliq.protocols import PROTOCOLS
from defiliq.types import Eta, Market

YEAR_S = 365 * 24 * 60 * 60
DEFAULT_HORIZON_S = 10 * YEAR_S
"""How far ahead is searched where nobody says how far."""
_NEVER = Eta("never", None)


@dataclass(frozen=True, slots=True)
class Etas:
    """When accounts of a book break, by row."""

    found: dict[int, Eta]
    unresolved: list[str] = field(default_factory=list)
    """Owners for whom rounding alone decides over more seconds than can be searched: they are in no row."""
    unknown: list[str] = field(default_factory=list)
    """Owners, safe at the start, with a reserve that accrues in a way of its own: in no row either."""


def find_etas(
    book: Book[Any],
    horizon_s: int = DEFAULT_HORIZON_S,
    *,
    rows: Sequence[int] | None = None,
    on_progress: Counter | None = None,
) -> Etas:
    """The exact instants of a book's accounts, or of some `rows` of it, from the market's timestamp on."""
    if horizon_s < 0:
        raise InputError(f"a horizon of {horizon_s} seconds lies in the past. Use a positive one.")
    market, owes = book.market, book.debtors
    protocol = PROTOCOLS[market.protocol]
    wanted = range(len(book)) if rows is None else rows
    etas = Etas({})
    for done, i in enumerate(wanted):
        try:
            etas.found[i] = (
                find_eta(protocol.rule_over_time(book.nameless(i), market), market.timestamp, horizon_s)
                if owes[i]
                else _NEVER
            )
        except UnresolvedEta:
            etas.unresolved.append(book.owner(i))
        except NoLaterTime:
            if protocol.health(book.nameless(i), market).liquidatable:
                etas.found[i] = Eta("already", market.timestamp)
            else:
                etas.unknown.append(book.owner(i))
        if on_progress is not None and (done % 64 == 63 or done + 1 == len(wanted)):
            on_progress(done + 1, len(wanted))
    return etas


def eta(
    book: Book[Any], horizon_s: int = DEFAULT_HORIZON_S, *, on_progress: Counter | None = None
) -> pd.DataFrame:
    """When every account breaks by interest alone: one row per account, `eta_at` empty where it never does.

    `eta_s` counts from the market's timestamp and is 0 for accounts that are liquidatable already. `never`
    means not within `horizon_s` seconds. `attrs["unresolved"]` names the accounts that only rounding decides,
    `attrs["unknown"]` those with a reserve whose interest is known at the block alone.
    """
    market = book.market
    etas = find_etas(book, horizon_s, on_progress=on_progress)
    head = identity(market) | {"evaluated_at": market.timestamp}
    judge = PROTOCOLS[market.protocol].health
    rows = []
    for i, found in etas.found.items():
        account = book.account(i)
        health = judge(account, market)
        rows.append(
            head
            | eta_columns(found, market)
            | {
                "account": account.owner,
                "outcome": found.outcome,
                "health_factor": factor_text(health.factor_wad),
                "collateral_usd": to_usd(health.collateral_base, market),
                "debt_usd": to_usd(health.debt_base, market),
            }
        )
    table = as_table(rows, ETA_COLUMNS)
    table.attrs["unresolved"] = etas.unresolved
    table.attrs["unknown"] = etas.unknown
    return table


def with_eta(
    rungs: pd.DataFrame,
    book: Book[Any],
    horizon_s: int = DEFAULT_HORIZON_S,
    *,
    on_progress: Counter | None = None,
) -> pd.DataFrame:
    """A ladder of a book with `eta_at` and `eta_s` of each rung's account at the end; empty for never.

    `attrs["unresolved_eta"]` names the accounts that rounding alone decides, `attrs["unknown_eta"]` those
    with a reserve whose interest is known at the block alone; theirs are empty too.
    """
    row_of = {owner.tobytes(): row for row, owner in enumerate(book.owners)}
    key_of = book.market.account_key
    listed = {owner: row_of[key_of(owner)] for owner in rungs["account"].unique()}
    etas = find_etas(book, horizon_s, rows=list(listed.values()), on_progress=on_progress)
    by_owner = {owner: eta_columns(etas.found.get(row, _NEVER), book.market) for owner, row in listed.items()}
    columns = {
        name: pd.array([by_owner[owner][name] for owner in rungs["account"]], dtype="Int64")
        for name in ("eta_at", "eta_s")
    }
    table = rungs.assign(**columns)
    table.attrs.update(rungs.attrs)
    table.attrs["unresolved_eta"] = etas.unresolved
    table.attrs["unknown_eta"] = etas.unknown
    return table


def eta_columns(found: Eta, market: Market) -> dict[str, int | None]:
    """The instant and how far it lies ahead, in seconds."""
    return {
        "eta_at": found.at,
        "eta_s": None if found.at is None else found.at - market.timestamp,
    }
