"""From a node to a book: a Solo Margin contract and any number of its accounts at one pinned block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.multicall import OnProgress
from defiliq.chain.node import Node
from defiliq.chain.unchanged import require_unchanged
from defiliq.errors import MissingPrice
from defiliq.protocols.dydx_solo.columns import build_book, fetch_accounts
from defiliq.protocols.dydx_solo.decode import decode_market
from defiliq.protocols.dydx_solo.fetch import fetch_market
from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.protocols.dydx_solo.oracles import with_graph
from defiliq.protocols.priceless import tell_missing
from defiliq.types import Block, Listing


def read_market(
    node: Node, listing: Listing, at: Block, on_missing: Callable[[MissingPrice], None] | None = None
) -> SoloMarket:
    """The contract and its markets at one block.

    A market without a price is left out and told to `on_missing`; without one, MissingPrice is raised.
    """
    market, dropped = decode_market(fetch_market(node, listing, at), listing, at)
    market = with_graph(node, market, at)
    tell_missing(dropped, on_missing)
    require_unchanged(node, at)
    return market


def read(
    node: Node,
    listing: Listing,
    owners: NDArray[np.uint8],
    at: Block,
    on_progress: OnProgress | None = None,
    *,
    uncounted: bool = False,
) -> Book[SoloMarket]:
    """All accounts of `owners` (N, 52) at one block.

    What could not be read is in `Book.failed` by name: accounts whose calls are refused, and debtors who have
    a par in a market without a price, for whom Solo itself reverts. Such a market is left out. Every supply
    backs debt, so `uncounted` adds nothing.
    """
    raw = fetch_market(node, listing, at)
    market, dropped = decode_market(raw, listing, at)
    market = with_graph(node, market, at)
    found = fetch_accounts(node, raw.solo_margin, len(raw.markets), owners, at, on_progress)
    require_unchanged(node, at)
    return build_book(market, found.without(dropped))
