"""Whose accounts to ask about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.errors import DecodeError
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.fetch import fetch_root
from defiliq.protocols.dydx_solo.market import ADDRESS_BYTES, KEY_BYTES
from defiliq.types import Block, Listing

WORD = 32


def discovery(
    node: Node, listing: Listing, at: Block
) -> tuple[LogFilter, Callable[[Logs], NDArray[np.uint8]]]:
    """The logs that name every account that was ever given a par by anything but a deposit.

    A par is written in one place, Storage.setPar, which actions of `operate` alone call, each for accounts
    that the event at its end names, whether or not anything changed: Withdraw, Buy and Sell for one,
    Transfer, Trade, Liquidate and Vaporize for two. In the last two the solid account can get into debt.
    Deposit cannot open one: it refuses to take tokens out, so a par that was not negative before is not
    after. Call writes none. Nor do the owner's functions: ownerWithdrawExcessTokens takes tokens that no
    account has. So whoever owes anything was named by one of the seven events when the debt was opened.
    """
    solo, _ = fetch_root(node, listing, at)
    return LogFilter((solo,), tuple(keccak(event) for event in abi.EVENTS)), named_by


def named_by(logs: Logs) -> NDArray[np.uint8]:
    """(n, 2, 52) the accounts that logs name; the same one twice where an event has one only."""
    is_single = _is_one_of(logs, abi.ONE_ACCOUNT_EVENTS)
    keys = np.zeros((len(logs.blocks), 2, KEY_BYTES), dtype=np.uint8)
    keys[:, 0, :ADDRESS_BYTES] = logs.topics[:, 1, WORD - ADDRESS_BYTES :]
    keys[:, 1, :ADDRESS_BYTES] = logs.topics[:, 2, WORD - ADDRESS_BYTES :]
    if any(len(data) < 2 * WORD for data in logs.data):
        raise DecodeError("an event of Solo Margin", "too little data for an account's number")
    numbers = np.frombuffer(b"".join(data[: 2 * WORD] for data in logs.data), dtype=np.uint8)
    keys[:, :, ADDRESS_BYTES:] = numbers.reshape(-1, 2, WORD)
    keys[is_single, 1] = keys[is_single, 0]
    return keys


def _is_one_of(logs: Logs, events: tuple[str, ...]) -> NDArray[np.bool_]:
    """(n,) which logs are of some events."""
    found = np.zeros(len(logs.blocks), dtype=np.bool_)
    for event in events:
        found |= (logs.topics[:, 0] == np.frombuffer(keccak(event), np.uint8)).all(axis=1)
    return found
