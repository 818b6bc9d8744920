"""All pages of a paged query at one height, in order, each exactly once: resumable, one page ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from defiliq.chain.cosmos_spool import PageStore, Spool
from defiliq.chain.protobuf import Unreadable, bytes_field, fields, varint_field
from defiliq.errors import BadResponse, NodeUnreachable, PagesMissing, TooLarge
from defiliq.types import Block

PAGE_SIZE: Final = 1_000
MAX_PAGES: Final = 200_000
LONGEST_KEY: Final = 1_024

# cosmos.base.query.v1beta1.PageRequest and PageResponse, and where dYdX's queries keep them and their items.
ITEMS, ANSWERED, ASKED = 1, 2, 1
KEY, LIMIT, COUNT_TOTAL = 1, 3, 4
NEXT_KEY, TOTAL = 1, 2

Warn = Callable[[str], None]


class Asks(Protocol):
    """What the pager needs of a node: `CosmosNode`, or whatever answers in its place."""

    @property
    def label(self) -> str:
        """How to name it to people."""
        ...

    def query(self, method: str, request: bytes, at: Block) -> bytes:
        """The answer to a query about the state after a block."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, as it came."""

    raw: bytes
    key: bytes
    """What it was asked by; empty for the first."""
    next_key: bytes
    """What the next is asked by; empty for the last."""
    items: int
    """How many it holds."""
    total: int
    """How many the node counts on all pages; it says so with the first only, and only if asked."""


def read_pages(
    node: Asks,
    method: str,
    at: Block,
    *,
    page_size: int = PAGE_SIZE,
    count: bool = True,
    max_pages: int = MAX_PAGES,
    store: PageStore | None = None,
    warn: Warn = lambda _: None,
) -> Iterator[Page]:
    """The pages in order; while one is looked at, the next is on its way.

    A node walks its store in the order of the keys (cosmos-sdk, types/query: Paginate), so a next key that
    does not lie behind the one asked by means that pages repeat; and with `count` it counts all items with
    the first page, so one that it leaves out is missed in the end. Both raise BadResponse. A page that is too
    large to be read is asked for in halves. With `store`, pages that an interrupted read has left there come
    first; it keeps what comes until all pages have been taken.
    """
    reader = _Reader(node, method, at, page_size, warn)
    seen = _Seen(reader, max_pages)
    spool = None if store is None else store.open(at, method, warn)
    try:
        key: bytes | None = b""
        if spool is not None:
            for page in _kept(spool, reader):
                seen.take(page)
                key = page.next_key if page.next_key else None
                yield page
        for page in _fetched(reader, key, count):
            seen.take(page)
            if spool is not None:
                spool.add(page.raw)
            yield page
    finally:
        if spool is not None:
            spool.close()
    # Read in full: what is kept of it is of no more use, even if pages turn out to be missing.
    if spool is not None:
        spool.remove()
    seen.finish()


def _kept(spool: Spool, reader: _Reader) -> Iterator[Page]:
    """The pages that an interrupted read has left; the file is cut where they stop to follow each other."""
    key = b""
    for raw in spool.pages():
        try:
            page = reader.parsed(raw, key)
        except BadResponse:
            spool.cut_last()
            return
        yield page
        key = page.next_key
        if not key:
            return


def _fetched(reader: _Reader, key: bytes | None, count: bool) -> Iterator[Page]:
    """The pages from a key on, each fetched while the one before is looked at; none where there is no key.

    Whoever leaves early does not wait for the page that is on its way.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="defiliq-pages")
    try:
        coming = None if key is None else pool.submit(reader.fetch, key, count and not key)
        while coming is not None:
            page = coming.result()
            coming = pool.submit(reader.fetch, page.next_key, False) if page.next_key else None
            yield page
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Seen:
    """Keeps count of the pages that were taken."""

    def __init__(self, reader: _Reader, max_pages: int) -> None:
        self._reader, self._max_pages = reader, max_pages
        self._pages, self._items, self._total = 0, 0, 0

    def take(self, page: Page) -> None:
        self._pages += 1
        self._items += page.items
        if not page.key:
            self._total = page.total
        if self._pages >= self._max_pages and page.next_key:
            raise self._reader.bad(f"more than {self._max_pages} pages")

    def finish(self) -> None:
        if self._total and self._total != self._items:
            seen = f"{self._items} items on all pages, where it counts {self._total}: pages are missing"
            raise PagesMissing(self._reader.label, self._reader.said(seen))


class _Reader:
    """Asks for one page after another; the size of a page only ever shrinks."""

    def __init__(self, node: Asks, method: str, at: Block, page_size: int, warn: Warn) -> None:
        self._node, self._method, self._at, self._warn = node, method, at, warn
        self._size = max(1, page_size)

    @property
    def label(self) -> str:
        return self._node.label

    def said(self, seen: str) -> str:
        return f"{self._method.rpartition('/')[2]}: {seen}"

    def bad(self, seen: str) -> BadResponse:
        return BadResponse(self._node.label, self.said(seen))

    def fetch(self, key: bytes, count: bool) -> Page:
        """The page of a key, as large as the node and the limit of bytes let it be."""
        wanted = self._size
        while True:
            request = page_request(key, self._size, count=count)
            try:
                page = self.parsed(self._node.query(self._method, request, self._at), key)
            except TooLarge as error:
                if self._size > 1:
                    self._size //= 2
                elif count:
                    self._size, count = wanted, self._uncounted()
                else:
                    seen = f"{error.seen}, with a single item on the page"
                    raise TooLarge(self._node.label, seen) from None
            except NodeUnreachable:
                # Counting walks through all of a store: a node, or what is before it, may hang up on that.
                if not count:
                    raise
                count = self._uncounted()
            else:
                if count and page.items and not page.total:
                    self._uncounted()
                return page

    def _uncounted(self) -> bool:
        self._warn("the node does not count the items: a page that it leaves out would go unseen")
        return False

    def parsed(self, raw: bytes, key: bytes) -> Page:
        """A page, its paging checked; what its items say is for others to judge."""
        try:
            page = _page(raw, key)
        except Unreadable as error:
            raise self.bad(f"a page that is no protobuf message ({error})") from None
        if len(page.next_key) > LONGEST_KEY:
            raise self.bad(f"a next key of {len(page.next_key)} bytes")
        if page.next_key and page.next_key <= key:
            raise self.bad("a next key that lies before the page asked for: its pages repeat")
        if page.next_key and not page.items:
            raise self.bad("an empty page that has a next one")
        return page


def page_request(key: bytes, limit: int, *, count: bool) -> bytes:
    """A request whose only field is a PageRequest, which is what all of dYdX's paged queries take."""
    paging = bytes_field(KEY, key) if key else b""
    paging += varint_field(LIMIT, limit)
    if count:
        paging += varint_field(COUNT_TOTAL, 1)
    return bytes_field(ASKED, paging)


def _page(raw: bytes, key: bytes) -> Page:
    items, next_key, total = 0, b"", 0
    for field in fields(raw):
        if field.number == ITEMS:
            items += 1
        elif field.number == ANSWERED:
            for inner in fields(raw, field.start, field.end):
                if inner.number == NEXT_KEY:
                    next_key = raw[inner.start : inner.end]
                elif inner.number == TOTAL:
                    total = inner.value
    return Page(raw, key, next_key, items, total)
