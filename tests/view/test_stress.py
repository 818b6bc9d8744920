"""A stress as people read it."""

from __future__ import annotations

import pandas as pd
import pytest

from defiliq.book import Book
from defiliq.pipeline.presets import presets
from defiliq.pipeline.stress import stress, stress_curve
from defiliq.view.stress import (
    cap_shown,
    moved_lines,
    preset_lines,
    print_curve,
    print_stress,
    print_sum,
    tokens,
    total_lines,
)
from tests.builders import account_in, graph_market, market
from tests.test_stress import random_book


def test_moves_read_as_from_and_to() -> None:
    result = stress(random_book(graph_market(), 3), ["ETH/USD=-20%", "cap:wstETH=-2.85%"])
    assert moved_lines(result.moved) == [
        "ETH/USD: 3,000 -> 2,400 (-20%)",
        "cap:wstETH/ETH ratio: 1.206523529 -> 1.1658 (2.85% below what it limits)",
    ]


def test_totals_in_words() -> None:
    at = market(reserves={"WETH": {"is_paused": True}})
    one = account_in(at, 1, {"WETH": (1, 0), "USDC": (0, 2000)})
    lines = total_lines(stress(Book.build(at, [one]), "WETH=-50%").totals.iloc[0])
    assert lines == [
        "liquidatable: 1 of 1 account, 1 newly and 0 at spot already",
        "they hold 1,500 of collateral and owe 2,000",
        "first calls: 0 go through, repay 0.00, seize 0.00, bonus 0.00; 1 are refused",
        "bad debt: 500.00 in 1 account (at spot 0.00 in 0)",
        "refused: 1 x ReservePaused: WETH",
    ]


def test_reserves_that_nothing_concerns_are_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    at = graph_market()
    one = account_in(at, 1, {"WETH": (1, 0), "USDC": (0, 2300)})
    result = stress(Book.build(at, [one]), "ETH/USD=-20%")
    print_stress(result.totals, result.moved, result.reserves)
    shown = capsys.readouterr().out
    assert "reserves (5 that nothing moves and nobody breaks on are not shown)" in shown
    assert "GHO" not in shown
    assert "LDO" not in shown
    for symbol in ("WETH", "wstETH", "weETH", "USDC"):
        assert symbol in shown


def test_a_sum_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    one = stress(random_book(graph_market(), 100, 1), "ETH/USD=-20%").totals
    two = stress(random_book(graph_market(), 100, 2), "ETH/USD=-20%").totals
    print_sum([one, two])
    shown = capsys.readouterr().out
    broken = int(one["liquidatable_accounts"].iloc[0] + two["liquidatable_accounts"].iloc[0])
    owed = float(one["debt_usd"].iloc[0] + two["debt_usd"].iloc[0])
    assert shown.startswith("sum of 2 markets\n")
    assert f"liquidatable: {broken} of 200 accounts" in shown
    assert f"owe {owed:,.0f}" in shown


def test_a_curve_has_a_line_per_step(capsys: pytest.CaptureFixture[str]) -> None:
    curve = stress_curve(random_book(graph_market()), "ETH/USD=-20%", steps=4)
    print_curve(curve.totals)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line.split("%")[0].strip() for line in lines[1:]] == ["0", "25", "50", "75", "100"]
    assert lines[-1].endswith("ETH/USD=2400")
    assert "████" in lines[-1]


@pytest.mark.parametrize(
    ("was", "now", "shown"),
    [
        (True, True, "binds"),
        (False, False, "does not bind"),
        (True, False, "stops binding"),
        (False, True, "starts to bind"),
        (pd.NA, pd.NA, ""),
    ],
)
def test_caps_in_words(was: object, now: object, shown: str) -> None:
    assert cap_shown(was, now) == shown


def test_tokens_are_cut_never_rounded() -> None:
    assert tokens("12345678.99999999") == "12,345,678.999999"
    assert tokens("0.0000001") == "0"
    assert tokens("7") == "7"


def test_presets_say_their_moves_and_sources() -> None:
    rows = [(p.name, p.title, p.moves, p.description, p.sources) for p in presets()]
    text = "\n".join(line.plain for line in preset_lines(rows))
    for preset in presets():
        assert all(f"--set '{move}'" in text for move in preset.moves)
        assert all(source in text for source in preset.sources)
