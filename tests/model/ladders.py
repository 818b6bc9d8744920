"""Small ladders whose levels and sizes are known by heart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from defiliq.ladder import LADDER_COLUMNS, as_table
from defiliq.model import Cluster
from defiliq.types import Side

NOW = 1_764_000_000

SEED_SPOT = 57_000.0
SEED_LEVELS = (
    (56_800.0, 16.00e6),
    (56_750.0, 22.31e6),
    (56_620.0, 19.22e6),
    (56_490.0, 34.04e6),
    (56_360.0, 23.24e6),
    (56_230.0, 19.52e6),
    (56_100.0, 19.37e6),
)
"""A published example of bitcoin levels below 57,000 dollars, with the dollars at each."""

_MARKET: dict[str, Any] = {
    "chain_id": 1,
    "block_number": 100,
    "block_hash": "0xaa",
    "block_timestamp": NOW,
    "protocol": "aave-v3",
    "market": "Core",
    "version": "3.5",
    "evaluated_at": NOW,
    "base_symbol": "USD",
    "driver": "ETH/USD",
}
_RUNG: dict[str, Any] = {
    "outcome": "price",
    "band_raw": "",
    "health_factor": "1.5",
    "collateral_usd": 0.0,
    "debt_usd": 0.0,
    "seize_asset": "WETH",
    "repay_asset": "USDC",
    "bonus_usd": 0.0,
    "bad_debt_usd": 0.0,
    "callable": True,
    "reason": "",
    "seize_asset_address": "",
    "repay_asset_address": "",
    "notional_usd": math.nan,
}


def ladder(
    levels: Sequence[tuple[float, float]], spot: float = 100.0, changes: Sequence[Any] = (), **market: Any
) -> pd.DataFrame:
    """One rung per (price, size), long below spot and short from it on; `changes` replace columns of some."""
    rows = []
    for k, (price, size) in enumerate(levels):
        side = "long" if price < spot else "short"
        row = _MARKET | _RUNG | {"account": f"0x{k:040x}", "side": side, "spot_usd": spot, "spot_raw": ""}
        row |= {"price_usd": price, "price_raw": "", "distance_pct": 100 * (price - spot) / spot}
        row |= {"seized_usd": size if side == "long" else 0.0, "repaid_usd": 0.0 if side == "long" else size}
        rows.append(row | market | (dict(changes[k]) if k < len(changes) else {}))
    return as_table(rows, LADDER_COLUMNS)


def seed_ladder(**market: Any) -> pd.DataFrame:
    """The published example."""
    return ladder(SEED_LEVELS, SEED_SPOT, driver="BTC/USD", **market)


def cluster(
    price: float, size: float, side: Side | None = None, spot: float = 100.0, **changes: Any
) -> Cluster:
    """A cluster of one price, long below spot unless told otherwise."""
    chosen = side if side is not None else "long" if price < spot else "short"
    known: dict[str, Any] = {
        "price_usd": price,
        "low_usd": price,
        "high_usd": price,
        "long_liq_usd": size if chosen == "long" else 0.0,
        "short_liq_usd": size if chosen == "short" else 0.0,
        "accounts": 1,
        "distance_pct": 100 * (price - spot) / spot,
        "share_pct": 10.0,
    }
    return Cluster(**(known | changes))
