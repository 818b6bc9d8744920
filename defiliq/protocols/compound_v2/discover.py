"""Whose accounts to ask about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.errors import DecodeError
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.fetch import fetch_comptroller
from defiliq.types import Block, Listing

BORROW_BYTES = 4 * 32


def discovery(
    node: Node, listing: Listing, at: Block
) -> tuple[LogFilter, Callable[[Logs], NDArray[np.uint8]]]:
    """The logs that name every account that ever owed something: Borrow of every listed cToken.

    Complete, because only CToken.borrowFresh makes a principal of one who had none, and it always emits
    Borrow with the borrower, who is the one that owes. Later changes of a snapshot (repayBorrowFresh, which
    liquidations pass through) only settle or shrink it, and debts can't be transferred. Checked in the
    sources of Compound, Venus 0.4.1, Moonwell and Benqi. The contracts are those that getAllMarkets names,
    from which Compound, Moonwell and Benqi remove none; where a fork does, debts in a removed cToken are
    found only where the account also borrowed from another.
    """
    c_tokens = fetch_comptroller(node, listing, at).c_tokens
    return LogFilter(c_tokens, (abi.keccak(abi.BORROW_EVENT),)), borrower


def borrower(logs: Logs) -> NDArray[np.uint8]:
    """(n, 20) borrowers: the first word of data, for the event indexes nothing."""
    for data in logs.data:
        if len(data) != BORROW_BYTES or any(data[:12]):
            raise DecodeError(abi.BORROW_EVENT, f"{len(data)} bytes of data that name no borrower")
    words = np.frombuffer(b"".join(logs.data), np.uint8).reshape(-1, BORROW_BYTES)
    return np.ascontiguousarray(words[:, 12:32])
