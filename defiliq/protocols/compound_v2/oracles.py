"""Where a Comptroller's oracle takes each price from, as far as the oracle says it.

Two kinds of oracle say it, and in both a price is the feed's answer with other decimals: Compound's own
PriceOracle (getConfig), and the ChainlinkOracle of Moonwell and Benqi (getFeed, assetPrices), which knows
feeds by the symbol of the underlying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from defiliq.chain.node import Call, Node
from defiliq.chain.probe import probe
from defiliq.chain.text import text_of
from defiliq.errors import CallReverted
from defiliq.oracle.compose import Quote
from defiliq.oracle.resolve import resolve
from defiliq.oracle.survey import LATEST_ROUND
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.market import COIN, CompoundMarket
from defiliq.types import Block
from defiliq.units import WAD

LONGEST_SYMBOL: Final = 256


@dataclass(frozen=True, slots=True)
class Source:
    """What gives one price: a feed, or the oracle itself."""

    feed: str | None
    """None where the oracle has the price written in, or does not say where it takes it from."""
    why: str = ""
    """Why there is no feed."""


def with_graph(
    node: Node, market: CompoundMarket, symbols: Sequence[bytes | CallReverted], at: Block
) -> CompoundMarket:
    """The market with its prices resolved to what moves them.

    `symbols` are the raw answers of the underlyings, or of cTokens without one.
    """
    found = fetch_sources(node, market, symbols, at)
    feeds = tuple(
        feed if source.feed is None else replace(feed, source=source.feed)
        for feed, source in zip(market.feeds, found, strict=True)
    )
    unsourced: Mapping[int, str] = {k: source.why for k, source in enumerate(found) if source.feed is None}
    quote = Quote(WAD, market.base_symbol, rescales=True, unsourced=unsourced)
    graph = resolve(node, feeds, market.prices, at, quote, asked_by=LATEST_ROUND)
    return replace(market, feeds=feeds, graph=graph)


def fetch_sources(
    node: Node, market: CompoundMarket, symbols: Sequence[bytes | CallReverted], at: Block
) -> list[Source]:
    """The source of each reserve's price."""
    oracle, reserves = market.oracle, market.reserves
    configs = probe(
        node,
        [Call(oracle, abi.calldata(abi.GET_CONFIG, reserve.c_token)) for reserve in reserves],
        at,
        words=3,
        is_known=False,
    )
    posted = probe(
        node,
        [Call(oracle, abi.calldata(abi.ASSET_PRICES, reserve.asset)) for reserve in reserves],
        at,
        is_known=False,
    )
    named = [_text(answer) for answer in symbols]
    by_symbol = probe(node, [Call(oracle, feed_call(symbol)) for symbol in named], at, is_known=False)
    found = []
    for row, reserve in enumerate(reserves):
        hand = posted[row]
        is_posted = hand is not None and hand[0] != 0 and reserve.asset != COIN
        found.append(_source(configs[row], is_posted, by_symbol[row]))
    return found


def _source(config: tuple[int, ...] | None, is_posted: bool, by_symbol: tuple[int, ...] | None) -> Source:
    if config is not None:
        _, feed, fixed = config
        if fixed != 0:
            return Source(None, "its price is fixed by hand in the oracle")
        return _feed(feed)
    if is_posted:
        return Source(None, "its price is posted by hand in the oracle")
    return (
        Source(None, "the oracle does not say where its price comes from")
        if by_symbol is None
        else _feed(by_symbol[0])
    )


def _feed(word: int) -> Source:
    address = abi.address_of(word.to_bytes(32, "big"))
    if address is None or address == abi.NOWHERE:
        return Source(None, "the oracle names no feed for it")
    return Source(address)


def feed_call(symbol: bytes) -> bytes:
    """getFeed(symbol), for the bytes of a symbol as the token itself gives them."""
    padded = symbol + b"\0" * (-len(symbol) % 32)
    head = (32).to_bytes(32, "big") + len(symbol).to_bytes(32, "big")
    return abi.keccak(abi.GET_FEED)[:4] + head + padded


def _text(answer: bytes | CallReverted) -> bytes:
    text = None if isinstance(answer, CallReverted) else text_of(answer)
    return b"" if text is None else text[:LONGEST_SYMBOL]
