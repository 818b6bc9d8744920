"""The Comet's own word about accounts, at chosen prices, at a chosen time, by stored indices or accrued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, Node, Override
from defiliq.chain.pretend import aggregator_code, require_obedience
from defiliq.chain.worlds import World, ask_after
from defiliq.errors import CallReverted
from defiliq.protocols.asking import by_world, moved_sources, other_time
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.decode import PRICE_DECIMALS
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.types import Question


@dataclass(frozen=True, slots=True)
class Answer:
    """What a Comet says of an account."""

    liquidatable: bool
    debt_base: int | None
    """borrowBalanceOf at the base asset's price. It accrues by itself, so it says nothing of stored indices:
    None there."""

    @property
    def said(self) -> Mapping[str, int | bool]:
        """All of it, to be held against `types.Health`."""
        verdict: dict[str, int | bool] = {"liquidatable": self.liquidatable}
        return verdict if self.debt_base is None else {**verdict, "debt_base": self.debt_base}


def ask_many(node: Node, asked: Sequence[Question], spot: CometMarket) -> list[Answer | CallReverted]:
    """The Comet's verdicts, each question at its market's prices, time and indices.

    isLiquidatable goes by the indices as they were last written. Where the market does not, accrueAccount
    comes first in the same call, as absorb accrues before it asks. `spot` is the market as the chain has it.
    Where a question names no sources and its prices or its time differ from spot, every price feed is pinned
    to the price in its market. BadResponse where the node takes overrides and ignores them.
    """
    if asked:
        require_obedience(node, spot.block, other_time(asked[0].market), None)
    return by_world(asked, lambda some: _ask_batch(node, some, spot))


def pins(market: CometMarket, spot: CometMarket) -> dict[str, Override]:
    """The code of every price feed that makes the chain see `market`'s prices; none where it does already."""
    if market.prices == spot.prices and market.timestamp == spot.block.timestamp:
        return {}
    return {
        feed.source: Override(code=aggregator_code(price, PRICE_DECIMALS))
        for feed, price in zip(market.feeds, market.prices, strict=True)
    }


def _pretended(question: Question, spot: CometMarket) -> dict[str, Override]:
    """The code that makes the chain see a question's world.

    Where the question names sources, only those are moved and the chain's own feeds do the rest.
    """
    return moved_sources(question) if question.sources else pins(question.market, spot)


def _ask_batch(node: Node, asked: Sequence[Question], spot: CometMarket) -> list[Answer | CallReverted]:
    """Questions of one world: the base price, then the verdict and the debt of each account."""
    market = asked[0].market
    comet, base_feed = market.comet, market.feeds[market.reserves[0].feed].source
    before = [] if market.stored else [Call(comet, calldata(abi.ACCRUE_ACCOUNT, asked[0].owner))]
    questions = [Call(comet, calldata(abi.GET_PRICE, base_feed))]
    for one in asked:
        questions.append(Call(comet, calldata(abi.IS_LIQUIDATABLE, one.owner)))
        questions.append(Call(comet, calldata(abi.BORROW_BALANCE_OF, one.owner)))
    world = World(market.block, _pretended(asked[0], spot), other_time(market))
    answers = ask_after(node, before, questions, world)
    price, *words = (None if answer is None else answer[0] for answer in answers)
    return [_answer(market, price, words[2 * k], words[2 * k + 1]) for k in range(len(asked))]


def _answer(
    market: CometMarket, price: int | None, verdict: int | None, debt: int | None
) -> Answer | CallReverted:
    if price is None or verdict is None or debt is None:
        asked = (abi.GET_PRICE, price), (abi.IS_LIQUIDATABLE, verdict), (abi.BORROW_BALANCE_OF, debt)
        refused = " and ".join(signature for signature, word in asked if word is None)
        return CallReverted(market.comet, b"", f"{refused} reverts")
    return Answer(verdict != 0, None if market.stored else debt * price // market.reserves[0].unit)
