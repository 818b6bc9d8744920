"""What people see of perpetuals: longs and shorts, factors below nothing, debts without a margin."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

import defiliq
from defiliq.cli.position import order_now
from defiliq.ladder import bin_ladder
from defiliq.pipeline.judge import health
from defiliq.protocols import dydx_v4
from defiliq.types import Liquidation
from defiliq.view.position import positions_shown
from defiliq.view.positions import print_interest, print_leverage
from defiliq.view.rungs import SHOWN_ALREADY, SHOWN_RUNGS, chart_lines, nearest_to_spot, print_rungs
from defiliq.view.terminal import factor_shown, histogram_lines, print_scan, short
from tests.builders import account
from tests.builders import book as lending_book
from tests.venue import ALICE, BOB, BROKE, CAROL, IDLE, USD, holder, name, traders, venue, venue_book

Read = Callable[[], str]


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Read:
    """What was printed since."""
    return lambda: capsys.readouterr().out


@pytest.mark.parametrize(
    ("factor", "shown"),
    [
        ("-0.110422799874725964", "-0.110422"),
        ("-6.666666666666666667", "-6.666666"),
        ("-0.000000000000000001", "-0.000000"),
        ("-123456789012.5", "-1.23E+11"),
    ],
)
def test_factors_below_nothing_are_cut(factor: str, shown: str) -> None:
    assert factor_shown(factor) == shown


def test_names_of_subaccounts_keep_their_number() -> None:
    whole = name(ALICE)
    assert short(whole) == f"{whole[:8]}…{whole[-8:-2]}/0"
    assert short(whole.replace("/0", "/128000")) == f"{whole[:8]}…{whole[-8:-2]}/128000"
    assert short("BTC-USD") == "BTC-USD"
    assert short("dydx1short/0") == "dydx1short/0"
    assert short("USDC/USD") == "USDC/USD"


def test_the_histogram_counts_factors_below_nothing_and_debts_without_a_margin() -> None:
    lines = [line.plain for line in histogram_lines(health(venue_book()))]
    counted = {line[:13].strip(): line[13:].split()[:2] for line in lines[1:]}
    assert counted["below 1"] == ["1", "500.00"], "Carol"
    assert counted["no factor"] == ["2", "5.00"], "one of them owes"
    assert "no debt" not in counted
    assert sum(int(count) for count, _ in counted.values()) == len(traders())
    only_rich = defiliq.Book.build(venue(), [holder(IDLE, 77)])
    assert "no debt" in histogram_lines(health(only_rich))[-1].plain


def test_a_scan_puts_factors_below_nothing_first_and_leaves_out_who_has_none(read: Read) -> None:
    print_scan(health(venue_book()), "headline", "coverage", 10)
    listed = re.findall(r"(dydx1\w+/0) +(\S+)", read())
    assert listed == [
        (name(CAROL), "-6.666666"),
        (name(BOB), "4.604051"),
        (name(ALICE), "5.555555"),
    ]


def test_a_scan_of_debtors_without_a_margin_has_no_empty_table(read: Read) -> None:
    print_scan(health(defiliq.Book.build(venue(), [holder(BROKE, -5)])), "headline", "coverage", 10)
    out = read()
    assert "with debt: 1" in out
    assert "closest" not in out


def test_the_chart_draws_whole_positions_not_the_first_order() -> None:
    """A block closes a tenth of one."""
    bins = bin_ladder(defiliq.ladder(venue_book(), "BTC/USD"), 5.0)
    lines = [line.plain for line in chart_lines(bins, 60_000.0)]
    assert any(line.endswith(" 51,546 (1)") for line in lines)
    assert any(line.endswith(" 99,500 (1)") for line in lines)


def test_sizes_are_columns_of_perpetuals_only(read: Read) -> None:
    for table in (defiliq.ladder(venue_book()), bin_ladder(defiliq.ladder(venue_book()), 5.0)):
        print_rungs(table)
        assert "notional $" in read()
    for table in (defiliq.ladder(lending_book()), bin_ladder(defiliq.ladder(lending_book()), 5.0)):
        print_rungs(table)
        assert "notional" not in read()


@pytest.mark.parametrize(
    ("broken", "further", "shown"),
    [
        (100, 100, (SHOWN_ALREADY, SHOWN_RUNGS - SHOWN_ALREADY)),
        (100, 5, (SHOWN_RUNGS - 5, 5)),
        (100, 0, (SHOWN_RUNGS, 0)),
        (3, 100, (3, SHOWN_RUNGS - 3)),
        (2, 2, (2, 2)),
    ],
)
def test_rungs_reached_already_leave_room_for_others(
    broken: int, further: int, shown: tuple[int, int]
) -> None:
    accounts = [account(k + 1, WETH=(1, 0), USDC=(0, 2600)) for k in range(broken)]
    accounts += [account(1000 + k, WETH=(1, 0), USDC=(0, 1000 + k)) for k in range(further)]
    table = defiliq.ladder(lending_book(accounts), "WETH")
    seen = nearest_to_spot(table)
    assert ((seen["outcome"] == "already").sum(), (seen["outcome"] == "price").sum()) == shown
    assert list(seen.index) == sorted(seen.index)
    nearest = table[table["outcome"] == "price"]["distance_pct"].abs().sort_values().head(shown[1])
    assert set(seen.index[seen["outcome"] == "price"]) == set(nearest.index)


def test_open_interest_and_leverage_in_words(read: Read) -> None:
    book = venue_book()
    held = defiliq.positions(book)
    print_interest(defiliq.open_interest(book, held), 1)
    out = read()
    assert re.search(r"BTC-USD +60,000\.0000 +90,000 +2 +1 +60,000 +90,000 +4\.33 +7\.24", out)
    assert "1 further perpetuals with an open interest of 500.00: --top 2" in out
    print_leverage(defiliq.leverage_distribution(book, held))
    out = read()
    assert re.search(r"5x to 10x +2 +60,500 █+\S* +90,000 █+", out)
    assert re.search(r"no equity +1 +0\.00 +500\.00 ▏", out)


def test_a_long_is_sold() -> None:
    market = venue()
    low = market.at_prices({1: 50_000 * 10**5})
    taken = dydx_v4.take(traders()[ALICE], low)
    assert isinstance(taken, Liquidation)
    said = order_now(taken, low)
    assert re.match(
        r"the order now: sell 0\.1 BTC-USD for [\d.]+ USDC, [\d.]+ in favour of who fills it", said
    )


def test_a_small_part_of_a_large_position_is_not_nothing_of_it() -> None:
    market = venue()
    few = replace(market.liquidations, max_notional_liquidated=10 * USD)
    low = replace(market, liquidations=few).at_prices({1: 50_000 * 10**5})
    taken = dydx_v4.take(traders()[ALICE], low)
    assert isinstance(taken, Liquidation)
    assert taken.remark.startswith("less than 1% of it in this block")


def test_positions_shown_leave_blank_what_is_not_there() -> None:
    legs = defiliq.position(venue_book(), name(BOB)).legs
    shown = positions_shown(legs)
    assert shown["long"].tolist() == ["102000", "", "50000000"]
    assert shown["short"].tolist() == ["", "1.5", ""]
    assert shown["long_usd"].isna().tolist() == [False, True, False]
    assert shown["margin_bps"].isna().tolist() == [True, False, False]
    assert shown["margin_bps"].tolist()[1:] == [300, 300]
