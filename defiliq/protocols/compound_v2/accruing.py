"""Whether cTokens accrue as our arithmetic does: each is asked to accrue, and held against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from defiliq.chain.node import Call, Node
from defiliq.chain.pretend import require_obedience
from defiliq.chain.worlds import World, ask_after
from defiliq.errors import (
    BadResponse,
    CallReverted,
    DecodeError,
    RpcError,
    UnsupportedFork,
    UnsupportedReserve,
)
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.accrual import Accrued, accrued
from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve
from defiliq.types import Block

PACE_BLOCKS: Final = 1_000
"""So many blocks tell how long one takes."""
L1_CLOCKS: Final = frozenset({42161, 42170})
"""Chains whose contracts see the blocks of another chain: Arbitrum One and Nova see Ethereum's."""
LATER_S: Final = 86_400
"""So much later cTokens are asked again: one that accrued in the block itself shows nothing there."""
AFTER = (abi.EXCHANGE_RATE_STORED, abi.BORROW_INDEX, abi.TOTAL_BORROWS, abi.TOTAL_RESERVES)
"""What is asked after accrual, in the order of `Accrued`."""


def with_pace(node: Node, market: CompoundMarket) -> CompoundMarket:
    """The market with the pace of its chain's blocks, measured over the last thousand of them.

    UnsupportedFork where cTokens count blocks that are not the chain's own.
    """
    at = market.block
    if market.clock != "block":
        return market
    if at.chain_id in L1_CLOCKS:
        raise UnsupportedFork(market.comptroller, "its interest counts blocks of another chain")
    for number in dict.fromkeys((max(0, at.number - PACE_BLOCKS), 0)):
        before = node.block(number)
        if before.timestamp < at.timestamp and number < at.number:
            blocks, seconds = at.number - number, at.timestamp - before.timestamp
            return replace(market, pace_blocks=blocks, pace_seconds=seconds)
    raise DecodeError("how long blocks take", f"block {at.number} has none before it")


def with_accrual(node: Node, market: CompoundMarket) -> CompoundMarket:
    """The market with cTokens marked that accrue in a way of their own, as cDAI does, whose cash earns too.

    All are made to accrue in a pretended world, at the block and a day later; those that differ keep what
    they answer at the block. Where the node takes no overrides, plain calls accrue at the block alone, and a
    cToken that differs there is refused: UnsupportedReserve. What accrued in that very block shows nothing.
    """
    now, later = (market.tick_at(market.block.timestamp + seconds) for seconds in (0, LATER_S))
    try:
        here = _accrue(node, market, market.block.timestamp)
        there = _accrue(node, market, market.block.timestamp + LATER_S)
    except (RpcError, BadResponse):
        _require_plain(node, market, now)
        return market
    marked = []
    for reserve, at_block, at_later in zip(market.reserves, here, there, strict=True):
        plainly = accrued(reserve, now) == at_block and accrued(reserve, later) == at_later
        marked.append(
            replace(
                reserve,
                accrues_plainly=plainly,
                exchange_rate_at_block_wad=at_block.exchange_rate_wad,
                borrow_index_at_block_wad=at_block.borrow_index_wad,
            )
        )
    return replace(market, reserves=tuple(marked))


def accruals(reserves: Sequence[CTokenReserve]) -> list[Call]:
    """Calls that make every cToken accrue."""
    return [Call(reserve.c_token, abi.calldata(abi.ACCRUE_INTEREST)) for reserve in reserves]


def tick_override(market: CompoundMarket, timestamp: int) -> int | None:
    """The block number that cTokens must see at a time; None where they count seconds.

    It is always said: nodes differ in which number a call at an older block sees.
    """
    return market.tick_at(timestamp) if market.clock == "block" else None


def _accrue(node: Node, market: CompoundMarket, timestamp: int) -> list[Accrued]:
    """What every cToken answers once all have accrued at a time."""
    number = tick_override(market, timestamp)
    require_obedience(node, market.block, timestamp, number)
    world = World(market.block, {}, timestamp, number)
    asked = [
        Call(reserve.c_token, abi.calldata(signature)) for reserve in market.reserves for signature in AFTER
    ]
    answers = ask_after(node, accruals(market.reserves), asked, world)
    found = []
    for row, reserve in enumerate(market.reserves):
        words = [word[0] for word in answers[len(AFTER) * row : len(AFTER) * (row + 1)] if word is not None]
        if len(words) < len(AFTER):
            raise DecodeError(f"the state of {reserve.c_symbol} after accrual", "no answer")
        found.append(Accrued(*words))
    return found


def _require_plain(node: Node, market: CompoundMarket, tick: int) -> None:
    """Hold our arithmetic at the block against plain calls that accrue before they answer."""
    for reserve in market.reserves:
        ours = accrued(reserve, tick)
        for signature, wanted in (
            (abi.EXCHANGE_RATE_CURRENT, ours.exchange_rate_wad),
            (abi.TOTAL_BORROWS_CURRENT, ours.total_borrows),
        ):
            seen = _current(node, reserve, signature, market.block)
            if seen != wanted:
                why = f"{signature} answers {seen} where its arithmetic gives {wanted}; to tell why takes a "
                raise UnsupportedReserve(
                    reserve.symbol, reserve.c_token, f"{why}node that allows state overrides"
                )


def _current(node: Node, reserve: CTokenReserve, signature: str, at: Block) -> int | None:
    (answer,) = node.call([Call(reserve.c_token, abi.calldata(signature))], at)
    if isinstance(answer, CallReverted) or len(answer) != 32:
        return None
    return int.from_bytes(answer, "big")
