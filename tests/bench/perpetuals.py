"""dYdX v4: subaccounts read from a node, their verdicts, and their levels."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
from numpy.typing import NDArray
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryGetSubaccountRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2_grpc import QueryStub

from defiliq.book import Book
from defiliq.chain.cosmos import connect_cosmos
from defiliq.protocols import dydx_v4
from defiliq.types import Listing
from tests.bench.books import bench_book
from tests.bench.report import Note, Report, Row, best_of

SEED = 7
ONE_BY_ONE = 500
"""Subaccounts that are asked for each by its own query: no more, because it takes long."""
SECONDS_FOR_ALL = 20
DRIVERS = ("BTC/USD", "ALL")


def bench_perpetuals(subaccounts: int) -> list[Report]:
    """Reading over both transports, then verdicts and levels of what was read."""
    with standin(subaccounts) as urls:
        book, report = _reading(urls)
    return [report, *bench_book("dYdX v4", book, SEED, DRIVERS)]


@contextmanager
def standin(subaccounts: int) -> Iterator[dict[str, str]]:
    """A chain of seeded subaccounts in a process of its own, by transport."""
    line = [sys.executable, "-m", "tests.dydx", "--subaccounts", str(subaccounts), "--seed", str(SEED)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _reading(urls: dict[str, str]) -> tuple[Book[Any], Report]:
    """The whole book over each transport, and some of it by a query each."""
    before = _peak_mb()
    books: dict[str, Book[Any]] = {}
    seconds: dict[str, float] = {}
    for way in ("grpc", "http"):
        seconds[way] = best_of(2, partial(_read_into, books, way, urls[way]))
    peak, book = _peak_mb(), books["grpc"]
    names = [book.owner(i).split("/") for i in range(0, len(book), max(1, len(book) // ONE_BY_ONE))]
    with grpc.insecure_channel(urls["grpc"].removeprefix("grpc://")) as channel:
        stub = QueryStub(channel)
        requests = [QueryGetSubaccountRequest(owner=owner, number=int(number)) for owner, number in names]
        alone = best_of(1, lambda: [stub.Subaccount(request) for request in requests])
    count = len(book)
    differ = sum(
        book.owner(i) != other.owner(i) or book.account(i) != other.account(i)
        for other in (books["http"],)
        for i in range(0, count, 97)
    )
    in_time = seconds["grpc"] <= SECONDS_FOR_ALL * count / 100_000
    return book, Report(
        f"reading, dYdX v4: {count:,} subaccounts with {book.legs:,} legs, seed {SEED}",
        [
            Row("defiliq.read, gRPC", count, seconds["grpc"]),
            Row("defiliq.read, CometBFT", count, seconds["http"]),
            Row("a Subaccount query each", len(requests), alone),
        ],
        [
            Note(f"100,000 of them would take {100_000 * seconds['grpc'] / count:.1f} s", ok=in_time),
            Note(
                f"the process grew by {peak - before:,.0f} MB, of which {_size_mb(book):,.0f} MB are a book"
            ),
            Note(f"accounts that differ between the transports: {differ}", ok=differ == 0),
        ],
        is_wrong=differ > 0,
    )


def _read_into(books: dict[str, Book[Any]], way: str, url: str) -> None:
    with connect_cosmos(url) as node:
        at = node.block("latest")
        books[way] = dydx_v4.read(node, Listing("dydx-v4", "Local", node.chain_id, 1, {}), None, at)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _size_mb(book: Book[Any]) -> float:
    columns: list[NDArray[Any]] = [book.owners, book.modes, book.first_leg, book.reserves, book.counted]
    amounts = [book.collateral, book.debt, *([] if book.funding_index is None else [book.funding_index.size])]
    columns += [half for column in amounts for half in (column.high, column.low)]
    return sum(column.nbytes for column in columns) / 2**20
