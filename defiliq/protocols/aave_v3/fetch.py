"""I/O without thought: what a market's contracts and tokens answer at one block, as raw words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.multicall import Words, fetch_words
from defiliq.chain.node import Call, Node
from defiliq.errors import CallReverted, DecodeError, NotAMarket
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.revisions import version_of
from defiliq.protocols.root import root_answer
from defiliq.types import Block, Listing

RESERVE_DATA_WORDS = 15
"""ReserveData of v3.0, which v3.1 and later still answer as ReserveDataLegacy, word for word."""
EMODE_CONFIG_WORDS = 3
FIRST_GRACE_REVISION = 4
"""v3.1: a liquidation grace period per reserve."""
FIRST_LIQUID_EMODE_REVISION = 5
"""v3.2: eModes hold bitmaps of reserves instead of reserves naming an eMode; stable debt is gone."""
FIRST_LTVZERO_REVISION = 10
"""v3.6"""
FIRST_WITHOUT_SENTINEL_REVISION = 11
"""v3.7: no price oracle sentinel, and eModes that isolate."""
BALANCE_OF_DEBT_REVISION = 7
"""v3.3 alone values reserves without virtual accounting by their token's own discounted balanceOf."""
MAX_RESERVES = 128
EMODE_IDS = list(range(1, 256))


@dataclass(frozen=True, slots=True)
class Contracts:
    """The addresses that a provider names, and the revision that decides how to read the rest."""

    provider: str
    pool: str
    oracle: str
    sentinel: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class RawMarket:
    """Answers about the market itself."""

    contracts: Contracts
    base_currency: bytes
    base_unit: bytes
    assets: tuple[str, ...]
    data: Words
    """(R, 15) getReserveData."""
    prices: Words
    sources: Words
    grace: Words | None
    symbols: tuple[bytes | CallReverted, ...]
    liquidations_allowed: bytes | CallReverted | None
    """The sentinel's answer; None where there is none, or it plays no role."""
    base_symbol: bytes | CallReverted | None
    """None where the base currency is the zero address, which means dollars."""
    fallback: bytes | CallReverted
    """The oracle's own fallback oracle."""


@dataclass(frozen=True, slots=True)
class RawEModes:
    """Answers about eMode categories of revision >= 5, as (ids, 3 | 1, 32) words."""

    ids: tuple[int, ...]
    config: Words
    collateral: Words
    borrowable: Words
    ltvzero: Words | None
    isolated: Words | None
    labels: tuple[bytes | CallReverted, ...]


def ask_words(node: Node, asked: Sequence[tuple[str, NDArray[np.uint8]]], at: Block, words: int = 1) -> Words:
    """Answers of calls given as (contract, rows of calldata) pieces, joined in order."""
    targets = np.concatenate([np.repeat(abi.packed([to]), len(rows), axis=0) for to, rows in asked])
    return fetch_words(node, targets, np.concatenate([rows for _, rows in asked]), at, words=words)


def part(words: Words, first: int, count: int) -> Words:
    """Some of the answers, from position `first`."""
    return Words(words.ok[first : first + count], words.words[first : first + count])


def fetch_contracts(node: Node, listing: Listing, at: Block) -> Contracts:
    """The pool, oracle and sentinel of a listing, and its revision; NotAMarket where it is no Aave v3."""
    provider = listing.addresses.get("pool_addresses_provider")
    if provider is None:
        raise NotAMarket(listing.name, "an Aave v3 market", "it names no pool_addresses_provider")
    named = node.call([Call(provider, abi.calldata(signature)) for signature in abi.PROVIDER], at)
    pool, oracle, sentinel = (
        _named_address(answer, provider, signature)
        for answer, signature in zip(named, abi.PROVIDER, strict=True)
    )
    if pool is None or oracle is None:
        raise NotAMarket(provider, "a live PoolAddressesProvider", "it names no pool or no price oracle")
    revision = node.call([Call(pool, abi.calldata(abi.POOL_REVISION))], at)[0]
    number = int.from_bytes(_one_word(revision, pool, "an Aave v3 pool", abi.POOL_REVISION), "big")
    version_of(number)
    return Contracts(provider, pool, oracle, sentinel, number)


def _one_word(answer: bytes | CallReverted, address: str, wanted: str, signature: str) -> bytes:
    said = root_answer(answer, address, wanted, signature)
    if len(said) != 32:
        raise NotAMarket(address, wanted, f"it answers {signature} with {len(said)} bytes")
    return said


def _named_address(answer: bytes | CallReverted, provider: str, signature: str) -> str | None:
    """The address a provider names; None for the zero address."""
    word = _one_word(answer, provider, "a PoolAddressesProvider", signature)
    address = abi.address_of(word)
    if address is None:
        raise NotAMarket(provider, "a PoolAddressesProvider", f"{signature} gives no address")
    return None if not any(word) else address


