"""Prices over seconds: what growing caps and discounts do to feeds while nothing else moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from defiliq.pricing.span import Span, constant
from defiliq.types import Market


class TimedFeed(NamedTuple):
    """A market's feed, and what its price is made of."""

    feed: int
    below: Sequence[int]
    """Positions in the price graph; none where time does not move the price."""

    @classmethod
    def of(cls, market: Market, feed: int) -> TimedFeed:
        """The feed at position `feed`."""
        graph = market.graph
        if not graph.feeds or not graph.is_timed(graph.feeds[feed]):
            return cls(feed, ())
        return cls(feed, graph.below(graph.feeds[feed]))

    def over(self, market: Market, first: int, last: int) -> Span:
        """What its price does from one second to another."""
        if not self.below:
            return constant(market.prices[self.feed])
        graph = market.graph
        return graph.spans(self.below, first, last)[graph.feeds[self.feed]]


def prices_at(market: Market, feeds: Iterable[TimedFeed], at: int) -> list[int]:
    """All prices of the market, those of `feeds` at one second."""
    prices = list(market.prices)
    for timed in feeds:
        if timed.below:
            prices[timed.feed] = timed.over(market, at, at).start
    return prices
