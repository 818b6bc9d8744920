"""Answers of many calls as columns of 32-byte words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

WORD: Final = 32

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
