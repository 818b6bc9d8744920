"""Hyblock, API v2: prices, the ratio of accounts, and its own estimate of liquidation levels.

It does not say in what its open interest, its liquidations and the sizes of its levels are counted. So the
first two are not read here, and levels come as scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers.client import Client
from defiliq.cex.providers.decode import Field
from defiliq.cex.providers.keys import basic
from defiliq.cex.providers.provider import Provider, Query
from defiliq.cex.providers.series import Series, levels, summed
from defiliq.cex.providers.series import history as build_history

PROVIDER: Final = Provider(
    name="hyblock",
    variables=("HYBLOCK_API_KEY", "HYBLOCK_CLIENT_ID", "HYBLOCK_CLIENT_SECRET"),
    offers=("history", "levels"),
    venues=("binance", "bybit", "okx"),
    intervals={60: "1m", 300: "5m", 900: "15m", 3600: "1h", 14400: "4h", 86400: "1d"},
    url="https://api.hyblockcapital.com/v2",
    docs_url="https://docs.hyblockcapital.com",
    documented="https://docs.hyblockcapital.com, 2026-01-30 (access token) and 2025-12-31 (envelope); "
    "fields of rows from its OpenAPI document v1 as in github ljofreflor/hyblock-capital-sdk, 2025-10-05",
)
EXCHANGES: Final = {
    "binance": "binance_perp_stable",
    "bybit": "bybit_perp_stable",
    "okx": "okx_perp_stable",
}
ROWS: Final = 1000
SIDES: Final = ("long", "short")


def headers(keys: tuple[str, ...]) -> Mapping[str, str]:
    """What carries the key; the access token joins it later."""
    return {"x-api-key": keys[0]}


def sign_in(client: Client, keys: tuple[str, ...]) -> None:
    """Get an access token for the user's id and secret. It is kept with the client, and nowhere else."""
    proof = basic(keys[1], keys[2])
    client.add({}, (proof,))
    answer = client.post_form(
        "/oauth2/token", {"grant_type": "client_credentials"}, {"Authorization": f"Basic {proof}"}
    )
    token = Field(answer, "/oauth2/token", lambda _: client.bad("/oauth2/token gave no access token"))
    found = token.at_key("access_token").text()
    if not found.isascii() or not found.isprintable() or not found:
        raise client.bad("/oauth2/token gave no access token")
    client.add({"Authorization": f"Bearer {found}"}, (found,))


def fetch_history(client: Client, query: Query) -> History:
    """Candles without volume, and the ratio of accounts."""
    found = {name: Series(f"{name}_usd") for name in ("open", "high", "low", "close")}
    ratio = Series("long_short_ratio")
    for row in _rows(client, query, "/klines"):
        for name, series in found.items():
            series.put(_at(row), row.at_key(name).price())
    for row in _rows(client, query, "/globalAccounts"):
        ratio.put(_at(row), row.at_key("lsRatio").size())
    return build_history(client, query, [*found.values(), ratio], "Hyblock API v2")


def fetch_levels(client: Client, query: Query) -> pd.DataFrame:
    """Its liquidation levels of every leverage as they were at the end of the stretch."""
    answer = client.get(
        "/liquidationLevels",
        {
            "coin": query.asset.lower(),
            "exchange": EXCHANGES[query.venue],
            "leverage": "all",
            "position": "all",
            "timestamp": query.until_at,
        },
    )
    sizes = []
    for row in Field(answer, "/liquidationLevels", client.bad).at_key("data").items():
        side = row.at_key("side")
        if side.text().lower() not in SIDES:
            raise side.wrong("long or short")
        sizes.append(((row.at_key("price").price(), side.text().lower()), row.at_key("size").size()))
    return levels(PROVIDER.name, summed(sizes), in_usd=False)


def _rows(client: Client, query: Query, path: str) -> list[Field]:
    """All rows of the stretch, in stretches that one answer can hold."""
    found = []
    for start in range(query.since_at, query.until_at, ROWS * query.step_s):
        answer = client.get(
            path,
            {
                "coin": query.asset.lower(),
                "exchange": EXCHANGES[query.venue],
                "timeframe": PROVIDER.intervals[query.step_s],
                "limit": ROWS,
                "startTime": start,
                "endTime": min(start + ROWS * query.step_s, query.until_at) - 1,
                "sort": "asc",
            },
        )
        found += Field(answer, path, client.bad).at_key("data").items()
    return found


def _at(row: Field) -> int:
    return row.at_key("openDate").at_seconds()
