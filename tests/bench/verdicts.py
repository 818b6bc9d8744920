"""Who is liquidatable, over a whole book: screen + law, the law alone, and @aave/math-utils."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.engine import screen
from defiliq.protocols.aave_v3.margin import margin
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import rule
from tests.bench.math_utils import Formatted, format_accounts
from tests.bench.report import Missing, Note, Report, Row
from tests.bench.synthetic import synthetic_book, synthetic_market

SEED = 7
REPEATS = 5
SAMPLE = 20_000
SLICE = 10_000
LAW_TARGET, MATH_UTILS_TARGET = 5.0, 500.0


def bench_verdicts(accounts: int, *, sample: int) -> Report:
    """Flags of all accounts by each way. The law judges every account, so no flag goes unchecked.

    @aave/math-utils is asked about the first `sample` accounts; not at all, and not fetched, where that is 0.
    """
    book = synthetic_book(synthetic_market(), accounts, SEED)
    flags, seconds = _screened(book)
    exact, law_seconds = _by_law(book)
    seconds = min(seconds, _screened(book)[1])  # again, lest something else had the machine the first time
    sent = _sent_to_law(book)
    differing = int(np.count_nonzero(flags != exact))
    rows = [
        Row("screen + law", accounts, seconds),
        Row("the law alone", accounts, law_seconds, LAW_TARGET),
    ]
    notes = [
        Note(f"{int(exact.sum()):,} accounts are liquidatable"),
        Note(f"sent to the law: {sent:,} of {accounts:,} ({sent / accounts:.3%})"),
        Note(f"flags that differ from the law: {differing}", ok=differing == 0),
    ]
    try:
        formatted = format_accounts(book, range(min(sample, accounts))) if sample > 0 else None
    except Missing as error:
        notes.append(Note(f"not compared with @aave/math-utils: {error}"))
        formatted = None
    if formatted is not None:
        count = len(formatted.factors)
        rows.append(Row("@aave/math-utils (sample)", count, formatted.seconds, MATH_UTILS_TARGET))
        notes.append(_compared(book, formatted, exact[:count]))
    title = f"verdicts: {accounts:,} synthetic accounts with {book.legs:,} legs, seed {SEED}"
    return Report(title, rows, notes, is_wrong=differing > 0)


def _sent_to_law(book: Book[AaveMarket]) -> int:
    verdicts = screen.screen(margin(book), book.market.prices)
    return int(np.count_nonzero(verdicts == screen.UNCLEAR))


def _screened(book: Book[AaveMarket]) -> tuple[NDArray[np.bool_], float]:
    """Flags by screen + law, and the best time; the columns of lines are made anew each time."""
    best = np.inf
    for _ in range(REPEATS):
        begun = perf_counter()
        flags = screen.liquidatable(
            margin(book), book.market.prices, lambda i: rule(book.nameless(i), book.market)
        )
        best = min(best, perf_counter() - begun)
    return flags, float(best)


def _by_law(book: Book[AaveMarket]) -> tuple[NDArray[np.bool_], float]:
    """Flags by the law alone. Taking accounts out of the columns is outside its clock."""
    prices = book.market.prices
    flags = np.zeros(len(book), dtype=np.bool_)
    seconds = 0.0
    for start in range(0, len(book), SLICE):
        accounts = [book.nameless(i) for i in range(start, min(start + SLICE, len(book)))]
        begun = perf_counter()
        verdicts = [rule(account, book.market).liquidatable(prices) for account in accounts]
        seconds += perf_counter() - begun
        flags[start : start + SLICE] = verdicts
    return flags, seconds


def _compared(book: Book[AaveMarket], formatted: Formatted, exact: NDArray[np.bool_]) -> Note:
    """What the other arithmetic makes of the same accounts."""
    wrong = sum(flag != law for flag, law in zip(formatted.liquidatable, exact.tolist(), strict=True))
    equal = owing = 0
    for i, factor in enumerate(formatted.factors):
        health = rule(book.nameless(i), book.market).health(book.market.prices)
        if health.debt_base > 0:
            owing += 1
            equal += int(factor.scaleb(18)) == health.factor_wad
    count = len(formatted.factors)
    return Note(
        f"@aave/math-utils on the first {count:,}: {wrong} verdicts differ from the law; "
        f"health factors equal to the wei: {equal:,} of {owing:,} that owe"
    )
