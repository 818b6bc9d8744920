"""Bybit v5 linear and inverse contracts.

From the venue's docs (bybit-exchange.github.io/docs/v5/market: kline, open-interest, long-short-ratio,
history-fund-rate, orderbook) and ccxt's `bybit.py`; every list comes newest first:
- kline: [start, open, high, low, close, volume, turnover]; volume counts coins of linear contracts and
  dollars of inverse ones, turnover the other. 1,000 at once. A start inside a candle adds that candle.
- open interest: coins (linear) or dollars (inverse), of one side; 200 at once; back to the launch. A row is
  a reading at its stamp, so it stands at the end of the candle that ends there.
- account ratio: shares of accounts that are long and short; 500 at once.
- funding: 200 at once; a start without an end is refused.
- Who traded as taker is not published over REST, liquidations are a stream alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np

from defiliq.cex.history import OrderBook
from defiliq.cex.venues.book import book_of
from defiliq.cex.venues.client import Client, Json
from defiliq.cex.venues.contracts import Contract
from defiliq.cex.venues.rows import Rows, items_of, timed
from defiliq.cex.venues.series import Kind, Series
from defiliq.errors import BadVenueAnswer

NAME: Final = "bybit"
CANDLES: Final = {
    60: "1",
    180: "3",
    300: "5",
    900: "15",
    1_800: "30",
    3_600: "60",
    7_200: "120",
    14_400: "240",
    21_600: "360",
    43_200: "720",
    86_400: "D",
}
PERIODS: Final = {300: "5min", 900: "15min", 1_800: "30min", 3_600: "1h", 14_400: "4h", 86_400: "1d"}
BOOK_ROWS: Final = 500


def _asked(contract: Contract) -> dict[str, Any]:
    return {"category": contract.category, "symbol": contract.market_id}


def _list(client: Client, what: str, method: str, asked: dict[str, Any]) -> list[Json]:
    return items_of(NAME, what, client.ask(f"publicGetV5Market{method}", asked), "result", "list")


def _candles(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    asked = _asked(contract) | {"interval": period, "start": since_ms, "end": until_ms - 1, "limit": 1_000}
    items = _list(client, "candles", "Kline", asked)
    got = timed(NAME, "candles", items, 0, (1, 2, 3, 4, 5 if contract.is_inverse else 6))
    unknown = np.full((len(got), 2), np.nan)
    return Rows(got.at_ms, np.column_stack([got.values, unknown]))


def _open_interest(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    asked = _asked(contract) | {
        "intervalTime": period,
        "startTime": since_ms,
        "endTime": until_ms - 1,
        "limit": 200,
    }
    items = _list(client, "open interest", "OpenInterest", asked)
    return timed(NAME, "open interest", items, "timestamp", ("openInterest",))


def _ratio(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    asked = _asked(contract) | {
        "period": period,
        "startTime": since_ms,
        "endTime": until_ms - 1,
        "limit": 500,
    }
    items = _list(client, "ratio", "AccountRatio", asked)
    got = timed(NAME, "ratio", items, "timestamp", ("buyRatio", "sellRatio"))
    long, short = got.values[:, 0], got.values[:, 1]
    if (long < 0).any() or (short < 0).any():
        raise BadVenueAnswer(NAME, "a share of accounts below 0")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(short > 0, long / short, np.nan)
    return Rows(got.at_ms, ratio[:, None])


def _funding(client: Client, contract: Contract, _period: str, since_ms: int, until_ms: int) -> Rows:
    asked = _asked(contract) | {"startTime": since_ms, "endTime": until_ms - 1, "limit": 200}
    items = _list(client, "funding", "FundingHistory", asked)
    return timed(NAME, "funding", items, "fundingRateTimestamp", ("fundingRate",))


def order_book(client: Client, contract: Contract) -> OrderBook:
    """The best five hundred orders of each side. Sizes are coins, or dollars of inverse ones."""
    answer = client.ask("publicGetV5MarketOrderbook", _asked(contract) | {"limit": BOOK_ROWS})
    sides = [items_of(NAME, "order book", answer, "result", side) for side in ("b", "a")]
    return book_of(contract, Decimal(1), answer["result"].get("ts"), *sides)


SERIES: Final[dict[Kind, Series]] = {
    "candles": Series("candles", CANDLES, _candles, 1_000, columns=7, keeps_newest=True),
    "open_interest": Series(
        "open_interest", PERIODS, _open_interest, 200, columns=1, keeps_newest=True, stamps_end=True
    ),
    "ratio": Series("ratio", PERIODS, _ratio, 500, columns=1, keeps_newest=True, stamps_end=True),
    "funding": Series("funding", {}, _funding, 200, columns=1, keeps_newest=True),
}
"""Candles have the columns open, high, low, close, volume in dollars, bought by takers of all traded."""
