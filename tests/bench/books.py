"""Verdicts and levels of one book: its law alone, and with the engine in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.engine import screen
from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.solving import Solved, solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Market, Rule
from tests.bench.report import Note, Report, Row, best_of

LAW_SAMPLE = 2_000


def bench_book(name: str, book: Book[Any], seed: int, drivers: Sequence[str]) -> list[Report]:
    """Verdicts of all accounts, and their levels on some drivers; the law checks both."""
    market, protocol = book.market, PROTOCOLS[book.market.protocol]
    rules = [protocol.rule(book.nameless(i), market) for i in range(len(book))]
    title = f"{name}: {len(book):,} synthetic accounts with {book.legs:,} legs, seed {seed}"
    levels = [_levels(title, book, rules, driver, seed) for driver in drivers]
    return [_verdicts(title, book, rules), *levels]


def _verdicts(title: str, book: Book[Any], rules: Sequence[Rule]) -> Report:
    market, protocol, accounts = book.market, PROTOCOLS[book.market.protocol], len(book)
    flags: list[NDArray[np.bool_]] = []

    def screened() -> None:
        flags.append(screen.liquidatable(protocol.margin(book), market.prices, rules.__getitem__))

    seconds = best_of(3, screened)
    begun = perf_counter()
    by_law = np.array([one.liquidatable(market.prices) for one in rules])
    law_seconds = perf_counter() - begun
    wrong = int(np.count_nonzero(flags[-1] != by_law))
    return Report(
        f"verdicts, {title}",
        [Row("screen + law", accounts, seconds), Row("the law alone", accounts, law_seconds)],
        [
            Note(f"{int(by_law.sum()):,} accounts are liquidatable"),
            Note(f"flags that differ from the law: {wrong}", ok=wrong == 0),
        ],
        is_wrong=wrong > 0,
    )


def _levels(title: str, book: Book[Any], rules: Sequence[Rule], name: str, seed: int) -> Report:
    market, accounts = book.market, len(book)
    driver, solved = find_driver(market, name), list[Solved]()
    seconds = best_of(2, lambda: solved.append(solve_book(book, [driver])))
    sample = np.random.default_rng(seed).choice(accounts, min(LAW_SAMPLE, accounts), replace=False).tolist()
    expected: dict[int, set[tuple[object, ...]]] = {}
    begun = perf_counter()
    for i in sample:
        expected[i] = _by_law(rules[i], market, i, driver)
    sample_seconds = perf_counter() - begun
    found: dict[int, set[tuple[object, ...]]] = {i: set() for i in sample}
    for level in solved[-1].levels:
        if level.account in found:
            found[level.account].add((level.side, level.outcome, level.price, level.band))
    differ = sum(found[i] != expected[i] for i in sample)
    return Report(
        f"levels on {driver.name}, {title}",
        [
            Row("the engine + law", accounts, seconds),
            Row("the law alone (sample)", len(sample), sample_seconds),
        ],
        [
            Note(f"{len(solved[-1].levels):,} levels, {solved[-1].never[driver.name]:,} accounts have none"),
            Note(f"accounts of the sample whose levels differ: {differ}", ok=differ == 0),
        ],
        is_wrong=differ > 0,
    )


def _by_law(law: Rule, market: Market, i: int, driver: Driver) -> set[tuple[object, ...]]:
    try:
        levels = find_levels(law, i, market.prices, driver)
    except UnresolvedLevel:
        return set()
    return {(one.side, one.outcome, one.price, one.band) for one in levels if one.outcome != "never"}
