"""The Comptroller's own word about accounts: getAccountLiquidity, at chosen prices and at a chosen time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from defiliq.chain.node import Call, Node, Override
from defiliq.chain.pretend import require_obedience, table_code
from defiliq.chain.worlds import World, ask_after
from defiliq.errors import CallReverted
from defiliq.protocols.asking import by_world, moved_sources
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.accruing import accruals, tick_override
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.types import Question

ERRORS: Final = {11: "MATH_ERROR", 13: "PRICE_ERROR", 15: "SNAPSHOT_ERROR"}
"""Of ComptrollerErrorReporter.Error, those that getAccountLiquidity can answer."""
WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What getAccountLiquidity returns, and whether the account owes in a deprecated market."""

    liquidity: int
    shortfall: int
    owes_deprecated: bool = False
    """Comptroller.liquidateBorrowAllowed then asks for no shortfall."""

    @property
    def said(self) -> Mapping[str, int | bool]:
        """All of it under the names of `types.Health`, to be held against one."""
        return {
            "available_borrows_base": self.liquidity,
            "margin": self.liquidity - self.shortfall,
            "liquidatable": self.shortfall > 0 or self.owes_deprecated,
        }


def ask_many(node: Node, asked: Sequence[Question], spot: CompoundMarket) -> list[Answer | CallReverted]:
    """The Comptroller's liquidity, each question at its market's prices and time.

    All cTokens accrue first, as a liquidator can make them, unless the market's indices are the stored ones.
    Where a question names no sources and its prices or its time differ from spot, the oracle is pinned to the
    prices in its market. BadResponse where the node ignores overrides.
    """
    if asked:
        market = asked[0].market
        require_obedience(node, spot.block, market.timestamp, tick_override(market, market.timestamp))
    return by_world(asked, lambda some: _ask_batch(node, some, spot))


def _ask_batch(node: Node, asked: Sequence[Question], spot: CompoundMarket) -> list[Answer | CallReverted]:
    market: CompoundMarket = asked[0].market
    world = World(
        market.block,
        _pretended(asked[0], spot),
        market.timestamp,
        tick_override(market, market.timestamp),
    )
    deprecated = [reserve.c_token for reserve in market.reserves if reserve.is_deprecated]
    calls = [Call(market.comptroller, abi.calldata(abi.GET_ACCOUNT_LIQUIDITY, one.owner)) for one in asked]
    debts = [
        Call(c_token, abi.calldata(abi.BORROW_BALANCE_STORED, one.owner))
        for one in asked
        for c_token in deprecated
    ]
    before = [] if market.stored else accruals(market.reserves)
    found = ask_after(node, before, calls, world, words=WORDS)
    owed = ask_after(node, before, debts, world) if debts else []
    answers: list[Answer | CallReverted] = []
    for row, words in enumerate(found):
        debt_words = owed[row * len(deprecated) : (row + 1) * len(deprecated)]
        answers.append(decode_answer(market.comptroller, words, debt_words))
    return answers


def decode_answer(
    comptroller: str, words: tuple[int, ...] | None, debts: Sequence[tuple[int, ...] | None] = ()
) -> Answer | CallReverted:
    """Three words of getAccountLiquidity, and what the account owes in each deprecated market."""
    if words is None:
        return CallReverted(comptroller, b"", "getAccountLiquidity reverts")
    error, liquidity, shortfall = words
    if error != 0:
        return CallReverted(comptroller, b"", f"error {error} ({ERRORS.get(error, 'unknown')})")
    if None in debts:
        return CallReverted(comptroller, b"", "a deprecated cToken refuses to answer")
    return Answer(liquidity, shortfall, any(debt is not None and debt[0] != 0 for debt in debts))


def _pretended(question: Question, spot: CompoundMarket) -> dict[str, Override]:
    """The code that makes the chain see a question's prices; none where it sees them already.

    Where the question names sources, only those are moved and the chain's own oracle does the rest.
    """
    market: CompoundMarket = question.market
    if question.sources:
        return moved_sources(question)
    if market.prices == spot.prices and market.timestamp == spot.block.timestamp:
        return {}
    table = {reserve.c_token: market.prices[reserve.feed] for reserve in market.reserves}
    return {market.oracle: Override(code=table_code(table))}
