"""A chain in memory: blocks with hashes, and Borrow-like logs that name one account each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import LogFilter, Logs
from defiliq.errors import BlockNotFound, NodeUnreachable
from defiliq.types import Block
from tests.nodes import SilentNode

CHAIN_ID = 31337
WANTED = LogFilter(("0x" + "11" * 20,), (b"\x22" * 32,))


def account(number: int) -> bytes:
    """The address of account `number`."""
    return number.to_bytes(20, "big")


def owner_of(logs: Logs) -> NDArray[np.uint8]:
    return np.ascontiguousarray(logs.topics[:, 2, 12:])


@dataclass
class FakeChain(SilentNode):
    """Implements Node. `fork` says from which block on the hashes differ."""

    newest: int
    seen: dict[int, list[int]]
    """Block to the accounts its logs name."""
    fork: int = 1 << 60
    fails_from: int = 1 << 60
    """First block that eth_getLogs cannot answer about."""
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def chain_id(self) -> int:
        return CHAIN_ID

    @property
    def label(self) -> str:
        return "memory"

    def block(self, tag: int | str) -> Block:
        number = self.newest if isinstance(tag, str) else tag
        if number > self.newest:
            raise BlockNotFound(str(tag), self.newest)
        side = "b" if number >= self.fork else "a"
        return Block(CHAIN_ID, number, f"0x{side}{number:063x}", 1_700_000_000 + number)

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        assert wanted == WANTED
        assert last <= self.newest
        if last >= self.fails_from:
            raise NodeUnreachable(self.label, "it went away")
        self.asked.append((first, last))
        rows = [(block, owner) for block in range(first, last + 1) for owner in self.seen.get(block, [])]
        topics = np.zeros((len(rows), 4, 32), np.uint8)
        for row, (_, owner) in enumerate(rows):
            topics[row, 2, 12:] = np.frombuffer(account(owner), np.uint8)
        blocks = np.array([block for block, _ in rows], dtype=np.int64)
        return Logs(topics, blocks, tuple(b"" for _ in rows))


def numbers(owners: NDArray[np.uint8]) -> list[int]:
    """The account numbers of (n, 20) addresses."""
    return [int.from_bytes(owner.tobytes(), "big") for owner in owners]
