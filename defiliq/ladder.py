"""Ladder: exact levels become rows of a table. Floats begin in this file and nowhere left of it.

Columns that end in `_usd` count the market's base currency, which `base_symbol` names: most often dollars.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from defiliq.book import Book
from defiliq.pricing.graph import Growing
from defiliq.types import (
    NO_DEBT_FACTOR,
    Account,
    Block,
    Health,
    Level,
    Liquidation,
    Market,
    Refusal,
    Taking,
    Untold,
)
from defiliq.units import WAD

Judge: TypeAlias = Callable[[Account, Any], Health]
"""The law: the verdict on one account in its protocol's own kind of market, and what explains it."""

Take: TypeAlias = Callable[[Account, Any], Taking]
"""What one liquidation call takes from an account in a market, or why it is refused."""

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
    "cumulative_accounts",
    "cumulative_seized_usd",
    "cumulative_repaid_usd",
    "base_symbol",
)

_INTEGERS = (
    *("chain_id", "block_number", "block_timestamp", "evaluated_at"),
    *("accounts", "cumulative_accounts", "mode", "threshold_bps", "ltv_bps"),
)
_SOMETIMES = ("eta_at", "eta_s")
"""Integers that some rows do not have."""
_SUMS = ("collateral_usd", "debt_usd", "seized_usd", "repaid_usd", "bad_debt_usd")


def build_ladder(
    book: Book[Any], levels: Iterable[Level], take: Take, judge: Judge, *, include_never: bool = False
) -> pd.DataFrame:
    """One row per level: who breaks where, and what the first liquidation call takes there.

    Health, collateral and debt are the account's at spot; seized, repaid, bonus, bad debt and `callable`
    are at the level. Rows of one driver and side run outwards from spot.
    """
    wanted = [level for level in levels if include_never or level.outcome != "never"]
    at_spot: dict[int, tuple[Account, Health]] = {}
    for level in wanted:
        if level.account not in at_spot:
            account = book.account(level.account)
            at_spot[level.account] = account, judge(account, book.market)
    rows = [_rung(book.market, level, *at_spot[level.account], take) for level in wanted]
    table = as_table(rows, LADDER_COLUMNS)
    nearest = table["distance_pct"].abs()
    order = table.assign(nearest=nearest).sort_values(["driver", "side", "nearest", "account"], kind="stable")
    return order.drop(columns="nearest").reset_index(drop=True)


def bin_ladder(ladder: pd.DataFrame, step_pct: float) -> pd.DataFrame:
    """The rungs of each driver and side summed in price buckets that are `step_pct` percent wide.

    Buckets are spaced in the logarithm of price and start at spot; a level lies in the bucket whose near
    edge it has reached. Accounts that are liquidatable already make a bucket of no width at spot. Sums are
    correctly rounded, so the order of the rows does not matter, and nothing is smoothed.
    """
    ratio = 1.0 + step_pct / 100.0
    rows: list[dict[str, object]] = []
    keys = [*IDENTITY, "base_symbol", "driver", "side", "spot_usd"]
    listed = ladder[ladder["outcome"] != "never"]
    for group, rungs in listed.groupby(keys, sort=True):
        head = dict(zip(keys, group, strict=True))
        spot = float(str(head.pop("spot_usd")))
        steps = _steps_from_spot(rungs, spot, ratio)
        reached = pd.Series(False, index=rungs.index)
        for step in sorted(set(steps)):
            bucket = rungs[steps == step]
            reached |= steps == step
            edges = _edges(spot, ratio, int(step), str(head["side"]))
            rows.append(head | _bucket(bucket, edges) | _cumulative(rungs[reached]))
    return as_table(rows, BIN_COLUMNS)


def identity(market: Market) -> dict[str, object]:
    """The columns that say which market at which block a row speaks of, and what its money is."""
    block: Block = market.block
    values = (block.chain_id, block.number, block.hash, block.timestamp)
    named: dict[str, object] = dict(
        zip(IDENTITY, (*values, market.protocol, market.name, market.version), strict=True)
    )
    return named | {"base_symbol": market.base_symbol}


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
    table = pd.DataFrame(list(rows), columns=list(columns))
    kinds = {column: _dtype(column) for column in columns}
    if has_named_chain(table):
        kinds["chain_id"] = "str"
    return table.astype(kinds)


