"""Liquidations day by day: stretches of 24 hours, counted back from the end of what was searched."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from defiliq.ladder import as_table
from defiliq.model.metrics import (
    DAY_S,
    Metrics,
    currencies,
    liquidation_metrics,
    metrics_of,
    single_liquidations,
)

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
    # What belongs together is found once for all days: to find it is most of the work.
    events = events[_is_between(events, since_at, until_at)]
    singles = single_liquidations(events)
    events = events[["block_timestamp", "base_symbol"]]
    found = []
    end = until_at
    while end > since_at:
        start = max(since_at, end - DAY_S)
        money = currencies(events[_is_between(events, start, end)])
        found.append(metrics_of(singles, money, start, end))
        end = start
    return tuple(found)


def last_day(events: pd.DataFrame, since_at: int, until_at: int) -> Metrics | None:
    """The last 24 hours; None where less than that was searched."""
    start = until_at - DAY_S
    if start < since_at:
        return None
    return liquidation_metrics(events[_is_between(events, start, until_at)], start, until_at)


def _is_between(events: pd.DataFrame, since_at: int, until_at: int) -> pd.Series:
    seen = events["block_timestamp"]
    return (seen > since_at) & (seen <= until_at)


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
