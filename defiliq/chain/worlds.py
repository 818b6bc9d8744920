"""Many questions to a pretended chain, after calls that change it: all that one eth_call does, it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from defiliq.chain.node import Call, Node, Override
from defiliq.chain.reader import READER, decode_rows, encode_rows, reader_override
from defiliq.chain.wording import means_too_much
from defiliq.errors import BadResponse, CallReverted, NodeError, NodeTimeout, RpcError, TooLarge
from defiliq.types import Block

MOST_QUESTIONS: Final = 256
"""In one eth_call, besides what comes before them."""
ADDRESS: Final = 20


@dataclass(frozen=True, slots=True)
class World:
    """What a chain is pretended to be."""

    at: Block
    overrides: Mapping[str, Override]
    timestamp: int | None = None
    """The block's own where it is None."""
    number: int | None = None
    """The block's own where it is None."""


def ask_after(
    node: Node, before: Sequence[Call], questions: Sequence[Call], world: World, *, words: int = 1
) -> list[tuple[int, ...] | None]:
    """The first words of each answer, after the calls `before`; None where there are fewer.

    Calls are padded with zeros to one length, which contracts ignore. What `before` answers is not looked at.
    """
    answers: list[tuple[int, ...] | None] = []
    size = MOST_QUESTIONS
    while len(answers) < len(questions):
        some = questions[len(answers) : len(answers) + size]
        found = _ask_once(node, before, some, world, words)
        if found is not None:
            answers += found
        elif len(some) == 1:
            answers.append(None)
        else:
            size = max(1, len(some) // 2)
    return answers


def _ask_once(
    node: Node, before: Sequence[Call], questions: Sequence[Call], world: World, words: int
) -> list[tuple[int, ...] | None] | None:
    """The answers, or None where they are too many for one eth_call."""
    calls = [*before, *questions]
    length = max(len(call.data) for call in calls)
    targets = b"".join(bytes.fromhex(call.to.removeprefix("0x")) for call in calls)
    data = b"".join(call.data.ljust(length, b"\0") for call in calls)
    rows = encode_rows(
        np.frombuffer(targets, np.uint8).reshape(len(calls), ADDRESS),
        np.frombuffer(data, np.uint8).reshape(len(calls), length),
    )
    overrides = {**world.overrides, **reader_override(length, words, writes=True)}
    try:
        (answer,) = node.call(
            [Call(READER, rows)],
            world.at,
            overrides=overrides,
            timestamp=world.timestamp,
            number=world.number,
        )
    except NodeError as error:
        if isinstance(error, NodeTimeout | TooLarge) and len(questions) > 1:
            return None
        if isinstance(error, RpcError) and means_too_much(error.seen) and len(questions) > 1:
            return None
        raise
    if isinstance(answer, CallReverted):
        return None
    found = decode_rows(answer, len(calls), words)
    if found is None:
        raise BadResponse(node.label, "eth_call ignores state overrides, which this check needs")
    table = found.words[len(before) :].tolist()
    return [
        tuple(int.from_bytes(bytes(word), "big") for word in row) if ok else None
        for row, ok in zip(table, found.ok[len(before) :].tolist(), strict=True)
    ]
