"""Two days of one made-up book as snapshots: accounts come, prices move, and who breaks is liquidated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from defiliq.book import Book
from defiliq.model.cascade import LawBook
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.cascade import law_of
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.types import Account
from tests.sensitivity.population import aave_book

HOURS = 48
HOUR_S = 3_600
WANDER_PCT = 0.7
"""The deviation of an hour's move; it drifts down for a day and comes back."""
PULL_PCT = 0.9
THERE_AT_FIRST = 0.6
SEED = 6


def write_history(folder: Path, hours: int = HOURS, accounts: int = 3_000) -> list[Path]:
    """One snapshot an hour of the seeded Aave book, with real parameters; in the order of time."""
    random = Random(SEED)
    whole = aave_book(accounts)
    driver = find_driver(whole.market, "ETH/USD")
    waiting = [(random.random(), account) for account in whole.accounts()]
    there: dict[str, Account] = {}
    price, written = driver.spot, []
    folder.mkdir(parents=True, exist_ok=True)
    for hour in range(hours):
        if hour:
            drift = -PULL_PCT if hour < hours // 2 else PULL_PCT / 2
            price = round(price * (1 + random.gauss(drift, WANDER_PCT) / 100))
        opened = THERE_AT_FIRST + (1 - THERE_AT_FIRST) * hour / hours
        there |= {account.owner: account for at, account in waiting if at <= opened}
        waiting = [(at, account) for at, account in waiting if at > opened]
        book = _at(whole, driver.moved_inputs(price), hour, there)
        ledger = LawBook(book, law_of(book))
        ledger.settle(book.market.prices)
        there |= {account.owner: account for account in ledger.accounts.values()}
        left = Book.build(book.market, list(there.values()))
        written.append(save_snapshot(left, folder / f"{hour:03}.parquet"))
    return written


def _at(whole: Book[Any], inputs: dict[int, int], hour: int, there: dict[str, Account]) -> Book[Any]:
    """The accounts of an hour in its market: a block of its own, and no interest (rates are not known)."""
    moved = whole.market.at_inputs(inputs)
    at = moved.timestamp + HOUR_S * hour
    block = replace(
        moved.block, number=moved.block.number + 300 * hour, hash=f"0x{hour + 1:064x}", timestamp=at
    )
    market = replace(moved, block=block, timestamp=at)
    return Book.build(market, list(there.values()))
