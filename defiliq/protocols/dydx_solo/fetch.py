"""I/O without thought: what Solo Margin and its tokens answer at one block, as raw words."""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.chain.calldata import address_in, calldata
from defiliq.chain.node import Call, Node
from defiliq.chain.probe import number_call, probe
from defiliq.errors import CallReverted, DecodeError, NotAMarket
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.root import root_answer
from defiliq.types import Block, Listing

MOST_MARKETS = 256
"""Ethereum's has four; each operation walks over all of them, so no contract could bear so many."""


@dataclass(frozen=True, slots=True)
class RawMarket:
    """Answers about the contract and its markets; the tuples have an entry per market."""

    solo_margin: str
    risk: tuple[int, ...]
    """The words of getRiskParams."""
    markets: tuple[tuple[int, ...], ...]
    """The words of getMarket."""
    tokens: tuple[str, ...]
    oracles: tuple[str, ...]
    indices: tuple[tuple[int, ...] | None, ...]
    """The words of getMarketCurrentIndex."""
    rates: tuple[tuple[int, ...] | None, ...]
    """getMarketInterestRate."""
    prices: tuple[bytes | CallReverted, ...]
    """getMarketPrice."""
    symbols: tuple[bytes | CallReverted, ...]
    decimals: tuple[tuple[int, ...] | None, ...]


def fetch_root(node: Node, listing: Listing, at: Block) -> tuple[str, int]:
    """(the Solo Margin contract of a listing, how many markets it has); NotAMarket where it is none."""
    solo = listing.addresses.get("solo_margin")
    if solo is None:
        raise NotAMarket(listing.name, "a dYdX Solo market", "it names no solo_margin")
    (answer,) = node.call([Call(solo, calldata(abi.NUM_MARKETS))], at)
    said = root_answer(answer, solo, "a Solo Margin contract", abi.NUM_MARKETS)
    count = int.from_bytes(said, "big")
    if len(said) != 32 or count > MOST_MARKETS:
        seen = f"it answers {abi.NUM_MARKETS} with no number of markets"
        raise NotAMarket(solo, "a Solo Margin contract", seen)
    return solo, count


def fetch_market(node: Node, listing: Listing, at: Block) -> RawMarket:
    """Everything about the contract and its markets but the accounts."""
    solo, count = fetch_root(node, listing, at)
    (risk,) = probe(node, [Call(solo, calldata(abi.RISK_PARAMS))], at, words=abi.RISK_PARAMS_WORDS)
    if risk is None:
        raise NotAMarket(solo, "a Solo Margin contract", f"it does not answer {abi.RISK_PARAMS}")
    markets = _fetch_markets(node, solo, count, at)
    tokens = [address_in(words[0], f"the token of {abi.MARKET}") for words in markets]
    prices = node.call([number_call(solo, abi.MARKET_PRICE, k) for k in range(count)], at)
    symbols = node.call([Call(token, calldata(abi.SYMBOL)) for token in tokens], at)
    return RawMarket(
        solo_margin=solo,
        risk=risk,
        markets=markets,
        tokens=tuple(tokens),
        oracles=tuple(address_in(words[6], f"the price oracle of {abi.MARKET}") for words in markets),
        indices=tuple(_of_markets(node, solo, abi.CURRENT_INDEX, count, at, words=abi.INDEX_WORDS)),
        rates=tuple(_of_markets(node, solo, abi.INTEREST_RATE, count, at)),
        prices=tuple(prices),
        symbols=tuple(symbols),
        decimals=tuple(probe(node, [Call(token, calldata(abi.DECIMALS)) for token in tokens], at)),
    )


def _fetch_markets(node: Node, solo: str, count: int, at: Block) -> tuple[tuple[int, ...], ...]:
    found = []
    for k, words in enumerate(_of_markets(node, solo, abi.MARKET, count, at, words=abi.MARKET_WORDS)):
        if words is None:
            seen = f"no answer, though {abi.NUM_MARKETS} says {count}"
            raise DecodeError(f"{abi.MARKET} of market {k}", seen)
        found.append(words)
    return tuple(found)


def _of_markets(
    node: Node, solo: str, signature: str, count: int, at: Block, *, words: int = 1
) -> list[tuple[int, ...] | None]:
    """The answers of every market to a function of its number."""
    return probe(node, [number_call(solo, signature, k) for k in range(count)], at, words=words)
