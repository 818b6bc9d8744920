"""From the price sources of a market to its price graph, by asking the contracts."""

from __future__ import annotations

from collections.abc import Sequence

from defiliq.chain.node import Node
from defiliq.oracle.compose import Quote, compose
from defiliq.oracle.heartbeats import promises
from defiliq.oracle.survey import LATEST_ANSWER, survey
from defiliq.pricing.graph import PriceGraph
from defiliq.types import Block, Feed


def resolve(
    node: Node,
    feeds: Sequence[Feed],
    prices: Sequence[int],
    at: Block,
    quote: Quote,
    *,
    asked_by: str = LATEST_ANSWER,
) -> PriceGraph:
    """The graph whose feeds have exactly `prices`, the oracle's own answers at the block.

    `asked_by` is the function by which the oracle asks a source. A feed that can't be resolved is an input of
    its own; nothing but the node can fail.
    """
    sources = [feed.source for k, feed in enumerate(feeds) if k not in quote.unsourced]
    seen = survey(node, sources, at, asked_by)
    return compose(feeds, prices, quote, seen, promises(at.chain_id), at.timestamp)
