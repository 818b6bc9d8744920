"""Exact levels as rows: who breaks where, and what is taken there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import pandas as pd

from defiliq.book import Book
from defiliq.ladder.columns import LADDER_COLUMNS, as_table, factor_text, identity, to_usd
from defiliq.types import (
    Account,
    Health,
    Level,
    Liquidation,
    Market,
    Refusal,
    Taking,
    Untold,
)

Judge: TypeAlias = Callable[[Account, Any], Health]
"""The law: the verdict on one account in its protocol's own kind of market, and what explains it."""

Take: TypeAlias = Callable[[Account, Any], Taking]
"""What one liquidation call takes from an account in a market, or why it is refused."""

Explain: TypeAlias = Callable[[Account, Any], Sequence["Valued"]]
"""An account's legs in a market, with their values."""


class Valued(Protocol):
    """One leg at the market's prices."""

    @property
    def reserve(self) -> int:
        """Position of its reserve."""
        ...

    @property
    def feed(self) -> int:
        """Position of its price."""
        ...

    @property
    def supplied(self) -> int:
        """What is owned, or long, in token base units."""
        ...

    @property
    def owed(self) -> int:
        """What is owed, or short, in token base units."""
        ...

    @property
    def supplied_base(self) -> int:
        """What it is worth where it is owned, or long."""
        ...

    @property
    def owed_base(self) -> int:
        """What it is worth where it is owed, or short."""
        ...

    @property
    def is_position(self) -> bool:
        """Whether it is a perpetual's."""
        ...


def build_ladder(
    book: Book[Any],
    levels: Iterable[Level],
    take: Take,
    judge: Judge,
    explain: Explain,
    *,
    include_never: bool = False,
) -> pd.DataFrame:
    """One row per level: who breaks where, and what the first liquidation call takes there.

    Health, collateral and debt are the account's at spot; seized, repaid, bonus, bad debt and `callable`
    are at the level, and so is `notional_usd`: what the account's perpetual positions on the driver are
    worth, longs where it breaks falling and shorts rising; empty where there are no such positions. Rows of
    one driver and side run outwards from spot.
    """
    wanted = [level for level in levels if include_never or level.outcome != "never"]
    at_spot: dict[int, tuple[Account, Health]] = {}
    for level in wanted:
        if level.account not in at_spot:
            account = book.account(level.account)
            at_spot[level.account] = account, judge(account, book.market)
    rows = [
        _rung(book.market, level, *at_spot[level.account])
        | _at_level(book.market, level, at_spot[level.account][0], take, explain)
        for level in wanted
    ]
    table = as_table(rows, LADDER_COLUMNS)
    nearest = table["distance_pct"].abs()
    order = table.assign(nearest=nearest).sort_values(["driver", "side", "nearest", "account"], kind="stable")
    return order.drop(columns="nearest").reset_index(drop=True)


def _rung(market: Market, level: Level, account: Account, health: Health) -> dict[str, object]:
    """One level as a row, without what only holds there."""
    driver = level.driver
    price, spot, unit = level.price, driver.spot, driver.unit
    return identity(market) | {
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


def _at_level(
    market: Market, level: Level, account: Account, take: Take, explain: Explain
) -> dict[str, object]:
    """What holds of one account at its level alone."""
    driver, price = level.driver, level.price
    if price is None:
        return taken_columns(market, Refusal("")) | {"notional_usd": math.nan}
    there = market if price == driver.spot else market.at_prices(driver.prices(price))
    values = [leg for leg in explain(account, there) if leg.is_position and leg.feed in driver.feeds]
    closed = sum(leg.supplied_base if level.side == "long" else leg.owed_base for leg in values)
    notional = to_usd(closed, market) if values else math.nan
    return taken_columns(market, take(account, there)) | {"notional_usd": notional}


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
