"""OKX v5 swaps and futures.

From the venue's docs (okx.com/docs-v5: candlesticks, candlesticks history, contract open interest history,
contract taker volume, contract long/short ratio, funding rate history, liquidation orders, order book) and
ccxt's `okx.py`. Every list comes newest first, `after` means earlier than, `before` later than, `begin` and
`end` are those of the statistics; all of them exclude the bound itself:
- candles: [start, open, high, low, close, contracts, coins, dollars, confirmed]; the latest 1,440 at one
  endpoint, all of them at another; 300 at once (100 where the older limit holds).
- open interest history: [start, contracts, coins, dollars], 100 at once. A row is the reading at the end of
  the period that begins at its stamp: the row of a running period still moves, as public readers of it
  measured. What is kept is short (measured by others in 2026: 3 days of 5 minutes, 5 of hours, 100 of days),
  so where fine rows end, coarser ones are read.
- taker volume: [start, sold, bought] in contracts; ratio: [start, accounts long over short]; 100 at once.
- funding: the realised rate, 100 at once, three months.
- liquidation orders: the last day, 100 at once; the price is the position's bankruptcy price.
- A contract is ctVal times ctMult coins (linear) or dollars (inverse).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np

from defiliq.cex.history import OrderBook
from defiliq.cex.venues.book import book_of
from defiliq.cex.venues.client import Client, Json
from defiliq.cex.venues.contracts import Contract
from defiliq.cex.venues.grid import LARGEST_AMOUNT, LARGEST_PRICE_USD
from defiliq.cex.venues.rows import Rows, items_of, no_rows, scaled, timed
from defiliq.cex.venues.series import Kind, Series
from defiliq.errors import BadVenueAnswer

NAME: Final = "okx"
STATISTICS: Final = {
    300: "5m",
    900: "15m",
    1_800: "30m",
    3_600: "1H",
    7_200: "2H",
    14_400: "4H",
    21_600: "6Hutc",
    43_200: "12Hutc",
    86_400: "1Dutc",
}
CANDLES: Final = {60: "1m", 180: "3m", **STATISTICS}
LATEST_CANDLES: Final = 1_400
"""Of the 1,440 at the endpoint of the latest."""
BOOK_ROWS: Final = 400
LIQUIDATIONS: Final = "public/liquidation-orders"
"""An endpoint that ccxt has no name for."""
LIQUIDATIONS_COST: Final = 0.5
"""Of a question, in ccxt's units: 40 questions in 2 s."""


def _data(client: Client, what: str, method: str, asked: dict[str, Any]) -> list[Json]:
    return items_of(NAME, what, client.ask(f"publicGet{method}", asked), "data")


