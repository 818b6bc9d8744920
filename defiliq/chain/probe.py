"""What contracts answer to calls that many of them do not know: integers, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from defiliq.chain.multicall import fetch_words
from defiliq.chain.node import Call, Node
from defiliq.types import Block


def probe(
    node: Node, calls: Sequence[Call], at: Block, *, words: int = 1, is_known: bool = True
) -> list[tuple[int, ...] | None]:
    """The first words of each answer as unsigned integers, in order; None where there are not so many.

    `is_known` says that the contracts should know these calls, so that a failure is looked at again.
    """
    found: list[tuple[int, ...] | None] = [None] * len(calls)
    for length in sorted({len(call.data) for call in calls}):
        rows = [k for k, call in enumerate(calls) if len(call.data) == length]
        targets = b"".join(bytes.fromhex(calls[k].to[2:]) for k in rows)
        data = b"".join(calls[k].data for k in rows)
        answers = fetch_words(
            node,
            np.frombuffer(targets, np.uint8).reshape(len(rows), 20),
            np.frombuffer(data, np.uint8).reshape(len(rows), length),
            at,
            words=words,
            looks_again=is_known,
        )
        for row, k in enumerate(rows):
            if answers.ok[row]:
                found[k] = tuple(int.from_bytes(word.tobytes(), "big") for word in answers.words[row])
    return found


def number_call(to: str, signature: str, *numbers: int) -> Call:
    """A call of a function that takes unsigned integers, one word each."""
    return Call(to, _selector(signature) + b"".join(number.to_bytes(32, "big") for number in numbers))


@lru_cache(maxsize=256)
def _selector(signature: str) -> bytes:
    from eth_utils.crypto import keccak  # here: its import is slow and many commands need none

    return bytes(keccak(text=signature)[:4])
