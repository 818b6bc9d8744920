"""Snapshots and ladder files for the commands of the model, made once, and what they print as rows."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from defiliq.book import Book
from defiliq.ladder import LADDER_COLUMNS
from defiliq.pipeline.judge import ladder
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.types import Block
from defiliq.view.files import write_table
from tests.builders import book as small_book
from tests.builders import graph_market, market
from tests.test_stress import random_book

ETH = "ETH/USD"
LATER = Block(31337, 121, "0x" + "cd" * 32, 1_764_000_012)
LAW = ("--impact", "1M,4%")
"""A market so thin that these accounts move it."""
CURVE = "side,price,amount\nmid,3000,\nbid,2950,20\nbid,2900,30\nask,3050,10\nask,3100,30\n"


@cache
def held() -> Book[Any]:
    """A market whose prices are resolved; no level of its 100 accounts is decided by rounding alone."""
    return random_book(graph_market(), 100, seed=3)


@cache
def other() -> Book[Any]:
    """Another market of the same chain and block."""
    return random_book(replace(graph_market(), name="Other"), 60, seed=9)


@cache
def later() -> Book[Any]:
    """A third one, a block later."""
    at = replace(graph_market(), name="Later", block=LATER).at_time(LATER.timestamp)
    return random_book(at, 20, seed=4)


@cache
def plain() -> Book[Any]:
    """A market without ETH/USD: its feeds are not resolved."""
    return small_book(at=replace(market(), name="Plain"))


@cache
def rungs() -> pd.DataFrame:
    """The ladder of `held` along ETH/USD."""
    return ladder(held(), ETH)


def snapshot_of(book: Book[Any], folder: Path) -> Path:
    """A book as a file named after its market."""
    return save_snapshot(book, folder / f"{book.market.name}.parquet")


def ladder_file(table: pd.DataFrame, path: Path) -> Path:
    """Rungs as `defiliq ladder -o` writes them."""
    return write_table(table[list(LADDER_COLUMNS)], path)


def froms(*paths: Path) -> tuple[str, ...]:
    """Files as --from options."""
    return tuple(word for path in paths for word in ("--from", str(path)))


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def numbers(text: str) -> pd.DataFrame:
    """CSV with its numbers as such."""
    return pd.read_csv(io.StringIO(text), dtype={"version": str})
