"""From a node to a book: a Comet and any number of its accounts at one pinned block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.multicall import OnProgress
from defiliq.chain.node import Node
from defiliq.chain.unchanged import require_unchanged
from defiliq.errors import MissingPrice
from defiliq.oracle.resolve import resolve
from defiliq.oracle.survey import LATEST_ROUND
from defiliq.protocols.compound_v3.columns import Basics, build_book, fetch_basics, fetch_collateral
from defiliq.protocols.compound_v3.decode import Dropped, decode_market, quote_of
from defiliq.protocols.compound_v3.fetch import RawMarket, fetch_market
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.priceless import tell_missing
from defiliq.types import Block, Listing


def read_market(
    node: Node, listing: Listing, at: Block, on_missing: Callable[[MissingPrice], None] | None = None
) -> CometMarket:
    """The market at one block.

    A collateral without a price is left out and told to `on_missing`; without one, MissingPrice is raised, as
    it always is where the base asset has none.
    """
    market, dropped = _resolved(node, fetch_market(node, listing, at), listing, at)
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
) -> Book[CometMarket]:
    """All accounts of `owners` (N, 20) at one block.

    What could not be read is in `Book.failed` by name: accounts whose calls are refused, and debtors who hold
    a collateral without a price, on whom the Comet itself reverts unless what it counts before covers them.
    Such a collateral is left out of the market. Supplied base assets, which back nothing, are only kept when
    `uncounted` says so.
    """
    raw = fetch_market(node, listing, at)
    market, dropped = _resolved(node, raw, listing, at)
    basics = fetch_basics(node, market.comet, raw.totals, owners, at, on_progress)
    basics = _refuse(basics, dropped)
    balances = fetch_collateral(node, market, basics, at, on_progress)
    require_unchanged(node, at)
    return build_book(market, basics, balances, uncounted=uncounted)


def _resolved(
    node: Node, raw: RawMarket, listing: Listing, at: Block
) -> tuple[CometMarket, tuple[Dropped, ...]]:
    market, dropped = decode_market(raw, listing, at)
    graph = resolve(node, market.feeds, market.prices, at, quote_of(market), asked_by=LATEST_ROUND)
    return replace(market, graph=graph), dropped


def _refuse(basics: Basics, dropped: Sequence[Dropped]) -> Basics:
    """Mark the debtors whose value hangs on a price that there is not."""
    for lost in dropped:
        basics = basics.refused(basics.is_debt & basics.bits[:, lost.offset], lost.reason)
    return basics
