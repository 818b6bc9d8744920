"""Thousands of small view calls at one block, by the fastest way that the node offers.

In order: our own reader by state override, Multicall3, one call each. Every way is adaptive: what the node
can't do at once, for gas, time or size, is asked in smaller chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.aggregate import MULTICALL3 as MULTICALL3
from defiliq.chain.aggregate import bytes_per_call, decode_aggregate, encode_aggregate
from defiliq.chain.calldata import packed
from defiliq.chain.node import Call, Node, Override
from defiliq.chain.reader import READER as READER
from defiliq.chain.reader import decode_rows, encode_rows, reader_override
from defiliq.chain.span import Span
from defiliq.chain.wording import means_too_much
from defiliq.chain.words import WORD, Bytes
from defiliq.chain.words import Words as Words
from defiliq.errors import (
    BadResponse,
    CallNotRecorded,
    CallReverted,
    NodeError,
    NodeTimeout,
    RpcError,
    TooLarge,
)
from defiliq.types import Block

MAX_CALLS: Final = 2_000
MAX_CALLDATA: Final = 256 * 1024
CHUNKS_AT_ONCE: Final = 8
CALLS_AT_ONCE: Final = 1_024
ADDRESS: Final = 20
SECOND_LOOK: Final = 8
"""How many times smaller the chunks are in which failed calls are asked again."""
FEW: Final = 64
"""So many failed calls are asked again one by one."""

OnProgress: TypeAlias = Callable[[int, int], None]
"""Told how many calls of how many are answered."""
Rows: TypeAlias = NDArray[np.int64]


class _TooMuch(Exception):
    """The node can't do so many calls at once; `error` is what it said."""

    def __init__(self, error: NodeError) -> None:
        super().__init__()
        self.error = error


class _NotOffered(Exception):
    """The node does not offer this way."""


class _Way(Protocol):
    """How a chunk of calls becomes one eth_call."""

    largest: int
    """Calls in one chunk at most."""
    at_once: int
    """Chunks handed to the node together."""
    overrides: Mapping[str, Override] | None

    def call(self, targets: Bytes, data: Bytes) -> Call:
        """The one call for some rows."""
        ...

    def decode(self, answer: bytes | CallReverted, count: int) -> Words:
        """What it answered; _TooMuch or _NotOffered if it did not."""
        ...


class _Plain:
    """One eth_call each."""

    largest = 1
    at_once = CALLS_AT_ONCE

    def __init__(self, width: int, pretended: Mapping[str, Override] | None = None) -> None:
        self.overrides = pretended
        self._width = width

    def call(self, targets: Bytes, data: Bytes) -> Call:
        return Call(f"0x{targets.tobytes().hex()}", data.tobytes())

    def decode(self, answer: bytes | CallReverted, count: int) -> Words:
        found = Words.none(1, self._width)
        if isinstance(answer, bytes) and len(answer) >= self._width * WORD:
            found.ok[0] = True
            found.words[0] = np.frombuffer(answer, np.uint8, self._width * WORD).reshape(-1, WORD)
        return found


