"""Files that are no journal, that belong to others, or that take no more."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from defiliq.errors import BadFile, JournalFull, JournalInUse
from defiliq.watch.journal import Journal, Kept
from tests.watch.keeping import MARKET, event, filled, head, memory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of some blocks, closed."""
    path = tmp_path / "m.sqlite"
    with Journal(path, MARKET) as journal:
        journal.register("s")
        filled(journal, 1, 40)
    return path


def edited(statement: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        db = sqlite3.connect(path)
        db.execute(statement)
        db.commit()
        db.close()

    return edit


def resealed(statement: str) -> Callable[[Path], None]:
    """A change by somebody who knows how rows are sealed."""

    def edit(path: Path) -> None:
        from defiliq.watch.journal_file import seal

        db = sqlite3.connect(path)
        db.create_function("seal", -1, seal)
        db.execute(statement)
        db.commit()
        db.close()

    return edit


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_in_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def text(path: Path) -> None:
    path.write_text('{"id": "this is a file of events"}\n')


def zeroed_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : 4 * 4096] = bytes(3 * 4096)
    path.write_bytes(data)


def damaged_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def flipped(needle: bytes) -> Callable[[Path], None]:
    """One letter changed where it stands in the file."""

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[data.index(needle)] ^= 1
        path.write_bytes(data)

    return flip


def no_text(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"reserves.WETH", b"reserves.\xff\xfeTH"))


