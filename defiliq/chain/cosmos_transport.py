"""The seam under a Cosmos node: two ways to the same answers, and what a node means when it refuses."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from defiliq.chain.rpc import FIRST_WAIT_MS, LONGEST_WAIT_MS, Patience

HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Header:
    """What a node says of one block."""

    chain_id: str
    number: int
    hash: bytes
    timestamp: int
    """Unix seconds, without the fraction that CometBFT keeps."""


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One event of a transaction that went through."""

    transaction: str
    """Its hash, in the capital letters that Cosmos tools write."""
    index: int
    """The event's number among all of its block's transactions."""
    attributes: Mapping[str, str]


class Refused(Exception):
    """The node answered that it will not, in its own words."""

    def __init__(self, method: str, code: int, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.method, self.code, self.message = method, code, message
        self.is_unknown = is_unknown
        """Whether the node does not know the method at all."""


class CosmosTransport(Protocol):
    """A way to a node. Failures of the way are NodeErrors; what the node itself says no to is Refused.

    No method repeats a question that ran out of time: who asks decides whether it is worth it.
    """

    @property
    def label(self) -> str:
        """How to name it to people, without secrets."""
        ...

    def header(self, number: int | None) -> Header:
        """The block of a height, or the newest that is committed."""
        ...

    def query(self, method: str, request: bytes, number: int) -> bytes:
        """The answer to a protobuf query about the state after a block; BadResponse if it is another's."""
        ...

    def events(self, numbers: Sequence[int], kind: str) -> list[list[ChainEvent]]:
        """What transactions of some blocks emitted of one type, block by block."""
        ...

    def close(self) -> None:
        """Give back sockets; whatever waits gives up."""
        ...


class Pause:
    """Waits between attempts, but no longer than the way to the node is open."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._closed = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be asked any more."""
        return self._closed.is_set()

    def wait(self, failures: int) -> None:
        """Wait longer the more attempts have failed."""
        growing = min(FIRST_WAIT_MS << min(failures - 1, 16), LONGEST_WAIT_MS)
        wait_ms = self._patience.jitter_ms(growing)
        if self._patience.sleep_ms is not None:
            self._patience.sleep_ms(wait_ms)
        else:
            self._closed.wait(timedelta(milliseconds=wait_ms).total_seconds())

    def close(self) -> None:
        """Wake whoever waits."""
        self._closed.set()


# The wordings are those of cosmos-sdk's baseapp (CreateQueryContext), its cmtservice and CometBFT's rpc/core.
LOST = re.compile(
    r"failed to load state at height|version (mismatch|does not exist)|no commit info found|"
    r"is not available, lowest height is|could not find (results|block) (for|at) height|pruned",
    re.IGNORECASE,
)
FUTURE = re.compile(
    r"height in the future|bigger than? the chain length|bigger then the chain length|"
    r"less than or equal to the current blockchain height|wait for (the )?first block",
    re.IGNORECASE,
)
# A query beyond the node's query-gas-limit panics, and only the kind of gas is told (store/types/gas.go).
GAS = re.compile(r"out of gas|\{(ReadFlat|ReadPerByte|IterNextFlat|ValuePerByte|Has)\}", re.IGNORECASE)
LOWEST = re.compile(r"lowest height is (\d{1,18})")


def means_lost(refused: Refused) -> bool:
    """Whether the node has pruned the state or the block."""
    return LOST.search(refused.message) is not None


def means_future(refused: Refused) -> bool:
    """Whether the node has not come to the block yet."""
    return FUTURE.search(refused.message) is not None


def means_too_much(refused: Refused) -> bool:
    """Whether a smaller query of the same kind may succeed."""
    return GAS.search(refused.message) is not None


def lowest_height(refused: Refused) -> int | None:
    """The oldest block that the node says it keeps."""
    found = LOWEST.search(refused.message)
    return None if found is None else int(found.group(1))
