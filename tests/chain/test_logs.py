"""Adaptive ranges: nothing twice, nothing missed, in order, whatever the provider's hidden limits are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.chain.logs import scan_logs
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.errors import NodeUnreachable, RangeTooLarge
from tests.chain.rpc_server import RpcFailure, node_at, serving

WANTED = LogFilter(("0x" + "11" * 20,), (bytes(32),))


@dataclass
class Provider:
    """Logs at some blocks, behind limits that nobody tells."""

    blocks: list[int]
    max_span: int = 10**9
    max_logs: int = 10**9
    suggests: str = "nothing"
    asked: list[tuple[int, int]] = field(default_factory=list)
    refused: int = 0
    dies_after: int | None = None

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        assert wanted is WANTED
        self.asked.append((first, last))
        if self.dies_after is not None and len(self.asked) > self.dies_after:
            raise NodeUnreachable("http://node", "connection refused")
        found = self.blocks[bisect_left(self.blocks, first) : bisect_right(self.blocks, last)]
        if last - first + 1 > self.max_span:
            self.refused += 1
            raise RangeTooLarge(first, last, "range", self._suggestion(first, first + self.max_span - 1))
        if len(found) > self.max_logs and last > first:
            self.refused += 1
            raise RangeTooLarge(first, last, "results", self._suggestion(first, found[self.max_logs] - 1))
        return Logs(
            np.zeros((len(found), 4, 32), np.uint8),
            np.array(found, np.int64),
            tuple(block.to_bytes(8, "big") for block in found),
        )

    def _suggestion(self, first: int, good: int) -> int | None:
        # "lies" names the start or what was refused, as some nodes do.
        return {"nothing": None, "truth": max(good, first), "lies": first - 1}[self.suggests]


@dataclass
class Seen:
    """What a scan handed over."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)

    def __call__(self, first: int, last: int, logs: Logs) -> None:
        self.ranges.append((first, last))
        self.blocks += logs.blocks.tolist()


def scan(provider: Provider, first: int, last: int, **options: int) -> Seen:
    seen = Seen()
    node: Node = provider  # type: ignore[assignment]
    scan_logs(node, WANTED, first, last, on_range=seen, **options)
    return seen


def assert_tiles(ranges: list[tuple[int, int]], first: int, last: int) -> None:
    """The ranges follow each other without gap or overlap, from first to last."""
    assert [start for start, _ in ranges] == [first, *(end + 1 for _, end in ranges[:-1])]
    assert ranges[-1][1] == last


@settings(max_examples=300, deadline=None)
@given(
    blocks=st.lists(st.integers(0, 5_000), max_size=200).map(sorted),
    bounds=st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)).map(sorted),
    max_span=st.integers(1, 6_000),
    max_logs=st.integers(1, 50),
    suggests=st.sampled_from(["nothing", "truth", "lies"]),
    first_span=st.integers(1, 4_000),
)
def test_every_log_comes_exactly_once_and_in_order(
    blocks: list[int], bounds: list[int], max_span: int, max_logs: int, suggests: str, first_span: int
) -> None:
    first, last = bounds
    seen = scan(Provider(blocks, max_span, max_logs, suggests), first, last, first_span=first_span)
    assert_tiles(seen.ranges, first, last)
    assert seen.blocks == [block for block in blocks if first <= block <= last]


def test_an_empty_stretch_asks_nothing() -> None:
    provider = Provider([1, 2, 3])
    assert scan(provider, 5, 4).ranges == []
    assert provider.asked == []


def test_ranges_grow_over_quiet_blocks() -> None:
    provider = Provider([])
    scan(provider, 0, 20_000_000, first_span=2_000, max_span=1_000_000)
    assert len(provider.asked) < 40
    assert max(last - first + 1 for first, last in provider.asked) == 1_000_000


