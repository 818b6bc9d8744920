"""CoinGlass, API v4: candles, open interest, ratios, liquidations, and its own maps of levels.

Its funding rates are percent (the document of its arbitrage endpoint says so, and the figures agree). It says
of the coin heatmap that its sizes are dollars; of the pair map it only says "liquidation level", so the map
gives scores and no dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers.client import BAD_REQUEST, OK, Client
from defiliq.cex.providers.decode import Field, plain
from defiliq.cex.providers.provider import QUOTE, Provider, Query
from defiliq.cex.providers.series import Series, add_ratio, funding, heatmap, levels, summed
from defiliq.cex.providers.series import history as build_history
from defiliq.cex.providers.series import liquidations as build_liquidations
from defiliq.errors import NoSuchContract

PROVIDER: Final = Provider(
    name="coinglass",
    variables=("COINGLASS_API_KEY",),
    offers=("history", "liquidations", "levels", "heatmap", "funding"),
    venues=("binance", "bybit", "okx"),
    intervals={
        60: "1m",
        180: "3m",
        300: "5m",
        900: "15m",
        1800: "30m",
        3600: "1h",
        14400: "4h",
        21600: "6h",
        28800: "8h",
        43200: "12h",
        86400: "1d",
    },
    url="https://open-api-v4.coinglass.com",
    docs_url="https://docs.coinglass.com/reference",
    documented="github coinglass-api/coinglass-api-docs at 6ee3798, 2026-01-26",
)
EXCHANGES: Final = {"binance": "Binance", "bybit": "Bybit", "okx": "OKX"}
PAIRS: Final = {"binance": "{}USDT", "bybit": "{}USDT", "okx": "{}-USDT-SWAP"}
ROWS: Final = 1000
"""What one answer holds at most."""
MAP_DAYS: Final = {1.0: "1d", 7.0: "7d", 30.0: "30d"}
HEATMAP_DAYS: Final = {
    0.5: "12h",
    1.0: "24h",
    3.0: "3d",
    7.0: "7d",
    30.0: "30d",
    90.0: "90d",
    180.0: "180d",
    365.0: "1y",
}
PERCENT: Final = 100
STATUS_LETTERS, END_OF_STATUS = 3, 600


def headers(keys: tuple[str, ...]) -> Mapping[str, str]:
    """What carries the key."""
    return {"CG-API-KEY": keys[0]}


def fetch_history(client: Client, query: Query) -> History:
    """Candles, open interest in coins at the end of each, what takers bought of the volume, account ratio."""
    _check_contract(client, query)
    prices = _ohlc(client, query)
    interest, ratio = Series("open_interest"), Series("long_short_ratio")
    for row in _rows(client, query, "/api/futures/open-interest/history", unit="coin"):
        interest.put(_at(row), row.at_key("close").size())
    for row in _rows(client, query, "/api/futures/global-long-short-account-ratio/history"):
        ratio.put(_at(row), row.at_key("global_account_long_short_ratio").size())
    bought, sold = Series("bought"), Series("sold")
    for row in _rows(client, query, "/api/futures/v2/taker-buy-sell-volume/history"):
        bought.put(_at(row), row.at_key("taker_buy_volume_usd").size())
        sold.put(_at(row), row.at_key("taker_sell_volume_usd").size())
    share = add_ratio("taker_buy_share", bought, sold)
    return build_history(client, query, [*prices, interest, share, ratio], "CoinGlass API v4")


def fetch_liquidations(client: Client, query: Query) -> pd.DataFrame:
    """Dollars liquidated per interval."""
    _check_contract(client, query)
    rows = _rows(client, query, "/api/futures/liquidation/history")
    return build_liquidations(
        client,
        query,
        (
            (_at(row), row.at_key("long_liquidation_usd").size(), row.at_key("short_liquidation_usd").size())
            for row in rows
        ),
    )


def fetch_funding(client: Client, query: Query) -> pd.DataFrame:
    """Quoted rates."""
    _check_contract(client, query)
    found = Series("rate")
    for row in _rows(client, query, "/api/futures/funding-rate/history"):
        found.put(_at(row), row.at_key("close").signed() / PERCENT)
    return funding(query, found)


def fetch_levels(client: Client, query: Query) -> pd.DataFrame:
    """The pair map as it is now, of the last 1, 7 or 30 days: the shortest that holds the stretch asked."""
    _check_contract(client, query)
    data = _ask(
        client,
        "/api/futures/liquidation/map",
        exchange=EXCHANGES[query.venue],
        symbol=_pair(query),
        range=_named(MAP_DAYS, query.days),
    )
    sizes = [
        ((row.at_index(0).price(), "unknown"), row.at_index(1).size())
        for _, rows in data.at_key("data").members()
        for row in rows.items()
    ]
    return levels(PROVIDER.name, summed(sizes), in_usd=False)


def fetch_heatmap(client: Client, query: Query) -> pd.DataFrame:
    """The coin heatmap of all venues (model 2), over the stretch asked, in dollars."""
    data = _ask(
        client,
        "/api/futures/liquidation/aggregated-heatmap/model2",
        symbol=query.asset,
        range=_named(HEATMAP_DAYS, query.days),
    )
    prices = [each.price() for each in data.at_key("y_axis").items()]
    moments = [each.at_index(0).at_seconds() for each in data.at_key("price_candlesticks").items()]
    sizes: dict[tuple[int, float], float] = {}
    for cell in data.at_key("liquidation_leverage_data").items():
        x, y = cell.at_index(0), cell.at_index(1)
        if x.whole() >= len(moments) or y.whole() >= len(prices):
            raise client.bad(f"{cell.path} is outside of the axes ({len(moments)} by {len(prices)})")
        key = moments[x.whole()], prices[y.whole()]
        sizes[key] = sizes.get(key, 0.0) + cell.at_index(2).size()
    return heatmap(PROVIDER.name, {key: size for key, size in sizes.items() if query.covers(key[0])})


def _ohlc(client: Client, query: Query) -> list[Series]:
    names = {"open_usd": "open", "high_usd": "high", "low_usd": "low", "close_usd": "close"}
    found = {name: Series(name) for name in (*names, "volume_usd")}
    for row in _rows(client, query, "/api/futures/price/history"):
        for name, key in names.items():
            found[name].put(_at(row), row.at_key(key).price())
        found["volume_usd"].put(_at(row), row.at_key("volume_usd").size())
    return list(found.values())


def _rows(client: Client, query: Query, path: str, **more: str) -> list[Field]:
    """All rows of the stretch, in stretches that one answer can hold."""
    found = []
    pair = _pair(query)
    for start in range(query.since_at, query.until_at, ROWS * query.step_s):
        end = min(start + ROWS * query.step_s, query.until_at)
        data = _ask(
            client,
            path,
            exchange=EXCHANGES[query.venue],
            symbol=pair,
            interval=PROVIDER.intervals[query.step_s],
            limit=ROWS,
            start_time=start * 1000,
            end_time=end * 1000 - 1,
            **more,
        )
        found += data.items()
    return found


def _pair(query: Query) -> str:
    return PAIRS[query.venue].format(query.asset)


def _check_contract(client: Client, query: Query) -> None:
    """NoSuchContract where the venue's pair is not among those that CoinGlass lists."""
    exchange = EXCHANGES[query.venue]
    listed = _ask(client, "/api/futures/supported-exchange-pairs", exchange=exchange)
    names = dict(listed.members())
    pairs = names[exchange].items() if exchange in names else []
    wanted = (_pair(query), query.asset, QUOTE)
    for pair in pairs:
        keys = ("instrument_id", "base_asset", "quote_asset")
        if tuple(pair.at_key(key).text() for key in keys) == wanted:
            return
    raise NoSuchContract(f"{PROVIDER.name} ({query.venue})", query.asset)


def _ask(client: Client, path: str, **params: str | int) -> Field:
    answer = client.get(path, params, _status_of)
    return Field(answer, path, client.bad).at_key("data")


def _status_of(body: Any) -> tuple[int, str]:
    """Failures come with status 200 as well; `code` then holds the HTTP status that is meant."""
    if not isinstance(body, Mapping) or "code" not in body:
        return BAD_REQUEST, "an answer without code"
    code, words = plain(body["code"]), plain(body.get("msg"))
    if code == "0":
        return OK, ""
    is_status = len(code) == STATUS_LETTERS and code.isdecimal() and BAD_REQUEST <= int(code) < END_OF_STATUS
    return int(code) if is_status else BAD_REQUEST, words


def _at(row: Field) -> int:
    return row.at_key("time").at_milliseconds()


def _named(lengths: Mapping[float, str], days: float) -> str:
    """The shortest of the provider's ranges that holds so many days, or its longest."""
    return next((name for length, name in lengths.items() if days <= length), list(lengths.values())[-1])
