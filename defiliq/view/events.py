"""Liquidations that happened, on a terminal: what they come to, the largest of them, and the days."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd

from defiliq.model.days import DOLLARS
from defiliq.model.metrics import Metrics
from defiliq.view.terminal import clean, filled, in_words, print_lines, print_rows

_COLUMNS = (
    *("time", "block_number", "kind", "account", "side", "driver", "price_usd"),
    *("seize_asset", "seized_usd", "repay_asset", "repaid_usd", "bonus_usd", "bad_debt_usd", "fee_usd"),
    "transaction",
)
_DAYS = (*("from", "to", "liquidations", "total_usd", "long_usd", "short_usd", "largest_usd"),)
_LONGEST_DAYS = 14


def print_events(table: pd.DataFrame, whole: Metrics, day: Metrics | None, top: int) -> None:
    """Sums, the last 24 hours where so much was searched, and the largest liquidations."""
    print_lines([*summary_lines(table, whole, day), ""])
    if top == 0 or table.empty:
        return
    size = table["seized_usd"].where(table["side"] != "short", table["repaid_usd"])
    order = size.sort_values(ascending=False, kind="stable", na_position="last").index
    shown = table.loc[order].head(top).assign(time=table["block_timestamp"].map(_moment))
    left = len(table) - len(shown)
    title = "largest liquidations" + (f" ({left} more: --top {len(table)})" if left else "")
    names = [name for name in _COLUMNS if not name.endswith("_usd") or shown[name].notna().any()]
    print_rows(shown, title, names)


def print_days(days: pd.DataFrame) -> None:
    """Each 24 hours as a row, the last first."""
    table = days.head(_LONGEST_DAYS)
    table = table.assign(**{"from": table["since_at"].map(_moment), "to": table["until_at"].map(_moment)})
    left = len(days) - len(table)
    title = "days" + (f" ({left} older: --by day --format csv)" if left else "")
    print_rows(table, title, [*_DAYS, *filled(table, "state", "implication")])


def summary_lines(table: pd.DataFrame, whole: Metrics, day: Metrics | None) -> list[str]:
    """What it comes to, in sentences; what a day is called is a matter of dollars alone."""
    if table.empty:
        return ["no liquidations"]
    base = base_symbol_of(table)
    lines = [f"{counted(len(table), 'liquidation')} of {counted(table['account'].nunique(), 'account')}"]
    if whole.liquidations > whole.untold:
        lines[0] += f", {in_words(whole.total_usd, base)}"
        lines.append(
            f"longs {in_words(whole.long_usd, base)} ({whole.long_share_pct:.0f}%)   "
            f"shorts {in_words(whole.short_usd, base)} ({whole.short_share_pct:.0f}%)"
            + ("" if whole.squeezed is None else f"   {whole.squeezed} were squeezed")
        )
        lines.append(_largest(whole, base))
    for name, said in (
        ("bonus_usd", "liquidators gained"),
        ("bad_debt_usd", "bad debt"),
        ("fee_usd", "fees"),
    ):
        known = table[name].dropna()
        if len(known):
            of = "" if len(known) == len(table) else f" (told of {len(known):,} of {len(table):,})"
            lines.append(f"{said} {in_words(math.fsum(known), base)}{of}")
    if base == DOLLARS and day is not None and day.state is not None:
        amount = in_words(day.total_usd, base)
        lines.append(f"last 24 hours: {amount}. {day.state.meaning}: {day.state.implication}")
    return lines


def _largest(whole: Metrics, base: str) -> str:
    if whole.largest is None:
        return ""
    row = whole.largest
    whale = ", a whale" if whole.is_whale and base == DOLLARS else ""
    return (
        f"largest {in_words(whole.largest_usd, base)}{whale}: {clean(row['account'])} "
        f"on {clean(row['driver'])} in block {row['block_number']}"
    )


def counted(count: int, what: str) -> str:
    """So many of something: 1 account, 2 accounts."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def base_symbol_of(table: pd.DataFrame) -> str:
    """The money of the rows that have any; several are named together."""
    named = [str(name) for name in table["base_symbol"].unique() if name]
    return "+".join(named) if named else DOLLARS


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
