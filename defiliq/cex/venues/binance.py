"""Binance USD-margined (fapi) and coin-margined (dapi) futures.

From the venue's docs (developers.binance.com, derivatives: Kline, Open Interest Statistics, Long/Short
Ratio, Get Funding Rate History, Order Book) and ccxt's `binance.py`:
- klines: [open time, open, high, low, close, volume, close time, quote volume, trades, taker buy volume,
  taker buy quote volume, unused]; of coin-margined ones, volume counts contracts, and the eighth field
  counts coins. 1,500 at once at most; more than 1,000 cost twice as much. Coin-margined ones are given for
  200 days at most, the newest of a span; others the oldest.
- open interest: coins of linear contracts, contracts of inverse ones (of 100 or 10 dollars each); 500 at
  once; the last 30 days, an older start is refused (code -1130). A row is stamped with the end of its period.
- Inverse open interest is told per pair and kind of contract, the ratio per pair.
- funding: 1,000 at once, the oldest first.
- Liquidations are published as a stream alone, and leverage tiers to holders of a key alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np

from defiliq.cex.history import OrderBook
from defiliq.cex.venues.book import book_of
from defiliq.cex.venues.client import Client
from defiliq.cex.venues.contracts import Contract
from defiliq.cex.venues.rows import Rows, items_of, scaled, timed
from defiliq.cex.venues.series import Kind, Series

NAME: Final = "binance"
PERIODS: Final = {
    300: "5m",
    900: "15m",
    1_800: "30m",
    3_600: "1h",
    7_200: "2h",
    14_400: "4h",
    21_600: "6h",
    43_200: "12h",
    86_400: "1d",
}
STATISTICS_KEPT_S: Final = 30 * 86_400 - 600
"""Ten minutes less than 30 days: the clocks differ, and the pages take a while."""
WIDEST_CANDLES_S: Final = 200 * 86_400
"""Of coin-margined ones; no page of others is cut short by it below candles of 6 hours."""
BOOK_ROWS: Final = 1_000


def _api(contract: Contract) -> str:
    return "dapi" if contract.is_inverse else "fapi"


def _span(since_ms: int, until_ms: int, limit: int) -> dict[str, Any]:
    return {"startTime": since_ms, "endTime": until_ms - 1, "limit": limit}


def _candles(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    asked = {"symbol": contract.market_id, "interval": period, **_span(since_ms, until_ms, 1_000)}
    items = items_of(NAME, "candles", client.ask(f"{_api(contract)}PublicGetKlines", asked))
    got = timed(NAME, "candles", items, 0, (1, 2, 3, 4, 5, 7, 9))
    volume, quote_volume, bought = got.values[:, 4], got.values[:, 5], got.values[:, 6]
    if contract.is_inverse:
        volume_usd = scaled(NAME, "candles", items, 5, Decimal(contract.size))
    else:
        volume_usd = quote_volume
    return Rows(got.at_ms, np.column_stack([got.values[:, :4], volume_usd, bought, volume]))


def _open_interest(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    asked = {"period": period, **_span(since_ms, until_ms, 500)}
    if contract.is_inverse:
        asked |= {"pair": contract.family, "contractType": contract.kind}
    else:
        asked |= {"symbol": contract.market_id}
    answer = client.ask(f"{_api(contract)}DataGetOpenInterestHist", asked)
    items = items_of(NAME, "open interest", answer)
    got = timed(NAME, "open interest", items, "timestamp", ("sumOpenInterest",))
    counted = scaled(NAME, "open interest", items, "sumOpenInterest", Decimal(contract.size))
    return Rows(got.at_ms, counted[:, None])


def _ratio(client: Client, contract: Contract, period: str, since_ms: int, until_ms: int) -> Rows:
    asked = {"period": period, **_span(since_ms, until_ms, 500)}
    asked |= {"pair": contract.family} if contract.is_inverse else {"symbol": contract.market_id}
    answer = client.ask(f"{_api(contract)}DataGetGlobalLongShortAccountRatio", asked)
    return timed(NAME, "ratio", items_of(NAME, "ratio", answer), "timestamp", ("longShortRatio",))


def _funding(client: Client, contract: Contract, _period: str, since_ms: int, until_ms: int) -> Rows:
    asked = {"symbol": contract.market_id, **_span(since_ms, until_ms, 1_000)}
    answer = client.ask(f"{_api(contract)}PublicGetFundingRate", asked)
    return timed(NAME, "funding", items_of(NAME, "funding", answer), "fundingTime", ("fundingRate",))


def order_book(client: Client, contract: Contract) -> OrderBook:
    """The best thousand orders of each side. Sizes are coins, or contracts of inverse ones."""
    asked = {"symbol": contract.market_id, "limit": BOOK_ROWS}
    answer = client.ask(f"{_api(contract)}PublicGetDepth", asked)
    sides = items_of(NAME, "order book", answer, "bids"), items_of(NAME, "order book", answer, "asks")
    return book_of(contract, Decimal(contract.size), answer.get("T"), *sides)


SERIES: Final[dict[Kind, Series]] = {
    "candles": Series(
        "candles",
        {60: "1m", 180: "3m", **PERIODS},
        _candles,
        1_000,
        columns=7,
        keeps_newest=False,
        widest_s=WIDEST_CANDLES_S,
    ),
    "open_interest": Series(
        "open_interest",
        PERIODS,
        _open_interest,
        500,
        columns=1,
        keeps_newest=True,
        keeps_s=STATISTICS_KEPT_S,
        stamps_end=True,
    ),
    "ratio": Series(
        "ratio",
        PERIODS,
        _ratio,
        500,
        columns=1,
        keeps_newest=True,
        keeps_s=STATISTICS_KEPT_S,
        stamps_end=True,
    ),
    "funding": Series("funding", {}, _funding, 1_000, columns=1, keeps_newest=False),
}
"""Candles have the columns open, high, low, close, volume in dollars, bought by takers of all traded."""
