"""The lab's market resolved: what moves each asset, by name, and the oracle's own integers."""

from __future__ import annotations

import pytest

from defiliq.chain.evm import connect
from defiliq.oracle.drivers import drivers, find_driver
from defiliq.protocols.aave_v3 import AaveMarket, read_market
from defiliq.types import Listing
from tests.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(params=["lab_v36", "lab_v30"])
def market(request: pytest.FixtureRequest) -> AaveMarket:
    """Each lab's market, as it is read."""
    lab: Lab = request.getfixturevalue(request.param)
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        return read_market(node, listing, node.block("latest"))


def test_the_graph_gives_the_oracles_own_integers(market: AaveMarket) -> None:
    assert market.graph.prices(market.timestamp) == market.prices
    assert market.graph.warnings == ()


def test_ether_moves_staked_ether_and_the_ratio_moves_it_alone(market: AaveMarket) -> None:
    moved = {driver.name: {market.feeds[feed].name for feed in driver.feeds} for driver in drivers(market)}
    assert {"WETH", "wstETH"} <= moved["ETH/USD"]
    assert "WETH" not in moved["wstETH/ETH ratio"]
    assert "wstETH" in moved["wstETH/ETH ratio"]


def test_the_reserve_with_one_driver_names_it(market: AaveMarket) -> None:
    assert find_driver(market, "WETH/USD").name == "ETH/USD"
