"""Exact liquidation prices per second, and how long the command line takes to answer `--help`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from defiliq.engine.solve import find_levels
from defiliq.oracle.drivers import find_driver
from defiliq.protocols.aave_v3.rules import rule
from tests.bench.report import Missing, Note, Report, Row, best_of
from tests.bench.synthetic import synthetic_book, synthetic_market

SEED = 11
DRIVER = "WETH"
HELP_RUNS = 5
HELP_TARGET_S = 0.3


def bench_levels(accounts: int) -> Report:
    """Every account of a book on one driver, both sides; exposed or not."""
    market = synthetic_market()
    book = synthetic_book(market, accounts, SEED)
    driver = find_driver(market, DRIVER)
    outcomes: Counter[str] = Counter()

    def solve() -> None:
        for i in range(accounts):
            levels = find_levels(rule(book.nameless(i), market), i, market.prices, driver)
            outcomes.update(level.outcome for level in levels)

    seconds = best_of(1, solve)
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    return Report(
        f"levels: {accounts:,} synthetic accounts on {driver.name}, seed {SEED}",
        [Row("exact levels of an account", accounts, seconds)],
        [Note(said), _help_time()],
    )


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
