"""Logs as a node hands them over where it is asked for their traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defiliq.chain.calldata import keccak
from defiliq.chain.node import Logs, Traces
from tests.nodes import words


@dataclass(frozen=True, slots=True)
class One:
    """One log."""

    event: str
    """Its signature."""
    topics: Sequence[int | str] = ()
    """Indexed arguments: numbers and addresses."""
    data: Sequence[int | str] = ()
    address: int = 0xC0
    block: int = 7
    transaction: int = 1
    extra: bytes = b""
    """What stands behind its data."""


def block_hash(number: int) -> str:
    """What the blocks of these logs are called."""
    return f"0x{number:064x}"


def logs_of(*seen: One) -> Logs:
    """Logs in this order, numbered from 0."""
    topics = np.zeros((len(seen), 4, 32), np.uint8)
    for row, log in enumerate(seen):
        for place, word in enumerate([keccak(log.event), *(words(topic) for topic in log.topics)]):
            topics[row, place] = np.frombuffer(word, np.uint8)
    return Logs(
        topics,
        np.array([log.block for log in seen], np.int64),
        tuple(words(*log.data) + log.extra for log in seen),
        Traces(
            addresses=_rows([log.address for log in seen], 20),
            transactions=_rows([log.transaction for log in seen], 32),
            block_hashes=_rows([log.block for log in seen], 32),
            indices=np.arange(len(seen), dtype=np.int64),
        ),
    )


def _rows(numbers: Sequence[int], width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    raw = b"".join(number.to_bytes(width, "big") for number in numbers)
    return np.frombuffer(raw, np.uint8).reshape(len(numbers), width)
