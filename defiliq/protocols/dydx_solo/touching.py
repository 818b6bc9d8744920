"""Which logs change what is read of an account."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.errors import DecodeError
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.market import ADDRESS_BYTES, KEY_BYTES, SoloMarket
from defiliq.protocols.touching import PADDING, WORD, Touching
from defiliq.types import Block

EVENTS: Final = (*abi.EVENTS, *abi.OTHER_EVENTS)
"""All events of actions."""


def touching(market: SoloMarket) -> Touching:
    """The logs after which an account may be another: its pars and its status.

    Complete, because both are written by actions of `operate` alone (Storage.setPar and setStatus). Each
    action ends with an event that names every account it has: one, or two in Transfer, Trade, Liquidate and
    Vaporize. The status becomes Liquid or Vapor in the last two, and Normal where an operation ends
    (OperationImpl._verifyFinalState), for accounts that its actions name: Call is among them, which does
    nothing else.
    """
    wanted = LogFilter((market.solo_margin,), tuple(keccak(event) for event in EVENTS))
    return Touching(wanted, accounts_of)


def accounts_of(logs: Logs) -> NDArray[np.uint8]:
    """(A, 52) the accounts that some logs name, each once, in order; DecodeError where one names none."""
    found = [np.zeros((0, KEY_BYTES), np.uint8)]
    for event in EVENTS:
        rows = np.flatnonzero((logs.topics[:, 0] == np.frombuffer(keccak(event), np.uint8)).all(axis=1))
        data = [logs.data[row] for row in rows.tolist()]
        if any(len(each) < 2 * WORD for each in data):
            raise DecodeError(event.partition("(")[0], "too little data for an account's number")
        numbers = np.frombuffer(b"".join(each[: 2 * WORD] for each in data), np.uint8).reshape(-1, 2, WORD)
        for k in range(2 if event in abi.TWO_ACCOUNT_EVENTS else 1):
            owners = logs.topics[rows, 1 + k]
            if owners[:, :PADDING].any():
                raise DecodeError(event.partition("(")[0], "a word that is no address")
            found.append(np.concatenate([owners[:, PADDING:], numbers[:, k]], axis=1))
    keys = np.unique(np.concatenate(found), axis=0)
    return np.ascontiguousarray(keys[keys[:, :ADDRESS_BYTES].any(axis=1)])


def unaccounted(node: Node, book: Book[SoloMarket], since: Block | None = None) -> tuple[int, ...]:
    """Per reserve the borrowed par that is not in the book (Storage's totalPar, which setPar keeps).

    What accounts in `failed` owe is among it.
    """
    reserves = book.market.reserves
    held = book.debt.sums(book.reserves, len(reserves))
    return tuple(reserve.total_borrow_par - owed for reserve, owed in zip(reserves, held, strict=True))
