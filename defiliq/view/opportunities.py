"""Opportunities as a table, the best first."""

from __future__ import annotations

from math import isnan
from typing import Final

import pandas as pd

from defiliq.view.feeds import ends
from defiliq.view.terminal import print_lines, print_rows

SHOWN: Final = 30
REASONS: Final = 5
"""So many reasons why nets are not known are named; all are in the rows."""

_COLUMNS: Final = (
    *("account", "level", "distance_pct", "net_usd", "bonus_usd", "gas_usd", "slippage_usd"),
    *("sold for", "repaid_usd", "break_even_pct", "peak_net_usd"),
)


def print_opportunities(table: pd.DataFrame) -> None:
    """The rows that net most, of all markets together; then why the nets of the others are not known."""
    is_one = len(table[["chain_id", "protocol", "market"]].drop_duplicates()) == 1
    ranked = table.sort_values(["net_usd", "bonus_usd"], ascending=False, kind="stable", na_position="last")
    known = ranked[ranked["net_usd"].notna()].head(SHOWN)
    left = len(table) - len(known)
    rest = f" ({left:,} further ones are not shown: write them with -o)" if left > 0 else ""
    columns = (*(() if is_one else ("market",)), *_COLUMNS)
    print_rows(_in_words(known), f"opportunities by net profit{rest}", columns)
    lacking = ranked[ranked["net_usd"].isna()]
    if len(lacking):
        print_lines(["", f"{len(lacking)} nets are not known:", *_reasons(lacking)])


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows as people read them: ends of addresses, driver and side as one, what is sold for what."""
    already = rows["outcome"] == "already"
    level = rows["driver"] + " " + rows["side"]
    return rows.assign(
        account=[ends(str(account)) for account in rows["account"]],
        level=level.mask(already, "already"),
        distance_pct=rows["distance_pct"].mask(already),
        **{"sold for": rows["seize_asset"] + " > " + rows["repay_asset"]},
    )


def _reasons(lacking: pd.DataFrame) -> list[str]:
    """Why, most frequent first, with the largest bonus that waits behind each."""
    grouped = lacking.groupby("lacks", sort=False)["bonus_usd"].agg(["size", "max"])
    ordered = grouped.sort_values(["size", "max"], ascending=False, kind="stable")
    lines = [
        f"  {int(row['size'])}{_up_to(row['max'])}: {reason}"
        for reason, row in ordered.head(REASONS).iterrows()
    ]
    more = len(ordered) - REASONS
    return [*lines, f"  and {more} other reasons"] if more > 0 else lines


def _up_to(bonus_usd: float) -> str:
    """The largest bonus of some rows; nothing where they are refused and have none."""
    return "" if isnan(bonus_usd) else f", bonus up to {bonus_usd:,.0f}"
