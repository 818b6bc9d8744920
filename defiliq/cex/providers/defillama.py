"""DefiLlama: liquidation prices of positions in lending protocols, as its site shows them. It needs no key.

The adapters of its first liquidations page are deleted from its repository. Its site is now fed by another
service under api.llama.fi/liquidations, which its API document does not list; the site shows the data to
subscribers only, so the service may refuse. A position has one collateral and the price of it at which it is
liquidated, so every level here is long. A position with several collaterals is listed once for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from defiliq.cex.providers.client import Client
from defiliq.cex.providers.decode import Field
from defiliq.cex.providers.provider import Provider, Query
from defiliq.cex.providers.series import levels, summed

PROVIDER: Final = Provider(
    name="defillama",
    variables=(),
    offers=("levels",),
    venues=(),
    intervals={},
    url="https://api.llama.fi",
    docs_url="https://api-docs.defillama.com",
    documented="github DefiLlama/defillama-app, src/containers/LiquidationsV2/api.types.ts at 15cd2f9, 2026",
)


def headers(_: tuple[str, ...]) -> Mapping[str, str]:
    """Nothing: there is no key."""
    return {}


def fetch_levels(client: Client, query: Query) -> pd.DataFrame:
    """Dollars of collateral by liquidation price as of now, of the asset and its wrapped form on all chains.

    A price of 0 says that no fall of the collateral liquidates the position: it is no level.
    """
    path = "/liquidations/all"
    body = Field(client.get(path, {}), path, client.bad)
    wanted = {query.asset, f"W{query.asset}"}
    tokens = {
        (chain, token)
        for chain, listed in body.at_key("tokens").members()
        for token, of in listed.members()
        if of.at_key("symbol").text().upper() in wanted
    }
    sizes = []
    for _, chains in body.at_key("data").members():
        for chain, positions in chains.members():
            for position in positions.items():
                if (chain, position.at_key("collateral").text()) in tokens:
                    price = position.at_key("liqPrice").size()
                    sizes.append(((price, "long"), position.at_key("collateralAmountUsd").size()))
    return levels(PROVIDER.name, summed(each for each in sizes if each[0][0] > 0), in_usd=True)
