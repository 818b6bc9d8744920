"""Whatever bytes a node sends, a read ends in a book or in one line that people can be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.errors import DefiliqError
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.dydx_v4 import DydxMarket, explain, health, read, remarks, take
from defiliq.types import Block
from tests.chain.cosmos_standin import Handler, PagedList
from tests.dydx.population import population
from tests.dydx.standin import CHAIN_ID, HEIGHT, SUBACCOUNT_ALL, dydx_standin
from tests.protocols.dydx_v4.stage import LISTING, assert_same_book

AT = Block(CHAIN_ID, HEIGHT, "0x" + "ab" * 32, 1_700_001_000)
TRIES = 120


class Direct:
    """A stand-in chain that is asked without a connection."""

    label = "a stand-in"
    store = None

    def __init__(self, handlers: Mapping[str, Handler | PagedList]) -> None:
        self.handlers = handlers

    def query(self, method: str, request: bytes, at: Block) -> bytes:
        handler = self.handlers[method]
        return handler.page(request) if isinstance(handler, PagedList) else handler(request, at.number)

    def check_block(self, block: Block) -> None:
        assert block == AT


@cache
def handlers() -> Mapping[str, Handler | PagedList]:
    return dydx_standin(population(60, seed=3)).handlers


QUERIES = tuple(method for method in handlers() if not method.endswith(("/Balance", "/Subaccount")))


def broken(raw: bytes, random: Random) -> bytes:
    """The bytes with a few of them changed, left out or put in."""
    changed = bytearray(raw)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(changed))
        new = random.choice((1, 1, 1, 0, 2))
        changed[at : at + 1] = bytes(random.randrange(256) for _ in range(new))
    return bytes(changed)


def always(raw: bytes) -> Handler:
    """One answer, whatever is asked."""
    return lambda _request, _height: raw


def book_or_error(node: Any) -> Book[DydxMarket] | str:
    """What a read ends in."""
    try:
        return read(node, LISTING, None, AT)
    except DefiliqError as error:
        return str(error)


@pytest.mark.parametrize("method", QUERIES, ids=lambda method: str(method).rpartition("/")[2])
def test_any_bytes_give_a_book_or_an_error_in_one_line(tmp_path: Path, method: str) -> None:
    random, ends = Random(method), Counter[str]()
    whole = Direct(handlers()).query(method, b"", AT)
    for _ in range(TRIES):
        found = book_or_error(Direct({**handlers(), method: always(broken(whole, random))}))
        if isinstance(found, str):
            ends["refused"] += 1
            assert found.isprintable()
            assert len(found) < 400
            continue
        ends["read"] += 1
        book = found
        told = (*book.failed, *book.failed.values(), *book.market.graph.warnings)
        assert all(text.isprintable() for text in told)
        assert_same_book(load_snapshot(save_snapshot(book, tmp_path / "book.parquet")), book)
        for account in [book.account(i) for i in range(0, len(book), 9)]:
            explain(account, book.market)
            tuple(remarks(account, book.market))
            if health(account, book.market).liquidatable:
                take(account, book.market)
    assert ends["refused"] > TRIES // 10
    assert ends["read"] > 0 or method != SUBACCOUNT_ALL
