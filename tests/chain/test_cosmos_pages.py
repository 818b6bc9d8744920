"""Paging over both ways: every page once, or an error; and going on after one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from defiliq.chain.cosmos import CosmosNode
from defiliq.chain.cosmos_pages import MAX_PAGES, Page, page_request, read_pages
from defiliq.chain.cosmos_spool import PageStore
from defiliq.chain.protobuf import bytes_field, varint_field
from defiliq.errors import BadResponse, NodeError, NodeTimeout, NodeUnreachable, TooLarge
from defiliq.types import Block
from tests.chain.cosmos_standin import SERVING, Fault, FaultKind, PagedList, StandIn, blocks_at
from tests.chain.test_cosmos import connect

LIST = "/test.Items/All"
COUNT = 95
SIZE = 10


def items(count: int = COUNT) -> list[tuple[bytes, bytes]]:
    """Items of different lengths, in the order of their keys."""
    return [(b"key%05d" % number, b"item %d " % number * (number % 7 + 1)) for number in range(count)]


def model(count: int = COUNT) -> StandIn:
    return StandIn("c-1", blocks_at(8, 9, 10), {LIST: PagedList(items(count))})


@pytest.fixture
def chain() -> StandIn:
    return model()


@pytest.fixture(params=SERVING)
def node(request: pytest.FixtureRequest, chain: StandIn) -> Iterator[CosmosNode]:
    with SERVING[str(request.param)](chain) as url, connect(url, retries=1) as opened:
        yield opened


@pytest.fixture
def at(node: CosmosNode) -> Block:
    return node.block(9)


def read(
    node: CosmosNode,
    at: Block,
    store: PageStore | None = None,
    *,
    page_size: int = SIZE,
    max_pages: int = MAX_PAGES,
) -> list[Page]:
    said: list[str] = []
    pages = list(
        read_pages(node, LIST, at, page_size=page_size, max_pages=max_pages, store=store, warn=said.append)
    )
    assert said == []
    return pages


def contents(pages: list[Page]) -> bytes:
    """All items of all pages as they stand on the wire."""
    joined = b""
    for page in pages:
        paging = page.raw.rindex(b"\x12", 0, len(page.raw) - len(page.next_key))
        joined += page.raw[:paging]
    return joined


def test_every_item_comes_once_in_order(node: CosmosNode, at: Block, chain: StandIn) -> None:
    pages = read(node, at)
    assert [page.items for page in pages] == [SIZE] * 9 + [5]
    assert [page.total for page in pages] == [COUNT] + [0] * 9
    assert pages[0].key == b""
    assert [page.key for page in pages[1:]] == [page.next_key for page in pages[:-1]]
    assert pages[-1].next_key == b""
    for number, (_, item) in enumerate(items()):
        assert item in pages[number // SIZE].raw
    assert {height for _, height, _ in chain.asked} == {9}, "every page is of the pinned block"


def test_both_ways_give_the_same_pages(chain: StandIn) -> None:
    seen = []
    for serve in SERVING.values():
        with serve(chain) as url, connect(url) as node:
            seen.append(read(node, node.block(9)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE])
def test_the_last_page(count: int) -> None:
    chain = model(count)
    with SERVING["grpc"](chain) as url, connect(url) as node:
        pages = read(node, node.block(9))
    assert sum(page.items for page in pages) == count
    assert len(pages) == max(1, -(-count // SIZE))


@pytest.mark.parametrize("kind", ["page repeated", "keys in a circle"])
@pytest.mark.parametrize("after", [1, 4])
def test_pages_that_repeat_are_refused(
    node: CosmosNode, at: Block, chain: StandIn, kind: FaultKind, after: int
) -> None:
    chain.faults = [Fault(kind, after=after)]
    with pytest.raises(BadResponse, match="All: a next key that lies before the page asked for"):
        read(node, at)


def test_a_circle_from_the_first_page_on_is_refused(node: CosmosNode, at: Block, chain: StandIn) -> None:
    chain.faults = [Fault("keys in a circle", times=-1)]
    with pytest.raises(BadResponse, match="pages repeat"):
        read(node, at)


@pytest.mark.parametrize("after", [0, 3, 8])
def test_a_page_left_out_is_missed(node: CosmosNode, at: Block, chain: StandIn, after: int) -> None:
    chain.faults = [Fault("page skipped", after=after)]
    with pytest.raises(
        BadResponse, match=r"8\d|90 items on all pages, where it counts 95: pages are missing"
    ):
        read(node, at)


def test_a_page_that_is_no_message_is_refused(node: CosmosNode, at: Block, chain: StandIn) -> None:
    chain.faults = [Fault("malformed", after=2)]
    with pytest.raises(BadResponse, match="All: a page that is no protobuf message"):
        read(node, at)


def test_a_page_of_another_height_is_refused(node: CosmosNode, at: Block, chain: StandIn) -> None:
    chain.faults = [Fault("another height", after=5, amount=1)]
    with pytest.raises(BadResponse, match="state after block 10 when asked for block 9"):
        read(node, at)


def test_an_endless_list_ends(node: CosmosNode, at: Block) -> None:
    with pytest.raises(BadResponse, match="more than 4 pages"):
        read(node, at, max_pages=4)
    assert len(read(node, at, max_pages=10)) == 10


class Scripted:
    """A node that answers with what it is given."""

    label = "scripted"

    def __init__(self, answers: Sequence[bytes | NodeError]) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def query(self, method: str, request: bytes, at: Block) -> bytes:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, NodeError):
            raise answer
        return answer


AT = Block("c-1", 9, "0x00", 0)


def paged(items: int, next_key: bytes = b"", total: int = 0) -> bytes:
    paging = (bytes_field(1, next_key) if next_key else b"") + (varint_field(2, total) if total else b"")
    return bytes_field(1, b"x") * items + bytes_field(2, paging)


def test_an_empty_page_with_a_next_one_is_refused() -> None:
    with pytest.raises(BadResponse, match="an empty page that has a next one"):
        list(read_pages(Scripted([paged(0, b"a")]), LIST, AT))


def test_an_absurd_key_is_refused() -> None:
    with pytest.raises(BadResponse, match="a next key of 1025 bytes"):
        list(read_pages(Scripted([paged(1, b"a" * 1025)]), LIST, AT))


UNCOUNTED = ["the node does not count the items: a page that it leaves out would go unseen"]


def test_a_node_that_does_not_count_is_read_with_a_warning() -> None:
    said: list[str] = []
    pages = list(read_pages(Scripted([paged(1, b"a"), paged(1)]), LIST, AT, warn=said.append))
    assert len(pages) == 2
    assert said == UNCOUNTED


@pytest.mark.parametrize("kind", [NodeTimeout, NodeUnreachable])
def test_a_node_that_hangs_up_on_counting_is_asked_without(kind: type[NodeUnreachable]) -> None:
    said: list[str] = []
    node = Scripted([kind("scripted", "late"), paged(1)])
    assert len(list(read_pages(node, LIST, AT, warn=said.append))) == 1
    assert node.asked == [page_request(b"", 1_000, count=True), page_request(b"", 1_000, count=False)]
    assert said == UNCOUNTED
    with pytest.raises(kind):
        list(read_pages(Scripted([kind("scripted", "late")]), LIST, AT, count=False))


def test_a_node_that_has_no_gas_for_counting_is_asked_without() -> None:
    said: list[str] = []
    refusals: list[bytes | NodeError] = [TooLarge("scripted", "gas")] * 4
    node = Scripted([*refusals, paged(8, b"a"), paged(1)])
    pages = list(read_pages(node, LIST, AT, page_size=8, warn=said.append))
    assert [page.items for page in pages] == [8, 1]
    sizes = [(8, True), (4, True), (2, True), (1, True), (8, False)]
    assert node.asked[:5] == [page_request(b"", size, count=count) for size, count in sizes]
    assert said == UNCOUNTED


def test_a_page_that_is_too_large_is_asked_for_in_halves(chain: StandIn) -> None:
    for serve in SERVING.values():
        chain.asked.clear()
        with serve(chain) as url, connect(url, max_message_bytes=300) as node:
            at = node.block(9)
            pages = list(read_pages(node, LIST, at, page_size=64))
            assert sum(page.items for page in pages) == COUNT
            assert max(len(page.raw) for page in pages) <= 300
        with serve(chain) as url, connect(url) as node:
            assert contents(pages) == contents(read(node, at))


def test_a_single_item_that_is_too_large_is_an_error(chain: StandIn) -> None:
    chain.handlers = {LIST: PagedList([*items(40), (b"key99", bytes(600))])}
    for serve in SERVING.values():
        with serve(chain) as url, connect(url, max_message_bytes=500) as node:
            at = node.block(9)
            with pytest.raises(TooLarge, match="over the limit of 500 bytes, with a single item on the page"):
                list(read_pages(node, LIST, at, page_size=64))


def test_the_next_page_is_fetched_while_one_is_looked_at(node: CosmosNode, at: Block, chain: StandIn) -> None:
    pages = read_pages(node, LIST, at, page_size=SIZE)
    next(pages)
    next(pages)
    assert len(chain.asked) in (2, 3)
    pages.close()  # type: ignore[attr-defined]
    assert len(chain.asked) <= 4, "one page ahead, no more"


FAULTS: list[FaultKind] = ["unavailable", "malformed", "page repeated", "another height", "not allowed"]


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_what_was_interrupted_goes_on_and_yields_what_an_undisturbed_read_yields(
    node: CosmosNode, at: Block, chain: StandIn, tmp_path: Path, kind: FaultKind, after: int
) -> None:
    undisturbed = read(node, at)
    if kind == "page repeated":
        # The first page has no key to repeat, and the last has no next.
        after = min(max(after, 1), 8)
    chain.asked.clear()
    chain.faults = [Fault(kind, after=after, times=-1, amount=1)]
    store = PageStore(tmp_path)
    taken: list[Page] = []
    with pytest.raises(NodeError):
        taken.extend(read_pages(node, LIST, at, page_size=SIZE, store=store))
    chain.faults = []
    assert store.unfinished("c-1", LIST) == (at if after else None)
    chain.asked.clear()
    assert read(node, at, store) == undisturbed
    assert len(chain.asked) == 10 - after, "what is there is not asked for again"
    assert store.unfinished("c-1", LIST) is None
    assert list(tmp_path.iterdir()) == []


def test_a_read_that_is_left_early_goes_on_later(
    node: CosmosNode, at: Block, chain: StandIn, tmp_path: Path
) -> None:
    undisturbed = read(node, at)
    store = PageStore(tmp_path)
    for _ in range(3):
        pages = read_pages(node, LIST, at, page_size=SIZE, store=store)
        assert [next(pages) for _ in range(4)] == undisturbed[:4]
        pages.close()  # type: ignore[attr-defined]
        assert store.unfinished("c-1", LIST) == at
    assert read(node, at, store) == undisturbed


def test_pages_that_are_missing_leave_nothing_to_resume(
    node: CosmosNode, at: Block, chain: StandIn, tmp_path: Path
) -> None:
    store = PageStore(tmp_path)
    chain.faults = [Fault("page skipped", after=3)]
    with pytest.raises(BadResponse, match="pages are missing"):
        read(node, at, store)
    assert list(tmp_path.iterdir()) == []
    assert sum(page.items for page in read(node, at, store)) == COUNT


def test_a_total_from_before_the_interruption_counts_after_it(
    node: CosmosNode, at: Block, chain: StandIn, tmp_path: Path
) -> None:
    store = PageStore(tmp_path)
    chain.faults = [Fault("page skipped", after=1), Fault("unavailable", after=3, times=-1)]
    with pytest.raises(NodeUnreachable):
        read(node, at, store)
    chain.faults = []
    with pytest.raises(BadResponse, match="85 items on all pages, where it counts 95"):
        read(node, at, store)


def test_another_page_size_does_not_hinder_going_on(node: CosmosNode, at: Block, tmp_path: Path) -> None:
    store = PageStore(tmp_path)
    pages = read_pages(node, LIST, at, page_size=7, store=store)
    first = [next(pages), next(pages)]
    pages.close()  # type: ignore[attr-defined]
    rest = read(node, at, store, page_size=20)
    assert rest[:2] == first
    assert sum(page.items for page in rest) == COUNT


def test_at_another_block_everything_is_read_anew(node: CosmosNode, chain: StandIn, tmp_path: Path) -> None:
    store = PageStore(tmp_path)
    pages = read_pages(node, LIST, node.block(8), page_size=SIZE, store=store)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert len(read(node, node.block(9), store)) == 10
    assert [height for _, height, _ in chain.asked].count(9) == 10
    assert store.unfinished("c-1", LIST) == node.block(8)
