"""Coinalyze, API v1: candles, open interest, ratios and liquidations of single contracts. The key is free.

Open interest and volume come in what the market's own row names, coins or the quote; only open interest and
liquidations can be asked for in dollars. Funding rates are taken for percent: its document does not say so,
but 0.0027 was recorded of Binance's BTC contract in October 2025, where 0.01% is usual. As a fraction that
would be 27 times as much. Of candles shorter than a day it keeps the last 1,500 to 2,000 only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers.client import Client
from defiliq.cex.providers.decode import Field
from defiliq.cex.providers.provider import QUOTE, Provider, Query
from defiliq.cex.providers.series import PRICES, Series, funding
from defiliq.cex.providers.series import history as build_history
from defiliq.cex.providers.series import liquidations as build_liquidations
from defiliq.errors import NoSuchContract

PROVIDER: Final = Provider(
    name="coinalyze",
    variables=("COINALYZE_API_KEY",),
    offers=("history", "liquidations", "funding"),
    venues=("binance", "bybit", "okx"),
    intervals={
        60: "1min",
        300: "5min",
        900: "15min",
        1800: "30min",
        3600: "1hour",
        7200: "2hour",
        14400: "4hour",
        21600: "6hour",
        43200: "12hour",
        86400: "daily",
    },
    url="https://api.coinalyze.net/v1",
    docs_url="https://api.coinalyze.net/v1/doc/",
    documented="https://api.coinalyze.net/v1/doc/ (API 1.0), fields of rows from recorded answers of 2025-10",
)
EXCHANGES: Final = {"binance": "Binance", "bybit": "Bybit", "okx": "OKX"}
COINS, DOLLARS = "BASE_ASSET", "QUOTE_ASSET"
PERCENT: Final = 100


def headers(keys: tuple[str, ...]) -> Mapping[str, str]:
    """What carries the key, which may also stand in the URL, but never does here."""
    return {"api_key": keys[0]}


def fetch_history(client: Client, query: Query) -> History:
    """Candles, open interest in coins at the end of each, what takers bought of the volume, account ratio.

    A volume in coins is made dollars at the middle of the candle's high, low and close.
    """
    market = _market(client, query)
    is_coins = _counts_coins(market)
    found = {name: Series(name) for name in PRICES}
    volume, share = Series("volume_usd"), Series("taker_buy_share")
    for row in _rows(client, query, market, "/ohlcv-history"):
        at = row.at_key("t").at_seconds()
        for name, series in found.items():
            series.put(at, row.at_key(name[0]).price())
        traded, bought = row.at_key("v").size(), row.at_key("bv").size()
        if bought > traded:
            raise row.at_key("bv").wrong(f"at most the whole volume, {traded}")
        middle = sum(found[name].values[at] for name in ("high_usd", "low_usd", "close_usd")) / 3
        volume.put(at, traded * middle if is_coins else traded)
        if traded > 0:
            share.put(at, bought / traded)
    interest, ratio = Series("open_interest"), Series("long_short_ratio")
    for row in _rows(client, query, market, "/open-interest-history", convert_to_usd="false"):
        at = row.at_key("t").at_seconds()
        price = 1.0 if is_coins else found["close_usd"].values.get(at)
        if price is not None:
            interest.put(at, row.at_key("c").size() / price)
    for row in _rows(client, query, market, "/long-short-ratio-history"):
        ratio.put(row.at_key("t").at_seconds(), row.at_key("r").size())
    columns = [*found.values(), volume, interest, share, ratio]
    return build_history(client, query, columns, "Coinalyze API v1")


def fetch_liquidations(client: Client, query: Query) -> pd.DataFrame:
    """Dollars liquidated per interval, converted by Coinalyze."""
    rows = _rows(client, query, _market(client, query), "/liquidation-history", convert_to_usd="true")
    return build_liquidations(
        client,
        query,
        ((row.at_key("t").at_seconds(), row.at_key("l").size(), row.at_key("s").size()) for row in rows),
    )


def fetch_funding(client: Client, query: Query) -> pd.DataFrame:
    """Quoted rates."""
    found = Series("rate")
    for row in _rows(client, query, _market(client, query), "/funding-rate-history"):
        found.put(row.at_key("t").at_seconds(), row.at_key("c").signed() / PERCENT)
    return funding(query, found)


def _market(client: Client, query: Query) -> Field:
    """The venue's perpetual of the asset. The codes of venues are asked for: lists of them disagree."""
    codes = {
        row.at_key("name").text(): row.at_key("code").text()
        for row in Field(client.get("/exchanges", {}), "/exchanges", client.bad).items()
    }
    code = codes.get(EXCHANGES[query.venue])
    markets = Field(client.get("/future-markets", {}), "/future-markets", client.bad).items()
    for market in markets:
        names = [market.at_key(key).text() for key in ("exchange", "base_asset", "quote_asset")]
        if names == [code, query.asset, QUOTE] and market.at_key("is_perpetual").flag():
            return market
    raise NoSuchContract(f"{PROVIDER.name} ({query.venue})", query.asset)


def _counts_coins(market: Field) -> bool:
    unit = market.at_key("oi_lq_vol_denominated_in")
    if unit.text() not in (COINS, DOLLARS):
        raise unit.wrong(f"{COINS} or {DOLLARS}")
    return unit.text() == COINS


def _rows(client: Client, query: Query, market: Field, path: str, **more: str) -> list[Field]:
    symbol = market.at_key("symbol").text()
    params: dict[str, str | int] = {
        "symbols": symbol,
        "interval": PROVIDER.intervals[query.step_s],
        "from": query.since_at,
        "to": query.until_at - 1,
        **more,
    }
    for each in Field(client.get(path, params), path, client.bad).items():
        if each.at_key("symbol").text() == symbol:
            return each.at_key("history").items()
    return []