def fetch_market(node: Node, contracts: Contracts, at: Block) -> RawMarket:
    """Everything about reserves and the oracle."""
    pool, oracle, sentinel = contracts.pool, contracts.oracle, contracts.sentinel
    asks_sentinel = sentinel is not None and contracts.revision < FIRST_WITHOUT_SENTINEL_REVISION
    calls = [
        Call(pool, abi.calldata(abi.GET_RESERVES_LIST)),
        Call(oracle, abi.calldata(abi.BASE_CURRENCY)),
        Call(oracle, abi.calldata(abi.BASE_CURRENCY_UNIT)),
        Call(oracle, abi.calldata(abi.GET_FALLBACK_ORACLE)),
    ]
    if asks_sentinel and sentinel is not None:
        calls.append(Call(sentinel, abi.calldata(abi.IS_LIQUIDATION_ALLOWED)))
    listed, currency, unit, fallback, *allowed = node.call(calls, at)
    assets = decode_assets(listed, pool)
    base = _one_word(currency, oracle, "an AaveOracle", abi.BASE_CURRENCY)
    tokens = abi.packed(list(assets))
    data = ask_words(node, [(pool, abi.call_rows(abi.GET_RESERVE_DATA, tokens))], at, RESERVE_DATA_WORDS)
    asked = [(oracle, abi.GET_ASSET_PRICE), (oracle, abi.GET_SOURCE_OF_ASSET)]
    if contracts.revision >= FIRST_GRACE_REVISION:
        asked.append((pool, abi.GET_LIQUIDATION_GRACE_PERIOD))
    singles = ask_words(node, [(to, abi.call_rows(signature, tokens)) for to, signature in asked], at)
    named = [*assets] if not any(base) else [*assets, "0x" + base[12:].hex()]
    symbols = node.call([Call(token, abi.calldata(abi.SYMBOL)) for token in named], at)
    count = len(assets)
    return RawMarket(
        contracts=contracts,
        base_currency=base,
        base_unit=_one_word(unit, oracle, "an AaveOracle", abi.BASE_CURRENCY_UNIT),
        assets=assets,
        data=data,
        prices=part(singles, 0, count),
        sources=part(singles, count, count),
        grace=part(singles, 2 * count, count) if contracts.revision >= FIRST_GRACE_REVISION else None,
        symbols=tuple(symbols[:count]),
        liquidations_allowed=allowed[0] if allowed else None,
        base_symbol=symbols[count] if any(base) else None,
        fallback=fallback,
    )


def decode_assets(answer: bytes | CallReverted, pool: str) -> tuple[str, ...]:
    """The reserves' assets, in the pool's order; bounded, because a hostile pool could name millions."""
    if isinstance(answer, CallReverted) or len(answer) < 64:
        raise NotAMarket(pool, "an Aave v3 pool", f"it does not answer {abi.GET_RESERVES_LIST}")
    count = int.from_bytes(answer[32:64], "big")
    if not 0 < count <= MAX_RESERVES:
        raise DecodeError(abi.GET_RESERVES_LIST, f"{count} reserves, not 1 to {MAX_RESERVES}")
    if int.from_bytes(answer[:32], "big") != 32 or len(answer) < 64 + 32 * count:
        raise DecodeError(abi.GET_RESERVES_LIST, f"{len(answer)} bytes for {count} reserves")
    assets = [abi.address_of(answer[64 + 32 * k : 96 + 32 * k]) for k in range(count)]
    named = tuple(asset for asset in assets if asset is not None)
    if len(named) != count or len(set(named)) != count:
        raise DecodeError(abi.GET_RESERVES_LIST, "words that are no addresses, or the same asset twice")
    return named


def fetch_emodes(node: Node, contracts: Contracts, used: Sequence[int], at: Block) -> RawEModes:
    """The categories that exist or that accounts use (revision >= 5).

    All 255 possible ids are asked for their thresholds in one go; only those set are asked for more.
    """
    pool, revision = contracts.pool, contracts.revision
    asked = abi.id_rows(abi.GET_EMODE_CONFIG, EMODE_IDS)
    every = ask_words(node, [(pool, asked)], at, EMODE_CONFIG_WORDS)
    if not every.ok.all():
        raise DecodeError(abi.GET_EMODE_CONFIG, "no answer")
    exists: NDArray[np.bool_] = every.words.reshape(len(EMODE_IDS), -1).max(axis=1) > 0
    ids = [k for k in EMODE_IDS if exists[k - 1] or k in used]
    signatures = [abi.GET_EMODE_COLLATERAL, abi.GET_EMODE_BORROWABLE]
    if revision >= FIRST_LTVZERO_REVISION:
        signatures.append(abi.GET_EMODE_LTVZERO)
    if revision >= FIRST_WITHOUT_SENTINEL_REVISION:
        signatures.append(abi.GET_EMODE_ISOLATED)
    if not ids:
        none = part(every, 0, 0)
        return RawEModes((), none, none, none, None, None, ())
    answers = ask_words(node, [(pool, abi.id_rows(signature, ids)) for signature in signatures], at)
    pieces = [part(answers, k * len(ids), len(ids)) for k in range(len(signatures))]
    chosen = np.array(ids) - 1
    return RawEModes(
        ids=tuple(ids),
        config=Words(every.ok[chosen], every.words[chosen]),
        collateral=pieces[0],
        borrowable=pieces[1],
        ltvzero=pieces[2] if len(pieces) > 2 else None,
        isolated=pieces[3] if len(pieces) > 3 else None,
        labels=tuple(node.call([Call(pool, abi.calldata(abi.GET_EMODE_LABEL, k)) for k in ids], at)),
    )


def fetch_category_data(
    node: Node, contracts: Contracts, ids: Sequence[int], at: Block
) -> list[bytes | CallReverted]:
    """GetEModeCategoryData of some categories (revisions <= 4: one category per asset)."""
    calls = [Call(contracts.pool, abi.calldata(abi.GET_EMODE_DATA, k)) for k in ids]
    return node.call(calls, at) if calls else []


def fetch_prices(node: Node, oracle: str, assets: Sequence[str], at: Block) -> tuple[Words, Words]:
    """(price, source) of some addresses, as the oracle answers for them."""
    tokens = abi.packed(list(assets))
    pieces = [
        (oracle, abi.call_rows(abi.GET_ASSET_PRICE, tokens)),
        (oracle, abi.call_rows(abi.GET_SOURCE_OF_ASSET, tokens)),
    ]
    both = ask_words(node, pieces, at)
    return part(both, 0, len(assets)), part(both, len(assets), len(assets))
