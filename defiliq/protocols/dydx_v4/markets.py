"""The networks of dYdX v4 that defiliq knows by name. There is one market on each: the chain itself."""

from __future__ import annotations

from defiliq.chain.cosmos import CosmosNode
from defiliq.protocols.listed import listings_of
from defiliq.types import Block, Listing


def load_listings() -> tuple[Listing, ...]:
    """The main network and the public test network."""
    return listings_of("defiliq.protocols.dydx_v4")


def discovery(node: CosmosNode, listing: Listing, at: Block) -> None:
    """No logs are searched: the chain lists its subaccounts (SubaccountAll), and reading takes them all."""
