"""The pool's own word about accounts: getUserAccountData, at chosen prices and at a chosen time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import Call, Node, Override
from defiliq.errors import BadResponse, CallReverted, DecodeError, UnsupportedReserve
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import checksum
from defiliq.units import WAD

CONCURRENCY: Final = 8
PROBE: Final = "0x" + "de" * 20
"""An address whose code is pretended to answer the time, to see whether the node really pretends."""
TIME_CODE: Final = bytes.fromhex("4260005260206000f3")
"""TIMESTAMP, stored and returned."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What getUserAccountData returns, under the names of `types.Health`."""

    collateral_base: int
    debt_base: int
    available_borrows_base: int
    threshold_bps: int
    ltv_bps: int
    factor_wad: int

    @property
    def liquidatable(self) -> bool:
        """What liquidationCall asks of the factor."""
        return self.factor_wad < WAD


def constant_code(value: int) -> bytes:
    """Code that answers every call with one word; without PUSH0, which chains before Shanghai lack."""
    return b"\x7f" + value.to_bytes(32, "big") + bytes.fromhex("60005260206000f3")


def ask(
    node: Node, market: AaveMarket, owners: NDArray[np.uint8], spot: AaveMarket
) -> list[Answer | CallReverted]:
    """The pool's account data of some owners (n, 20) at `market`'s block, timestamp and prices.

    `spot` is the market as the chain has it. Where prices or time differ from it, every price source is
    pinned to the price in `market`, so that one source that reads another, or the time, can't move it.
    """
    return ask_many(node, [(market, checksum(owner.tobytes())) for owner in owners], spot)


def ask_many(
    node: Node, asked: Sequence[tuple[AaveMarket, str]], spot: AaveMarket
) -> list[Answer | CallReverted]:
    """The pool's account data of (market, owner) pairs, each in its own pretended world.

    Pairs with the same prices and time go in one batch; batches go side by side. BadResponse where the node
    takes overrides and ignores them.
    """
    groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for position, (market, _) in enumerate(asked):
        groups.setdefault((market.prices, market.timestamp), []).append(position)
    answers: dict[int, Answer | CallReverted] = {}
    pretended = [rows for rows in groups.values() if pins(asked[rows[0]][0], spot) is not None]
    if pretended:
        _require_overrides(node, asked[pretended[0][0]][0])
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        batches = pool.map(lambda rows: _ask_batch(node, [asked[row] for row in rows], spot), groups.values())
        for rows, batch in zip(groups.values(), batches, strict=True):
            answers.update(zip(rows, batch, strict=True))
    return [answers[position] for position in range(len(asked))]


def pins(market: AaveMarket, spot: AaveMarket) -> dict[str, Override] | None:
    """The code of every price source that makes the chain see `market`'s prices; None where it does already.

    UnsupportedReserve where a feed without a source of its own would have to move, or two feeds of one source
    apart.
    """
    if market.prices == spot.prices and market.timestamp == spot.block.timestamp:
        return None
    pinned: dict[str, int] = {}
    for feed, price, price_at_spot in zip(market.feeds, market.prices, spot.prices, strict=True):
        if feed.source == abi.NOWHERE:
            if price != price_at_spot:
                raise UnsupportedReserve(
                    feed.name, feed.source, "its price has no source that could be moved"
                )
        elif pinned.setdefault(feed.source, price) != price:
            raise UnsupportedReserve(feed.name, feed.source, "its source gives two prices")
    return {source: Override(code=constant_code(price)) for source, price in pinned.items()}


def _ask_batch(
    node: Node, asked: Sequence[tuple[AaveMarket, str]], spot: AaveMarket
) -> list[Answer | CallReverted]:
    market = asked[0][0]
    calls = [Call(market.pool, abi.calldata(abi.GET_USER_ACCOUNT_DATA, owner)) for _, owner in asked]
    answers = node.call(calls, market.block, overrides=pins(market, spot), timestamp=_time(market))
    return [answer if isinstance(answer, CallReverted) else decode_answer(answer) for answer in answers]


def decode_answer(answer: bytes) -> Answer:
    """Six words, in the contract's order."""
    if len(answer) != 6 * 32:
        raise DecodeError(abi.GET_USER_ACCOUNT_DATA, f"{len(answer)} bytes")
    collateral, debt, available, threshold, ltv, factor = (
        int.from_bytes(answer[start : start + 32], "big") for start in range(0, 192, 32)
    )
    return Answer(collateral, debt, available, threshold, ltv, factor)


def _time(market: AaveMarket) -> int | None:
    return None if market.timestamp == market.block.timestamp else market.timestamp


def _require_overrides(node: Node, market: AaveMarket) -> None:
    """See whether the node obeys: code that exists nowhere must answer the pretended time."""
    pretended = {PROBE: Override(code=TIME_CODE)}
    (seen,) = node.call([Call(PROBE, b"")], market.block, overrides=pretended, timestamp=_time(market))
    if not isinstance(seen, bytes) or seen != market.timestamp.to_bytes(32, "big"):
        raise BadResponse(node.label, "eth_call ignores state or time overrides, which this check needs")
