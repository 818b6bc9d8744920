"""The ladder as a table and as a chart of bars around spot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.text import Text

from defiliq.ladder import bin_ladder
from defiliq.view.terminal import bar, clean, filled, money, money_named, print_lines, print_rows

SHOWN_RUNGS = 40
SHOWN_ALREADY = 10
"""So many accounts that are liquidatable already are shown beside rungs further out."""
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
    "notional_usd",
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
_BUCKET_COLUMNS = (
    *("driver", "side", "outcome", "price_low_usd", "price_high_usd", "accounts"),
    *("notional_usd", "collateral_usd", "debt_usd", "seized_usd", "repaid_usd"),
    *("cumulative_accounts", "cumulative_notional_usd", "cumulative_seized_usd"),
)


def print_rungs(table: pd.DataFrame) -> None:
    """The rungs nearest to spot of every driver and side, or buckets, as a table of each market."""
    for name, part in _by_market(table):
        _print_rungs(part, f"{name}: " if name else "")


def _print_rungs(table: pd.DataFrame, of: str) -> None:
    """One market's table, whose title begins with `of`."""
    if "accounts" in table.columns:
        print_rows(table, f"{of}buckets", _said(table, _BUCKET_COLUMNS))
        return
    shown = nearest_to_spot(table)
    left = len(table) - len(shown)
    rest = f" ({left:,} further ones are not shown: write them with -o)" if left else ""
    drivers = table["driver"].unique()
    along = f" along {drivers[0]}" if len(drivers) == 1 else ""
    columns = [column for column in _said(shown, _COLUMNS) if column != "driver" or not along]
    columns += [*filled(shown, "reason"), *(column for column in ("eta_s",) if column in shown.columns)]
    print_rows(shown, f"{of}rungs nearest to spot{along}{rest}", columns)


def nearest_to_spot(table: pd.DataFrame) -> pd.DataFrame:
    """As many rungs as are shown, in the table's order; those already reached leave room for others."""
    nearest = table.assign(nearest=table["distance_pct"].abs()).sort_values("nearest", kind="stable")
    is_already = nearest["outcome"] == "already"
    already, further = nearest.index[is_already], nearest.index[~is_already]
    kept = already[: max(SHOWN_ALREADY, SHOWN_RUNGS - len(further))]
    return table.loc[sorted([*kept, *further[: max(0, SHOWN_RUNGS - len(kept))]])]


def _said(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Columns without those of notionals where no row is of a perpetual."""
    return [name for name in columns if not name.endswith("notional_usd") or table[name].notna().any()]


def _by_market(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(name, rows) of each market in the table's order; a market that is alone needs no name."""
    keys = ["protocol", "chain_id", "market"]
    parts = [part for _, part in table.groupby(keys, sort=False)]
    if len(parts) < 2:
        return [("", table)]
    heads = [part.iloc[0] for part in parts]
    return [(_market_name(head, heads), part) for head, part in zip(heads, parts, strict=True)]


def _market_name(head: pd.Series, heads: Sequence[pd.Series]) -> str:
    """A market's name; with its protocol and chain where another one has the same."""
    name = clean(head["market"])
    is_alone = sum(other["market"] == head["market"] for other in heads) == 1
    return name if is_alone else f"{head['protocol']} {name} ({head['chain_id']})"


def print_chart(rungs: pd.DataFrame, step_pct: float | None) -> None:
    """Bars of what is seized (long, below spot) and bought back (short, above), one chart per driver."""
    for name, part in _by_market(rungs):
        buckets = bin_ladder(part, DEFAULT_STEP_PCT if step_pct is None else step_pct)
        priced = part[part["outcome"] != "never"]
        for driver, here in buckets.groupby("driver", sort=True):
            spot = priced["spot_usd"][priced["driver"] == driver].iloc[0]
            head = here.iloc[0]
            unit = money_named(str(head["base_symbol"]))
            title = f"{name or clean(head['market'])} {clean(driver)}" + (f", sizes in{unit}" if unit else "")
            print_lines([title, *chart_lines(here, float(spot)), ""])


def chart_lines(buckets: pd.DataFrame, spot: float) -> list[Text]:
    """One driver's buckets from the highest price to the lowest, with spot between the two sides."""
    taken = buckets["seized_usd"].where(buckets["side"] == "long", buckets["repaid_usd"])
    # A perpetual's position is closed bit by bit, block by block: what matters is all of it.
    sized = buckets.assign(size=buckets["notional_usd"].fillna(taken))
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
