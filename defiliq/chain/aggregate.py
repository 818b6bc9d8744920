"""Multicall3.aggregate3, encoded and decoded as columns.

eth_abi builds one object per call and is what is slow about a multicall; here calldata of one length makes
every call the same number of bytes, so that one template is filled by slicing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.words import WORD, Bytes, Words
from defiliq.errors import DecodeError

MULTICALL3: Final = "0xcA11bde05977b3631167028862bE2a173976CA11"
"""The same address on every chain that has it."""
AGGREGATE3: Final = bytes.fromhex("82ad56cb")
"""Selector of aggregate3((address,bool,bytes)[])."""

ADDRESS: Final = 20
WHAT: Final = "the answer of Multicall3"
BEYOND: Final = 1 << 48
"""Stands for every word that is larger than any offset can be, and leaves room to add a few of them."""


def bytes_per_call(width: int) -> int:
    """Calldata that one call of `width` bytes takes: offset, target, flag, offset, length, and the bytes."""
    return 5 * WORD + _padded(width)


def encode_aggregate(targets: Bytes, data: Bytes) -> bytes:
    """Calldata of aggregate3 for calls of one length, each allowed to fail."""
    n, width = data.shape
    element = 4 * WORD + _padded(width)
    offsets = np.zeros((n, WORD), np.uint8)
    offsets[:, 24:] = _big_endian(n * WORD + np.arange(n, dtype=np.int64) * element)
    elements = np.zeros((n, element), np.uint8)
    elements[:, WORD - ADDRESS : WORD] = targets
    elements[:, 2 * WORD - 1] = 1
    elements[:, 3 * WORD - 1] = 3 * WORD
    elements[:, 4 * WORD - 8 : 4 * WORD] = _big_endian(np.full(n, width, np.int64))
    elements[:, 4 * WORD : 4 * WORD + width] = data
    head = AGGREGATE3 + WORD.to_bytes(WORD, "big") + n.to_bytes(WORD, "big")
    return b"".join((head, offsets.tobytes(), elements.tobytes()))


def decode_aggregate(answer: bytes, count: int, width: int) -> Words:
    """The (success, returnData) pairs of aggregate3; DecodeError where an offset or length is unsound."""
    if len(answer) % WORD or len(answer) < 2 * WORD:
        raise DecodeError(WHAT, f"{len(answer)} bytes")
    table = np.frombuffer(answer, np.uint8).reshape(-1, WORD)
    values = _small_numbers(table)

    def at(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The words at byte positions, which must be aligned and inside."""
        if len(positions) and ((positions % WORD).any() or int(positions.max()) > len(answer) - WORD):
            raise DecodeError(WHAT, "an offset outside of the answer")
        return values[positions // WORD]

    if int(values[0]) != WORD or int(values[1]) != count:
        raise DecodeError(WHAT, f"{int(values[1])} results instead of {count}")
    base = 2 * WORD
    starts = base + at(base + WORD * np.arange(count, dtype=np.int64))
    success = at(starts)
    bodies = starts + at(starts + WORD)
    lengths = at(bodies)
    if (success > 1).any() or (bodies + WORD + lengths > len(answer)).any():
        raise DecodeError(WHAT, "a flag that is none, or bytes beyond the end")
    found = Words.none(count, width)
    found.ok[:] = (success == 1) & (lengths >= width * WORD)
    first_words = bodies[found.ok] // WORD + 1
    found.words[found.ok] = table[first_words[:, None] + np.arange(width)]
    return found


def _small_numbers(table: Bytes) -> NDArray[np.int64]:
    """Each word as a number, or BEYOND."""
    low = table[:, 24:].copy().view(">u8").reshape(-1).astype(np.uint64)
    is_small = ~table[:, :24].any(axis=1) & (low < np.uint64(BEYOND))
    return np.where(is_small, low, np.uint64(BEYOND)).astype(np.int64)


def _padded(width: int) -> int:
    return -(-width // WORD) * WORD


def _big_endian(values: NDArray[np.int64]) -> Bytes:
    return values.astype(">u8").view(np.uint8).reshape(len(values), 8)
