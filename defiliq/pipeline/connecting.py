"""From a URL to a node of the kind that a market is read from."""

from __future__ import annotations

from defiliq.chain import evm
from defiliq.chain.cosmos import CosmosNode, connect_cosmos
from defiliq.chain.evm import EvmNode
from defiliq.protocols import PROTOCOLS
from defiliq.types import Listing

COSMOS_SCHEMES = ("grpc://", "grpcs://")


def connect(
    url: str, market: Listing | None = None, *, timeout_s: int = 30, retries: int = 5, concurrency: int = 4
) -> EvmNode | CosmosNode:
    """A node at a URL. Nothing is asked of it yet: a dead one is noticed at the first read.

    http:// and https:// are an EVM chain's JSON-RPC, unless `market` is of a Cosmos chain: then CometBFT's.
    grpc:// and grpcs:// are always a Cosmos chain's, ws:// and wss:// an EVM chain's. BadUrl for anything
    else.
    """
    is_cosmos = market is not None and PROTOCOLS[market.protocol].node_kind == "cosmos"
    if is_cosmos or url.strip().casefold().startswith(COSMOS_SCHEMES):
        return connect_cosmos(url, timeout_s=timeout_s, retries=retries)
    return evm.connect(url, timeout_s=timeout_s, retries=retries, concurrency=concurrency)
