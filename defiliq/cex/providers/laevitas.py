"""Laevitas, API v1: prices, the ratio of accounts, and executed liquidations in dollars.

It does not say in what its open interest and volume are counted, nor what its funding rate is a share of, so
these are not read here. Its API v2 publishes more, in answers whose document could not be had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers.client import Client
from defiliq.cex.providers.decode import Field
from defiliq.cex.providers.provider import QUOTE, Provider, Query
from defiliq.cex.providers.series import Series
from defiliq.cex.providers.series import history as build_history
from defiliq.cex.providers.series import liquidations as build_liquidations

PROVIDER: Final = Provider(
    name="laevitas",
    variables=("LAEVITAS_API_KEY",),
    offers=("history", "liquidations"),
    venues=("binance", "bybit"),
    intervals={
        300: "5m",
        900: "15m",
        1800: "30m",
        3600: "1h",
        7200: "2h",
        14400: "4h",
        21600: "6h",
        43200: "12h",
        86400: "1d",
    },
    url="https://api.laevitas.ch",
    docs_url="https://docs.laevitas.ch",
    documented="github Laevitas/laevitas-mcp at 21df779, 2025-05-22; paging and moments from "
    "https://docs.laevitas.ch/options/historical",
)
ROWS: Final = 144
MOST_PAGES: Final = 1000


def headers(keys: tuple[str, ...]) -> Mapping[str, str]:
    """What carries the key."""
    return {"apiKey": keys[0]}


def fetch_history(client: Client, query: Query) -> History:
    """The price at each moment as the close, and the ratio of accounts. Other columns are NaN."""
    close, ratio = Series("close_usd"), Series("long_short_ratio")
    for row in _rows(client, query, "perpetuals"):
        at = row.at_key("date").at_milliseconds()
        close.put(at, row.at_key("price").price())
        if row.at_key("long_short_ratio").value is not None:
            ratio.put(at, row.at_key("long_short_ratio").size())
    return build_history(client, query, [close, ratio], "Laevitas API v1")


def fetch_liquidations(client: Client, query: Query) -> pd.DataFrame:
    """Dollars liquidated per interval: its rows, each of one side, added up."""
    found: dict[int, dict[str, float]] = defaultdict(lambda: {"long": 0.0, "short": 0.0})
    for row in _rows(client, query, "liquidation"):
        side = row.at_key("side")
        if side.text().lower() not in ("long", "short"):
            raise side.wrong("long or short")
        at = row.at_key("date").at_milliseconds()
        found[at - at % query.step_s][side.text().lower()] += row.at_key("usd_amount").size()
    return build_liquidations(client, query, ((at, of["long"], of["short"]) for at, of in found.items()))


def _rows(client: Client, query: Query, what: str) -> list[Field]:
    """The rows of all pages."""
    path = f"/historical/derivs/{what}/{query.venue.upper()}/{query.asset}{QUOTE}"
    found: list[Field] = []
    page, pages = 1, 1
    while page <= pages:
        answer = client.get(
            path,
            {
                "start": query.since_at * 1000,
                "end": query.until_at * 1000 - 1,
                "granularity": PROVIDER.intervals[query.step_s],
                "limit": ROWS,
                "page": page,
            },
        )
        body = Field(answer, path, client.bad)
        pages = body.at_key("meta").at_key("total_pages").whole()
        if pages > MOST_PAGES:
            raise client.bad(f"{path} has {pages} pages, more than the {MOST_PAGES} that are read at most")
        found += body.at_key("items").items()
        page += 1
    return found
