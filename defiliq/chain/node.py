"""What the rest of defiliq needs of a node: name a block, ask contracts at it, read logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from defiliq.errors import CallReverted
from defiliq.types import Block, ChainId, Head, Receipt


@dataclass(frozen=True, slots=True)
class Call:
    """One view call: `data` is the selector and the encoded arguments."""

    to: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Override:
    """What an account is pretended to be during a call: other code, or other storage words."""

    code: bytes | None = None
    storage: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Logs of some contracts with some event signatures."""

    addresses: tuple[str, ...]
    topics: tuple[bytes, ...]
    """First topics."""
    traced: bool = False
    """Whether `Logs.traces` is wanted too."""
    of_block: str | None = None
    """The hash of the one block that is asked about. A node that has not seen it says so then; asked by its
    number it may answer that there are no logs."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where logs come from, as columns in their order."""

    addresses: NDArray[np.uint8]
    """(n, 20) the contracts."""
    transactions: NDArray[np.uint8]
    """(n, 32) hashes."""
    block_hashes: NDArray[np.uint8]
    """(n, 32)"""
    indices: NDArray[np.int64]
    """(n,) the log's number in its block."""


@dataclass(frozen=True, slots=True)
class Logs:
    """Logs as columns, in chain order."""

    topics: NDArray[np.uint8]
    """(n, 4, 32); absent topics are zero."""
    blocks: NDArray[np.int64]
    """(n,) block numbers."""
    data: tuple[bytes, ...]
    traces: Traces | None = None
    """None unless the filter asks for them."""


class AnyNode(Protocol):
    """A node of one chain, of whatever kind. Every read names its block; 'latest' exists only in `block` and
    `head`."""

    @property
    def chain_id(self) -> ChainId:
        """The chain that the node says it serves."""
        ...

    @property
    def label(self) -> str:
        """How to name the node to people: its URL without secrets, or the recording's path."""
        ...

    def block(self, tag: int | str) -> Block:
        """The block of a number or a tag (latest, safe, finalized, earliest)."""
        ...

    def head(self, tag: int | str) -> Head:
        """The same with its parent's hash and what gas cost in it."""
        ...


class Node(AnyNode, Protocol):
    """A node of an EVM chain."""

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        """The answers of view calls at a block, in order; a revert is an answer, anything else raises.

        `timestamp` and `number` override the block's own.
        """
        ...

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        """The words of (contract, slot) pairs at a block, in order."""
        ...

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        """The logs of blocks `first` to `last`, both included, by one request; RangeTooLarge if refused."""
        ...

    def receipts(self, hashes: Sequence[str]) -> list[Receipt | None]:
        """What became of transactions, in order; None where the node has no receipt, yet or any more."""
        ...


def answered(answers: Sequence[bytes | CallReverted]) -> list[bytes]:
    """The answers, or the first revert raised."""
    for answer in answers:
        if isinstance(answer, CallReverted):
            raise answer
    return [answer for answer in answers if isinstance(answer, bytes)]
