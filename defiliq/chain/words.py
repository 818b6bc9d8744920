"""Answers of many calls as columns of 32-byte words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.errors import DecodeError

WORD: Final = 32
HALF: Final = 16

Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Words:
    """Answers of n calls, `words` words each."""

    ok: NDArray[np.bool_]
    """(n,) whether the call succeeded with at least that many words."""
    words: Bytes
    """(n, words, 32); zero where the call failed."""

    @classmethod
    def none(cls, count: int, width: int) -> Self:
        """Nothing but failures, to be filled."""
        return cls(np.zeros(count, np.bool_), np.zeros((count, width, WORD), np.uint8))


def words_to_amounts(words: Bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Words (n, 32) as the high and low 64 bits of 128; DecodeError where a value needs more."""
    if words[:, :HALF].any():
        raise DecodeError("an amount", "a value of more than 128 bits")
    halves = np.ascontiguousarray(words[:, HALF:]).view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]
