"""Longs and shorts on a terminal: open interest per perpetual, and how leverage is distributed."""

from __future__ import annotations

import math

import pandas as pd
from rich.text import Text

from defiliq.view.rungs import full_scale
from defiliq.view.terminal import bar, clean, money, print_lines, print_rows

_COLUMNS = (
    *("perpetual", "price_usd", "open_interest_usd", "longs", "shorts"),
    *("largest_long_usd", "largest_short_usd", "long_leverage", "short_leverage"),
)
BAR_WIDTH = 20


def print_interest(table: pd.DataFrame, top: int) -> None:
    """The perpetuals with the largest open interest, and what the others come to."""
    if top == 0:
        return
    print_rows(table.head(top), "open interest", _COLUMNS)
    rest = table.iloc[top:]
    if len(rest):
        total = money(math.fsum(rest["open_interest_usd"]))
        print_lines([f"{len(rest)} further perpetuals with an open interest of {total}: --top {len(table)}"])
    print_lines([""])


def print_leverage(table: pd.DataFrame) -> None:
    """Bars of what is held at each leverage: longs to the left in blue, shorts in red."""
    full = full_scale([*table["long_usd"], *table["short_usd"]])
    lines = [Text(f"{'leverage':<12}{'accounts':>9}{'long':>22}{'short':>22}")]
    for row in table.to_dict("records"):
        line = Text(f"{clean(row['range']):<12}{int(row['accounts']):>9,}")
        for side, style in (("long", "blue"), ("short", "red")):
            size = float(row[f"{side}_usd"])
            line.append(f"{money(size):>22} ")
            line.append(f"{bar(min(size / full, 1.0) if full else 0.0, BAR_WIDTH):<{BAR_WIDTH}}", style=style)
        lines.append(line)
    print_lines(lines)