@pytest.mark.parametrize("suggests", ["nothing", "truth"])
@pytest.mark.parametrize("limit", [10, 500, 2_000, 10_000, 99_999])
def test_a_fixed_limit_is_learned(limit: int, suggests: str) -> None:
    provider = Provider([], max_span=limit, suggests=suggests)
    scan(provider, 0, 300 * limit)
    needed = 301
    assert len(provider.asked) < needed * 1.25 + 20
    assert provider.refused < 15


def test_a_suggested_range_is_taken_at_once() -> None:
    provider = Provider([], max_span=10, suggests="truth")
    scan(provider, 0, 99, first_span=50)
    assert provider.asked[:2] == [(0, 49), (0, 9)]


def test_a_dense_stretch_is_forgotten_after_a_while() -> None:
    dense = [block for block in range(100_000, 101_000) for _ in range(20)]
    provider = Provider(dense, max_logs=10_000)
    seen = scan(provider, 0, 3_000_000, first_span=2_000)
    assert seen.blocks == dense
    assert max(last - first + 1 for first, last in seen.ranges if first > 200_000) > 200_000
    assert len(provider.asked) < 60


def test_answers_that_are_not_small_do_not_grow_the_range() -> None:
    provider = Provider([block for block in range(100_000) for _ in range(3)])
    seen = scan(provider, 0, 99_999, first_span=1_000)
    assert {last - first + 1 for first, last in seen.ranges} == {1_000}


def test_a_single_block_that_is_refused_is_an_error() -> None:
    provider = Provider([], max_span=0)
    with pytest.raises(RangeTooLarge):
        scan(provider, 7, 90)
    assert provider.asked[-1] == (7, 7)


def test_what_was_found_before_a_failure_has_been_handed_over() -> None:
    provider = Provider(list(range(100)), max_span=10, suggests="truth", dies_after=4)
    seen = Seen()
    node: Node = provider  # type: ignore[assignment]
    with pytest.raises(NodeUnreachable):
        scan_logs(node, WANTED, 0, 99, on_range=seen, first_span=10, max_span=10)
    assert seen.ranges == [(0, 9), (10, 19), (20, 29), (30, 39)]
    assert seen.blocks == list(range(40))
    provider.dies_after = None
    assert_tiles(seen.ranges + scan(provider, 40, 99).ranges, 0, 99)


def test_a_failing_receiver_stops_the_scan() -> None:
    provider = Provider([])

    def full(first: int, last: int, logs: Logs) -> None:
        raise OSError("disk full")

    node: Node = provider  # type: ignore[assignment]
    with pytest.raises(OSError, match="disk full"):
        scan_logs(node, WANTED, 0, 10**6, on_range=full)
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    "wording",
    [
        "query returned more than 100 results",
        "eth_getLogs is limited to a 1,000 range",
        "block range is too wide",
        "exceed maximum block range: 1000",
    ],
)
def test_through_a_real_server_with_a_limit_and_a_rate_limit(wording: str) -> None:
    """The whole way from HTTP, where a 429 must not shorten the range and a refusal must."""
    blocks = list(range(3, 50_000, 37))
    calls = 0

    def answer(method: str, params: list[dict[str, str]]) -> object:
        nonlocal calls
        calls += 1
        if calls % 7 == 0:
            return RpcFailure(-32005, "daily request count exceeded, request rate limited")
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if last - first + 1 > 1_000:
            return RpcFailure(-32005, wording)
        return [
            {
                "address": WANTED.addresses[0],
                "topics": ["0x" + "00" * 32],
                "data": "0x",
                "blockNumber": hex(block),
                "logIndex": "0x0",
            }
            for block in blocks
            if first <= block <= last
        ]

    seen = Seen()
    with serving(answer) as server, node_at(server.url) as node:
        scan_logs(node, WANTED, 0, 49_999, on_range=seen)
    assert_tiles(seen.ranges, 0, 49_999)
    assert seen.blocks == blocks
    assert len(seen.ranges) < 75
