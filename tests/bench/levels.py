"""Exact liquidation prices per second, and how long the command line takes to answer `--help`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np

from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.pipeline.solving import Solved, solve_book
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import rule
from defiliq.types import Rule
from tests.bench.report import Missing, Note, Report, Row, best_of
from tests.bench.synthetic import synthetic_book, synthetic_market

SEED = 11
MOVED = ("WETH", "wstETH", "weETH", "rETH", "cbETH", "osETH", "rsETH")
"""What ETH/USD moves here: seven of twenty reserves, each in its present proportion."""
LAW_SAMPLE = 4_000
LEVELS_TARGET = 300_000
HELP_RUNS = 5
HELP_TARGET_S = 0.3


def bench_levels(accounts: int) -> Report:
    """Every account of a book on one driver that moves a third of the reserves, both sides.

    The law solves a sample of the same accounts, one by one, and every level must be the same.
    """
    market = synthetic_market()
    book = synthetic_book(market, accounts, SEED)
    driver = ether(market)
    solved: list[Solved] = []

    def solve() -> None:
        solved.clear()  # a million objects of an earlier run would only slow the collector down
        solved.append(solve_book(book, [driver]))

    seconds = best_of(3, solve)
    sample = np.random.default_rng(SEED).choice(accounts, min(LAW_SAMPLE, accounts), replace=False)
    by_law: dict[int, set[tuple[object, ...]]] = {}

    def one_by_one() -> None:
        for i in sample.tolist():
            by_law[i] = _levels_by_law(market, rule(book.nameless(i), market), i, driver)

    law_seconds = best_of(1, one_by_one)
    found: dict[int, set[tuple[object, ...]]] = {i: set() for i in by_law}
    lost = {name for name, _ in solved[-1].unresolved}
    for level in solved[-1].levels:
        if level.account in found:
            found[level.account].add((level.side, level.outcome, level.price, level.band))
    differ = sum(found[i] != by_law[i] for i in by_law if book.owner(i) not in lost)
    outcomes = Counter(level.outcome for level in solved[-1].levels)
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    rate = accounts / seconds
    return Report(
        f"levels: {accounts:,} synthetic accounts on {driver.name}, which moves {len(MOVED)} of "
        f"{len(market.reserves)} reserves, seed {SEED}",
        [
            Row("columns + law, one core", accounts, seconds),
            Row("the law alone (sample)", len(sample), law_seconds),
        ],
        [
            Note(f"{said}, {solved[-1].never[driver.name]:,} never, {len(lost)} unresolved"),
            Note(f"{rate:,.0f} accounts/s, target >= {LEVELS_TARGET:,}", ok=rate >= LEVELS_TARGET),
            Note(f"accounts of the sample whose levels differ: {differ}", ok=differ == 0),
            _help_time(),
        ],
        is_wrong=differ > 0,
    )


def ether(market: AaveMarket) -> Driver:
    """One driver for everything that follows ether here."""
    positions = [k for k, reserve in enumerate(market.reserves) if reserve.symbol in MOVED]
    lead = market.prices[positions[0]]
    moves = [Move(positions[0]), *(Move(k, market.prices[k], lead) for k in positions[1:])]
    return driver_of_feeds("ETH/USD", lead, market.base_unit, moves)


def _levels_by_law(market: AaveMarket, law: Rule, i: int, driver: Driver) -> set[tuple[object, ...]]:
    """What the exact solver says of one account; nothing where no price breaks it, or where it gives up."""
    try:
        levels = find_levels(law, i, market.prices, driver)
    except UnresolvedLevel:
        return set()
    return {
        (level.side, level.outcome, level.price, level.band) for level in levels if level.outcome != "never"
    }


def _help_time() -> Note:
    command = [sys.executable, "-c", "from defiliq.cli import main; main()", "--help"]

    def ask() -> None:
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise Missing(f"defiliq --help fails: {done.stderr.decode().strip()[-200:]}")

    try:
        seconds = best_of(HELP_RUNS, ask)
    except Missing as error:
        return Note(str(error))
    text = f"defiliq --help answers in {seconds:.3f} s (best of {HELP_RUNS}), target < {HELP_TARGET_S} s"
    return Note(text, ok=seconds < HELP_TARGET_S)
