"""Whether a book has all debts that there are."""

from __future__ import annotations

from defiliq.book import Book
from defiliq.chain.node import Call, Node, answered
from defiliq.errors import DecodeError
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Block


def unaccounted(node: Node, book: Book[AaveMarket], since: Block | None = None) -> tuple[int, ...]:
    """Per reserve the scaled variable debt that is not in the book (VariableDebtToken.scaledTotalSupply).

    What accounts in `failed` owe is among it. Stable debt is not: its token keeps no sum of principals.
    """
    reserves = book.market.reserves
    calls = [Call(reserve.variable_debt_token, abi.calldata(abi.SCALED_TOTAL_SUPPLY)) for reserve in reserves]
    told = answered(node.call(calls, book.market.block)) if calls else []
    for reserve, answer in zip(reserves, told, strict=True):
        if len(answer) != 32:
            raise DecodeError(f"{abi.SCALED_TOTAL_SUPPLY} of {reserve.symbol}'s debt token", "no number")
    held = book.debt.sums(book.reserves, len(reserves))
    totals = (int.from_bytes(answer, "big") for answer in told)
    return tuple(total - sum_of for total, sum_of in zip(totals, held, strict=True))
