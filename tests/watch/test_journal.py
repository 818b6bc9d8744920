"""What a journal keeps, takes back, hands out and forgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from defiliq.errors import BadFile
from defiliq.types import Block, Head
from defiliq.watch import journal as journal_module
from defiliq.watch.journal import KEPT_BLOCKS, TIDY_EVERY, Journal, Kept
from defiliq.watch.memory import Memory
from defiliq.watch.schema import Event
from tests.watch.keeping import MARKET, block_hash, event, filled, head, memory, reorged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "market.sqlite"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()


def retract(number: int, seen: list[str]) -> Callable[[list[str]], list[Event]]:
    """A `told` that notes what it was given."""

    def told(ids: list[str]) -> list[Event]:
        seen.extend(ids)
        return [reorged(number, ids)]

    return told


def lines(journal: Journal, sink: str = "s") -> list[str]:
    return [line.line for line in journal.pending(sink, 10_000)]


def test_a_new_journal_is_empty() -> None:
    with Journal(":memory:", MARKET) as journal:
        assert (journal.last(), journal.heads(), journal.notices, journal.sinks()) == (None, [], [], [])


def test_what_was_committed_is_there_after_reopening(path: Path) -> None:
    with Journal(path, MARKET) as journal:
        journal.register("s")
        told = filled(journal, 1, 9)
        assert journal.last() == Kept(head(9), memory(9))
    with Journal(path, MARKET) as journal:
        assert journal.last() == Kept(head(9), memory(9))
        assert journal.heads() == [(n, block_hash(n)) for n in range(9, 0, -1)]
        assert lines(journal) == [each.line() for each in told]
        assert journal.notices == []
        filled(journal, 10, 12)
        assert journal.last() == Kept(head(12), memory(12))


def test_a_memory_that_is_changed_in_place_is_kept_as_it_was_and_as_it_is() -> None:
    told = dict(memory(1).told)
    with Journal(":memory:", MARKET) as journal:
        journal.commit(head(1), Memory(told=told), [])
        before = dict(told)
        told.popitem()
        journal.commit(head(2), Memory(told=told), [])
        assert journal.last() == Kept(head(2), Memory(told=told))
        assert journal.rollback(1, lambda ids: []) == Kept(head(1), Memory(told=before))


@pytest.mark.parametrize("number", [8, 9])
def test_a_block_that_is_not_after_the_last_is_refused(number: int) -> None:
    with Journal(":memory:", MARKET) as journal:
        journal.register("s")
        filled(journal, 1, 9)
        before = lines(journal)
        with pytest.raises(ValueError, match=f"block {number} is not after block 9"):
            journal.commit(head(number, "b"), memory(number), [event(number, side="b")])
        assert lines(journal) == before
        assert journal.last() == Kept(head(9), memory(9))


def test_an_event_that_stands_already_is_refused_with_its_block() -> None:
    with Journal(":memory:", MARKET) as journal:
        filled(journal, 1, 3)
        with pytest.raises(BadFile, match="an event of block 4 stands in it already"):
            journal.commit(head(4), memory(4), [event(3, "1")])
        assert journal.last() == Kept(head(3), memory(3))
        journal.commit(head(4), memory(4), [event(4)])


@pytest.mark.parametrize("to", [1, 5, 8])
def test_every_kept_block_can_be_gone_back_to(path: Path, to: int) -> None:
    with Journal(path, MARKET) as journal:
        journal.register("s")
        told, seen = filled(journal, 1, 9), list[str]()
        kept = journal.rollback(to, retract(to, seen))
        assert kept == Kept(head(to), memory(to))
        assert seen == [each.id for each in told[2 * to :]]
        again = filled(journal, to + 1, 10, side="b")
        expected = [*told, reorged(to, seen), *again]
    with Journal(path, MARKET) as journal:
        assert lines(journal) == [each.line() for each in expected]
        assert journal.last() == Kept(head(10, "b"), memory(10))
        assert journal.rollback(to, lambda ids: []) == Kept(head(to), memory(to))


def test_a_block_that_is_not_kept_cannot_be_gone_back_to() -> None:
    with Journal(":memory:", MARKET) as journal:
        assert journal.rollback(1, lambda ids: []) is None
        filled(journal, 5, 9)
        assert journal.rollback(4, lambda ids: [event(4)]) is None
        assert journal.rollback(10, lambda ids: [event(4)]) is None
        assert journal.last() == Kept(head(9), memory(9))


def test_nothing_is_told_where_nothing_is_taken_back() -> None:
    with Journal(":memory:", MARKET) as journal:
        journal.register("s")
        filled(journal, 1, 2)
        before = lines(journal)
        assert journal.rollback(2, lambda ids: [event(2, "never")]) == Kept(head(2), memory(2))
        assert lines(journal) == before


def test_a_rollback_that_fails_half_way_changes_nothing() -> None:
    def fails(ids: list[str]) -> list[Event]:
        raise LookupError("in the middle")

    with Journal(":memory:", MARKET) as journal:
        journal.register("s")
        filled(journal, 1, 5)
        before = lines(journal)
        with pytest.raises(LookupError):
            journal.rollback(2, fails)
        assert journal.last() == Kept(head(5), memory(5))
        assert lines(journal) == before
        filled(journal, 6, 6)


def test_a_chain_that_comes_back_is_told_again_and_what_was_retracted_is_not_retracted_twice() -> None:
    with Journal(":memory:", MARKET) as journal:
        journal.register("s")
        first = filled(journal, 1, 3)
        seen: list[list[str]] = []

        def told(ids: list[str]) -> list[Event]:
            seen.append(ids)
            return [reorged(2, ids)]

        for side in ("b", "a", "b", "a"):
            journal.rollback(2, told)
            filled(journal, 3, 3, side=side)
        assert [len(ids) for ids in seen] == [2, 2, 2, 2]
        assert seen[0] == seen[2] == [each.id for each in first[4:]]
        ids = [line.id for line in journal.pending("s", 100)]
        assert ids[-2:] == ids[4:6] == seen[0]
        deeper: list[str] = []
        journal.rollback(1, retract(1, deeper))
        assert deeper == [each.id for each in first[2:]]


def test_sinks_have_cursors_of_their_own(path: Path) -> None:
    with Journal(path, MARKET) as journal:
        journal.register("early")
        told = filled(journal, 1, 3)
        journal.register("late")
        journal.register("whole", from_start=True)
        told += filled(journal, 4, 4)
        assert [journal.backlog(sink) for sink in ("early", "late", "whole", "nobody")] == [8, 2, 8, 0]
        third = journal.pending("early", 3)[-1]
        assert third.id == told[2].id
        journal.delivered("early", third.seq, 77)
        assert [line.id for line in journal.pending("early", 2)] == [told[3].id, told[4].id]
        journal.delivered("early", third.seq - 1, 5)
    with Journal(path, MARKET) as journal:
        journal.register("early", from_start=True, position=9)
        assert (journal.backlog("early"), journal.position("early")) == (5, 77)
        assert journal.sinks() == ["early", "late", "whole"]
        journal.forget("late")
        assert (journal.sinks(), journal.pending("late", 9), journal.position("late")) == (
            ["early", "whole"],
            [],
            0,
        )


def test_a_new_sink_begins_at_the_end_even_where_all_events_were_pruned() -> None:
    with Journal(":memory:", MARKET) as journal:
        filled(journal, 1, 2 * KEPT_BLOCKS, each=1)
        journal.commit(head(10_000), memory(0), [])
        for number in range(10_001, 10_001 + KEPT_BLOCKS + TIDY_EVERY):
            journal.commit(head(number), memory(0), [])
        journal.register("whole", from_start=True)
        assert journal.pending("whole", 1) == []
        journal.register("s")
        told = filled(journal, 20_000, 20_000)
        assert lines(journal) == [each.line() for each in told]


def test_only_recent_blocks_are_kept_and_the_oldest_of_them_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "KEPT_BLOCKS", 10)
    with Journal(":memory:", MARKET) as journal:
        filled(journal, 1, 50)
        assert [number for number, _ in journal.heads()] == list(range(50, 40, -1))
        assert journal.rollback(40, lambda ids: []) is None
        for number in (47, 41):
            assert journal.rollback(number, lambda ids: []) == Kept(head(number), memory(number))
        filled(journal, 42, 60, side="b")
        assert journal.rollback(51, lambda ids: []) == Kept(head(51, "b"), memory(51))


def test_blocks_may_be_far_apart() -> None:
    numbers = [10 * n + n % 3 for n in range(1, 2 * KEPT_BLOCKS)]
    with Journal(":memory:", MARKET) as journal:
        for number in numbers:
            journal.commit(head(number), memory(number), [])
        assert [number for number, _ in journal.heads()] == numbers[: -KEPT_BLOCKS - 1 : -1]
        oldest = numbers[-KEPT_BLOCKS]
        assert journal.rollback(oldest, lambda ids: []) == Kept(head(oldest), memory(oldest))


def test_six_thousand_blocks_do_not_make_it_grow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "KEPT_BLOCKS", 64)
    sizes = []
    with Journal(path, MARKET) as journal:
        journal.register("s")
        for number in range(1, 6_001):
            journal.commit(head(number), memory(number), [event(number, key) for key in "abc"])
            if number % 50 == 0:
                journal.delivered("s", journal.pending("s", 1_000)[-1].seq)
            if number % 1_500 == 0:
                sizes.append(path.stat().st_size)
        rows = journal._db.execute(
            "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM state)"
        ).fetchone()
    assert rows[0] <= 3 * (64 + 50 + TIDY_EVERY)
    assert rows[1] <= 6 * (64 + 10)
    assert sizes[-1] <= 1.25 * sizes[0]
    assert sizes[-1] < 2_000_000


def test_what_waited_for_a_sink_is_given_back_to_the_disk_once_it_is_delivered(path: Path) -> None:
    with Journal(path, MARKET) as journal:
        journal.register("down")
        filled(journal, 1, 1_000, each=20)
        assert journal.backlog("down") == 20_000
        journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        swollen = path.stat().st_size
        journal.delivered("down", journal.pending("down", 20_000)[-1].seq)
        filled(journal, 1_001, 1_001 + TIDY_EVERY, each=0)
        journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.stat().st_size < swollen // 2


def test_what_one_sink_has_got_is_kept_for_another(path: Path) -> None:
    with Journal(path, MARKET) as journal:
        journal.register("fast")
        journal.register("slow")
        told = []
        for number in range(1, 2 * KEPT_BLOCKS):
            told += filled(journal, number, number)
            journal.delivered("fast", journal.pending("fast", 9)[-1].seq)
        journal.delivered("slow", journal.pending("slow", 100)[-1].seq)
        filled(journal, 2 * KEPT_BLOCKS, 2 * KEPT_BLOCKS + TIDY_EVERY, each=0)
        assert lines(journal, "slow") == [each.line() for each in told[100:]]
        oldest = journal._db.execute("SELECT min(seq) FROM events").fetchone()[0]
        assert oldest == 101


def test_a_sink_that_nobody_serves_holds_its_events_until_it_is_forgotten() -> None:
    with Journal(":memory:", MARKET) as journal:
        journal.register("gone")
        filled(journal, 1, 2 * KEPT_BLOCKS, each=1)
        assert journal.backlog("gone") == 2 * KEPT_BLOCKS
        journal.forget("gone")
        filled(journal, 1_000, 1_000 + TIDY_EVERY, each=0)
        journal.register("all", from_start=True)
        assert 0 < journal.backlog("all") <= KEPT_BLOCKS


def test_a_head_without_fee_and_with_long_numbers_comes_back() -> None:
    odd = Head(Block("dydx-mainnet-1", 7, "AB" * 32, 1), "", None, 2**70, 0)
    with Journal(":memory:", MARKET) as journal:
        journal.commit(odd, Memory(), [])
        assert journal.last() == Kept(odd, Memory())