def _candles(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    period_ms = 1000 * next(seconds for seconds, word in CANDLES.items() if word == period)
    is_latest = since_ms >= client.config.now_ms() - LATEST_CANDLES * period_ms
    asked = {
        "instId": contract.market_id,
        "bar": period,
        "before": since_ms - 1,
        "after": until_ms,
        "limit": 300,
    }
    items = _data(client, "candles", "MarketCandles" if is_latest else "MarketHistoryCandles", asked)
    got = timed(NAME, "candles", items, 0, (1, 2, 3, 4, 7, 8))
    is_done = got.values[:, 5] == 1
    values = np.column_stack([got.values[:, :5], np.full((len(got), 2), np.nan)])
    return Rows(got.at_ms[is_done], values[is_done])


def _statistic(
    client: Client, what: str, method: str, contract: Contract, period: str, since_ms: int, until_ms: int
) -> list[Json]:
    asked = {
        "instId": contract.market_id,
        "period": period,
        "begin": since_ms - 1,
        "end": until_ms,
        "limit": 100,
    }
    return _data(client, what, f"RubikStat{method}", asked)


def _open_interest(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    what, method = "open interest", "ContractsOpenInterestHistory"
    items = _statistic(client, what, method, contract, period, since_ms, until_ms)
    got = timed(NAME, what, items, 0, (1,))
    return Rows(got.at_ms, scaled(NAME, what, items, 1, Decimal(contract.size))[:, None])


def _taker(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    what = "taker volume"
    items = _statistic(client, what, "TakerVolumeContract", contract, period, since_ms, until_ms)
    got = timed(NAME, what, items, 0, (2, 1))
    if (got.values < 0).any() or (got.values > LARGEST_AMOUNT).any():
        raise BadVenueAnswer(NAME, "a taker volume that is none")
    return Rows(got.at_ms, np.column_stack([got.values[:, 0], got.values.sum(axis=1)]))


def _ratio(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    method = "ContractsLongShortAccountRatioContract"
    items = _statistic(client, "ratio", method, contract, period, since_ms, until_ms)
    return timed(NAME, "ratio", items, 0, (1,))


def _funding(client: Client, contract: Contract, _period: str, _since_ms: int, until_ms: int) -> Rows:
    asked = {"instId": contract.market_id, "after": until_ms, "limit": 100}
    items = _data(client, "funding", "PublicFundingRateHistory", asked)
    return timed(NAME, "funding", items, "fundingTime", ("realizedRate",))


def _executed(client: Client, contract: Contract, _period: str, _since_ms: int, until_ms: int) -> Rows:
    """Columns: price, 1 for a long and -1 for a short, dollars."""
    asked = {
        "instType": contract.kind,
        "instFamily": contract.family,
        "state": "filled",
        "after": until_ms,
        "limit": 100,
    }
    found = items_of(NAME, "liquidations", client.ask_path(LIQUIDATIONS, LIQUIDATIONS_COST, asked), "data")
    orders = [
        order
        for item in found
        if isinstance(item, dict) and item.get("instId") == contract.market_id
        for order in items_of(NAME, "liquidations", item, "details")
    ]
    if not orders:
        return no_rows(3)
    got = timed(NAME, "liquidations", orders, "ts", ("bkPx", "sz"))
    if (got.values <= 0).any() or (got.values > [LARGEST_PRICE_USD, LARGEST_AMOUNT]).any():
        raise BadVenueAnswer(NAME, "a liquidation whose price or size is none")
    price, size = got.values[:, 0], got.values[:, 1] * float(Decimal(contract.size))
    side = np.array([_side(order) for order in orders], dtype=np.float64)
    return Rows(got.at_ms, np.column_stack([price, side, size if contract.is_inverse else size * price]))


def _side(order: Json) -> int:
    """Whose position it was: in net mode only the order's own side says, which is the other one."""
    told = order.get("posSide")
    if told in ("long", "short"):
        return 1 if told == "long" else -1
    if order.get("side") not in ("buy", "sell"):
        raise BadVenueAnswer(NAME, "a liquidation of no side")
    return 1 if order["side"] == "sell" else -1


def order_book(client: Client, contract: Contract) -> OrderBook:
    """The best four hundred orders of each side. Sizes are contracts."""
    found = _data(client, "order book", "MarketBooks", {"instId": contract.market_id, "sz": BOOK_ROWS})
    book = found[0] if len(found) == 1 else None
    sides = [items_of(NAME, "order book", book, side) for side in ("bids", "asks")]
    return book_of(contract, Decimal(contract.size), book["ts"] if book and "ts" in book else None, *sides)


SERIES: Final[dict[Kind, Series]] = {
    "candles": Series("candles", CANDLES, _candles, 300, columns=7, keeps_newest=True),
    "open_interest": Series(
        "open_interest",
        STATISTICS,
        _open_interest,
        100,
        columns=1,
        keeps_newest=True,
        coarser_s=(3_600, 86_400),
    ),
    "taker": Series("taker", STATISTICS, _taker, 100, columns=2, keeps_newest=True),
    "ratio": Series("ratio", STATISTICS, _ratio, 100, columns=1, keeps_newest=True),
    "funding": Series("funding", {}, _funding, 100, columns=1, keeps_newest=True),
    "executed": Series("executed", {}, _executed, 100, columns=3, keeps_newest=True, keeps_s=86_400),
}
"""Candles have the columns open, high, low, close, volume in dollars, bought by takers of all traded."""
