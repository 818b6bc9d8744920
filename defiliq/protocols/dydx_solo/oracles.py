"""Where Solo's price oracles take each price from, as far as they say it.

Each market has an oracle of its own, which is told the token. Those that are known:
- WethPriceOracle answers what a Maker medianizer does (`MEDIANIZER`, then `peek`): ETH/USD, by 18 decimals;
- ChainlinkPriceOracleV1 has an aggregator per token (`tokenToAggregatorMap`) whose answer it brings to the
  decimals of the price; for a token that is priced in another (`tokenToPairingMap`) nothing is resolved;
- DaiPriceOracle stores a price that its poker updates, and UsdcPriceOracle has its price written in: neither
  tells what it hangs on, so each is an input of its own, as is all that is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from defiliq.chain.calldata import NOWHERE, address_of, calldata
from defiliq.chain.node import Call, Node
from defiliq.chain.probe import probe
from defiliq.oracle.compose import Quote
from defiliq.oracle.resolve import resolve
from defiliq.pricing.graph import Input, PriceGraph
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.types import Block

ETH_USD: Final = "ETH/USD"


@dataclass(frozen=True, slots=True)
class Source:
    """What gives one price: an aggregator, a medianizer of ETH/USD, or the oracle itself."""

    aggregator: str | None = None
    medianizer: str | None = None

    @property
    def why(self) -> str:
        """Why there is nothing that could be resolved any further."""
        if self.medianizer is None:
            return "its oracle does not say where its price comes from"
        return f"its oracle asks the Maker medianizer {self.medianizer}"


def with_graph(node: Node, market: SoloMarket, at: Block) -> SoloMarket:
    """The market with its prices resolved to what moves them."""
    found = fetch_sources(node, market, at)
    feeds = tuple(
        feed if source.aggregator is None else replace(feed, source=source.aggregator)
        for feed, source in zip(market.feeds, found, strict=True)
    )
    unsourced = {k: source.why for k, source in enumerate(found) if source.aggregator is None}
    quote = Quote(market.base_unit, market.base_symbol, rescales=True, unsourced=unsourced)
    graph = resolve(node, feeds, market.prices, at, quote)
    return replace(market, feeds=feeds, graph=_named(graph, found))


def _named(graph: PriceGraph, found: Sequence[Source]) -> PriceGraph:
    """The graph with what a medianizer answers named after its pair: nothing to warn of."""
    quantities, warnings = list(graph.quantities), graph.warnings
    for feed, source in enumerate(found):
        quantity = quantities[graph.feeds[feed]]
        if source.medianizer is not None and isinstance(quantity, Input):
            quantities[graph.feeds[feed]] = replace(quantity, name=ETH_USD, source=source.medianizer)
            warnings = tuple(said for said in warnings if source.medianizer not in said)
    return replace(graph, quantities=tuple(quantities), warnings=warnings)


def fetch_sources(node: Node, market: SoloMarket, at: Block) -> list[Source]:
    """The source of each reserve's price."""
    reserves = market.reserves
    aggregators, pairings = (
        probe(node, [Call(r.oracle, calldata(signature, r.asset)) for r in reserves], at, is_known=False)
        for signature in (abi.AGGREGATOR_OF, abi.PAIRING_OF)
    )
    named = probe(node, [Call(r.oracle, calldata(abi.MEDIANIZER)) for r in reserves], at, is_known=False)
    medianizers = [_address(word) for word in named]
    asked = [NOWHERE if address is None else address for address in medianizers]
    peeked = probe(
        node,
        [Call(address, calldata(abi.PEEK)) for address in asked],
        at,
        words=abi.PEEK_WORDS,
        is_known=False,
    )
    found = []
    for k, price in enumerate(market.prices[reserve.feed] for reserve in reserves):
        aggregator, median = _address(aggregators[k]), peeked[k]
        if aggregator is not None and pairings[k] == (0,):
            found.append(Source(aggregator=aggregator))
        elif medianizers[k] is not None and median is not None and median[0] == price:
            found.append(Source(medianizer=medianizers[k]))
        else:
            found.append(Source())
    return found


def _address(word: tuple[int, ...] | None) -> str | None:
    """The address that was answered; None where there is none, or the zero address."""
    address = None if word is None else address_of(word[0].to_bytes(32, "big"))
    return None if address == NOWHERE else address
