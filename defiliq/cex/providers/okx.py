"""OKX's public trading statistics: candles, open interest, taker volume, ratio of accounts, settled funding.

It needs no key. Executed liquidations are published on its stream only: the REST endpoint is gone from its
documents. Statistics reach back 1,440 entries, settled funding three months.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers.client import BAD_REQUEST, OK, TOO_MANY, Client
from defiliq.cex.providers.decode import Field, plain
from defiliq.cex.providers.provider import QUOTE, Provider, Query
from defiliq.cex.providers.series import PRICES, Series, add_ratio, funding, grid
from defiliq.cex.providers.series import history as build_history
from defiliq.errors import NoSuchContract

PROVIDER: Final = Provider(
    name="okx",
    variables=(),
    offers=("history", "funding"),
    venues=("okx",),
    intervals={
        300: "5m",
        900: "15m",
        1800: "30m",
        3600: "1H",
        7200: "2H",
        14400: "4H",
        21600: "6Hutc",
        43200: "12Hutc",
        86400: "1Dutc",
    },
    url="https://www.okx.com",
    docs_url="https://www.okx.com/docs-v5/en/#trading-statistics-rest-api",
    documented="https://www.okx.com/docs-v5/en/ as in github rosssaunders/coincise, docs/okx, 2025; "
    "rows as recorded in ccxt 4.5.90",
)
CANDLES, STATISTICS, FUNDINGS = 300, 100, 400
"""Rows that one answer holds at most."""
COINS_AT, DOLLARS_OF_VOLUME_AT, IS_DONE_AT = 2, 7, 8
"""Places in rows: open interest in coins, a candle's volume in the quote, whether a candle is complete."""
DOLLARS_UNIT: Final = "2"
REFUSED_AS_TOO_MANY: Final = ("50011", "50061")
NO_SUCH_INSTRUMENT: Final = ("51001", "51014")


def headers(_: tuple[str, ...]) -> Mapping[str, str]:
    """Nothing: there is no key."""
    return {}


def fetch_history(client: Client, query: Query) -> History:
    """Candles, open interest in coins, what takers bought of the volume, account ratio, settled funding."""
    prices = {name: Series(name) for name in PRICES}
    volume = Series("volume_usd")
    path = "/api/v5/market/history-candles"
    for row in _pages(client, query, path, "after", CANDLES, bar=PROVIDER.intervals[query.step_s]):
        if row.at_index(IS_DONE_AT).text() != "1":
            continue
        at = _at(row)
        for place, series in enumerate(prices.values(), start=1):
            series.put(at, row.at_index(place).price())
        volume.put(at, row.at_index(DOLLARS_OF_VOLUME_AT).size())
    interest, ratio = Series("open_interest"), Series("long_short_ratio")
    bought, sold = Series("bought"), Series("sold")
    for row in _statistics(client, query, "contracts/open-interest-history"):
        interest.put(_at(row), row.at_index(COINS_AT).size())
    for row in _statistics(client, query, "contracts/long-short-account-ratio-contract"):
        ratio.put(_at(row), row.at_index(1).size())
    for row in _statistics(client, query, "taker-volume-contract", unit=DOLLARS_UNIT):
        sold.put(_at(row), row.at_index(1).size())
        bought.put(_at(row), row.at_index(2).size())
    share = add_ratio("taker_buy_share", bought, sold)
    columns = [*prices.values(), volume, interest, share, ratio, _by_candle(query, _settled(client, query))]
    return build_history(client, query, columns, "OKX public API v5")


def fetch_funding(client: Client, query: Query) -> pd.DataFrame:
    """Settled rates, at the moments of settlement."""
    return funding(query, _settled(client, query))


def _settled(client: Client, query: Query) -> Series:
    found = Series("rate")
    for row in _pages(client, query, "/api/v5/public/funding-rate-history", "after", FUNDINGS):
        found.put(row.at_key("fundingTime").at_milliseconds(), row.at_key("realizedRate").signed())
    return found


def _by_candle(query: Query, settled: Series) -> Series:
    """Rates by candle: 0 where none was settled within it, nothing before the first one that is known."""
    found = Series("funding_rate")
    moments = sorted(settled.values)
    if not moments:
        return found
    for at in grid(query).tolist():
        if at + query.step_s > moments[0]:
            found.put(at, 0.0)
    for moment in moments:
        at = moment - moment % query.step_s
        if at in found.values:
            found.put(at, found.values[at] + settled.values[moment])
    found.contradictions = 0
    return found


def _statistics(client: Client, query: Query, what: str, **more: str) -> list[Field]:
    period = PROVIDER.intervals[query.step_s]
    return _pages(client, query, f"/api/v5/rubik/stat/{what}", "end", STATISTICS, period=period, **more)


def _pages(client: Client, query: Query, path: str, before: str, limit: int, **more: str) -> list[Field]:
    """The rows of the stretch and some before it, from its end backwards. `before` names that parameter."""
    found: list[Field] = []
    end = query.until_at
    while end > query.since_at:
        params: dict[str, str | int] = {
            "instId": _instrument(query),
            before: end * 1000,
            "limit": limit,
            **more,
        }
        answer = client.get(path, params, _status_of(query))
        rows = Field(answer, path, client.bad).at_key("data").items()
        moments = [_at(row) for row in rows]
        found += rows
        oldest = min(moments, default=query.since_at)
        if oldest >= end:
            raise client.bad(f"{path} ignores {before}, so that its pages have no end")
        end = oldest
    return found


def _at(row: Field) -> int:
    moment = row.at_key("fundingTime") if isinstance(row.value, Mapping) else row.at_index(0)
    return moment.at_milliseconds()


def _instrument(query: Query) -> str:
    return f"{query.asset}-{QUOTE}-SWAP"


def _status_of(query: Query) -> Any:
    """A reader of `code`, which fails with status 200 as well."""

    def status_of(body: Any) -> tuple[int, str]:
        code = plain(body.get("code")) if isinstance(body, Mapping) else ""
        if code == "0":
            return OK, ""
        if code in NO_SUCH_INSTRUMENT:
            raise NoSuchContract(PROVIDER.name, query.asset)
        words = plain(body.get("msg")) if isinstance(body, Mapping) else "an answer without code"
        return TOO_MANY if code in REFUSED_AS_TOO_MANY else BAD_REQUEST, f"{code} {words}".strip()

    return status_of
