"""Opportunities as a table, the best first."""

from __future__ import annotations

from typing import Final

import pandas as pd

from defiliq.view.terminal import filled, print_rows

SHOWN: Final = 40

_COLUMNS: Final = (
    *("account", "driver", "side", "outcome", "price_usd", "distance_pct"),
    *("net_usd", "bonus_usd", "gas_usd", "slippage_usd", "seize_asset", "repay_asset", "repaid_usd"),
    *("break_even_pct", "peak_pct", "peak_net_usd", "pays"),
)


def print_opportunities(table: pd.DataFrame) -> None:
    """The rows that net most, of all markets together."""
    left = len(table) - SHOWN
    rest = f" ({left:,} further ones are not shown: write them with -o)" if left > 0 else ""
    markets = (
        ["protocol", "market"] if len(table[["chain_id", "protocol", "market"]].drop_duplicates()) > 1 else []
    )
    ranked = table.sort_values(["net_usd", "bonus_usd"], ascending=False, kind="stable", na_position="last")
    shown = ranked.head(SHOWN)
    columns = [*markets, *_COLUMNS, *filled(shown, "lacks", "note")]
    print_rows(shown, f"opportunities by net profit{rest}", columns)
