"""The report card of a watch on a terminal."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from defiliq.view.terminal import in_words, print_lines, print_rows
from defiliq.watch.score import REASONS

_TITLE = "by market"
_COLUMNS = (
    *("protocol", "market", "liquidations", "announced_liquidatable", "announced_approaching", "missed"),
    *("announced_pct", "error_max", "lead_blocks_median", "lapsed"),
)


def print_score(table: pd.DataFrame) -> None:
    """What it comes to, in sentences, and a row per market where there are several."""
    print_lines(score_lines(table))
    if len(table) > 1:
        print_rows(table, _TITLE, list(_COLUMNS))


def score_lines(table: pd.DataFrame) -> list[str]:
    """The last row, which is of all markets, as sentences."""
    if table.empty:
        return ["no events"]
    row = table.iloc[-1]
    count = int(row["liquidations"])
    lines = [f"{count:,} liquidations happened"] if count else ["no liquidation happened"]
    if count:
        lines += _announced(row, count)
    told = int(row["told_liquidatable"])
    lines.append(
        f"{told:,} announcements of liquidatable accounts: {int(row['lapsed']):,} lapsed without a "
        f"liquidation, {int(row['standing']):,} still stand"
    )
    return lines


def _announced(row: pd.Series[Any], count: int) -> list[str]:
    lines = [
        f"announced before: {count - int(row['missed']):,} ({row['announced_pct']:.1f}%), "
        f"{int(row['announced_liquidatable']):,} of them as liquidatable, "
        f"{int(row['announced_approaching']):,} as approaching",
    ]
    if not math.isnan(row["announced_usd_pct"]):
        worth = in_words(float(row["seized_usd"]), str(row["base_symbol"]))
        lines.append(f"by value: {row['announced_usd_pct']:.1f}% of {worth}")
    missed = [(reason, int(row[f"missed: {reason}"])) for reason in REASONS]
    lines += [f"missed, {reason}: {many:,}" for reason, many in missed if many]
    if int(row["errors"]):
        lines.append(
            f"price error in oracle units of {int(row['errors']):,}: min {row['error_min']}, "
            f"median {row['error_median']}, p90 {row['error_p90']}, max {row['error_max']}; "
            f"exactly 0 in {row['error_zero_pct']:.1f}%"
        )
    if not math.isnan(row["lead_blocks_median"]):
        seconds = "" if math.isnan(row["lead_s_median"]) else f", {row['lead_s_median']:.0f} s"
        lines.append(
            f"announced {row['lead_blocks_median']:.0f} blocks before (median; at least "
            f"{row['lead_blocks_min']:.0f}){seconds}"
        )
    return lines