class _Multicall:
    """Multicall3, where the chain has it at that block."""

    at_once = CHUNKS_AT_ONCE
    overrides: Mapping[str, Override] | None = None

    def __init__(self, data_bytes: int, width: int) -> None:
        self.largest = max(1, min(MAX_CALLS, MAX_CALLDATA // bytes_per_call(data_bytes)))
        self._width = width

    def call(self, targets: Bytes, data: Bytes) -> Call:
        return Call(MULTICALL3, encode_aggregate(targets, data))

    def decode(self, answer: bytes | CallReverted, count: int) -> Words:
        if isinstance(answer, CallReverted):
            # It allows every inner failure, so only gas can have stopped it.
            raise _TooMuch(answer)
        if not answer:
            raise _NotOffered
        return decode_aggregate(answer, count, self._width)


class _Reader:
    """Our own code by state override, where the node takes one."""

    at_once = CHUNKS_AT_ONCE

    def __init__(self, data_bytes: int, width: int, pretended: Mapping[str, Override] | None = None) -> None:
        self.largest = max(1, min(MAX_CALLS, MAX_CALLDATA // (ADDRESS + data_bytes)))
        also = {} if pretended is None else pretended
        self.overrides: Mapping[str, Override] | None = {**also, **reader_override(data_bytes, width)}
        self._width = width

    def call(self, targets: Bytes, data: Bytes) -> Call:
        return Call(READER, encode_rows(targets, data))

    def decode(self, answer: bytes | CallReverted, count: int) -> Words:
        if isinstance(answer, CallReverted):
            raise _TooMuch(answer)
        found = decode_rows(answer, count, self._width)
        if found is None:
            raise _NotOffered
        return found


@dataclass(slots=True)
class _Job:
    """All calls of one `fetch_words`, and what was found so far."""

    node: Node
    targets: Bytes
    data: Bytes
    at: Block
    found: Words
    on_progress: OnProgress | None
    plain: _Way
    looks_again: bool
    done: int = 0
    """Rows before this one are settled."""

    def run(self, way: _Way) -> None:
        """Settle all rows, or as many as come before the node turns out not to offer this way."""
        n, span = len(self.targets), Span(way.largest, way.largest)
        is_proven = way.overrides is None
        while self.done < n and (is_proven or span.size > 1):
            size = span.size
            rows = np.arange(self.done, min(n, self.done + size * way.at_once))
            try:
                self._fill(way, rows, size)
            except _NotOffered:
                return
            except (RpcError, BadResponse, CallNotRecorded):
                if is_proven:
                    raise
                return
            except _TooMuch as refusal:
                if size == 1:
                    raise refusal.error from None
                span.refuse(size)
                continue
            is_proven = True
            if size == 1:
                # Some call used up all that a chunk may, and is now behind us.
                span.forget()
            span.accept(min(size, len(rows)))
            self.done += len(rows)
            if self.on_progress is not None:
                self.on_progress(self.done, n)

    def _fill(self, way: _Way, rows: Rows, size: int) -> None:
        """Ask about some rows in chunks of `size`, and again, in smaller chunks, about those that failed."""
        while len(rows):
            by = way if size > 1 else self.plain
            chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
            answers = self._ask(by, [by.call(self.targets[part], self.data[part]) for part in chunks])
            for part, answer in zip(chunks, answers, strict=True):
                result = by.decode(answer, len(part))
                self.found.ok[part], self.found.words[part] = result.ok, result.words
            if size == 1 or not self.looks_again:
                return
            rows = rows[~self.found.ok[rows]]
            size = max(1, size // SECOND_LOOK) if len(rows) > FEW else 1

    def _ask(self, way: _Way, calls: list[Call]) -> list[bytes | CallReverted]:
        try:
            return self.node.call(calls, self.at, overrides=way.overrides)
        except (NodeTimeout, TooLarge) as error:
            raise _TooMuch(error) from None
        except RpcError as error:
            if means_too_much(error.seen):
                raise _TooMuch(error) from None
            raise


def fetch_words(
    node: Node,
    targets: Bytes,
    data: Bytes,
    at: Block,
    *,
    words: int = 1,
    on_progress: OnProgress | None = None,
    looks_again: bool = True,
    pretended: Mapping[str, Override] | None = None,
) -> Words:
    """The first `words` words that each call returns: `targets` (n, 20), `data` (n, k), all at one block.

    A call that fails in a chunk is asked again in a smaller one before it counts as failed: a chunk goes on
    after a call that merely ran out of the chunk's gas. Where most calls are meant to fail, as when contracts
    are asked what they are, say so by `looks_again=False`. Where contracts are `pretended` to be others, and
    the node does not take that, no call is answered.
    """
    plain: _Way = _Plain(words, pretended)
    job = _Job(node, targets, data, at, Words.none(len(targets), words), on_progress, plain, looks_again)
    width = data.shape[1]
    if pretended is not None:
        job.run(_Reader(width, words, pretended))
        return job.found
    ways: list[_Way] = [_Reader(width, words), _Multicall(width, words)] if len(targets) > 1 else []
    for way in [*ways, plain]:
        job.run(way)
    return job.found


def fetch_words_of(
    node: Node,
    contract: str,
    data: Bytes,
    at: Block,
    *,
    words: int = 1,
    on_progress: OnProgress | None = None,
) -> Words:
    """As `fetch_words`, of calls to one contract."""
    targets = np.repeat(packed([contract]), len(data), axis=0)
    return fetch_words(node, targets, data, at, words=words, on_progress=on_progress)
