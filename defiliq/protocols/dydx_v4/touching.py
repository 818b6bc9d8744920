"""Which logs change accounts: none, for the chain has no logs that are read here."""

from __future__ import annotations

from defiliq.book import Book
from defiliq.chain.cosmos import CosmosNode
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.touching import Touching
from defiliq.types import Block


def touching(market: DydxMarket) -> Touching | None:
    """Nothing: the chain lists all subaccounts, and funding moves every one of them."""
    return None


def unaccounted(node: CosmosNode, book: Book[DydxMarket], since: Block | None = None) -> tuple[int, ...]:
    """Nothing: where all subaccounts are read, `read` itself tells which positions are missing."""
    return ()
