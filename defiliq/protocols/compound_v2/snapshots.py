"""Borrow snapshots: principal and index of each debt, which cTokens keep in storage that nothing answers for.

The slot of the mapping `accountBorrows` depends on what a cToken's contract was compiled from. So slots are
tried, and proved: principal * borrowIndex / interestIndex must be just what the cToken answers, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import Node
from defiliq.chain.slots import fetch_slots
from defiliq.chain.words import Bytes
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.accrual import borrow_balance
from defiliq.protocols.compound_v2.market import CTokenReserve
from defiliq.types import Block

LIKELY: Final = (16, 17)
"""accountBorrows of CToken since 2020 and of the forks, and of the first cTokens (cETH, cUSDC)."""
MOST_SLOTS: Final = 64
TRIED: Final = 8
"""So many debts of each cToken must fit before the slot is taken for proved."""


@dataclass(frozen=True, slots=True)
class Debts:
    """Debts as the cTokens answer them, one per row."""

    reserve: NDArray[np.intp]
    """(D,) positions in market.reserves."""
    owners: Bytes
    """(D, 20)"""
    balances: Sequence[int]
    """Their borrowBalanceStored."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Principal and index of each debt."""

    words: Bytes
    """(D, 2, 32)"""
    proved: NDArray[np.bool_]
    """(D,) whether they give the balance that the cToken answers."""


def fetch_snapshots(node: Node, reserves: Sequence[CTokenReserve], debts: Debts, at: Block) -> Snapshots:
    """The snapshot of every debt, each held against its balance."""
    slots = find_slots(node, reserves, debts, at)
    known = np.array([k in slots for k in range(len(reserves))], np.bool_)
    rows = np.flatnonzero(known[debts.reserve]) if len(debts.reserve) else np.zeros(0, np.intp)
    words = np.zeros((len(debts.reserve), 2, 32), np.uint8)
    proved = np.zeros(len(debts.reserve), np.bool_)
    if len(rows):
        wanted = [slots[k] for k in debts.reserve[rows].tolist()]
        words[rows] = _fetch(node, reserves, debts, rows, wanted, at)
        proved[rows] = [_fits(reserves, debts, row, words[row]) for row in rows.tolist()]
    return Snapshots(words, proved)


def find_slots(node: Node, reserves: Sequence[CTokenReserve], debts: Debts, at: Block) -> dict[int, int]:
    """The slot of accountBorrows of each cToken, by position, as far as debts prove it."""
    tried = {k: rows for k in range(len(reserves)) if len(rows := np.flatnonzero(debts.reserve == k)[:TRIED])}
    found: dict[int, int] = {}
    for candidates in _candidates():
        asked = [
            (k, slot, row)
            for k, rows in tried.items()
            if k not in found
            for slot in candidates
            for row in rows.tolist()
        ]
        if not asked:
            break
        rows = np.array([row for _, _, row in asked], np.intp)
        words = _fetch(node, reserves, debts, rows, [slot for _, slot, _ in asked], at)
        fits: dict[tuple[int, int], bool] = {}
        for position, (k, slot, row) in enumerate(asked):
            fits[k, slot] = fits.get((k, slot), True) and _fits(reserves, debts, row, words[position])
        for (k, slot), all_fit in fits.items():
            if all_fit:
                found.setdefault(k, slot)
    return found


def mapping_slot(owner: bytes, slot: int) -> bytes:
    """Where a mapping by address at `slot` keeps an account's value."""
    from eth_utils.crypto import keccak  # here: its import is slow and many commands need none

    return bytes(keccak(owner.rjust(32, b"\0") + slot.to_bytes(32, "big")))


def _candidates() -> Iterator[tuple[int, ...]]:
    """Slots to try: the likely ones first, for each costs a storage word per debt tried."""
    yield LIKELY
    yield tuple(slot for slot in range(MOST_SLOTS) if slot not in LIKELY)


def _fetch(
    node: Node,
    reserves: Sequence[CTokenReserve],
    debts: Debts,
    rows: NDArray[np.intp],
    slots: Sequence[int],
    at: Block,
) -> Bytes:
    tokens = abi.packed([reserve.c_token for reserve in reserves])[debts.reserve[rows]]
    keys = b"".join(
        mapping_slot(debts.owners[row].tobytes(), slot)
        for row, slot in zip(rows.tolist(), slots, strict=True)
    )
    return fetch_slots(node, tokens, np.frombuffer(keys, np.uint8).reshape(len(rows), 32), at, words=2).words


def _fits(reserves: Sequence[CTokenReserve], debts: Debts, row: int, words: Bytes) -> bool:
    """Whether a snapshot gives the balance at the stored borrow index (CToken.borrowBalanceStored)."""
    principal, index = (int.from_bytes(word.tobytes(), "big") for word in words)
    if principal == 0 or index == 0:
        return False
    stored = reserves[int(debts.reserve[row])].borrow_index_wad
    return borrow_balance(principal, index, stored) == debts.balances[row]
