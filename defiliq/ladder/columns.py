"""What all tables share: the columns of each, and how exact things are written in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from defiliq.pricing.graph import Growing
from defiliq.types import (
    NO_DEBT_FACTOR,
    Block,
    Market,
)
from defiliq.units import WAD

YEAR_S = 365 * 86_400

IDENTITY = ("chain_id", "block_number", "block_hash", "block_timestamp", "protocol", "market", "version")
"""What every row of every table starts with."""

LADDER_COLUMNS = (
    *IDENTITY,
    "account",
    "driver",
    "side",
    "outcome",
    "price_raw",
    "price_usd",
    "spot_raw",
    "spot_usd",
    "distance_pct",
    "band_raw",
    "health_factor",
    "collateral_usd",
    "debt_usd",
    "seize_asset",
    "repay_asset",
    "seized_usd",
    "repaid_usd",
    "bonus_usd",
    "bad_debt_usd",
    "callable",
    "reason",
    "seize_asset_address",
    "repay_asset_address",
    "notional_usd",
    "evaluated_at",
    "base_symbol",
)

LEVEL_COLUMNS = (*LADDER_COLUMNS[: LADDER_COLUMNS.index("health_factor")], "evaluated_at", "base_symbol")

HEALTH_COLUMNS = (
    *IDENTITY,
    "account",
    "health_factor",
    "collateral_usd",
    "debt_usd",
    "available_borrows_usd",
    "liquidatable",
    "callable",
    "reason",
    "mode",
    "threshold_bps",
    "ltv_bps",
    "collateral_raw",
    "debt_raw",
    "evaluated_at",
    "base_symbol",
)

ETA_COLUMNS = (
    *IDENTITY,
    "account",
    "outcome",
    "eta_at",
    "eta_s",
    "health_factor",
    "collateral_usd",
    "debt_usd",
    "evaluated_at",
    "base_symbol",
)

BIN_COLUMNS = (
    *IDENTITY,
    "driver",
    "side",
    "outcome",
    "price_low_usd",
    "price_high_usd",
    "accounts",
    "collateral_usd",
    "debt_usd",
    "seized_usd",
    "repaid_usd",
    "bad_debt_usd",
    "notional_usd",
    "cumulative_accounts",
    "cumulative_seized_usd",
    "cumulative_repaid_usd",
    "cumulative_notional_usd",
    "base_symbol",
)

EVENT_COLUMNS = (
    *IDENTITY,
    *("transaction", "log_index", "kind", "account", "liquidator", "side", "driver", "price_usd"),
    *("seize_asset", "repay_asset", "seized_raw", "repaid_raw", "seized_usd", "repaid_usd"),
    *("bonus_usd", "bad_debt_usd", "fee_usd", "seize_asset_address", "repay_asset_address", "base_symbol"),
)

_INTEGERS = (
    *("chain_id", "block_number", "block_timestamp", "evaluated_at"),
    *("accounts", "cumulative_accounts", "mode", "threshold_bps", "ltv_bps", "longs", "shorts", "log_index"),
    *("rungs", "already", "never", "untold", "liquidations", "first_at", "last_at"),
)

_SOMETIMES = ("eta_at", "eta_s", "failed", "gas_units")
"""Integers that some rows do not have."""


def identity(market: Market) -> dict[str, object]:
    """The columns that say which market at which block a row speaks of, and what its money is."""
    block: Block = market.block
    values = (block.chain_id, block.number, block.hash, block.timestamp)
    named: dict[str, object] = dict(
        zip(IDENTITY, (*values, market.protocol, market.name, market.version), strict=True)
    )
    return named | {"base_symbol": market.base_symbol}


def identity_of(rows: pd.DataFrame) -> dict[str, object]:
    """The columns of `identity` that some rows have, for all of these rows: several values are joined by '+'.

    No order of the rows matters, and what is empty in some of them is left out; without rows all are empty.
    """
    names = [name for name in (*IDENTITY, "base_symbol") if name in rows]
    markets = rows[names].astype({"chain_id": "str"}).drop_duplicates().sort_values(names)
    found: dict[str, object] = {}
    for name in names:
        values = [value for value in dict.fromkeys(markets[name].tolist()) if value != ""]
        found[name] = values[0] if len(values) == 1 else "+".join(str(value) for value in values)
    if str(found["chain_id"]).isdecimal():
        found["chain_id"] = int(str(found["chain_id"]))  # as every other table has it
    return found


def headed(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """A table about the markets of some rows, which each of its own rows then names: see `identity_of`.

    As in every table, that comes first, and `base_symbol` last.
    """
    head = identity_of(rows)
    last = ["base_symbol"] if "base_symbol" in head else []
    first = [name for name in head if name not in last]
    return table.assign(**head)[[*first, *table.columns, *last]]  # type: ignore[arg-type]


def factor_text(factor_wad: int) -> str:
    """A health factor as a decimal string, all 18 digits kept; empty where there is no debt."""
    if factor_wad == NO_DEBT_FACTOR:
        return ""
    whole, part = divmod(abs(factor_wad), WAD)
    return f"{'-' if factor_wad < 0 else ''}{whole}.{part:018d}"


def to_usd(base: int, market: Market) -> float:
    """Base currency integers as the nearest float in units of the base currency."""
    return base / market.base_unit


def price_usd(price: int, market: Market, feed: int) -> float:
    """An oracle integer of the feed at position `feed`, per whole token in units of the base currency."""
    return price / market.price_unit(feed)


def yearly_pct(cap: Growing) -> float:
    """What a cap grows by in 365 days, in percent of where it starts."""
    return 100 * cap.growth * YEAR_S / (cap.scale * cap.start) if cap.start else math.nan


def as_table(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table with one dtype per column, whether or not there are rows."""
    return typed(pd.DataFrame(list(rows), columns=list(columns)))


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """A table of any of these columns, each of its one dtype."""
    kinds = {str(column): _dtype(str(column)) for column in table}
    if has_named_chain(table):
        kinds["chain_id"] = "str"
    return table.astype(kinds)


def has_named_chain(table: pd.DataFrame) -> bool:
    """Whether a row is of a Cosmos chain, whose id is a name: then the column of chain ids is text."""
    return "chain_id" in table and any(isinstance(chain_id, str) for chain_id in table["chain_id"])


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several markets as one. Where one is of a Cosmos chain, all ids of chains are text."""
    if len(tables) == 1:
        return tables[0]
    if any(has_named_chain(table) for table in tables):
        tables = [table.astype({"chain_id": "str"}) for table in tables]
    return pd.concat(tables, ignore_index=True)


def _dtype(column: str) -> str:
    if column in _INTEGERS:
        return "int64"
    if column in _SOMETIMES:
        return "Int64"
    if column.endswith(("_usd", "_pct", "leverage")):
        return "float64"
    return "bool" if column in ("callable", "counted", "is_position", "liquidatable") else "str"
