"""Liquidations day by day: stretches of 24 hours, counted back from the end of what was searched."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from defiliq.ladder import as_table
from defiliq.model.metrics import DAY_S, Metrics, liquidation_metrics

DAY_COLUMNS = (
    *("since_at", "until_at", "liquidations", "untold", "total_usd", "long_usd", "short_usd"),
    *(
        "long_short_ratio",
        "squeezed",
        "largest_usd",
        "largest_account",
        "state",
        "implication",
        "base_symbol",
    ),
)
DOLLARS = "USD"


def daily_metrics(events: pd.DataFrame, since_at: int, until_at: int) -> tuple[Metrics, ...]:
    """What was liquidated in each stretch of 24 hours that ends at or before `until_at`, the last one first.

    The oldest begins at `since_at`, and is shorter unless that fits.
    """
    found = []
    end = until_at
    while end > since_at:
        start = max(since_at, end - DAY_S)
        found.append(_between(events, start, end))
        end = start
    return tuple(found)


def last_day(events: pd.DataFrame, since_at: int, until_at: int) -> Metrics | None:
    """The last 24 hours; None where less than that was searched."""
    return _between(events, until_at - DAY_S, until_at) if until_at - since_at >= DAY_S else None


def _between(events: pd.DataFrame, since_at: int, until_at: int) -> Metrics:
    seen = events["block_timestamp"]
    return liquidation_metrics(events[(seen > since_at) & (seen <= until_at)], since_at, until_at)


def day_table(days: Sequence[Metrics], base_symbol: str) -> pd.DataFrame:
    """Days as rows. What a day is called is a matter of dollars, so in another currency it is called nothing.

    A stretch of less than a day is called nothing either.
    """
    rows: list[dict[str, object]] = []
    for day in days:
        state = day.state if base_symbol == DOLLARS else None
        rows.append(
            {
                "since_at": day.since_at,
                "until_at": day.until_at,
                "liquidations": day.liquidations,
                "untold": day.untold,
                "total_usd": day.total_usd,
                "long_usd": day.long_usd,
                "short_usd": day.short_usd,
                "long_short_ratio": day.long_short_ratio,
                "squeezed": "" if day.squeezed is None else day.squeezed,
                "largest_usd": day.largest_usd,
                "largest_account": "" if day.largest is None else str(day.largest["account"]),
                "state": "" if state is None else state.label,
                "implication": "" if state is None else state.implication,
                "base_symbol": base_symbol,
            }
        )
    table = as_table(rows, DAY_COLUMNS)
    whole = dict.fromkeys(("since_at", "until_at", "liquidations", "untold"), "int64")
    return table.astype({**whole, "long_short_ratio": "float64"})
