"""Which update sets off what, on a terminal: drivers, their feeds and nearest levels; then by time alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from defiliq.view.feeds import lasting
from defiliq.view.terminal import filled, in_words, print_lines, print_rows

NONE_KNOWN = "none known"
SMALL_PCT = 0.01
"""Distances below keep one digit, wherever it is: a level at +0.00% would seem to be at spot."""
_FEEDS = (*("driver", "value", "age", "next answer", "heartbeat", "deviation", "oev", "off-chain", "moved"),)
_LEVELS = ("driver", "if updated", "long", "short")
_ALWAYS = ("driver", "value")
_TIMES = ("account", "in", "moves", "health_factor", "debt_usd", "bonus_usd")


def print_triggers(drivers: pd.DataFrame, times: pd.DataFrame, within: str) -> None:
    """One market: its drivers' feeds, their nearest levels, and whom time alone breaks.

    `within` says in words how far ahead time was searched.
    """
    _print(
        [feed_row(row) for _, row in drivers.iterrows()],
        _FEEDS,
        counted(len(drivers), "driver") + " with levels",
    )
    crossing = int(drivers["would_cross"].fillna(value=False).sum())
    told = f"; {counted(crossing, 'driver')} would cross some if updated" if crossing else ""
    levels = [level_row(row) for _, row in drivers.iterrows()]
    _print(levels, _LEVELS, f"nearest levels{told}")
    if times.empty:
        print_lines([f"nobody breaks by time alone within {within}"])
        return
    by_time = times.assign(**{"in": [lasting(int(seconds)) for seconds in times["eta_s"]]})
    who = "account breaks" if len(times) == 1 else "accounts break"
    title = f"{len(times)} {who} by time alone within {within}"
    print_rows(by_time, title, [*_TIMES, *filled(times, "reserves", "reason")])


def counted(count: int, what: str) -> str:
    """So many of something."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _print(rows: list[dict[str, str]], columns: Sequence[str], title: str) -> None:
    """Rows of text without the columns that say nothing, and an empty line."""
    shown = pd.DataFrame(rows, columns=list(columns), dtype="str")
    told = filled(shown, *columns)
    print_rows(shown, title, [name for name in columns if name in _ALWAYS or name in told])
    print_lines([""])


def feed_row(row: pd.Series) -> dict[str, str]:
    """A driver and its feed as people read them."""
    moved, heartbeat, deviation = (row[k] for k in ("deviation_now_bps", "heartbeat_s", "deviation_bps"))
    return {
        "driver": row["driver"],
        "value": f"{row['driver_value']:,.10g}",
        "age": _age(row),
        "next answer": _next(row),
        "heartbeat": "" if pd.isna(heartbeat) else lasting(int(heartbeat)),
        "deviation": "" if pd.isna(deviation) else f"{deviation / 100:g}%",
        "oev": "" if row["oev"] == NONE_KNOWN else row["oev"],
        "off-chain": "" if pd.isna(row["offchain_value"]) else f"{row['offchain_value']:,.8g}",
        "moved": "" if pd.isna(moved) else f"{moved / 100:+.2f}%",
    }


def level_row(row: pd.Series) -> dict[str, str]:
    """A driver and its levels as people read them."""
    return {
        "driver": row["driver"],
        "if updated": _if_updated(row),
        "long": _nearest(row, "long"),
        "short": _nearest(row, "short"),
    }


def _age(row: pd.Series) -> str:
    """How old the answer is; a contract may claim an instant to come."""
    if pd.isna(row["age_s"]):
        return ""
    age_s = int(row["age_s"])
    told = lasting(age_s) if age_s >= 0 else f"{lasting(-age_s)} ahead"
    return told + (" STALE" if not pd.isna(row["stale"]) and row["stale"] else "")


def _next(row: pd.Series) -> str:
    """When an answer is due, the shorter way."""
    due_at, expected = row["heartbeat_due_at"], str(row["update_expected"])
    if not expected.startswith("heartbeat") or pd.isna(due_at):
        return expected
    ahead = int(due_at) - int(row["evaluated_at"])
    return f"in {lasting(ahead)}" if ahead > 0 else "now" if ahead == 0 else f"{lasting(-ahead)} late"


def _if_updated(row: pd.Series) -> str:
    """Whom the off-chain price would break."""
    if pd.isna(row["would_cross"]):
        return ""
    if not row["would_cross"]:
        return "nobody"
    debt = in_words(row["debt_usd_if_updated"], row["base_symbol"])
    return f"{row['accounts_if_updated']} owing {debt}"


def _nearest(row: pd.Series, side: str) -> str:
    """The nearest level of a side: how far, how many accounts, and what they owe."""
    if not row[f"nearest_{side}_raw"]:
        return ""
    debt = in_words(row[f"nearest_{side}_debt_usd"], row["base_symbol"])
    away = row[f"nearest_{side}_pct"]
    shown = f"{away:+.2f}%" if abs(away) >= SMALL_PCT else f"{away:+.1g}%"
    return f"{shown}: {row[f'nearest_{side}_accounts']} owing {debt}"
