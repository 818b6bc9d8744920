"""Whose accounts to ask about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.fetch import fetch_contracts
from defiliq.types import Block, Listing


def discovery(
    node: Node, listing: Listing, at: Block
) -> tuple[LogFilter, Callable[[Logs], NDArray[np.uint8]]]:
    """The logs that name every account that ever owed something: the pool's Borrow events.

    Complete, because whoever owes nothing yet can get debt tokens in one place only: BorrowLogic's
    executeBorrow, which always emits Borrow with the debtor as `onBehalfOf`. A flash loan that is kept as
    debt passes through it (FlashLoanLogic), and so do credit delegates and position managers. A change
    between stable and variable rate mints too, but only to a debtor. Debt tokens refuse to be transferred.
    Checked in the sources of v3.0 and v3.1 to v3.7.
    """
    pool = fetch_contracts(node, listing, at).pool
    return LogFilter((pool,), (abi.keccak(abi.BORROW_EVENT),)), on_behalf_of


def on_behalf_of(logs: Logs) -> NDArray[np.uint8]:
    """(n, 20) owners of the debt: the second indexed argument."""
    return np.ascontiguousarray(logs.topics[:, 2, 12:])
