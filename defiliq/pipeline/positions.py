"""The perpetual positions of a book: what a venue with real longs and shorts shows, and estimates only guess.

dYdX v4 keeps no entry price: a trade moves a subaccount's USDC, where deposits, fees and what was won or lost
before are one sum. So nothing here says what a position was opened at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import pandas as pd

from defiliq.book import Book
from defiliq.errors import InputError
from defiliq.ladder import IDENTITY, as_table, factor_text, identity, price_usd, to_usd
from defiliq.pipeline.position import amount_text
from defiliq.protocols import dydx_v4
from defiliq.protocols.dydx_v4 import DydxMarket
from defiliq.protocols.dydx_v4.explain import unsettled_ppm
from defiliq.protocols.dydx_v4.legs import size_of
from defiliq.protocols.dydx_v4.risk import maintenance_margin, quote_quantums
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.types import Account
from defiliq.units import PPM

POSITION_COLUMNS = (
    *IDENTITY,
    *("account", "perpetual", "side", "size", "price_usd", "notional_usd", "maintenance_margin_usd"),
    *("funding_usd", "equity_usd", "leverage", "health_factor", "liquidatable"),
    *("size_raw", "price_raw", "evaluated_at", "base_symbol"),
)

INTEREST_COLUMNS = (
    *IDENTITY,
    *("perpetual", "price_usd", "longs", "shorts", "long_usd", "short_usd", "open_interest_usd"),
    *("largest_long_usd", "largest_short_usd", "long_leverage", "short_leverage"),
    *("evaluated_at", "base_symbol"),
)

LEVERAGE_COLUMNS = (
    *IDENTITY,
    *("range", "accounts", "long_usd", "short_usd", "evaluated_at", "base_symbol"),
)

LEVERAGE_EDGES: Final = (0, 1, 2, 3, 5, 10, 15, 20)
"""Where the ranges of the distribution begin; the last is open."""
NO_EQUITY: Final = "no equity"


def positions(book: Book[Any]) -> pd.DataFrame:
    """One row per open position, in the book's order; InputError for a book of another protocol.

    Size, margin and funding are the position's own; equity, leverage and health factor are its subaccount's,
    because they share one margin. `leverage` is the notional of all its positions over its net collateral,
    NaN where that is not positive. `funding_usd`, negative where it is paid, is not settled on chain yet.
    """
    if not isinstance(book.market, DydxMarket):
        raise InputError(f"{book.market.protocol} has no positions: they are longs and shorts of perpetuals.")
    rows = [row for i in range(len(book)) for row in _rows(book.account(i), book.market)]
    return as_table(rows, POSITION_COLUMNS)


def open_interest(book: Book[Any], held: pd.DataFrame) -> pd.DataFrame:
    """Longs and shorts of each perpetual, the largest open interest first; `held` are the book's positions.

    `open_interest_usd` is what the chain itself counts. Leverages are means of the subaccounts' own, weighted
    by notional, over those that have equity.
    """
    market: DydxMarket = book.market
    rows = []
    for reserve in market.reserves[1:]:
        mine, price = held[held["perpetual"] == reserve.symbol], market.prices[reserve.feed]
        row = {"perpetual": reserve.symbol, "price_usd": price_usd(price, market, reserve.feed)}
        row["open_interest_usd"] = to_usd(quote_quantums(reserve.open_interest, price, reserve), market)
        rows.append(_head(market) | row | _of_side(mine, "long") | _of_side(mine, "short"))
    table = as_table(rows, INTEREST_COLUMNS)
    return table.sort_values("open_interest_usd", ascending=False, kind="stable").reset_index(drop=True)


def leverage_distribution(book: Book[Any], held: pd.DataFrame) -> pd.DataFrame:
    """How many subaccounts hold how much at which leverage; the last row is of those without equity."""
    edges = [*LEVERAGE_EDGES, math.inf]
    labels = [f"{low}x to {high}x" for low, high in pairwise(LEVERAGE_EDGES)]
    labels.append(f"{LEVERAGE_EDGES[-1]}x and up")
    parts = [held[(held["leverage"] >= low) & (held["leverage"] < high)] for low, high in pairwise(edges)]
    parts.append(held[held["leverage"].isna()])
    rows = [
        _head(book.market)
        | {"range": label, "accounts": part["account"].nunique()}
        | {f"{side}_usd": _notional(part, side) for side in ("long", "short")}
        for label, part in zip([*labels, NO_EQUITY], parts, strict=True)
    ]
    return as_table(rows, LEVERAGE_COLUMNS)


def _head(market: DydxMarket) -> dict[str, object]:
    return identity(market) | {"evaluated_at": market.timestamp}


def _rows(account: Account, market: DydxMarket) -> Iterator[dict[str, object]]:
    """One subaccount's positions."""
    held = [leg for leg in account.legs if leg.reserve != USDC and size_of(leg)]
    if not held:
        return
    health = dydx_v4.health(account, market)
    equity = health.collateral_base - health.debt_base
    notionals = [
        quote_quantums(abs(size_of(leg)), market.price_of(leg.reserve), market.reserves[leg.reserve])
        for leg in held
    ]
    shared = _head(market) | {
        "account": account.owner,
        "equity_usd": to_usd(equity, market),
        "leverage": sum(notionals) / equity if equity > 0 else math.nan,
        "health_factor": factor_text(health.factor_wad),
        "liquidatable": health.liquidatable,
    }
    for leg, notional in zip(held, notionals, strict=True):
        perpetual, price, size = market.reserves[leg.reserve], market.price_of(leg.reserve), size_of(leg)
        yield shared | {
            "perpetual": perpetual.symbol,
            "side": "long" if size > 0 else "short",
            "size": amount_text(abs(size), perpetual.decimals),
            "price_usd": price_usd(price, market, perpetual.feed),
            "notional_usd": to_usd(notional, market),
            "maintenance_margin_usd": to_usd(maintenance_margin(perpetual, notional), market),
            "funding_usd": to_usd(unsettled_ppm(leg, market), market) / PPM,
            "size_raw": str(abs(size)),
            "price_raw": str(price),
        }


def _of_side(held: pd.DataFrame, side: str) -> dict[str, object]:
    mine = held[held["side"] == side]
    known = mine[mine["leverage"].notna()]
    weight = math.fsum(known["notional_usd"])
    weighted = math.fsum(known["leverage"] * known["notional_usd"])
    return {
        f"{side}s": len(mine),
        f"{side}_usd": _notional(mine, side),
        f"largest_{side}_usd": float(mine["notional_usd"].max()) if len(mine) else 0.0,
        f"{side}_leverage": weighted / weight if weight else math.nan,
    }


def _notional(held: pd.DataFrame, side: str) -> float:
    return math.fsum(held["notional_usd"][held["side"] == side])
