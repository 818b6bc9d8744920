"""Solo's own word about accounts, at chosen prices, at a chosen time, by stored indices or accrued.

No view of Solo says whether an account may be liquidated. What `operate` compares is all there to be asked:
the adjusted values, the margin ratio and the account's status. So the verdict here is one comparison of
integers that the contract itself computed (the last lines of Storage.isCollateralized).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from defiliq.chain.abi import encode_call
from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, Node, Override
from defiliq.chain.pretend import require_obedience, table_code
from defiliq.chain.probe import number_call, probe
from defiliq.chain.reader import READER
from defiliq.chain.worlds import World, ask_after
from defiliq.errors import CallReverted
from defiliq.protocols.asking import by_world, moved_sources, other_time
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.columns import account_rows
from defiliq.protocols.dydx_solo.market import LIQUID, SoloMarket
from defiliq.protocols.dydx_solo.rules import required
from defiliq.types import Question

Words = tuple[int, ...] | None
VALUES_WORDS = 2
_DEPOSIT = 0
_NOTHING = (False, 0, 0, 0)
"""Types.AssetAmount: a difference of 0 wei."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Solo says of an account."""

    values: tuple[int, int]
    """(supplied, borrowed), of getAccountValues."""
    adjusted: tuple[int, int]
    """The same by margin premiums, of getAdjustedAccountValues."""
    margin_ratio_wad: int
    status: int

    @property
    def said(self) -> Mapping[str, int | bool]:
        """All of it, to be held against `types.Health`."""
        supply_value, borrow_value = self.adjusted
        margin = supply_value - required(borrow_value, self.margin_ratio_wad)
        return {
            "collateral_base": self.values[0],
            "debt_base": self.values[1],
            "margin": margin,
            "liquidatable": borrow_value != 0 and (self.status == LIQUID or margin < 0),
        }


def ask_many(node: Node, asked: Sequence[Question], spot: SoloMarket) -> list[Answer | CallReverted]:
    """What Solo says, each question at its market's prices, time and indices.

    getAccountValues goes by the indices as they were last written. Where the market does not, an operation
    that deposits nothing into each market comes first in the same call: it accrues them all. `spot` is the
    market as the chain has it. Where a question names no sources and its prices or its time differ from spot,
    every price oracle is pinned to the prices in its market. BadResponse where the node takes overrides and
    ignores them.
    """
    if not asked:
        return []
    require_obedience(node, spot.block, other_time(asked[0].market), None)
    statuses = _statuses(node, asked, spot)
    return by_world(asked, lambda some: _ask_batch(node, some, spot, statuses))


def pins(market: SoloMarket, spot: SoloMarket) -> dict[str, Override]:
    """The code of every oracle that makes the chain see `market`'s prices; none where it does already."""
    if market.prices == spot.prices and market.timestamp == spot.block.timestamp:
        return {}
    tables: dict[str, dict[str, int]] = {}
    for reserve in market.reserves:
        tables.setdefault(reserve.oracle, {})[reserve.asset] = market.prices[reserve.feed]
    return {oracle: Override(code=table_code(answers)) for oracle, answers in tables.items()}


def accrual(market: SoloMarket) -> Call:
    """An operation that accrues the interest of every market and does nothing else, sent by the reader."""
    actions = [(_DEPOSIT, 0, _NOTHING, reserve.id, 0, READER, 0, b"") for reserve in market.reserves]
    return Call(market.solo_margin, encode_call(abi.OPERATE, [(READER, 0)], actions))


def _pretended(question: Question, spot: SoloMarket) -> dict[str, Override]:
    """The code that makes the chain see a question's world.

    Where the question names sources, only those are moved and the chain's own oracles do the rest.
    """
    return moved_sources(question) if question.sources else pins(question.market, spot)


def _ask_batch(
    node: Node, asked: Sequence[Question], spot: SoloMarket, statuses: Mapping[str, int]
) -> list[Answer | CallReverted]:
    """Questions of one world: the indices and the margin ratio, then both pairs of values of each account."""
    market = asked[0].market
    solo = market.solo_margin
    before = [] if market.stored else [accrual(market)]
    questions = [
        number_call(solo, signature, reserve.id)
        for reserve in market.reserves
        for signature in (abi.CACHED_INDEX, abi.CURRENT_INDEX)
    ]
    questions.append(Call(solo, calldata(abi.RISK_PARAMS)))
    first = len(questions)
    questions += [
        _account_call(market, signature, one.owner)
        for one in asked
        for signature in (abi.ACCOUNT_VALUES, abi.ADJUSTED_ACCOUNT_VALUES)
    ]
    world = World(market.block, _pretended(asked[0], spot), other_time(market))
    answers = ask_after(node, before, questions, world, words=VALUES_WORDS)
    indices, ratio = answers[: first - 1], answers[first - 1]
    if ratio is None:
        return [CallReverted(solo, b"", f"{abi.RISK_PARAMS} reverts")] * len(asked)
    if not market.stored and not _are_accrued(indices):
        return [CallReverted(solo, b"", f"{abi.OPERATE[:7]} does not accrue interest")] * len(asked)
    pairs = zip(answers[first::2], answers[first + 1 :: 2], strict=True)
    return [
        _answer(market, plain, adjusted, ratio[0], statuses.get(one.owner))
        for one, (plain, adjusted) in zip(asked, pairs, strict=True)
    ]


def _are_accrued(indices: Sequence[Words]) -> bool:
    """Whether every market's cached index is its current one; they come in pairs."""
    pairs = zip(indices[::2], indices[1::2], strict=True)
    return all(cached is not None and cached == current for cached, current in pairs)


def _answer(
    market: SoloMarket, plain: Words, adjusted: Words, margin_ratio_wad: int, status: int | None
) -> Answer | CallReverted:
    if plain is None or adjusted is None or status is None:
        asked = (
            (abi.ACCOUNT_VALUES, plain),
            (abi.ADJUSTED_ACCOUNT_VALUES, adjusted),
            (abi.ACCOUNT_STATUS, status),
        )
        refused = " and ".join(signature for signature, word in asked if word is None)
        return CallReverted(market.solo_margin, b"", f"{refused} reverts")
    return Answer((plain[0], plain[1]), (adjusted[0], adjusted[1]), margin_ratio_wad, status)


def _statuses(node: Node, asked: Sequence[Question], spot: SoloMarket) -> dict[str, int]:
    """The status of everybody asked about, as far as Solo answers: nothing that is pretended moves it."""
    owners = list(dict.fromkeys(question.owner for question in asked))
    calls = [_account_call(spot, abi.ACCOUNT_STATUS, owner) for owner in owners]
    answers = probe(node, calls, spot.block)
    return {owner: answer[0] for owner, answer in zip(owners, answers, strict=True) if answer is not None}


def _account_call(market: SoloMarket, signature: str, owner: str) -> Call:
    key = np.frombuffer(market.account_key(owner), dtype=np.uint8).reshape(1, -1)
    return Call(market.solo_margin, account_rows(signature, key).tobytes())
