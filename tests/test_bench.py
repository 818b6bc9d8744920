"""The verdict and level benchmarks on small books: both ways must agree, whatever they take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from defiliq.protocols.aave_v3.rules import rule
from tests.bench.cascade import bench_cascade
from tests.bench.cex import bench_cex
from tests.bench.compound import bench_comet, bench_comptroller
from tests.bench.levels import bench_levels
from tests.bench.report import Note, Report, Row, render
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.bench.verdicts import bench_verdicts

ACCOUNTS = 2_000


def test_no_flag_of_the_verdict_benchmark_differs() -> None:
    report = bench_verdicts(ACCOUNTS, sample=0)
    assert not report.is_wrong
    assert any("differ from the law: 0" in note.text and note.ok for note in report.notes)
    assert [row.count for row in report.rows] == [ACCOUNTS, ACCOUNTS]


def test_no_level_of_the_benchmark_differs() -> None:
    report = bench_levels(ACCOUNTS)
    assert not report.is_wrong
    assert any("levels differ: 0" in note.text and note.ok for note in report.notes)
    assert [row.count for row in report.rows] == [ACCOUNTS, ACCOUNTS]


@pytest.mark.parametrize("bench", [bench_comet, bench_comptroller])
def test_compound_agrees_with_its_law(bench: Callable[[int], list[Report]]) -> None:
    verdicts, levels = bench(ACCOUNTS)
    assert not verdicts.is_wrong
    assert not levels.is_wrong
    assert any(note.text.endswith("differ from the law: 0") for note in verdicts.notes)
    assert not any(note.text.startswith("0 ") for note in (*verdicts.notes, *levels.notes))


def test_cascades_in_columns_agree_with_the_law() -> None:
    rounds, sweep, over_time = bench_cascade(ACCOUNTS, snapshots=2, shocks=4, workers=1)
    assert not rounds.is_wrong
    assert not sweep.is_wrong
    assert all(note.ok is not False for note in rounds.notes[2:])
    assert [row.count for row in sweep.rows] == [4, 2]
    assert [row.count for row in over_time.rows] == [2, 1]


def test_estimates_in_columns_agree_with_the_law_level_by_level() -> None:
    (report,) = bench_cex(1_500, plain=120)
    assert not report.is_wrong
    assert any(note.text.endswith("differ from the law: 0") and note.ok for note in report.notes)
    assert [row.count for row in report.rows] == [4_500, 120]


def test_the_synthetic_book_holds_what_it_says() -> None:
    book = synthetic_book(synthetic_market(), ACCOUNTS, seed=3)
    factors = [
        rule(book.nameless(i), book.market).health(book.market.prices).factor_wad for i in range(ACCOUNTS)
    ]
    owing = np.array([factor / 10**18 for factor in factors if factor < 10**24])
    assert set(np.diff(book.first_leg).tolist()) == {1, 2, 3, 4}
    assert (book.collateral.high > 0).any()
    assert (np.abs(owing - 1) < 0.02).sum() > len(owing) / 50
    assert (owing < 1).any()
    assert np.percentile(owing, 90) > 2
    again = synthetic_book(synthetic_market(), ACCOUNTS, seed=3)
    assert (again.debt.low == book.debt.low).all()


def test_a_report_shows_ratios_against_the_first_row_and_judges_targets() -> None:
    rows = [Row("fast", 100, 0.5), Row("slow", 10, 1.0, 15.0), Row("slower", 1, 1.0, 500.0)]
    text = render(Report("things", rows, [Note("none differ", ok=True), Note("by the way")]))
    lines = text.splitlines()
    assert lines[0] == "things"
    assert lines[3].split()[-4:] == ["20.0x", ">=", "15x", "ok"]
    assert lines[4].split()[-4:] == ["200.0x", ">=", "500x", "SHORT"]
    assert lines[5:] == ["  none differ  ok", "  by the way"]
