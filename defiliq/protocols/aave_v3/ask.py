"""The pool's own word about accounts: getUserAccountData, at chosen prices and at a chosen time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from defiliq.chain.node import Call, Node, Override
from defiliq.chain.pretend import constant_code, require_obedience
from defiliq.errors import CallReverted, DecodeError, UnsupportedReserve
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.asking import by_world, moved_sources, other_time
from defiliq.types import Question
from defiliq.units import WAD


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

    @property
    def said(self) -> Mapping[str, int | bool]:
        """All of it, to be held against `types.Health`."""
        return {**asdict(self), "liquidatable": self.liquidatable}


def ask_many(node: Node, asked: Sequence[Question], spot: AaveMarket) -> list[Answer | CallReverted]:
    """The pool's account data, each question at its market's prices and time.

    `spot` is the market as the chain has it. Where a question names no sources and its prices or its time
    differ from spot, every price source is pinned to the price in its market, so that one source that reads
    another, or the time, can't move it. BadResponse where the node takes overrides and ignores them.
    """
    pretending = [one for one in asked if _pretended(one, spot) is not None]
    if pretending:
        require_obedience(node, spot.block, other_time(pretending[0].market), None)
    return by_world(asked, lambda some: _ask_batch(node, some, spot))


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
    return moved_sources(question) if question.sources else pins(question.market, spot)


def _ask_batch(node: Node, asked: Sequence[Question], spot: AaveMarket) -> list[Answer | CallReverted]:
    market = asked[0].market
    calls = [Call(market.pool, abi.calldata(abi.GET_USER_ACCOUNT_DATA, one.owner)) for one in asked]
    overrides = _pretended(asked[0], spot)
    answers = node.call(calls, market.block, overrides=overrides, timestamp=other_time(market))
    return [answer if isinstance(answer, CallReverted) else decode_answer(answer) for answer in answers]


def decode_answer(answer: bytes) -> Answer:
    """Six words, in the contract's order."""
    if len(answer) != 6 * 32:
        raise DecodeError(abi.GET_USER_ACCOUNT_DATA, f"{len(answer)} bytes")
    collateral, debt, available, threshold, ltv, factor = (
        int.from_bytes(answer[start : start + 32], "big") for start in range(0, 192, 32)
    )
    return Answer(collateral, debt, available, threshold, ltv, factor)
