"""The file of events: torn lines, other people's files, full disks, other processes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from defiliq.errors import BadFile, JournalInUse, SinkFull
from defiliq.watch.journal import Journal, Line
from defiliq.watch.sinks import Delivery, FileSink, deliver_all
from tests.watch.keeping import MARKET, filled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "events.jsonl"


def batch(count: int = 4) -> list[Line]:
    with Journal(":memory:", MARKET) as journal:
        journal.register("s")
        filled(journal, 1, count, each=1)
        return journal.pending("s", count)


def test_lines_are_appended_and_found_again(path: Path) -> None:
    lines = batch()
    sink = FileSink(path, is_synced=True)
    assert sink.deliver([]) is None
    assert sink.deliver(lines[:2]) == lines[1].seq
    after_two = sink.position
    assert sink.deliver(lines[2:]) == lines[3].seq
    sink.close()
    assert path.read_text() == "".join(f"{line.line}\n" for line in lines)
    again = FileSink(path)
    assert again.beyond(after_two) == [line.id for line in lines[2:]]
    assert again.beyond(again.position) == []
    assert again.beyond(0) == [line.id for line in lines]
    again.close()


def test_a_run_that_was_killed_at_any_byte_of_a_batch_goes_on_there(path: Path) -> None:
    whole = "".join(f"{line.line}\n" for line in batch(2)).encode()
    path.parent.mkdir()
    for cut in range(len(whole) + 1):
        path.write_bytes(b"")
        with Journal(":memory:", MARKET) as journal:
            Delivery(journal, sink := FileSink(path))
            sink.close()
            filled(journal, 1, 2, each=1)
            path.write_bytes(whole[:cut])
            delivery = Delivery(journal, sink := FileSink(path))
            assert delivery.backlog == 2
            assert delivery.pump() == 2 - whole[:cut].count(b"\n")
            assert delivery.backlog == 0
            sink.close()
        assert path.read_bytes() == whole


def test_a_file_that_was_cut_or_replaced_since_is_gone_on_with(path: Path) -> None:
    with Journal(":memory:", MARKET) as journal:
        sink = FileSink(path)
        delivery = Delivery(journal, sink)
        filled(journal, 1, 3, each=1)
        delivery.pump()
        sink.close()
        path.write_text('{"id":"other","event":"gap"}\n' * 5)
        told = filled(journal, 4, 5, each=1)
        sink = FileSink(path)
        assert Delivery(journal, sink).pump() == 2
        sink.close()
    assert path.read_text().splitlines()[5:] == [each.line() for each in told]


def test_two_markets_may_share_a_file(path: Path) -> None:
    with Journal(":memory:", "one") as one, Journal(":memory:", "two") as two:
        sink = FileSink(path)
        deliveries = [Delivery(one, sink), Delivery(two, sink)]
        first, second = filled(one, 1, 4, each=1), filled(two, 1, 4, each=1, side="b")
        sink.close()
        mixed = [each.line() for pair in zip(first[:3], second[:3], strict=True) for each in pair]
        path.write_text("".join(f"{line}\n" for line in mixed))
        sink = FileSink(path)
        deliveries = [Delivery(one, sink), Delivery(two, sink)]
        assert deliver_all(deliveries) == []
        sink.close()
    assert path.read_text().splitlines() == [*mixed, first[3].line(), second[3].line()]


@pytest.mark.parametrize(
    "content",
    [
        b"a text without an end",
        b"a text\n",
        b"[1, 2]\n",
        b'{"identity": 7}\n',
        b'{"id": 7}\n',
        b'{"id":"a"}\n\n',
        b'{"id":"a"}\nnot',
        b"\x00" * 100,
    ],
)
def test_a_file_of_something_else_is_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(BadFile, match=r"it holds something other than events; name another file\.$"):
            FileSink(path)
    assert path.read_bytes() == content


def test_a_folder_and_a_pipe_are_refused_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadFile, match="it is no regular file; use stdout"):
        FileSink(tmp_path / "pipe")
    with pytest.raises(BadFile, match="Is a directory"):
        FileSink(tmp_path)


def test_a_file_in_use_is_refused_until_it_is_closed(path: Path) -> None:
    sink = FileSink(path)
    with pytest.raises(JournalInUse, match="another watch is using it; end that one, or name another file"):
        FileSink(path)
    sink.close()
    FileSink(path).close()


@pytest.mark.parametrize("room", range(0, 700, 50))
def test_a_full_disk_leaves_whole_lines_and_takes_the_rest_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    real = os.write

    def limited(file: int, data: bytes) -> int:
        left = room - os.fstat(file).st_size
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:left])

    with Journal(":memory:", MARKET) as journal:
        sink = FileSink(path)
        delivery = Delivery(journal, sink)
        told = filled(journal, 1, 3, each=1)
        monkeypatch.setattr(os, "write", limited)
        (failure,) = deliver_all([delivery])
        assert isinstance(failure, SinkFull)
        assert str(failure) == (f"cannot use {path}: No space left on device (events wait in the journal).")
        assert (path.read_bytes(), delivery.backlog) == (b"", 3)
        monkeypatch.undo()
        assert delivery.pump() == 3
        sink.close()
    assert path.read_text().splitlines() == [each.line() for each in told]


def test_what_is_out_is_not_written_again_where_the_journal_was_full(path: Path) -> None:
    with Journal(path.parent.parent / "m.sqlite", MARKET) as journal:
        sink = FileSink(path)
        delivery = Delivery(journal, sink)
        told = filled(journal, 1, 3)
        journal._db.execute("PRAGMA query_only = ON")
        assert [type(error) for error in deliver_all([delivery, delivery])] == [BadFile, BadFile]
        journal._db.execute("PRAGMA query_only = OFF")
        assert (delivery.backlog, delivery.pump(), delivery.backlog) == (6, 0, 0)
        told += filled(journal, 4, 4)
        assert delivery.pump() == 2
        sink.close()
    assert path.read_text().splitlines() == [each.line() for each in told]