INVALID: dict[str, Callable[[Path], None]] = {
    "cut in half": cut,
    "cut within a page": cut_in_a_page,
    "garbage": garbage,
    "another kind of file": text,
    "pages of zeros": zeroed_pages,
    "a damaged header": damaged_header,
    "another format": edited("PRAGMA user_version = 99"),
    "a database of something else": edited("PRAGMA user_version = 0"),
    "a table missing": edited("DROP TABLE events"),
    "no market": edited("DELETE FROM journal"),
    "a flipped bit in an event": flipped(b'"protocol":"aave-v3"'),
    "a flipped bit in a memory": flipped(b"liquidatable"),
    "a flipped bit in a head": flipped(b"15000000, 30000000"),
    "bytes that are no text": no_text,
    "a changed row": edited("UPDATE state SET value = '\"1\"' WHERE section = 'parameters'"),
    "a memory of another form": resealed(
        "UPDATE state SET value = '7', seal = seal(section, key, number, '7') WHERE section = 'form'"
    ),
    "a memory that is none": resealed(
        "UPDATE state SET value = '[]', seal = seal(section, key, number, '[]') WHERE section = 'told'"
    ),
    "a memory without a part": edited("DELETE FROM state WHERE section = 'answers'"),
    "a head that is none": resealed("UPDATE heads SET head = '[1]', seal = seal(number, hash, '[1]')"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_what_is_no_journal_is_kept_aside_and_a_new_one_begun(path: Path, kind: str) -> None:
    INVALID[kind](path)
    damaged = path.read_bytes()
    with Journal(path, MARKET) as journal:
        aside = Path(f"{path}.bad-1")
        (notice,) = journal.notices
        assert notice.startswith(f"{path} is no journal (")
        assert notice.endswith(f"): it is kept as {aside}, and a new one begun.")
        assert "\n" not in notice
        assert (journal.last(), journal.sinks()) == (None, [])
        assert aside.read_bytes() == damaged
        filled(journal, 1, 3)
    with Journal(path, MARKET) as journal:
        assert journal.notices == []
        assert journal.last() == Kept(head(3), memory(3))


def test_each_bad_file_is_kept_under_a_name_of_its_own_with_what_is_beside_it(path: Path) -> None:
    Path(f"{path}.bad-1-wal").write_bytes(b"from before")
    for number, kind in ((2, garbage), (3, text)):
        kind(path)
        Path(f"{path}-wal").write_bytes(b"w" * number)
        with Journal(path, MARKET) as journal:
            assert f"{path}.bad-{number}," in journal.notices[0]
        assert Path(f"{path}.bad-{number}").exists()
    assert Path(f"{path}.bad-1-wal").read_bytes() == b"from before"


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    path.touch()
    with Journal(path, MARKET) as journal:
        assert journal.notices == []
        filled(journal, 1, 1)


def test_another_markets_journal_is_left_alone_and_both_are_named(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(BadFile) as caught:
        Journal(path, "aave-v3/10/OptimismMain")
    assert str(caught.value) == (
        f"cannot use {path}: it is the journal of {MARKET}, not of aave-v3/10/OptimismMain."
    )
    assert path.read_bytes() == before
    Journal(path, MARKET).close()


@pytest.mark.parametrize("place", ["", "missing/m.sqlite"])
def test_a_place_that_cannot_be_a_file_is_one_line(tmp_path: Path, place: str) -> None:
    with pytest.raises(BadFile, match="unable to open") as caught:
        Journal(tmp_path / place if place else f"{tmp_path}/", MARKET)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [] or place == ""


def test_a_journal_in_use_is_refused_and_free_again_once_it_is_closed(path: Path) -> None:
    with Journal(path, MARKET) as journal:
        for _ in range(2):
            with pytest.raises(JournalInUse) as caught:
                Journal(path, MARKET)
        assert str(caught.value) == (
            f"cannot use {path}: another watch is using it; end that one, or use another --state."
        )
        filled(journal, 41, 42)
    with Journal(path, MARKET) as journal:
        assert journal.last() == Kept(head(42), memory(42))


def test_a_lock_that_is_no_lock_is_named(path: Path) -> None:
    Path(f"{path}.lock").write_bytes(b"x" * 5000)
    with pytest.raises(BadFile, match=r"m\.sqlite\.lock: file is not a database \(it only says that"):
        Journal(path, MARKET)


HOLDING = """
import sys, time
from defiliq.watch.journal import Journal
journal = Journal(sys.argv[1], sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_killed_lets_go(path: Path) -> None:
    command = [sys.executable, "-c", HOLDING, str(path), MARKET]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(JournalInUse):
            Journal(path, MARKET)
        other.kill()
        other.wait()
        with Journal(path, MARKET) as journal:
            assert (journal.notices, journal.last()) == ([], Kept(head(40), memory(40)))


@pytest.mark.parametrize("room", range(0, 24, 2))
def test_a_full_disk_keeps_nothing_of_a_block_and_the_same_block_can_be_kept_later(
    path: Path, room: int
) -> None:
    with Journal(path, MARKET) as journal:
        before = journal.pending("s", 1000)
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + room}")
        number, events = 41, [event(41, str(key)) for key in range(400)]
        with pytest.raises(JournalFull, match="database or disk is full") as caught:
            journal.commit(head(number), memory(number, accounts=300), events)
        assert "\n" not in str(caught.value)
        assert journal.last() == Kept(head(40), memory(40))
        assert journal.pending("s", 1000) == before
        assert journal.heads()[0][0] == 40
        journal._db.execute("PRAGMA max_page_count = 100000")
        journal.commit(head(number), memory(number, accounts=300), events)
    with Journal(path, MARKET) as journal:
        assert journal.last() == Kept(head(41), memory(41, accounts=300))
        assert [line.id for line in journal.pending("s", 1000)[80:]] == [each.id for each in events]


def test_a_full_disk_takes_nothing_back_and_the_same_can_be_taken_back_later(path: Path) -> None:
    with Journal(path, MARKET) as journal:
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages}")
        many = [event(30, str(key), kind="reorg") for key in range(500)]
        with pytest.raises(JournalFull):
            journal.rollback(30, lambda ids: many)
        assert journal.last() == Kept(head(40), memory(40))
        journal._db.execute("PRAGMA max_page_count = 100000")
        assert journal.rollback(30, lambda ids: many) == Kept(head(30), memory(30))
        assert journal.backlog("s") == 580


LIMITED = """
import resource, sys
from defiliq.errors import JournalFull, SinkFull
from defiliq.watch.journal import Journal
from defiliq.watch.sinks import Delivery, FileSink
from tests.watch.keeping import MARKET, event, head, memory
journal, sink = Journal(sys.argv[1], MARKET), FileSink(sys.argv[2])
delivery = Delivery(journal, sink)
full = [0, 0]
for number in range(1, 60):
    limit = 3_000 * number
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    def with_more_room(action):
        global limit
        while True:
            try:
                return action()
            except (JournalFull, SinkFull) as error:
                full[isinstance(error, SinkFull)] += 1
                limit += 3_000 if isinstance(error, SinkFull) else 40_000
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    events = [event(number, str(key)) for key in range(20)]
    with_more_room(lambda: journal.commit(head(number), memory(number), events))
    with_more_room(delivery.pump)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(full[0], full[1], journal.backlog(sink.name), journal.last().head.block.number)
"""


def test_files_that_may_not_grow_are_waited_for_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    paths = [str(tmp_path / "m.sqlite"), str(tmp_path / "events.jsonl")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *paths], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    of_journal, of_sink, backlog, last = (int(word) for word in done.stdout.split())
    assert of_journal > 5
    assert of_sink > 5
    assert (backlog, last) == (0, 59)
    written = Path(paths[1]).read_text().splitlines()
    assert written == [event(n, str(key)).line() for n in range(1, 60) for key in range(20)]
    with Journal(paths[0], MARKET) as journal:
        assert (journal.notices, journal.last()) == ([], Kept(head(59), memory(59)))
