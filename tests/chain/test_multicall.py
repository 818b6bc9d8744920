"""Bulk calls against eth_abi's own encoding, hostile answers, and nodes that run out of gas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from eth_abi.abi import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from defiliq.chain.aggregate import AGGREGATE3, decode_aggregate, encode_aggregate
from defiliq.chain.multicall import MULTICALL3, Words, fetch_words
from defiliq.chain.node import Call, Override
from defiliq.chain.reader import READER, decode_rows, encode_rows
from defiliq.errors import (
    BadResponse,
    CallNotRecorded,
    CallReverted,
    DecodeError,
    HistoryUnavailable,
    NodeError,
    NodeTimeout,
    RpcError,
    TooLarge,
)
from defiliq.types import Block
from tests.nodes import SilentNode

AT = Block(1, 1_000, "0x" + "11" * 32, 12_000)
Bytes = NDArray[np.uint8]


def rows(values: Sequence[bytes], width: int) -> Bytes:
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), width)


@st.composite
def calls(draw: st.DrawFn) -> tuple[list[bytes], list[bytes], int]:
    width = draw(st.integers(0, 100))
    count = draw(st.integers(0, 20))
    targets = draw(st.lists(st.binary(min_size=20, max_size=20), min_size=count, max_size=count))
    data = draw(st.lists(st.binary(min_size=width, max_size=width), min_size=count, max_size=count))
    return targets, data, width


@settings(deadline=None)
@given(calls())
def test_calldata_equals_what_eth_abi_encodes(drawn: tuple[list[bytes], list[bytes], int]) -> None:
    targets, data, width = drawn
    built = encode_aggregate(rows(targets, 20), rows(data, width))
    tuples = [(f"0x{t.hex()}", True, d) for t, d in zip(targets, data, strict=True)]
    assert built == AGGREGATE3 + encode(["(address,bool,bytes)[]"], [tuples])


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=140)), max_size=20), st.integers(1, 4))
def test_answers_that_eth_abi_encoded_are_decoded(results: list[tuple[bool, bytes]], width: int) -> None:
    found = decode_aggregate(encode(["(bool,bytes)[]"], [results]), len(results), width)
    for i, (success, returned) in enumerate(results):
        assert found.ok[i] == (success and len(returned) >= 32 * width)
        expected = returned[: 32 * width] if found.ok[i] else bytes(32 * width)
        assert found.words[i].tobytes() == expected


EDGES = st.sampled_from([2**48, 2**63, 2**64 - 32, 2**256 - 32])
HOSTILE = st.one_of(st.integers(0, 2**256 - 1), st.integers(0, 700), EDGES)


def plain_answer(count: int = 3) -> bytes:
    return encode(["(bool,bytes)[]"], [[(True, bytes([i + 1]) * 32) for i in range(count)]])


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_hostile_answer_is_refused_or_decoded_but_never_read_beyond_its_end(data: st.DataObject) -> None:
    answer = bytearray(plain_answer())
    for _ in range(data.draw(st.integers(1, 4))):
        word = 32 * data.draw(st.integers(0, len(answer) // 32 - 1))
        value = data.draw(HOSTILE)
        answer[word : word + 32] = value.to_bytes(32, "big")
    cut = bytes(answer[: data.draw(st.integers(0, len(answer)))])
    for hostile in (bytes(answer), cut):
        try:
            found = decode_aggregate(hostile, 3, 1)
        except DecodeError:
            continue
        for row in found.words[found.ok]:
            assert row.tobytes() in hostile


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0, 64),
        (1, 4),
        (1, 2),
        (1, 2**255),
        (2, 10_000),
        (2, 97),
        (3, 2**64 + 96),
        (5, 2),
        (5, 2**200),
        (6, 2**63),
        (6, 33),
        (7, 10_000),
        (7, 2**62),
        (7, 2**256 - 1),
    ],
)
def test_unsound_offsets_lengths_and_flags_are_refused(word: int, value: int) -> None:
    answer = bytearray(plain_answer())
    answer[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    with pytest.raises(DecodeError):
        decode_aggregate(bytes(answer), 3, 1)


@pytest.mark.parametrize("answer", [b"", bytes(32), bytes(63), plain_answer()[:-1], plain_answer()[:-32]])
def test_a_short_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_aggregate(answer, 3, 1)


@dataclass
class Chain(SilentNode):
    """A node whose contracts answer a function of their calldata, behind limits of gas and of kindness."""

    way: str = "reader"
    """The best that it offers: reader, multicall or plain."""
    without_override: NodeError | None = None
    """What it says to a state override if it takes none; None: it ignores them."""
    gas: int = 10**9
    """How many calls one eth_call may run."""
    poison: frozenset[int] = frozenset()
    """Numbers of calls that use up all gas."""
    fails: frozenset[int] = frozenset()
    """Numbers of calls that fail wherever they are made."""
    refusal: NodeError | None = None
    answer_words: int = 1
    width: int = 1
    chunks: list[int] = field(default_factory=list)
    plain: int = 0
    chain_id: int = 1
    label: str = "test"

    def block(self, tag: int | str) -> Block:
        raise NotImplementedError

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        assert at is AT
        if overrides is not None and self.way != "reader":
            if self.without_override is not None:
                raise self.without_override
            return [b"" for _ in calls]
        chunked = {MULTICALL3: self._aggregate, READER: self._read}
        return [chunked.get(call.to, self._plain)(call) for call in calls]

    def _one(self, data: bytes, gas: int) -> bytes | None:
        number = int.from_bytes(data, "big")
        if number in self.fails or gas < 1:
            return None
        return (number * 7 + 1).to_bytes(32, "big") * self.answer_words

    def _plain(self, call: Call) -> bytes | CallReverted:
        self.plain += 1
        is_poison = int.from_bytes(call.data, "big") in self.poison
        answer = None if is_poison else self._one(call.data, 1)
        return CallReverted(call.to, b"") if answer is None else answer

    def _aggregate(self, call: Call) -> bytes | CallReverted:
        if self.way == "plain":
            return b""
        (tuples,) = decode(["(address,bool,bytes)[]"], call.data[4:])
        answers = self._run([data for _, _, data in tuples])
        if isinstance(answers, CallReverted):
            return answers
        return encode(["(bool,bytes)[]"], [[(a is not None, b"" if a is None else a) for a in answers]])

    def _read(self, call: Call) -> bytes | CallReverted:
        answers = self._run([call.data[i + 20 : i + 28] for i in range(0, len(call.data), 28)])
        if isinstance(answers, CallReverted):
            return answers
        size = 32 * self.width
        shown = [(b"\xee" * size if a is None else a.ljust(size, b"\0")[:size], a) for a in answers]
        return b"".join(row + bytes([a is not None and len(a) >= size]) for row, a in shown)

    def _run(self, data: list[bytes]) -> list[bytes | None] | CallReverted:
        self.chunks.append(len(data))
        # As in the EVM, a call without gas fails, and the rest of the chunk can still end well.
        answers = [self._one(each, self.gas - i) for i, each in enumerate(data)]
        is_poisoned = not self.poison.isdisjoint(int.from_bytes(each, "big") for each in data)
        if len(data) <= self.gas + 3 and not is_poisoned:
            return answers
        if self.refusal is not None:
            raise self.refusal
        return CallReverted(MULTICALL3, b"", "out of gas")


WAYS = pytest.mark.parametrize("way", ["reader", "multicall", "plain"])
CHUNKED = pytest.mark.parametrize("way", ["reader", "multicall"])


def ask(chain: Chain, count: int, **options: Any) -> Words:
    targets = np.zeros((count, 20), np.uint8)
    data = np.arange(count, dtype=">u8").view(np.uint8).reshape(count, 8)
    return fetch_words(chain, targets, data, AT, **options)


def assert_all(found: Words, count: int, fails: frozenset[int] = frozenset()) -> None:
    expected = [number not in fails for number in range(count)]
    assert found.ok.tolist() == expected
    values = [int.from_bytes(row.tobytes(), "big") for row in found.words[:, 0]]
    assert values == [number * 7 + 1 if ok else 0 for number, ok in enumerate(expected)]


@WAYS
@pytest.mark.parametrize("count", [0, 1, 2, 1_999, 11_000])
def test_every_call_is_answered_in_its_row(count: int, way: str) -> None:
    chain = Chain(way)
    assert_all(ask(chain, count), count)
    assert chain.plain == (count if way == "plain" or count == 1 else 0)


@pytest.mark.parametrize(
    "refusal",
    [
        None,
        RpcError("eth_call", -32602, "too many arguments, want at most 2"),
        BadResponse("url", "HTTP 400"),
        CallNotRecorded("path", "eth_call"),
    ],
)
@pytest.mark.parametrize("way", ["multicall", "plain"])
def test_a_node_without_overrides_is_asked_another_way(way: str, refusal: NodeError | None) -> None:
    chain = Chain(way, without_override=refusal, fails=frozenset({5, 77}))
    assert_all(ask(chain, 3_000), 3_000, chain.fails)
    assert bool(chain.chunks) == (way == "multicall")


@WAYS
def test_failing_calls_are_failed_and_do_no_harm_to_others(way: str) -> None:
    chain = Chain(way, fails=frozenset(range(0, 3_000, 3)))
    assert_all(ask(chain, 3_000), 3_000, chain.fails)


@WAYS
def test_an_answer_with_fewer_words_counts_as_failed(way: str) -> None:
    found = ask(Chain(way, answer_words=2, width=3), 10, words=3)
    assert not found.ok.any()
    assert not found.words.any()
    assert found.words.shape == (10, 3, 32)
    for answer_words in (3, 4):
        found = ask(Chain(way, answer_words=answer_words, width=3), 10, words=3)
        assert found.ok.all()
        assert (found.words[:, 2] == found.words[:, 0]).all()


@CHUNKED
@pytest.mark.parametrize(
    "refusal",
    [
        None,
        RpcError("eth_call", -32000, "execution aborted (timeout = 5s)"),
        RpcError("eth_call", -32602, "gas required exceeds allowance (50000000)"),
        TooLarge("url", "HTTP 413"),
        NodeTimeout("url", "no answer"),
    ],
)
@pytest.mark.parametrize("gas", [3, 100, 1_500])
def test_chunks_shrink_until_the_node_can_do_them(gas: int, refusal: NodeError | None, way: str) -> None:
    chain = Chain(way, gas=gas, refusal=refusal, fails=frozenset({0, 1_234}))
    assert_all(ask(chain, 2_500), 2_500, chain.fails)


@CHUNKED
def test_a_limit_is_found_once_and_then_kept(way: str) -> None:
    chain = Chain(way, gas=300)
    assert_all(ask(chain, 20_000), 20_000)
    assert len([size for size in chain.chunks if size > 303]) < 12 * 8
    assert len(chain.chunks) < 1.6 * 20_000 / 300 + 12 * 8


@CHUNKED
def test_one_call_that_burns_all_gas_costs_only_itself(way: str) -> None:
    chain = Chain(way, poison=frozenset({777}))
    assert_all(ask(chain, 2_000), 2_000, chain.poison)
    assert chain.plain < 100


@CHUNKED
def test_calls_that_merely_ran_out_of_the_chunks_gas_are_not_taken_for_failed(way: str) -> None:
    """The last two of every full chunk fail for want of gas, and the chunk as a whole succeeds."""
    full = Chain(way)
    ask(full, 4_100)
    chain = Chain(way, gas=max(full.chunks) - 2)
    assert_all(ask(chain, 4_100), 4_100)
    assert max(chain.chunks) == max(full.chunks)


@CHUNKED
def test_other_refusals_are_raised_at_once(way: str) -> None:
    chain = Chain(way, gas=1, refusal=HistoryUnavailable(1_000, "missing trie node"))
    with pytest.raises(HistoryUnavailable):
        ask(chain, 100)
    assert chain.chunks == [100]


def test_a_refusal_that_no_way_avoids_is_raised() -> None:
    chain = Chain("reader", gas=1, refusal=RpcError("eth_call", -32601, "the method does not exist"))
    with pytest.raises(RpcError):
        ask(chain, 100)


@WAYS
def test_progress_goes_from_nothing_to_all(way: str) -> None:
    seen: list[tuple[int, int]] = []
    ask(Chain(way), 20_000, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20_000, 20_000)
    assert len(seen) > 1
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_lying_multicall_is_an_error_and_no_answer() -> None:
    class Liar(Chain):
        def _aggregate(self, call: Call) -> bytes | CallReverted:
            return plain_answer(3)

    with pytest.raises(DecodeError, match="3 results instead of 10"):
        ask(Liar("multicall"), 10)


def test_rows_of_the_reader_are_packed_and_unpacked() -> None:
    targets, data = rows([b"t" * 20, b"u" * 20], 20), rows([b"ab", b"cd"], 2)
    assert encode_rows(targets, data) == b"t" * 20 + b"ab" + b"u" * 20 + b"cd"
    found = decode_rows(b"x" * 64 + b"\1" + b"y" * 64 + b"\0", 2, 2)
    assert found is not None
    assert found.ok.tolist() == [True, False]
    assert found.words.tobytes() == b"x" * 64 + bytes(64)


@pytest.mark.parametrize("answer", [b"", b"x" * 32, b"x" * 66, (b"x" * 32 + b"\2") * 2])
def test_an_answer_that_the_reader_cannot_have_given_is_no_answer(answer: bytes) -> None:
    assert decode_rows(answer, 2, 1) is None
