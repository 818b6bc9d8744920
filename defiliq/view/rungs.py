"""The ladder as a table and as a chart of bars around spot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.text import Text

from defiliq.ladder import BIN_COLUMNS, IDENTITY, bin_ladder
from defiliq.view.terminal import bar, clean, money, print_lines, print_rows

SHOWN_RUNGS = 40
CHART_ROWS = 16
"""At most so many bars on each side of spot; those further out are summed in one line."""
GIANT = 20
OFF_SCALE = "»"
"""Behind a bar that is cut: its size is beyond the chart's scale."""
DEFAULT_STEP_PCT = 5.0

_COLUMNS = (
    "account",
    "driver",
    "side",
    "outcome",
    "price_usd",
    "distance_pct",
    "health_factor",
    "collateral_usd",
    "debt_usd",
    "seize_asset",
    "repay_asset",
    "repaid_usd",
    "bonus_usd",
    "bad_debt_usd",
    "callable",
)
_BUCKET_COLUMNS = tuple(
    column
    for column in BIN_COLUMNS
    if column not in (*IDENTITY, "bad_debt_usd", "cumulative_repaid_usd", "base_symbol")
)


def print_rungs(table: pd.DataFrame) -> None:
    """The rungs nearest to spot of every driver and side, or buckets, as a table."""
    if "accounts" in table.columns:
        print_rows(table, "buckets", _BUCKET_COLUMNS)
        return
    nearest = table.assign(nearest=table["distance_pct"].abs()).sort_values("nearest", kind="stable")
    shown = table.loc[sorted(nearest.head(SHOWN_RUNGS).index)]
    left = len(table) - len(shown)
    rest = f" ({left:,} further ones are not shown: write them with -o)" if left else ""
    drivers = table["driver"].unique()
    along = f" along {drivers[0]}" if len(drivers) == 1 else ""
    columns = [column for column in _COLUMNS if column != "driver" or not along]
    columns += [column for column in ("eta_s",) if column in shown.columns]
    print_rows(shown, f"rungs nearest to spot{along}{rest}", columns)


def print_chart(rungs: pd.DataFrame, step_pct: float | None) -> None:
    """Bars of what is seized (long, below spot) and bought back (short, above), one chart per driver."""
    buckets = bin_ladder(rungs, DEFAULT_STEP_PCT if step_pct is None else step_pct)
    priced = rungs[rungs["outcome"] != "never"]
    for (market, driver), part in buckets.groupby(["market", "driver"], sort=True):
        here = priced[(priced["market"] == market) & (priced["driver"] == driver)]
        print_lines(
            [f"{clean(market)} {clean(driver)}", *chart_lines(part, float(here["spot_usd"].iloc[0])), ""]
        )


def chart_lines(buckets: pd.DataFrame, spot: float) -> list[Text]:
    """One driver's buckets from the highest price to the lowest, with spot between the two sides."""
    sized = buckets.assign(size=buckets["seized_usd"].where(buckets["side"] == "long", buckets["repaid_usd"]))
    full = full_scale(sized["size"].tolist())
    priced = sized[sized["outcome"] == "price"]
    lines: list[Text] = []
    for side, style in (("short", "red"), ("long", "blue")):
        part = priced[priced["side"] == side]
        outward = part.sort_values("price_low_usd", ascending=side == "short")
        bars = [_bucket_line(row, full, style) for row in outward.head(CHART_ROWS).to_dict("records")]
        beyond = outward.iloc[CHART_ROWS:]
        if len(beyond):
            text = f"beyond: {int(beyond['accounts'].sum()):,} accounts, {money(math.fsum(beyond['size']))}"
            bars.append(Text(f"{text:>30}"))
        lines += reversed(bars) if side == "short" else bars
        if side == "short":
            lines.append(_spot_line(sized, spot))
    return lines


def full_scale(sizes: Sequence[float]) -> float:
    """The size of a full bar: the largest, passing over giants that would flatten all others.

    Giants are few, at most a quarter of the bars, and each is more than GIANT times what is left. Their bars
    are drawn full and marked as cut.
    """
    falling = sorted((size for size in sizes if size > 0), reverse=True)
    gaps = [k for k in range(1, len(falling) // 4 + 1) if falling[k - 1] > GIANT * falling[k]]
    return falling[gaps[-1] if gaps else 0] if falling else 0.0


def _spot_line(sized: pd.DataFrame, spot: float) -> Text:
    already = sized[sized["outcome"] == "already"]
    count = int(already["accounts"].sum())
    text = f"{price_text(spot):>30} ── spot"
    return Text(f"{text}, {count:,} liquidatable already" if count else text, style="bold")


def _bucket_line(row: Mapping[Any, Any], full: float, style: str) -> Text:
    span = f"{price_text(row['price_low_usd'])} .. {price_text(row['price_high_usd'])}"
    line = Text(f"{span:>30} {row['side']!s:<6}")
    line.append(bar(min(row["size"] / full, 1.0) if full else 0.0), style=style)
    cut = OFF_SCALE if row["size"] > full else ""
    line.append(f"{cut} {money(row['size'])} ({int(row['accounts']):,})")
    return line


def price_text(price: float) -> str:
    """A price with as many digits as say something."""
    if price >= 1000:
        return f"{price:,.0f}"
    return f"{price:.4g}"
