"""Liquidations on a terminal: sums, the largest first, and days."""

from __future__ import annotations

import pytest

from defiliq.model.days import daily_metrics, day_table, last_day
from defiliq.model.metrics import DAY_S, liquidation_metrics
from defiliq.view.events import print_days, print_events, summary_lines
from tests.model.test_days import START, happened, liquidation

END = START + DAY_S


def test_sums_and_the_last_day() -> None:
    table = happened(
        liquidation(START + 5, 3e7, bonus_usd=1e6, bad_debt_usd=0.0, driver="ETH/USD"),
        liquidation(START + 6, 1e7, "short", bonus_usd=5e5),
        liquidation(START + 7, float("nan")),
    )
    lines = summary_lines(table, liquidation_metrics(table, START, END), last_day(table, START, END))
    assert lines == [
        "3 liquidations of 3 accounts, 40,000,000",
        "longs 30,000,000 (75%)   shorts 10,000,000 (25%)   longs were squeezed",
        f"largest 30,000,000, a whale: 0x{START + 5} on ETH/USD in block {START + 5}",
        "liquidators gained 1,500,000 (told of 2 of 3)",
        "bad debt 0.00 (told of 1 of 3)",
        "last 24 hours: 40,000,000. Calm: Low volatility, leverage building",
    ]


def test_another_currency_is_named_and_days_are_called_nothing_in_it() -> None:
    table = happened(liquidation(START + 5, 3e7, base_symbol="WETH"))
    lines = summary_lines(table, liquidation_metrics(table, START, END), last_day(table, START, END))
    assert lines[0] == "1 liquidation of 1 account, 30,000,000 WETH"
    assert not any("24 hours" in line or "whale" in line for line in lines)


def test_rows_without_money_are_counted_all_the_same() -> None:
    table = happened(liquidation(START + 5, float("nan"), "", base_symbol=""))
    lines = summary_lines(table, liquidation_metrics(table, START, END), None)
    assert lines == ["1 liquidation of 1 account"]


def test_nothing_is_said_so() -> None:
    assert summary_lines(happened(), liquidation_metrics(happened(), START, END), None) == ["no liquidations"]


def test_the_largest_come_first_and_the_rest_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    table = happened(*(liquidation(START + k, float(k), account=f"account {k}") for k in range(1, 6)))
    whole = liquidation_metrics(table, START, END)
    print_events(table, whole, None, 2)
    out = capsys.readouterr().out
    assert "largest liquidations (3 more: --top 5)" in out
    assert out.index("account 5") < out.rindex("account 4")
    assert "account 3" not in out
    print_events(table, whole, None, 0)
    assert "largest liquidations" not in capsys.readouterr().out


def test_days_are_listed_as_far_as_a_fortnight(capsys: pytest.CaptureFixture[str]) -> None:
    table = happened(liquidation(START + 5, 6e8))
    days = day_table(daily_metrics(table, START, START + 20 * DAY_S), "USD")
    print_days(days)
    out = capsys.readouterr().out
    assert "days (6 older: --by day --format csv)" in out
    assert out.count("Low volatility") == 14
