"""The lab's market resolved: what moves each asset, by name, and the oracle's own integers."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

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


def test_every_source_of_the_lab_is_known(market: AaveMarket) -> None:
    assert {quantity.kind for _, quantity in market.graph.inputs} == {"aggregator", "ratio"}
    own_modes = {mode.feed for mode in market.emodes.values()} - {None}
    assert own_modes == ({9} if market.revision == 1 else set())
    assert len(market.graph.feeds) == len(market.feeds) == 9 + len(own_modes)


def test_the_reserve_with_one_driver_names_it(market: AaveMarket) -> None:
    assert find_driver(market, "WETH/USD").name == "ETH/USD"


def test_a_source_that_burns_gas_on_what_it_does_not_know(lab_v36: Lab) -> None:
    """It answers latestAnswer as before, and INVALID to all else: alone it is not resolved."""
    lab = lab_v36
    selector = keccak(text="latestAnswer()")[:4].hex()
    answer = lab.rpc("eth_call", {"to": lab.feeds["CRV"], "data": f"0x{selector}"}, "latest")
    # the selector in calldata, EQ, JUMPI to the answer, INVALID; PUSH32 answer, MSTORE, RETURN
    code = f"0x5f3560e01c63{selector}14600f57fe5b7f{answer[2:]}5f5260205ff3"
    with lab.rewinding():
        lab.rpc("anvil_setCode", lab.feeds["CRV"], code)
        listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
        with connect(lab.url, retries=0) as node:
            market = read_market(node, listing, node.block("latest"))
    kinds = {quantity.name: quantity.kind for _, quantity in market.graph.inputs}
    assert kinds.pop("CRV/USD") == "unresolved"
    assert set(kinds.values()) == {"aggregator", "ratio"}
    assert market.graph.prices(market.timestamp) == market.prices
