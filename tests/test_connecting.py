"""A URL leads to a node of the kind that its market is read from."""

from __future__ import annotations

import pytest

import defiliq
from defiliq.chain.cosmos import CosmosNode
from defiliq.chain.evm import EvmNode
from defiliq.errors import BadUrl

DYDX = defiliq.market("dydx-v4", "dydx")
AAVE = defiliq.market("aave-v3", "ethereum")


@pytest.mark.parametrize("market", [None, AAVE])
def test_http_is_an_evm_chain_s(market: defiliq.Listing | None) -> None:
    with defiliq.connect("http://127.0.0.1:1", market) as node:
        assert isinstance(node, EvmNode)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "grpc://127.0.0.1:1", "grpcs://127.0.0.1:1"])
def test_a_cosmos_market_is_read_from_a_cosmos_node(url: str) -> None:
    with defiliq.connect(url, DYDX) as node:
        assert isinstance(node, CosmosNode)


def test_grpc_speaks_for_itself() -> None:
    with defiliq.connect(" GRPC://127.0.0.1:1") as node:
        assert isinstance(node, CosmosNode)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", " WSS://127.0.0.1:1"])
def test_a_websocket_is_an_evm_chain_s(url: str) -> None:
    with defiliq.connect(url, AAVE) as node:
        assert isinstance(node, EvmNode)
    with pytest.raises(BadUrl):
        defiliq.connect(url, DYDX)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:1", "127.0.0.1", ""])
def test_anything_else_is_no_url(url: str) -> None:
    with pytest.raises(BadUrl):
        defiliq.connect(url)
