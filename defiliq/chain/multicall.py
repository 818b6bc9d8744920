"""Thousands of small view calls at one block: calldata built and answers decoded as columns.

web3 and eth_abi build one object per call and are what is slow about it; here calldata of one length makes
every call the same number of bytes, so that one template is filled by slicing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import Call, Node
from defiliq.chain.wording import means_too_much
from defiliq.errors import CallReverted, DecodeError, NodeError, NodeTimeout, RpcError, TooLarge
from defiliq.types import Block

MULTICALL3: Final = "0xcA11bde05977b3631167028862bE2a173976CA11"
"""The same address on every chain that has it."""
AGGREGATE3: Final = bytes.fromhex("82ad56cb")
"""Selector of aggregate3((address,bool,bytes)[])."""

WORD: Final = 32
ADDRESS: Final = 20
SELECTOR: Final = 4
MAX_CALLS: Final = 2_000
MAX_CALLDATA: Final = 256 * 1024
CHUNKS_AT_ONCE: Final = 8
SECOND_LOOK: Final = 8
"""How many times smaller the chunks are in which failed calls are asked again."""

Bytes: TypeAlias = NDArray[np.uint8]
OnProgress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Words:
    """Answers of n calls, `words` words each."""

    ok: NDArray[np.bool_]
    """(n,) whether the call succeeded with at least that many words."""
    words: Bytes
    """(n, words, 32); zero where the call failed."""


class _TooMuch(Exception):
    """The node cannot do so many calls at once; `error` is what it said."""

    def __init__(self, error: NodeError) -> None:
        super().__init__()
        self.error = error


def fetch_words(
    node: Node,
    targets: Bytes,
    data: Bytes,
    at: Block,
    *,
    words: int = 1,
    on_progress: OnProgress | None = None,
) -> Words:
    """The first `words` words that each call returns: `targets` (n, 20), `data` (n, k), all at one block.

    A call that fails in a chunk is asked again in a smaller one before it counts as failed: Multicall3 goes
    on after a call that merely ran out of the chunk's gas.
    """
    n = len(targets)
    found = Words(np.zeros(n, np.bool_), np.zeros((n, words, WORD), np.uint8))
    size = largest = max(1, min(MAX_CALLS, MAX_CALLDATA // _stride(data.shape[1])))
    is_there = n > 1 and _has_multicall(node, at)
    start = 0
    while start < n:
        end = min(n, start + (size * CHUNKS_AT_ONCE if is_there else size))
        try:
            rows = np.arange(start, end)
            _fill(node, targets, data, at, found, rows, size if is_there else 1)
        except _TooMuch as refusal:
            if size == 1:
                raise refusal.error from None
            size = max(1, size // 2)
            continue
        start, size = end, min(2 * size, largest)
        if on_progress is not None:
            on_progress(end, n)
    return found


def _has_multicall(node: Node, at: Block) -> bool:
    """Whether Multicall3 answers at this block: without code, a call succeeds with no bytes."""
    (answer,) = node.call([Call(MULTICALL3, encode_aggregate(_no_rows(ADDRESS), _no_rows(SELECTOR)))], at)
    return isinstance(answer, bytes) and len(answer) > 0


def _no_rows(width: int) -> Bytes:
    return np.zeros((0, width), np.uint8)


def _fill(
    node: Node, targets: Bytes, data: Bytes, at: Block, found: Words, rows: NDArray[np.int64], size: int
) -> None:
    """Ask about some rows in chunks of `size`, and again, in smaller chunks, about those that failed."""
    width = found.words.shape[1]
    while len(rows):
        chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
        if size == 1:
            answers = _ask(node, [_plain(targets[i], data[i]) for i in rows.tolist()], at)
            results = [_one(answer, width) for answer in answers]
        else:
            calls = [Call(MULTICALL3, encode_aggregate(targets[part], data[part])) for part in chunks]
            results = [
                _many(answer, len(part), width)
                for answer, part in zip(_ask(node, calls, at), chunks, strict=True)
            ]
        for part, result in zip(chunks, results, strict=True):
            found.ok[part], found.words[part] = result.ok, result.words
        if size == 1:
            return
        rows = rows[~found.ok[rows]]
        size = max(1, size // SECOND_LOOK)


def _ask(node: Node, calls: list[Call], at: Block) -> list[bytes | CallReverted]:
    try:
        return node.call(calls, at)
    except (NodeTimeout, TooLarge) as error:
        raise _TooMuch(error) from None
    except RpcError as error:
        if means_too_much(error.seen):
            raise _TooMuch(error) from None
        raise


def _plain(target: Bytes, data: Bytes) -> Call:
    return Call(f"0x{target.tobytes().hex()}", data.tobytes())


def _one(answer: bytes | CallReverted, width: int) -> Words:
    """The result of a call that was made directly."""
    result = Words(np.zeros(1, np.bool_), np.zeros((1, width, WORD), np.uint8))
    if isinstance(answer, bytes) and len(answer) >= width * WORD:
        result.ok[0] = True
        result.words[0] = np.frombuffer(answer, np.uint8, width * WORD).reshape(width, WORD)
    return result


def _many(answer: bytes | CallReverted, count: int, width: int) -> Words:
    """The results of one aggregate3."""
    if isinstance(answer, CallReverted):
        # It allows every inner failure, so only gas can have stopped it.
        raise _TooMuch(answer)
    return decode_aggregate(answer, count, width)


def _padded(width: int) -> int:
    return -(-width // WORD) * WORD


def _stride(width: int) -> int:
    """Bytes of calldata per call: its offset, target, flag, offset and length of the bytes, the bytes."""
    return 5 * WORD + _padded(width)


def encode_aggregate(targets: Bytes, data: Bytes) -> bytes:
    """Calldata of aggregate3 for calls of one length, each allowed to fail."""
    n, width = data.shape
    element = 4 * WORD + _padded(width)
    head: bytes = AGGREGATE3 + (WORD).to_bytes(WORD, "big") + n.to_bytes(WORD, "big")
    offsets = np.zeros((n, WORD), np.uint8)
    offsets[:, 24:] = _big_endian(n * WORD + np.arange(n, dtype=np.int64) * element)
    elements = np.zeros((n, element), np.uint8)
    elements[:, WORD - ADDRESS : WORD] = targets
    elements[:, 2 * WORD - 1] = 1
    elements[:, 3 * WORD - 1] = 3 * WORD
    elements[:, 4 * WORD - 8 : 4 * WORD] = _big_endian(np.full(n, width, np.int64))
    elements[:, 4 * WORD : 4 * WORD + width] = data
    return head + offsets.tobytes() + elements.tobytes()


def _big_endian(values: NDArray[np.int64]) -> Bytes:
    return values.astype(">u8").view(np.uint8).reshape(len(values), 8)


def decode_aggregate(answer: bytes, count: int, width: int) -> Words:
    """The (success, returnData) pairs of aggregate3; DecodeError where an offset or length is unsound."""
    what = "the answer of Multicall3"
    if len(answer) % WORD or len(answer) < 2 * WORD:
        raise DecodeError(what, f"{len(answer)} bytes")
    table = np.frombuffer(answer, np.uint8).reshape(-1, WORD)
    # Word values below 2**48, and 2**48 for anything larger: the sums below stay far from overflow.
    low = table[:, 24:].copy().view(">u8").reshape(-1).astype(np.uint64)
    is_large = (table[:, :24] != 0).any(axis=1) | (low >= np.uint64(1 << 48))
    values = np.where(is_large, np.uint64(1 << 48), low).astype(np.int64)

    def at(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The words at byte positions, which must be aligned and inside."""
        if len(positions) and ((positions % WORD != 0).any() or int(positions.max()) > len(answer) - WORD):
            raise DecodeError(what, "an offset outside of the answer")
        return values[positions // WORD]

    if int(values[0]) != WORD or int(values[1]) != count:
        raise DecodeError(what, f"{int(values[1])} results instead of {count}")
    base = 2 * WORD
    starts = base + at(base + WORD * np.arange(count, dtype=np.int64))
    success = at(starts)
    bodies = starts + at(starts + WORD)
    lengths = at(bodies)
    if (success > 1).any() or (bodies + WORD + lengths > len(answer)).any():
        raise DecodeError(what, "a flag that is none, or bytes beyond the end")
    ok = (success == 1) & (lengths >= width * WORD)
    found = Words(ok, np.zeros((count, width, WORD), np.uint8))
    first_words = bodies[ok] // WORD + 1
    found.words[ok] = table[first_words[:, None] + np.arange(width)]
    return found


def words_to_amounts(words: Bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Words (n, 32) as the high and low 64 bits of 128; DecodeError where a value needs more."""
    if words[:, :16].any():
        raise DecodeError("an amount", "a value of more than 128 bits")
    halves = np.ascontiguousarray(words[:, 16:]).view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]
