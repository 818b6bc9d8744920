"""Events that happened, whose sums are known by heart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from defiliq.ladder import EVENT_COLUMNS, as_table
from tests.model.ladders import NOW

_EVENT: dict[str, Any] = {
    "chain_id": 1,
    "block_number": 90,
    "block_hash": "0xaa",
    "block_timestamp": NOW - 60,
    "protocol": "aave-v3",
    "market": "Core",
    "version": "3.5",
    "kind": "liquidation",
    "account": "0xowner",
    "liquidator": "0xbot",
    "side": "long",
    "driver": "ETH/USD",
    "price_usd": 100.0,
    "seize_asset": "WETH",
    "repay_asset": "USDC",
    "seized_raw": "1",
    "repaid_raw": "1",
    "seized_usd": 0.0,
    "repaid_usd": 0.0,
    "bonus_usd": 0.0,
    "bad_debt_usd": 0.0,
    "fee_usd": 0.0,
    "seize_asset_address": "",
    "repay_asset_address": "",
    "base_symbol": "USD",
}
UNPRICED = {
    "side": "",
    "driver": "",
    "base_symbol": "",
    "price_usd": float("nan"),
    "seized_usd": float("nan"),
}


def happened(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One event per row of changes, each in a transaction of its own unless told otherwise."""
    numbered = ({"transaction": f"0x{k:064x}", "log_index": k} for k in range(len(rows)))
    whole = [_EVENT | number | row for number, row in zip(numbered, rows, strict=True)]
    return as_table(whole, EVENT_COLUMNS)


def longs(*sizes: float, **changes: Any) -> list[dict[str, Any]]:
    """Longs that were liquidated; what was repaid for them is less."""
    return [{"seized_usd": size, "repaid_usd": size * 0.95} | changes for size in sizes]


def shorts(*sizes: float, **changes: Any) -> list[dict[str, Any]]:
    """Shorts that were liquidated; what was seized for them is more."""
    return [{"repaid_usd": size, "seized_usd": size * 1.05, "side": "short"} | changes for size in sizes]
