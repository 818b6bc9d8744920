"""Discovery: nothing missed, nothing read twice, nothing kept from a chain that is gone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from defiliq.chain.node import LogFilter, Logs
from defiliq.errors import BlockChanged, NodeUnreachable
from defiliq.index import Index, discover
from tests.index.chain import CHAIN_ID, WANTED, FakeChain, numbers, owner_of

SEEN = {5: [1], 2500: [2, 1], 2501: [3], 9000: [4, 2, 5], 20_000: [6]}


def run(chain: FakeChain, index: Index, at: int, from_block: int = 0) -> list[int]:
    return numbers(discover(chain, index, WANTED, owner_of, from_block, chain.block(at)))


def test_finds_everybody_in_order_of_first_sight() -> None:
    chain = FakeChain(30_000, SEEN)
    with Index(":memory:") as index:
        assert run(chain, index, 30_000) == [1, 2, 3, 4, 5, 6]
    assert chain.asked[0][0] == 0
    assert chain.asked[-1][1] == 30_000
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(chain.asked))


def test_second_run_reads_only_new_blocks(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    with Index(path) as index:
        assert run(FakeChain(30_000, SEEN), index, 10_000) == [1, 2, 3, 4, 5]
    chain = FakeChain(30_000, SEEN)
    with Index(path) as index:
        assert run(chain, index, 30_000) == [1, 2, 3, 4, 5, 6]
    assert min(first for first, _ in chain.asked) == 10_001
    chain.asked.clear()
    with Index(path) as index:
        assert run(chain, index, 30_000) == [1, 2, 3, 4, 5, 6]
    assert chain.asked == []


def test_an_earlier_block_does_not_see_later_accounts() -> None:
    chain = FakeChain(30_000, SEEN)
    with Index(":memory:") as index:
        run(chain, index, 30_000)
        chain.asked.clear()
        assert run(chain, index, 2500) == [1, 2]
        assert run(chain, index, 8999) == [1, 2, 3]
        assert run(chain, index, 4) == []
        assert chain.asked == []
        assert run(chain, index, 30_000) == [1, 2, 3, 4, 5, 6]


def test_an_earlier_from_block_is_searched_too() -> None:
    chain = FakeChain(30_000, SEEN)
    with Index(":memory:") as index:
        assert run(chain, index, 30_000, from_block=2501) == [3, 4, 2, 5, 6]
        assert run(chain, index, 30_000, from_block=0) == [1, 2, 3, 4, 5, 6]
        chain.asked.clear()
        assert run(chain, index, 30_000, from_block=2501) == [1, 2, 3, 4, 5, 6]
        assert chain.asked == []


def test_a_failure_keeps_what_was_found_and_resumes_there() -> None:
    chain = FakeChain(30_000, SEEN, fails_from=9_500)
    with Index(":memory:") as index:
        with pytest.raises(NodeUnreachable):
            run(chain, index, 30_000)
        known = index.known(CHAIN_ID, WANTED, 30_000)
        assert known.covered is not None
        assert known.covered == chain.asked[-1][1] < 9_500
        assert numbers(known.owners) == [1, 2, 3]
        healed = replace(chain, fails_from=1 << 60, asked=[])
        assert run(healed, index, 30_000) == [1, 2, 3, 4, 5, 6]
        assert healed.asked[0][0] == known.covered + 1


def test_an_interrupt_between_ranges_loses_nothing() -> None:
    chain = FakeChain(30_000, SEEN)

    def interrupted(done: int, first: int, last: int, accounts: int) -> None:
        if done > 3_000:
            raise KeyboardInterrupt

    with Index(":memory:") as index:
        with pytest.raises(KeyboardInterrupt):
            discover(chain, index, WANTED, owner_of, 0, chain.block(30_000), interrupted)
        covered = index.known(CHAIN_ID, WANTED, 30_000).covered
        assert covered == chain.asked[-1][1]
        chain.asked.clear()
        assert run(chain, index, 30_000) == [1, 2, 3, 4, 5, 6]
        assert chain.asked[0][0] == covered + 1


def test_an_interrupt_inside_a_range_leaves_no_half_of_it() -> None:
    chain = FakeChain(30_000, SEEN)

    def broken(logs: Logs) -> NDArray[np.uint8]:
        owners = owner_of(logs)
        if 4 in numbers(owners):
            raise KeyboardInterrupt
        return owners

    with Index(":memory:") as index:
        with pytest.raises(KeyboardInterrupt):
            discover(chain, index, WANTED, broken, 0, chain.block(30_000))
        known = index.known(CHAIN_ID, WANTED, 30_000)
        assert numbers(known.owners) == [1, 2, 3]
        assert known.covered is not None
        assert known.covered < 9_000


@pytest.mark.parametrize("fork", [0, 1, 2500, 2501, 9000, 19_999, 20_000, 29_999, 30_000])
def test_a_reorganisation_takes_back_what_it_must(fork: int) -> None:
    """Every block from `fork` on is another one, and its logs name others."""
    kept = {block: owners for block, owners in SEEN.items() if block < fork}
    with Index(":memory:") as index:
        run(FakeChain(30_000, SEEN), index, 30_000)
        chain = FakeChain(31_000, {**kept, max(fork, 1): [77]}, fork=fork)
        expected = list(dict.fromkeys(owner for block in sorted(chain.seen) for owner in chain.seen[block]))
        assert run(chain, index, 31_000) == expected


def test_a_reset_chain_that_is_shorter_than_the_checkpoint() -> None:
    with Index(":memory:") as index:
        run(FakeChain(30_000, SEEN), index, 30_000)
        assert run(FakeChain(40, {7: [9]}, fork=0), index, 40) == [9]


def test_a_reorganisation_between_logs_and_their_checkpoint() -> None:
    """The old chain's logs then stand under a hash of the new chain, and must still go."""
    after = {5: [1], 4000: [8]}

    class Replaced(FakeChain):
        def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
            found = super().logs(wanted, first, last)
            if last >= 2500:
                self.fork, self.seen = 2_000, after
            return found

    chain = Replaced(30_000, SEEN)
    with Index(":memory:") as index:
        with pytest.raises(BlockChanged):
            run(chain, index, 30_000)
        assert run(FakeChain(30_000, after, fork=2_000), index, 30_000) == [1, 8]


