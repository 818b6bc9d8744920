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

from defiliq.chain.multicall import (
    AGGREGATE3,
    MULTICALL3,
    Words,
    decode_aggregate,
    encode_aggregate,
    fetch_words,
    words_to_amounts,
)
from defiliq.chain.node import Call, LogFilter, Logs, Override
from defiliq.errors import (
    CallReverted,
    DecodeError,
    HistoryUnavailable,
    NodeError,
    NodeTimeout,
    RpcError,
    TooLarge,
)
from defiliq.types import Block

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
class Chain:
    """A node whose contracts return keccak-like words of their calldata, behind limits of gas and size."""

    has_multicall: bool = True
    gas: int = 10**9
    """How many units of calldata one eth_call may run."""
    fails: frozenset[int] = frozenset()
    """Numbers of calls that fail wherever they are made."""
    refusal: NodeError | None = None
    answer_bytes: int = 32
    chunks: list[int] = field(default_factory=list)
    plain: int = 0
    chain_id: int = 1
    label: str = "test"

    def block(self, tag: int | str) -> Block:
        raise NotImplementedError

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        raise NotImplementedError

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
    ) -> list[bytes | CallReverted]:
        assert at is AT
        return [self._aggregate(call) if call.to == MULTICALL3 else self._plain(call) for call in calls]

    def _one(self, data: bytes, gas: int) -> bytes | None:
        number = int.from_bytes(data, "big")
        if number in self.fails or gas < 1:
            return None
        return (number * 7 + 1).to_bytes(32, "big") * (self.answer_bytes // 32)

    def _plain(self, call: Call) -> bytes | CallReverted:
        self.plain += 1
        answer = self._one(call.data, 1)
        return CallReverted(call.to, b"") if answer is None else answer

    def _aggregate(self, call: Call) -> bytes | CallReverted:
        if not self.has_multicall:
            return b""
        (tuples,) = decode(["(address,bool,bytes)[]"], call.data[4:])
        if tuples:
            self.chunks.append(len(tuples))
        # As in the EVM, a call without gas fails and the rest of the chunk can still end well.
        gas, results = self.gas, []
        for _, _, data in tuples:
            answer = self._one(data, gas)
            results.append((answer is not None, answer if answer is not None else b""))
            gas -= 1
        if gas < -3:
            if self.refusal is not None:
                raise self.refusal
            return CallReverted(MULTICALL3, b"", "out of gas")
        return encode(["(bool,bytes)[]"], [results])


def ask(chain: Chain, count: int, **options: Any) -> Words:
    targets = np.zeros((count, 20), np.uint8)
    data = np.arange(count, dtype=">u8").view(np.uint8).reshape(count, 8)
    return fetch_words(chain, targets, data, AT, **options)


def assert_all(found: Words, count: int, fails: frozenset[int] = frozenset()) -> None:
    expected = [number not in fails for number in range(count)]
    assert found.ok.tolist() == expected
    values = [int.from_bytes(row.tobytes(), "big") for row in found.words[:, 0]]
    assert values == [number * 7 + 1 if ok else 0 for number, ok in enumerate(expected)]


@pytest.mark.parametrize("count", [0, 1, 2, 1_999, 11_000])
def test_every_call_is_answered_in_its_row(count: int) -> None:
    chain = Chain()
    assert_all(ask(chain, count), count)
    assert chain.plain == (1 if count == 1 else 0)


def test_without_multicall_the_calls_are_made_one_by_one() -> None:
    chain = Chain(has_multicall=False, fails=frozenset({5, 77}))
    assert_all(ask(chain, 3_000), 3_000, chain.fails)
    assert chain.plain == 3_000


def test_failing_calls_are_failed_and_do_no_harm_to_others() -> None:
    chain = Chain(fails=frozenset(range(0, 5_000, 3)))
    assert_all(ask(chain, 5_000), 5_000, chain.fails)


def test_an_answer_with_fewer_words_counts_as_failed() -> None:
    found = ask(Chain(answer_bytes=64), 10, words=3)
    assert not found.ok.any()
    assert found.words.shape == (10, 3, 32)
    assert ask(Chain(answer_bytes=96), 10, words=3).ok.all()
    assert ask(Chain(answer_bytes=96, has_multicall=False), 10, words=2).words.shape == (10, 2, 32)


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
def test_chunks_shrink_until_the_node_can_do_them(gas: int, refusal: NodeError | None) -> None:
    chain = Chain(gas=gas, refusal=refusal, fails=frozenset({0, 1_234}))
    assert_all(ask(chain, 4_000), 4_000, chain.fails)


def test_calls_that_merely_ran_out_of_the_chunks_gas_are_not_taken_for_failed() -> None:
    """The last two of every full chunk fail for want of gas, and the chunk as a whole succeeds."""
    full = Chain()
    ask(full, 4_000)
    chain = Chain(gas=max(full.chunks) - 2)
    assert_all(ask(chain, 4_000), 4_000)
    assert max(chain.chunks) == max(full.chunks)


def test_other_refusals_are_raised_at_once() -> None:
    chain = Chain(gas=1, refusal=HistoryUnavailable(1_000, "missing trie node"))
    with pytest.raises(HistoryUnavailable):
        ask(chain, 100)
    assert chain.chunks == [100]
    chain = Chain(gas=1, refusal=RpcError("eth_call", -32601, "the method does not exist"))
    with pytest.raises(RpcError):
        ask(chain, 100)


def test_progress_goes_from_nothing_to_all() -> None:
    seen: list[tuple[int, int]] = []
    ask(Chain(), 11_000, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (11_000, 11_000)
    assert len(seen) > 1
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_lying_multicall_is_an_error_and_no_answer() -> None:
    class Liar(Chain):
        def _aggregate(self, call: Call) -> bytes | CallReverted:
            return plain_answer(3)

    with pytest.raises(DecodeError, match="3 results instead of 10"):
        ask(Liar(), 10)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**128 - 1), max_size=30))
def test_words_become_two_columns_of_64_bits(values: list[int]) -> None:
    words = rows([value.to_bytes(32, "big") for value in values], 32)
    high, low = words_to_amounts(words)
    assert [str(high.dtype), str(low.dtype)] == ["uint64", "uint64"]
    assert [int(h) << 64 | int(x) for h, x in zip(high, low, strict=True)] == values


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**128 - 1), max_size=5), st.integers(2**128, 2**256 - 1))
def test_an_amount_beyond_128_bits_is_an_error_by_name(values: list[int], huge: int) -> None:
    words = rows([value.to_bytes(32, "big") for value in [*values, huge]], 32)
    with pytest.raises(DecodeError, match="128 bits"):
        words_to_amounts(words)


def test_columns_of_one_word_of_many_are_taken_as_they_lie() -> None:
    words = rows([bytes(31) + bytes([i]) for i in range(8)], 32).reshape(4, 2, 32)
    assert words_to_amounts(words[:, 1])[1].tolist() == [1, 3, 5, 7]
