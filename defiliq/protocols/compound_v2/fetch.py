"""I/O without thought: what a Comptroller, its cTokens and its oracle answer at one block, as raw words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defiliq.chain.multicall import fetch_words
from defiliq.chain.node import Call, Node
from defiliq.chain.probe import probe
from defiliq.chain.words import Bytes, Words
from defiliq.errors import CallReverted, DecodeError, NotAMarket, UnsupportedFork
from defiliq.protocols.compound_v2 import abi
from defiliq.types import Block, Listing
from defiliq.units import WAD

MAX_MARKETS = 512
"""No Comptroller can list more and still answer for an account that entered all of them."""

ANOTHER_LAW = {
    abi.LAST_POOL_ID: "its accounts choose pools (eModes) with factors and incentives of their own",
    abi.GET_LIQUIDATION_THRESHOLD: "its liquidation thresholds stand apart from its collateral factors",
    abi.IS_FORCED_LIQUIDATION_ENABLED: "it can force liquidations of accounts without a shortfall",
}
"""Functions of forks (Venus' diamond) that change who can be liquidated, and how."""


@dataclass(frozen=True, slots=True)
class Comptroller:
    """What a Comptroller answers about itself."""

    address: str
    oracle: str
    close_factor_wad: int
    liquidation_incentive_wad: int
    seize_paused: bool
    c_tokens: tuple[str, ...]
    """getAllMarkets, in order."""
    lends_vai: bool
    """Whether accounts can owe it VAI beside what they owe cTokens (Venus)."""
    vai_controller: str | None = None
    """Who tells of debts in VAI; None where nobody does."""


@dataclass(frozen=True, slots=True)
class RawMarket:
    """Answers about the cTokens of a Comptroller; rows stand in the order of `c_tokens`."""

    comptroller: Comptroller
    c_tokens: tuple[str, ...]
    state: tuple[Words, ...]
    """One per function of `abi.STATE`."""
    block_clock: Words
    """(T, 1) accrualBlockNumber."""
    block_rate: Words
    second_clock: Words
    """(T, 1) accrualBlockTimestamp."""
    second_rate: Words
    seize_share: Words
    listed: Words
    """(T, 2) isListed and collateral factor."""
    deprecated: Words
    prices: Words
    underlying: Words
    underlying_decimals: Words
    symbols: tuple[bytes | CallReverted, ...]
    """Of the underlying tokens; those of the cToken where there is none."""
    c_symbols: tuple[bytes | CallReverted, ...]


def fetch_comptroller(node: Node, listing: Listing, at: Block) -> Comptroller:
    """The Comptroller of a listing.

    NotAMarket where it is none; UnsupportedFork where it is a fork with another law.
    """
    address = listing.addresses.get("comptroller")
    if address is None:
        raise NotAMarket(listing.name, "a Compound v2 market", "it names no comptroller")
    known, listed = node.call(
        [Call(address, abi.calldata(abi.IS_COMPTROLLER)), Call(address, abi.calldata(abi.GET_ALL_MARKETS))],
        at,
    )
    if isinstance(known, CallReverted) or len(known) != 32 or not any(known):
        raise NotAMarket(address, "a Comptroller", f"nothing there answers {abi.IS_COMPTROLLER} with true")
    c_tokens = decode_addresses(listed, address, abi.GET_ALL_MARKETS)
    _refuse_another_law(node, address, c_tokens[0], at)
    asked = (abi.ORACLE, abi.CLOSE_FACTOR, abi.LIQUIDATION_INCENTIVE, abi.SEIZE_PAUSED, abi.PROTOCOL_PAUSED)
    calls = [Call(address, abi.calldata(signature)) for signature in (*asked, abi.VAI_CONTROLLER)]
    calls.append(Call(address, abi.calldata(abi.MINTED_VAIS, address)))
    found = probe(node, calls, at, is_known=False)
    oracle, close, incentive, seizing, paused, tells_vai, vai = (
        None if words is None else words[0] for words in found
    )
    if oracle is None or close is None or incentive is None:
        raise NotAMarket(address, "a Comptroller", "it names no oracle, close factor or incentive")
    if close > WAD or incentive == 0:
        raise NotAMarket(address, "a Comptroller", f"its close factor is {close}, its incentive {incentive}")
    named = abi.address_of(oracle.to_bytes(32, "big"))
    if named is None or named == abi.NOWHERE:
        raise NotAMarket(address, "a live Comptroller", "it names no price oracle")
    return Comptroller(
        address=address,
        oracle=named,
        close_factor_wad=close,
        liquidation_incentive_wad=incentive,
        seize_paused=bool(seizing) or bool(paused),
        c_tokens=c_tokens,
        lends_vai=vai is not None,
        vai_controller=None if not tells_vai else abi.address_of(tells_vai.to_bytes(32, "big")),
    )


def _refuse_another_law(node: Node, address: str, c_token: str, at: Block) -> None:
    calls = [
        Call(address, abi.calldata(signature, *([c_token] if "address" in signature else [])))
        for signature in ANOTHER_LAW
    ]
    for answer, why in zip(probe(node, calls, at, is_known=False), ANOTHER_LAW.values(), strict=True):
        if answer is not None:
            raise UnsupportedFork(address, why)


def decode_addresses(answer: bytes | CallReverted, address: str, signature: str) -> tuple[str, ...]:
    """The cTokens in an answer; bounded, because a hostile contract could name millions."""
    if isinstance(answer, CallReverted) or len(answer) < 64:
        raise NotAMarket(address, "a Comptroller", f"it does not answer {signature}")
    count = int.from_bytes(answer[32:64], "big")
    if not 0 < count <= MAX_MARKETS:
        raise DecodeError(signature, f"{count} cTokens, not 1 to {MAX_MARKETS}")
    if int.from_bytes(answer[:32], "big") != 32 or len(answer) < 64 + 32 * count:
        raise DecodeError(signature, f"{len(answer)} bytes for {count} cTokens")
    words = [abi.address_of(answer[64 + 32 * k : 96 + 32 * k]) for k in range(count)]
    named = tuple(word for word in words if word is not None)
    if len(named) != count or len(set(named)) != count:
        raise DecodeError(signature, "words that are no addresses, or the same cToken twice")
    return named


def fetch_market(node: Node, comptroller: Comptroller, c_tokens: Sequence[str], at: Block) -> RawMarket:
    """Everything about some cTokens, and the oracle's prices of their underlyings."""
    tokens = abi.packed(list(c_tokens))
    own = [
        *abi.STATE,
        abi.UNDERLYING,
        abi.SEIZE_SHARE,
        abi.ACCRUAL_BLOCK,
        abi.RATE_PER_BLOCK,
        abi.ACCRUAL_TIMESTAMP,
        abi.RATE_PER_TIMESTAMP,
    ]
    state = [ask_each(node, tokens, signature, at) for signature in own]
    underlying, seize_share, block_clock, block_rate, second_clock, second_rate = state[len(abi.STATE) :]
    root = abi.packed([comptroller.address])
    listed = ask_about(node, root, abi.MARKETS, tokens, at, words=2)
    deprecated = ask_about(node, root, abi.IS_DEPRECATED, tokens, at)
    prices = ask_about(node, abi.packed([comptroller.oracle]), abi.GET_UNDERLYING_PRICE, tokens, at)
    assets = np.where(underlying.ok[:, None], underlying.words[:, 0, 12:], tokens)
    spelled = [f"0x{asset.tobytes().hex()}" for asset in assets]
    named = [*spelled, *c_tokens]
    symbols = node.call([Call(token, abi.calldata(abi.SYMBOL)) for token in named], at)
    return RawMarket(
        comptroller=comptroller,
        c_tokens=tuple(c_tokens),
        state=tuple(state[: len(abi.STATE)]),
        block_clock=block_clock,
        block_rate=block_rate,
        second_clock=second_clock,
        second_rate=second_rate,
        seize_share=seize_share,
        listed=listed,
        deprecated=deprecated,
        prices=prices,
        underlying=underlying,
        underlying_decimals=ask_each(node, np.ascontiguousarray(assets), abi.DECIMALS, at),
        symbols=tuple(symbols[: len(spelled)]),
        c_symbols=tuple(symbols[len(spelled) :]),
    )


def ask_each(node: Node, contracts: Bytes, signature: str, at: Block) -> Words:
    """One word of each of some contracts (n, 20): a function without arguments."""
    row = np.frombuffer(abi.calldata(signature), np.uint8)
    rows = np.repeat(row[None], len(contracts), axis=0)
    return fetch_words(node, contracts, rows, at)


def ask_about(
    node: Node, contract: Bytes, signature: str, addresses: Bytes, at: Block, *, words: int = 1
) -> Words:
    """What one contract (1, 20), or one per row, answers about each of some addresses (n, 20)."""
    targets = np.repeat(contract, len(addresses), axis=0) if len(contract) == 1 else contract
    return fetch_words(node, targets, abi.call_rows(signature, addresses), at, words=words)
