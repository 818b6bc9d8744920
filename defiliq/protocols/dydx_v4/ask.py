"""What a node itself says of subaccounts: their state one by one, for it knows no verdict to be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from defiliq.chain.cosmos import CosmosNode
from defiliq.errors import CallReverted
from defiliq.protocols.dydx_v4.fetch import SUBACCOUNT, fetch_subaccount
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.read import decode_subaccount
from defiliq.protocols.dydx_v4.rules import health
from defiliq.protocols.dydx_v4.settle import places_of, to_account, unjudged
from defiliq.types import Question


@dataclass(frozen=True, slots=True)
class Answer:
    """One subaccount as the node gives it alone, judged by the law."""

    said: Mapping[str, int | bool]
    """Under the names of `types.Health`."""


def ask_many(node: CosmosNode, asked: Sequence[Question], spot: DydxMarket) -> list[Answer | CallReverted]:
    """An answer to each question, in order.

    The chain's queries tell no margin and no verdict. So each subaccount is asked for by its own query, which
    takes another way through the node than the pages that a book is read from, and the law judges the answer
    at the question's prices.
    """
    places = places_of(spot)
    names = dict.fromkeys(question.owner for question in asked)
    found = {}
    for name in names:
        owner, _, number = name.rpartition("/")
        found[name] = decode_subaccount(fetch_subaccount(node, owner, int(number), spot.block))
    answers: list[Answer | CallReverted] = []
    for question in asked:
        raw = found[question.owner]
        reason = unjudged(raw, spot, places)
        if reason:
            answers.append(CallReverted(SUBACCOUNT, b"", reason))
            continue
        judged = health(to_account(raw, spot, places), question.market)
        said = {
            "collateral_base": judged.collateral_base,
            "debt_base": judged.debt_base,
            "available_borrows_base": judged.available_borrows_base,
            "factor_wad": judged.factor_wad,
            "liquidatable": judged.liquidatable,
        }
        answers.append(Answer(said))
    return answers
