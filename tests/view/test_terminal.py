"""What people see: exact numbers are cut and never rounded up, and nothing from a chain is trusted."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from defiliq.ladder import bin_ladder
from defiliq.pipeline.judge import health, ladder
from defiliq.view.rungs import CHART_ROWS, chart_lines, full_scale, print_rungs
from defiliq.view.terminal import (
    bar,
    clean,
    factor_shown,
    heading,
    histogram_lines,
    money,
    print_rows,
    print_scan,
    short,
)
from tests.builders import account, address, book


@pytest.mark.parametrize(
    ("factor", "shown"),
    [
        ("0.999999999999999999", "0.999999"),
        ("1.000000000000000000", "1.000000"),
        ("", "none"),
        ("123456789012.5", "1.23E+11"),
    ],
)
def test_a_health_factor_is_cut_and_never_rounded(factor: str, shown: str) -> None:
    assert factor_shown(factor) == shown


def test_the_histogram_counts_every_account_in_its_bin() -> None:
    lines = [line.plain for line in histogram_lines(health(book()))]
    counts = {line[:13].strip(): int(line[13:24].replace(",", "")) for line in lines[1:]}
    assert sum(counts.values()) == 8
    assert counts["below 1"] == 1
    assert counts["1.05 to 1.1"] == 1
    assert counts["1.2 to 1.5"] == 3
    assert counts["no debt"] == 2


def test_the_verdict_and_the_first_bin_agree_at_the_edge() -> None:
    table = health(book())
    edge = table.assign(health_factor=["0.999999999999999999", "1.000000000000000000", *[""] * 6])
    lines = [line.plain for line in histogram_lines(edge)]
    assert lines[1].startswith("below 1                1 ")
    assert lines[2].startswith("1 to 1.02              1 ")


def test_bars() -> None:
    assert bar(0) == ""
    assert bar(1, 4) == "████"
    assert bar(0.5, 4) == "██"
    assert len(bar(1e-9, 4)) == 1
    assert bar(7, 4) == "████"


def test_text_from_a_chain_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J[red]USD\nC[/red]"
    assert clean(evil) == "?[2J[red]USD?C[/red]"
    print_rows(pd.DataFrame({"reserve": [evil]}), evil)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("?[2J[red]USD?C[/red]") == 2


def test_words_and_numbers() -> None:
    assert heading("repaid_usd") == "repaid $"
    assert heading("distance_pct") == "distance %"
    assert heading("health_factor") == "health factor"
    assert short(address(1)) == "0x000000…000001"
    assert short("WETH") == "WETH"
    assert money(1234567.8) == "1,234,568"
    assert money(0.5) == "0.50"
    assert money(float("nan")) == ""


def test_a_scan_lists_the_worst_first(capsys: pytest.CaptureFixture[str]) -> None:
    print_scan(health(book()), "headline", "coverage", 2)
    out = capsys.readouterr().out
    assert out.index(address(3)) < out.index(address(8))
    assert address(1) not in out
    assert "liquidatable: 1, of which callable 1" in out


def test_a_scan_of_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    print_scan(health(book([])), "headline", "coverage", 5)
    assert "with debt: 0" in capsys.readouterr().out


def test_the_chart_runs_from_high_to_low_around_spot() -> None:
    rungs = ladder(book(), "WETH")
    lines = [line.plain for line in chart_lines(bin_ladder(rungs, 5.0), 3000.0)]
    spot = next(k for k, line in enumerate(lines) if "spot" in line)
    assert "1 liquidatable already" in lines[spot]
    assert all(" short " in line for line in lines[:spot])
    assert all(" long " in line for line in lines[spot + 1 :])
    lows = [float(line.split("..")[0].replace(",", "")) for line in lines if ".." in line]
    assert lows == sorted(lows, reverse=True)


def test_what_does_not_fit_the_chart_is_summed_and_said() -> None:
    many = book(
        [account(k + 1, WETH=(1, 0), USDC=(0, 2400 / 1.06 ** (k + 1))) for k in range(CHART_ROWS + 9)]
    )
    lines = [line.plain for line in chart_lines(bin_ladder(ladder(many, "WETH"), 5.0), 3000.0)]
    drawn = [int(line.rsplit("(", 1)[1].rstrip(")").replace(",", "")) for line in lines if ".." in line]
    beyond = [int(line.split()[1]) for line in lines if "beyond" in line]
    assert len(drawn) == CHART_ROWS
    assert sum(drawn) + sum(beyond) == CHART_ROWS + 9


def test_long_ladders_say_how_much_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    many = book([account(k + 1, WETH=(1, 0), USDC=(0, 1000 + k)) for k in range(50)])
    print_rungs(ladder(many, "WETH"))
    out = capsys.readouterr().out
    assert "10 further ones are not shown" in out
    assert address(50) in out
    assert address(1) not in out


def test_a_narrow_terminal_loses_columns_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    print_rungs(ladder(book(), "WETH"))
    lines = capsys.readouterr().out.splitlines()
    assert max(len(re.sub("\x1b[^m]*m", "", line)) for line in lines) <= 80
    assert "columns more on a wider terminal" in lines[0]
    assert any("0x000000…000001" in line for line in lines)


def test_few_giants_do_not_flatten_the_other_bars() -> None:
    ordinary = [float(size) for size in range(1, 11)]
    assert full_scale(ordinary) == 10.0
    assert full_scale([*ordinary, 1e9, 2e9]) == 10.0
    assert full_scale([1.0, 1e9]) == 1e9, "one of two is not a giant among many"
    assert full_scale([*ordinary, 1e-9]) == 10.0, "dust is no scale"
    assert full_scale([0.0]) == 0.0