def has_named_chain(table: pd.DataFrame) -> bool:
    """Whether a row is of a Cosmos chain, whose id is a name: then the column of chain ids is text."""
    return "chain_id" in table and any(isinstance(chain_id, str) for chain_id in table["chain_id"])


def _dtype(column: str) -> str:
    if column in _INTEGERS:
        return "int64"
    if column in _SOMETIMES:
        return "Int64"
    if column.endswith(("_usd", "_pct")):
        return "float64"
    return "bool" if column in ("callable", "counted", "liquidatable") else "str"


def _rung(market: Market, level: Level, account: Account, health: Health, take: Take) -> dict[str, object]:
    """One level as a row."""
    driver = level.driver
    price, spot, unit = level.price, driver.spot, driver.unit
    row = identity(market) | {
        "account": account.owner,
        "driver": driver.name,
        "side": level.side,
        "outcome": level.outcome,
        "price_raw": "" if price is None else str(price),
        "price_usd": math.nan if price is None else price / unit,
        "spot_raw": str(spot),
        "spot_usd": spot / unit,
        "distance_pct": math.nan if price is None else 100 * (price - spot) / spot,
        "band_raw": "" if level.band is None else str(level.band),
        "health_factor": factor_text(health.factor_wad),
        "collateral_usd": to_usd(health.collateral_base, market),
        "debt_usd": to_usd(health.debt_base, market),
        "evaluated_at": market.timestamp,
    }
    if price is None:
        return row | taken_columns(market, Refusal(""))
    there = market if price == spot else market.at_prices(driver.prices(price))
    return row | taken_columns(market, take(account, there))


def taken_columns(market: Market, taken: Taking) -> dict[str, object]:
    """What a liquidation takes, as columns: zeros and the reason where it is refused, no number where it goes
    through but is not told. Several seized assets are joined by '+', their addresses by a space.
    """
    if not isinstance(taken, Liquidation):
        is_untold = isinstance(taken, Untold)
        blank = dict.fromkeys(
            ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd"), math.nan if is_untold else 0.0
        )
        texts = dict.fromkeys(
            ("seize_asset", "repay_asset", "seize_asset_address", "repay_asset_address"), ""
        )
        return {**texts, **blank, "callable": is_untold, "reason": taken.reason}
    seized = [market.reserves[seizure.reserve] for seizure in taken.seizures]
    repay = market.reserves[taken.repay_reserve]
    return {
        "seize_asset": "+".join(reserve.symbol for reserve in seized),
        "repay_asset": repay.symbol,
        "seized_usd": to_usd(taken.seized_base, market),
        "repaid_usd": to_usd(taken.repaid_base, market),
        "bonus_usd": to_usd(taken.bonus_base, market),
        "bad_debt_usd": to_usd(taken.bad_debt_base, market),
        "callable": True,
        "reason": taken.remark,
        "seize_asset_address": " ".join(reserve.asset for reserve in seized),
        "repay_asset_address": repay.asset,
    }


def _steps_from_spot(rungs: pd.DataFrame, spot: float, ratio: float) -> pd.Series[int]:
    """How many whole bucket widths each level lies from spot; -1 for accounts that are liquidatable there."""
    price = rungs["price_usd"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore"):
        widths = np.abs(np.log(price / spot)) / math.log(ratio)
    steps = np.floor(np.minimum(widths, 1e9)).astype(np.int64)
    steps[(rungs["outcome"] == "already").to_numpy()] = -1
    return pd.Series(steps, index=rungs.index)


def _edges(spot: float, ratio: float, step: int, side: str) -> tuple[float, float]:
    """The low and the high price of a bucket."""
    if step < 0:
        return spot, spot
    sign = -1 if side == "long" else 1
    near, far = (spot * math.exp(sign * k * math.log(ratio)) for k in (step, step + 1))
    return min(near, far), max(near, far)


def _bucket(rungs: pd.DataFrame, edges: tuple[float, float]) -> dict[str, object]:
    sums = {column: math.fsum(rungs[column]) for column in _SUMS}
    named: dict[str, object] = {
        "outcome": rungs["outcome"].iloc[0],
        "price_low_usd": edges[0],
        "price_high_usd": edges[1],
    }
    return named | {"accounts": len(rungs)} | sums


def _cumulative(rungs: pd.DataFrame) -> dict[str, object]:
    return {
        "cumulative_accounts": len(rungs),
        "cumulative_seized_usd": math.fsum(rungs["seized_usd"]),
        "cumulative_repaid_usd": math.fsum(rungs["repaid_usd"]),
    }
