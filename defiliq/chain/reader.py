"""Many view calls by one eth_call without any contract of ours on the chain: code by state override.

A node that takes state overrides runs the code below at an address that has none. It reads packed rows
(20 bytes of target, then calldata of one length), calls each target, and returns packed rows (the first
words of the answer, then one byte that says whether the call succeeded with at least those words). That is
a quarter of the bytes of Multicall3 and a fraction of its gas.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from defiliq.chain.node import Override
from defiliq.chain.words import WORD, Bytes, Words

READER: Final = "0x00000000000000000000000000646566696C6971"
"""An address without code on every chain: the letters of the project's name."""
ADDRESS: Final = 20

GAS_EACH: Final = 10_000_000
"""What one call may use: a contract that burns all it gets must not take the others' share with it."""

PUSH1, PUSH2, PUSH4, DUP2, DUP3, SWAP1 = 0x60, 0x61, 0x63, 0x81, 0x82, 0x90
ADD, SUB, LT, GT, AND = 0x01, 0x03, 0x10, 0x11, 0x16
CALLDATASIZE, CALLDATACOPY, RETURNDATASIZE, MLOAD, MSTORE8 = 0x36, 0x37, 0x3D, 0x51, 0x53
JUMPI, JUMPDEST, CALL, RETURN, STATICCALL = 0x57, 0x5B, 0xF1, 0xF3, 0xFA


def reader_code(data_bytes: int, words: int, *, writes: bool = False) -> bytes:
    """Runtime code for rows of `data_bytes` of calldata whose answers have `words` words.

    With `writes`, what a row changes is seen by those after it; nothing of it outlives the call.
    The stack is noted from bottom to top. PUSH0 is left out: older blocks and some chains do not know it.
    """
    row, size = ADDRESS + data_bytes, words * WORD
    answers = WORD + -(-data_bytes // WORD) * WORD  # memory: target word, calldata, then the answers
    start = [PUSH1, 0, *_push2(answers)]  # in, out
    send = [PUSH1, 0, PUSH1, 0, MLOAD] if writes else [PUSH1, 0, MLOAD]  # no coins, and the target
    loop = [
        JUMPDEST,
        *(*_push2(row), DUP3, PUSH1, WORD - ADDRESS, CALLDATACOPY),  # target ends at 32, calldata follows
        *(*_push2(size), DUP2, *_push2(data_bytes), PUSH1, WORD),  # in, out, size, out, data_bytes, 32
        *(*send, PUSH4, *GAS_EACH.to_bytes(4, "big"), CALL if writes else STATICCALL),  # in, out, success
        *(*_push2(size - 1), RETURNDATASIZE, GT, AND),  # in, out, ok
        *(SWAP1, *_push2(size), ADD, SWAP1, DUP2, MSTORE8),  # in, out + size
        *(PUSH1, 1, ADD, SWAP1, *_push2(row), ADD, SWAP1),  # in + row, out + size + 1
        *(CALLDATASIZE, DUP3, LT, PUSH1, len(start), JUMPI),
    ]
    end = [*_push2(answers), SWAP1, SUB, *_push2(answers), RETURN]  # in, length, answers
    return bytes([*start, *loop, *end])


def reader_override(data_bytes: int, words: int, *, writes: bool = False) -> dict[str, Override]:
    """What a call to READER needs."""
    return {READER: Override(code=reader_code(data_bytes, words, writes=writes))}


def encode_rows(targets: Bytes, data: Bytes) -> bytes:
    """Packed rows of target and calldata."""
    return np.concatenate((targets, data), axis=1).tobytes()


def decode_rows(answer: bytes, count: int, width: int) -> Words | None:
    """The answers; None where they have another shape, as where a node ignores overrides."""
    row = width * WORD + 1
    if len(answer) != count * row:
        return None
    table = np.frombuffer(answer, np.uint8).reshape(count, row)
    if count and int(table[:, -1].max()) > 1:
        return None
    found = Words.none(count, width)
    found.ok[:] = table[:, -1] == 1
    # A refusal leaves its reason in the row, which is no answer.
    found.words[found.ok] = table[found.ok, :-1].reshape(-1, width, WORD)
    return found


def _push2(value: int) -> tuple[int, int, int]:
    high, low = value.to_bytes(2, "big")
    return PUSH2, high, low
