"""I/O without thought: what a Comet, its price feeds and its tokens answer at one block, as raw words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from defiliq.chain.calldata import address_in, address_of, call_rows, calldata, packed
from defiliq.chain.multicall import fetch_words, fetch_words_of
from defiliq.chain.node import Call, Node
from defiliq.chain.probe import probe
from defiliq.chain.words import Words
from defiliq.errors import CallReverted, DecodeError, NotAMarket
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.root import root_answer
from defiliq.types import Block, Listing

MAX_UINT8 = 255
MAX_ASSETS = 24
"""CometWithExtendedAssetList holds so many; the older Comet 12, Scroll's 15."""


@dataclass(frozen=True, slots=True)
class RawMarket:
    """Answers about the market itself."""

    comet: str
    plain: Mapping[str, int]
    """Signature to word, of `abi.PLAIN`."""
    base: str
    assets: tuple[tuple[int, ...], ...]
    """The words of getAssetInfo, one per collateral."""
    totals: tuple[int, ...]
    supplied: Words
    """(n, 2) totalsCollateral."""
    held: Words
    """(1 + n) what the Comet holds of its base token and of each collateral."""
    symbols: tuple[bytes | CallReverted, ...]
    """Of the base token and of each collateral."""
    feeds: tuple[str, ...]
    """The base token's price feed and each collateral's."""
    prices: tuple[bytes | CallReverted, ...]
    """getPrice of each of `feeds`."""
    decimals: tuple[tuple[int, ...] | None, ...]
    """Of each of `feeds`."""
    constant: int | None
    """What the base token's price feed answers to constantPrice()."""
    description: bytes | CallReverted
    """Of the base token's price feed."""
    max_assets: int | None
    """What the contract could list; None where its extension does not say."""
    target_health_factor: int | None


def fetch_root(node: Node, listing: Listing, at: Block) -> tuple[str, str]:
    """(the Comet of a listing, its base token); NotAMarket where it is no Comet."""
    comet = listing.addresses.get("comet")
    if comet is None:
        raise NotAMarket(listing.name, "a Compound III market", "it names no comet")
    (answer,) = node.call([Call(comet, calldata(abi.BASE))], at)
    said = root_answer(answer, comet, "a Comet", abi.BASE)
    base = address_of(said) if len(said) == 32 else None
    if base is None:
        raise NotAMarket(comet, "a Comet", f"it answers {abi.BASE} with no address")
    return comet, base


def fetch_market(node: Node, listing: Listing, at: Block) -> RawMarket:
    """Everything about the market but its accounts."""
    comet, base = fetch_root(node, listing, at)
    plain = _fetch_plain(node, comet, at)
    assets = _fetch_assets(node, comet, plain[abi.NUM_ASSETS], at)
    listed = [address_in(words[1], f"the asset of {abi.GET_ASSET_INFO}") for words in assets]
    feeds = [
        address_in(plain[abi.BASE_FEED], abi.BASE_FEED),
        *(address_in(words[2], f"the price feed of {abi.GET_ASSET_INFO}") for words in assets),
    ]
    tokens = [base, *listed]
    totals = fetch_totals(node, comet, at)
    *prices, description = node.call(
        [
            *(Call(comet, calldata(abi.GET_PRICE, feed)) for feed in feeds),
            Call(feeds[0], calldata(abi.DESCRIPTION)),
        ],
        at,
    )
    optional = [Call(feeds[0], calldata(abi.CONSTANT_PRICE)), Call(comet, calldata(abi.MAX_ASSETS))]
    constant, most = probe(node, optional, at, is_known=False)
    return RawMarket(
        comet=comet,
        plain=plain,
        base=base,
        assets=assets,
        totals=totals,
        supplied=_of_comet(node, comet, abi.TOTALS_COLLATERAL, listed, at, words=2),
        held=_held(node, comet, tokens, at),
        symbols=tuple(node.call([Call(token, calldata(abi.SYMBOL)) for token in tokens], at)),
        feeds=tuple(feeds),
        prices=tuple(prices),
        decimals=tuple(probe(node, [Call(feed, calldata(abi.DECIMALS)) for feed in feeds], at)),
        constant=None if constant is None else constant[0],
        description=description,
        max_assets=None if most is None or most[0] > MAX_UINT8 else most[0],
        target_health_factor=_fetch_target(node, comet, plain[abi.EXTENSION_DELEGATE], at),
    )


def fetch_totals(node: Node, comet: str, at: Block) -> tuple[int, ...]:
    """The words of totalsBasic."""
    (totals,) = probe(node, [Call(comet, calldata(abi.TOTALS_BASIC))], at, words=abi.TOTALS_BASIC_WORDS)
    if totals is None:
        raise NotAMarket(comet, "a Comet", f"it does not answer {abi.TOTALS_BASIC}")
    return totals


def _fetch_plain(node: Node, comet: str, at: Block) -> dict[str, int]:
    answers = probe(node, [Call(comet, calldata(signature)) for signature in abi.PLAIN], at)
    for signature, answer in zip(abi.PLAIN, answers, strict=True):
        if answer is None:
            raise NotAMarket(comet, "a Comet", f"it does not answer {signature}")
    return {
        signature: answer[0]
        for signature, answer in zip(abi.PLAIN, answers, strict=True)
        if answer is not None
    }


def _fetch_assets(node: Node, comet: str, count: int, at: Block) -> tuple[tuple[int, ...], ...]:
    """getAssetInfo of every asset, never beyond `count`: there the contract reverts."""
    if count > MAX_ASSETS:
        raise DecodeError(abi.NUM_ASSETS, f"{count} assets, not at most {MAX_ASSETS}")
    calls = [Call(comet, calldata(abi.GET_ASSET_INFO, k)) for k in range(count)]
    answers = probe(node, calls, at, words=abi.ASSET_INFO_WORDS) if calls else []
    for k, answer in enumerate(answers):
        if answer is None:
            seen = f"no answer, though {abi.NUM_ASSETS} says {count}"
            raise DecodeError(f"{abi.GET_ASSET_INFO} of asset {k}", seen)
    return tuple(answer for answer in answers if answer is not None)


def _fetch_target(node: Node, comet: str, extension: int, at: Block) -> int | None:
    """The target health factor of a Comet that liquidates in parts, wherever it keeps it; None where nowhere.

    A Comet hands what it does not know on to its extension.
    """
    calls = [
        Call(comet, calldata(abi.TARGET_HEALTH_FACTOR)),
        Call(comet, calldata(abi.TARGET_HEALTH_FACTOR_OF, comet)),
        Call(f"0x{extension % 2**160:040x}", calldata(abi.TARGET_HEALTH_FACTOR_OF, comet)),
    ]
    found = probe(node, calls, at, is_known=False)
    return next((answer[0] for answer in found if answer is not None), None)


def _of_comet(
    node: Node, comet: str, signature: str, addresses: Sequence[str], at: Block, *, words: int = 1
) -> Words:
    """The Comet's answers about some addresses."""
    if not addresses:
        return Words.none(0, words)
    rows = call_rows(signature, packed(list(addresses)))
    return fetch_words_of(node, comet, rows, at, words=words)


def _held(node: Node, comet: str, tokens: Sequence[str], at: Block) -> Words:
    rows = np.repeat(call_rows(abi.BALANCE_OF, packed([comet])), len(tokens), axis=0)
    return fetch_words(node, packed(list(tokens)), rows, at)
