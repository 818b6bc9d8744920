"""Rows of a heat's pictures: of equal width, nothing lost, nothing smoothed, and words for them."""

from __future__ import annotations

import math

import pytest

from defiliq.model.heat import build_heat
from defiliq.view.heat_rows import (
    HeatRow,
    amount_shown,
    distance_shown,
    few_slots,
    heat_rows,
    level_words,
    market_lines,
    money_shown,
    near_words,
    outside_words,
    price_shown,
)
from tests.view.heat_stage import Level, ladder_of, seeds_heat, wide_heat


@pytest.mark.parametrize("most", [10**9, 400, 60, 9, 2])
def test_rows_hold_all_dollars_and_are_of_one_width(most: int) -> None:
    heat = wide_heat()
    shown = heat_rows(heat, fits=few_slots(most))
    assert shown.rows[-1].step - shown.rows[0].step < most
    told = math.fsum([row.size_usd for row in shown.rows] + [shown.below_usd, shown.above_usd])
    assert told == pytest.approx(math.fsum(heat.buckets["size_usd"]), rel=1e-12)
    count = sum(row.accounts for row in shown.rows) + shown.below_accounts + shown.above_accounts
    assert count == heat.buckets["accounts"].sum() == 3000
    for row in shown.rows:
        assert row.high_usd / row.low_usd == pytest.approx(1 + shown.step_pct / 100, rel=1e-9)
        assert row.low_usd <= row.price_usd <= row.high_usd
        assert (row.step >= 0) == (row.low_usd >= heat.spot_usd * (1 - 1e-12))


def test_what_is_beyond_the_window_is_counted() -> None:
    levels: list[Level] = [
        (1400.0, 5.0, "long"),
        (1600.0, 7.0, "long"),
        (4400.0, 11.0, "short"),
        (4600.0, 13.0, "short"),
    ]
    heat = build_heat([ladder_of(levels, 3000.0)], "ETH/USD")
    shown = heat_rows(heat)
    assert [row.size_usd for row in shown.rows] == [7.0, 11.0]
    assert (shown.below_usd, shown.below_accounts) == (5.0, 1)
    assert (shown.above_usd, shown.above_accounts) == (13.0, 1)
    assert outside_words(heat, shown) == [
        "Further below: 1 account, $5.00.",
        "Further above: 1 account, $13.00.",
    ]


def test_the_same_dollars_are_as_dense_at_any_price() -> None:
    levels: list[Level] = [(1601.0, 1e6, "long"), (2777.0, 1e6, "long"), (4321.0, 1e6, "short")]
    shown = heat_rows(build_heat([ladder_of(levels, 3000.0)], "ETH/USD"))
    first, *others = (row.density_usd for row in shown.rows)
    assert others == [pytest.approx(first, rel=1e-12)] * 2
    assert first == pytest.approx(1e6 / (100 * math.log(1.0025)))


def test_a_size_that_nobody_knows_is_no_size() -> None:
    levels: list[Level] = [(2500.0, math.nan, "long"), (2600.0, 5.0, "long")]
    heat = build_heat([ladder_of(levels, 3000.0)], "ETH/USD")
    shown = heat_rows(heat)
    assert [(row.size_usd, row.accounts, row.untold) for row in shown.rows] == [(0.0, 1, 1), (5.0, 1, 0)]
    assert outside_words(heat, shown) == ["Of unknown size: 1 level."]


@pytest.mark.parametrize(
    ("longs", "shorts", "words"),
    [
        (0.0, 0.0, ""),
        (100.0, 0.0, "Heavy long liquidation zone"),
        (50.0, 0.0, "Heavy long liquidation zone"),
        (49.9, 0.0, "Moderate long liquidation"),
        (0.0, 20.0, "Moderate short liquidation"),
        (0.0, 19.9, "Light short liquidation"),
        (30.0, 60.0, "Balanced"),
        (30.0, 60.1, "Heavy short liquidation zone"),
        (5.0, 5.0, "Balanced"),
    ],
)
def test_words_of_a_row(longs: float, shorts: float, words: str) -> None:
    assert HeatRow(0, 1.0, 2.0, longs, shorts, 1, 1).words(100.0) == words


@pytest.mark.parametrize(
    ("longs", "shorts", "word"),
    [
        (0.0, 0.0, "Empty"),
        (2.0, 1.0, "Balanced"),
        (2.1, 1.0, "Longs"),
        (1.0, 2.1, "Shorts"),
        (1.0, 0.0, "Longs"),
    ],
)
def test_words_of_the_current_price(longs: float, shorts: float, word: str) -> None:
    levels: list[Level] = [(2851.0, longs, "long"), (3149.0, shorts, "short")]
    levels += [(2835.0, 1e9, "long"), (3165.0, 1e9, "short")]
    heat = build_heat([ladder_of([level for level in levels if level[1]], 3000.0)], "ETH/USD")
    assert near_words(heat) == f"{word} (current price area)"


def test_numbers_as_people_write_them() -> None:
    assert [amount_shown(value) for value in (34.04e6, 999.994, 999_999_999.0, 0.0, math.nan, 1.5e12)] == [
        *("34.04M", "999.99", "1.00B", "0.00", "unknown", "1.50T")
    ]
    assert price_shown(56_490.0, "BTC/USD") == "$56,490"
    assert price_shown(2356.117, "BTC-USD") == "$2,356.12"
    assert price_shown(3000.0, "ETH/USD") == "$3,000"
    assert price_shown(1.234567891, "wstETH/ETH ratio") == "1.23457"
    assert price_shown(0.99980001, "USDC/USD") == "$0.9998"
    assert price_shown(8.5e-5, "PEPE/USD") == "$0.000085"
    assert price_shown(1.23456789e-6, "SHIB/ETH") == "0.00000123457"
    assert price_shown(1.2e-8, "SHIB/USD") == "$1.2e-08"
    assert price_shown(math.nan, "ETH/USD") == "unknown"
    assert money_shown(-1e6, "USD") == "-$1.00M"
    assert money_shown(12.5, "ETH") == "12.50 ETH"
    assert [distance_shown(pct) for pct in (-0.894, 0.05, 0.0, math.nan)] == [
        "-0.9%",
        "+0.05%",
        "+0.00%",
        "unknown",
    ]


def test_a_level_in_one_line() -> None:
    heat = seeds_heat()
    assert level_words(56_490.0, "long", 34.04e6, 12, heat) == "$56,490 long 34.04M, 12 accounts, -0.9%"
    assert level_words(56_490.0, "long", 34.04e6, 1, heat).endswith("1 account, -0.9%")


def test_markets_are_named_and_what_they_are_called_is_one_line() -> None:
    ladders = [ladder_of([(2000.0, 1.0, "long")], 3000.0, market=f"M{k}\n") for k in range(6)]
    lines = market_lines(build_heat(ladders, "ETH/USD").sources)
    assert lines[0] == "aave-v3 M0?, chain 1, block 23,872,000, 2025-11-24 16:00 UTC"
    assert lines[4:] == ["and 2 markets more"]
