"""Reading accounts from a node: defiliq against web3.py, on the local v3.6 market."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from defiliq.book import Book
from defiliq.chain.evm import EvmNode, connect
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.listings import market_from_file
from defiliq.pipeline.reading import read
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Listing
from tests.bench.by_web3 import State, Web3Reader
from tests.bench.report import Missing, Note, Report, Row, best_of
from tests.lab import LabError, start_lab

VERSION = "v3.6"
REPEATS, MULTICALL_REPEATS = 5, 2
ONE_BY_ONE_SAMPLE = 250
WHOLE_TARGET_S = 5.0
ONE_BY_ONE_TARGET, MULTICALL_TARGET = 60.0, 10.0


def bench_reading(users: int) -> Report:
    """The same accounts by each way, at one block; what they read must be equal."""
    try:
        lab = start_lab(VERSION, users=users + users // 20)  # some of a population never borrow
    except LabError as error:
        raise Missing(str(error)) from error
    with lab, tempfile.TemporaryDirectory() as folder, connect(lab.url) as node:
        listing = market_from_file(lab.market_file(Path(folder) / "local.json"))
        whole_seconds = best_of(REPEATS, lambda: _discover_read_judge(lab.url, listing))
        return _compare(lab.url, node, listing, whole_seconds)


def _discover_read_judge(url: str, listing: Listing) -> int:
    """Everything from a new connection to verdicts, with nothing known before."""
    with connect(url) as node:
        return int(liquidatable(read(node, listing, at="latest")).sum())


def _compare(url: str, node: EvmNode, listing: Listing, whole_seconds: float) -> Report:
    book: Book[AaveMarket] = read(node, listing, at="latest")
    block = book.market.block
    count = len(book)
    seconds = best_of(REPEATS, lambda: read(node, listing, at=block.number, owners=book.owners))
    owners = [book.owner(i) for i in range(count)]
    web3 = Web3Reader(url, book.market.pool, book.market.reserves, block.number)
    sample = _spread(owners, ONE_BY_ONE_SAMPLE)
    begun = perf_counter()
    one_by_one = web3.one_by_one([owners[i] for i in sample])
    one_by_one_seconds = perf_counter() - begun
    by_multicall: list[State] = []

    def read_by_multicall() -> None:
        by_multicall[:] = web3.by_multicall(owners)

    multicall_seconds = best_of(MULTICALL_REPEATS, read_by_multicall)

    states = [_state(book, i) for i in range(count)]
    unequal = sum(mine != theirs for mine, theirs in zip(states, by_multicall, strict=True))
    unequal_in_sample = sum(states[i] != theirs for i, theirs in zip(sample, one_by_one, strict=True))
    rows = [
        Row("defiliq: market and accounts", count, seconds),
        Row(
            f"web3.py, one by one (every {count // len(sample)}th)",
            len(sample),
            one_by_one_seconds,
            ONE_BY_ONE_TARGET,
        ),
        Row("web3.py + Multicall3, 500 calls each", count, multicall_seconds, MULTICALL_TARGET),
    ]
    notes = [
        Note(
            f"discovered, read and judged from a new connection: {whole_seconds:.2f} s, "
            f"target < {WHOLE_TARGET_S:.0f} s",
            ok=whole_seconds < WHOLE_TARGET_S,
        ),
        Note(f"accounts that could not be read: {len(book.failed)}", ok=not book.failed),
        Note(
            f"accounts whose state differs: {unequal} of {count:,} (Multicall3), "
            f"{unequal_in_sample} of {len(sample)} (one by one)",
            ok=unequal + unequal_in_sample == 0,
        ),
    ]
    title = f"reading: {count:,} accounts of the local {VERSION} market with {book.legs:,} legs, one block"
    return Report(title, rows, notes, is_wrong=unequal + unequal_in_sample + len(book.failed) > 0)


def _spread(owners: Sequence[str], wanted: int) -> list[int]:
    """At least `wanted` rows (or all), evenly over the book."""
    return list(range(0, len(owners), max(1, len(owners) // wanted)))


def _state(book: Book[AaveMarket], i: int) -> State:
    account = book.nameless(i)
    return State(account.mode, {leg.reserve: (leg.collateral, leg.debt) for leg in account.legs})