def test_progress_names_block_range_and_accounts() -> None:
    told: list[tuple[int, int, int, int]] = []
    chain = FakeChain(30_000, SEEN)
    with Index(":memory:") as index:
        discover(chain, index, WANTED, owner_of, 3, chain.block(30_000), lambda *step: told.append(step))
    assert told[-1] == (30_000, 3, 30_000, 6)
    assert [step[0] for step in told] == [last for _, last in chain.asked]


@settings(max_examples=60, deadline=None)
@given(
    before=st.dictionaries(st.integers(0, 60_000), st.lists(st.integers(1, 30), max_size=4), max_size=12),
    after=st.dictionaries(st.integers(0, 70_000), st.lists(st.integers(1, 30), max_size=4), max_size=12),
    stops=st.lists(st.integers(0, 60_000), min_size=1, max_size=5),
    fork=st.integers(0, 70_000),
)
def test_any_history_ends_with_what_a_fresh_scan_finds(
    before: dict[int, list[int]], after: dict[int, list[int]], stops: list[int], fork: int
) -> None:
    old = FakeChain(60_000, before)
    merged = {block: owners for block, owners in before.items() if block < fork}
    merged |= {block: owners for block, owners in after.items() if block >= fork}
    new = FakeChain(70_000, merged, fork=fork)
    with Index(":memory:") as index, Index(":memory:") as fresh:
        for stop in stops:
            run(old, index, stop)
        assert run(new, index, 70_000) == run(new, fresh, 70_000)


def test_logs_that_name_two_accounts_of_any_width() -> None:
    """Keys of 52 bytes, the second account of a log one more than the first; one log names one twice."""

    def both(logs: Logs) -> NDArray[np.uint8]:
        keys = np.zeros((len(logs.blocks), 2, 52), np.uint8)
        keys[:, :, 32:] = owner_of(logs)[:, None, :]
        keys[:, 1, -1] += keys[:, 1, -1] != 9
        return keys

    chain = FakeChain(30_000, {5: [1], 2500: [9, 2], 9000: [7]})
    with Index(":memory:") as index:
        found = discover(chain, index, WANTED, both, 0, chain.block(30_000))
        assert found.shape == (6, 52)
        assert numbers(found) == [1, 2, 9, 3, 7, 8]
        assert numbers(index.known(CHAIN_ID, WANTED, 2500).owners) == [1, 2, 9, 3]
        assert index.count(1) == 6


@pytest.mark.parametrize("shape", [(20,), (52,), (2, 52)])
def test_nobody_found_still_has_the_width_of_a_key(shape: tuple[int, ...]) -> None:
    def nobody(logs: Logs) -> NDArray[np.uint8]:
        return np.zeros((len(logs.blocks), *shape), np.uint8)

    chain = FakeChain(30_000, {})
    with Index(":memory:") as index:
        found = discover(chain, index, WANTED, nobody, 0, chain.block(30_000))
    assert found.shape == (0, shape[-1])
