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
from defiliq.types import Question, checksum
from defiliq.units import WAD

CONCURRENCY: Final = 8
PROBE: Final = "0x" + "de" * 20
"""An address whose code is pretended to answer the time, to see whether the node really pretends."""
TIME_CODE: Final = bytes.fromhex("4260005260206000f3")
"""TIMESTAMP, stored and returned."""
_CHOICE_BYTES: Final = 25


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


def aggregator_code(answer: int, decimals: int) -> bytes:
    """Code of a price feed that stands still: a whole round or the decimals where they are asked for, and the
    answer to every other call; without PUSH0.
    """
    word = b"\x7f" + answer.to_bytes(32, "big")
    plain = word + bytes.fromhex("60005260206000f3")
    whole_round = (
        bytes.fromhex("5b6001600052") + word + bytes.fromhex("6020524260405242606052600160805260a06000f3")
    )
    digits = bytes.fromhex("5b60") + decimals.to_bytes(1, "big") + bytes.fromhex("60005260206000f3")
    at_round = _CHOICE_BYTES + len(plain)
    at_digits = at_round + len(whole_round)
    choice = (
        bytes.fromhex("60003560e01c80")  # the selector, twice
        + bytes.fromhex("63feaf968c1460")  # latestRoundData()
        + at_round.to_bytes(1, "big")
        + bytes.fromhex("5763313ce5671460")  # decimals()
        + at_digits.to_bytes(1, "big")
        + b"\x57"
    )
    return choice + plain + whole_round + digits


def ask(
    node: Node, market: AaveMarket, owners: NDArray[np.uint8], spot: AaveMarket
) -> list[Answer | CallReverted]:
    """The pool's account data of some owners (n, 20) at `market`'s block, timestamp and prices.

    `spot` is the market as the chain has it. Where prices or time differ from it, every price source is
    pinned to the price in `market`, so that one source that reads another, or the time, can't move it.
    """
    return ask_many(node, [Question(market, checksum(owner.tobytes())) for owner in owners], spot)


def ask_many(node: Node, asked: Sequence[Question], spot: AaveMarket) -> list[Answer | CallReverted]:
    """The pool's account data, each question in its own pretended world.

    Questions about the same prices, sources and time go in one batch; batches go side by side. BadResponse
    where the node takes overrides and ignores them.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, question in enumerate(asked):
        market, sources = question.market, tuple(sorted(question.sources.items()))
        groups.setdefault((market.prices, market.timestamp, sources), []).append(position)
    answers: dict[int, Answer | CallReverted] = {}
    pretended = [rows for rows in groups.values() if _pretended(asked[rows[0]], spot) is not None]
    if pretended:
        _require_overrides(node, asked[pretended[0][0]].market)
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


def _pretended(question: Question, spot: AaveMarket) -> dict[str, Override] | None:
    """The code that makes the chain see a question's world; None where it sees that world already.

    Where the question names sources, only those are moved and the chain's own feeds do the rest.
    """
    if not question.sources:
        return pins(question.market, spot)
    return {
        source: Override(code=aggregator_code(answer, decimals))
        for source, (answer, decimals) in question.sources.items()
    }


def _ask_batch(node: Node, asked: Sequence[Question], spot: AaveMarket) -> list[Answer | CallReverted]:
    market = asked[0].market
    calls = [Call(market.pool, abi.calldata(abi.GET_USER_ACCOUNT_DATA, one.owner)) for one in asked]
    overrides = _pretended(asked[0], spot)
    answers = node.call(calls, market.block, overrides=overrides, timestamp=_time(market))
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
