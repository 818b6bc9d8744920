"""The files that keep pages: torn, damaged, full, shared."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from defiliq.chain import cosmos_spool
from defiliq.chain.cosmos_pages import read_pages
from defiliq.chain.cosmos_spool import PageStore, Spool
from defiliq.types import Block
from tests.chain.test_cosmos_pages import LIST, Scripted, paged

AT = Block("dydx-mainnet-1", 9, f"0x{'ab' * 32}", 1_700_000_000)
PAGES = [b"first page", b"", b"third" * 100]


def opened(store: PageStore, at: Block = AT, method: str = LIST) -> Spool:
    def never(text: str) -> None:
        raise AssertionError(text)

    spool = store.open(at, method, never)
    assert spool is not None
    return spool


@pytest.fixture
def store(tmp_path: Path) -> PageStore:
    return PageStore(tmp_path)


@pytest.fixture
def path(store: PageStore, tmp_path: Path) -> Path:
    """A file with three pages."""
    spool = opened(store)
    for page in PAGES:
        spool.add(page)
    spool.close()
    (found,) = tmp_path.iterdir()
    return found


def test_pages_come_back(store: PageStore, path: Path) -> None:
    assert path.name.startswith("dydx-mainnet-1-9-")
    spool = opened(store)
    assert list(spool.pages()) == PAGES
    spool.add(b"fourth")
    spool.close()
    spool = opened(store)
    assert list(spool.pages()) == [*PAGES, b"fourth"]
    spool.remove()
    assert not path.exists()


def test_wherever_the_file_ends_the_whole_pages_come_back(store: PageStore, path: Path) -> None:
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    ends = [start]
    for page in PAGES:
        ends.append(ends[-1] + 8 + len(page))
    assert ends[-1] == len(whole)
    for length in range(start + 1, len(whole)):
        path.write_bytes(whole[:length])
        spool = opened(store)
        kept = sum(end <= length for end in ends[1:])
        assert list(spool.pages()) == PAGES[:kept]
        spool.add(b"next")
        spool.close()
        spool = opened(store)
        assert list(spool.pages()) == [*PAGES[:kept], b"next"]
        spool.close()


def test_wherever_a_byte_is_wrong_no_wrong_page_comes_back(store: PageStore, path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 0x40,)) + whole[place + 1 :])
        spool = opened(store)
        kept = list(spool.pages())
        assert kept == PAGES[: len(kept)]
        spool.close()


def test_a_file_of_something_else_is_begun_anew(store: PageStore, path: Path) -> None:
    path.write_bytes(b"something else\n" * 100)
    assert store.unfinished(AT.chain_id, LIST) is None
    spool = opened(store)
    assert list(spool.pages()) == []
    spool.close()


def test_the_newest_interrupted_block_is_found(store: PageStore) -> None:
    for number in (5, 30, 7):
        spool = opened(store, Block("dydx-mainnet-1", number, "0xab", 1))
        spool.add(b"page")
        spool.close()
    for at, method in (
        (Block("c-2", 99, "0xab", 1), LIST),
        (Block("dydx-mainnet-1", 88, "0xab", 1), "/a.B/C"),
    ):
        spool = opened(store, at, method)
        spool.add(b"page")
        spool.close()
    assert store.unfinished("dydx-mainnet-1", LIST) == Block("dydx-mainnet-1", 30, "0xab", 1)
    assert store.unfinished("c-2", LIST) == Block("c-2", 99, "0xab", 1)
    assert store.unfinished(1, LIST) is None


def test_a_chain_id_that_is_a_number_or_a_path(store: PageStore, tmp_path: Path) -> None:
    for chain_id in (1337, "../../elsewhere", "x" * 300):
        at = Block(chain_id, 9, "0xab", 1)
        spool = opened(store, at)
        spool.add(b"page")
        spool.close()
        assert store.unfinished(chain_id, LIST) == at
    assert len(list(tmp_path.iterdir())) == 3


def test_only_the_newest_interrupted_reads_are_kept(store: PageStore, tmp_path: Path) -> None:
    for number in range(1, 9):
        spool = opened(store, Block("dydx-mainnet-1", number, "0xab", 1))
        spool.add(b"page")
        spool.close()
    assert len(list(tmp_path.iterdir())) == cosmos_spool.KEPT
    newest = store.unfinished("dydx-mainnet-1", LIST)
    assert newest is not None
    assert newest.number == 8


def test_without_a_page_nothing_is_left_behind(store: PageStore, tmp_path: Path) -> None:
    opened(store).close()
    assert list(tmp_path.iterdir()) == []
    assert store.unfinished(AT.chain_id, LIST) is None


def test_a_directory_that_is_not_there_has_nothing_unfinished(tmp_path: Path) -> None:
    assert PageStore(tmp_path / "none").unfinished(AT.chain_id, LIST) is None


def two_pages(store: PageStore) -> tuple[list[str], int]:
    """What is said while two pages are read, and how many came."""
    said: list[str] = []
    node = Scripted([paged(1, b"a", 2), paged(1)])
    pages = list(read_pages(node, LIST, AT, store=store, warn=said.append))
    return said, len(pages)


def test_where_nothing_can_be_kept_reading_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    said, count = two_pages(PageStore(tmp_path / "file" / "below"))
    assert count == 2
    assert len(said) == 1
    assert said[0].startswith("pages cannot be kept (")
    assert said[0].endswith("if this read is interrupted, it starts anew")


def test_a_full_disk_is_said_once_and_reading_goes_on(store: PageStore) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    said: list[str] = []
    spool = store.open(AT, LIST, said.append)
    assert spool is not None
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400, usual[1]))
        for page in (b"a" * 100, b"b" * 5_000, b"c"):
            spool.add(page)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert said == ["pages cannot be kept (no room): if this read is interrupted, it starts anew"]
    spool = opened(store)
    assert list(spool.pages()) == [b"a" * 100]
    spool.close()


def test_a_file_does_not_grow_without_end(
    store: PageStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cosmos_spool, "LARGEST_FILE", 300)
    said: list[str] = []
    spool = store.open(AT, LIST, said.append)
    assert spool is not None
    for _ in range(10):
        spool.add(b"x" * 50)
    assert len(said) == 1
    spool.close()
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size <= 300
    spool = opened(store)
    assert set(spool.pages()) == {b"x" * 50}
    spool.close()


def test_two_writers_of_one_file_spoil_nothing(store: PageStore) -> None:
    answers = [paged(1, b"a", 4), paged(1, b"b"), paged(1, b"c"), paged(1)]
    writers = [opened(store), opened(store)]
    for answer in answers[:3]:
        for writer in writers:
            writer.add(answer)
    for writer in writers:
        writer.close()
    # What does not go on from the page before is cut off and asked for again.
    node = Scripted(answers[1:])
    pages = read_pages(node, LIST, AT, store=store)
    assert [next(pages).raw for _ in range(3)] == answers[:3]
    pages.close()  # type: ignore[attr-defined]
    spool = opened(store)
    assert list(spool.pages()) == answers[:3]
    spool.close()
    node = Scripted(answers[3:])
    assert [page.raw for page in read_pages(node, LIST, AT, store=store)] == answers


def test_no_rights_to_look_is_nothing_unfinished(store: PageStore, path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may look at everything")
    path.chmod(0)
    assert store.unfinished(AT.chain_id, LIST) is None
