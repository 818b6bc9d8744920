"""Sizes on the ladder of perpetuals, on known numbers: longs where it falls, shorts where it rises."""

from __future__ import annotations

import math
from typing import Any

import pytest

import defiliq
from defiliq.ladder import BIN_COLUMNS, LADDER_COLUMNS, bin_ladder, factor_text, joined
from defiliq.pipeline.judge import health, levels
from defiliq.pipeline.position import amount_text
from defiliq.types import NO_DEBT_FACTOR
from defiliq.view.files import render_csv, render_json
from tests.builders import book as lending_book
from tests.venue import ALICE, BOB, BROKE, CAROL, DAVE, IDLE, name, venue_book


def rung(driver: str, who: int, **options: Any) -> dict[str, Any]:
    """A trader's one rung on a driver."""
    table = defiliq.ladder(venue_book(), driver, **options)
    (found,) = table[table["account"] == name(who)].to_dict("records")
    return {str(key): value for key, value in found.items()}


def test_a_long_is_sized_at_the_price_at_which_it_breaks() -> None:
    """One bitcoin and 50,000 owed: p - 50,000 < 3% of p from p = 51,546.39175 down."""
    row = rung("BTC/USD", ALICE)
    assert (row["side"], row["outcome"], row["price_raw"]) == ("long", "price", "5154639175")
    assert row["notional_usd"] == 51_546.39175
    assert row["seized_usd"] < row["notional_usd"] / 9, "a block takes a tenth of it"


def test_a_short_is_sized_at_the_price_at_which_it_breaks() -> None:
    """102,500 owned against 1.5 bitcoins: 102,500 - 1.5 p < 4.5% of p + 15 from p = 66,333.33334 up."""
    row = rung("BTC/USD", BOB)
    assert (row["side"], row["outcome"], row["price_raw"]) == ("short", "price", "6633333334")
    assert row["notional_usd"] == 99_500.00001


def test_all_markets_at_once_size_the_side_that_loses() -> None:
    """Bob is short of bitcoin and long of PEPE: where all rise, his short is what breaks him."""
    long, short = rung("ALL", ALICE), rung("ALL", BOB)
    assert (long["side"], long["price_raw"], long["notional_usd"]) == ("long", "859106529", 51_546.39174)
    assert (short["side"], short["price_raw"], short["notional_usd"]) == ("short", "1106110720", 99_549.9648)
    assert short["price_usd"] == 1.10611072


def test_who_is_liquidatable_already_is_sized_at_spot_and_only_on_what_he_holds() -> None:
    there, elsewhere = rung("PEPE/USD", CAROL), rung("BTC/USD", CAROL)
    assert (there["side"], there["outcome"], there["notional_usd"]) == ("short", "already", 500.0)
    assert elsewhere["outcome"] == "already"
    assert math.isnan(elsewhere["notional_usd"])


def test_who_never_breaks_has_no_size() -> None:
    table = defiliq.ladder(venue_book(), "BTC/USD", include_never=True)
    never = table[table["outcome"] == "never"]
    assert set(never["account"]) == {name(who) for who in (DAVE, IDLE, BROKE)}
    assert never["notional_usd"].isna().all()
    assert never["price_raw"].tolist() == [""] * len(never)


def test_lending_has_no_positions_and_so_no_sizes() -> None:
    rungs = defiliq.ladder(lending_book())
    assert len(rungs) > 5
    assert rungs["notional_usd"].isna().all()
    bins = bin_ladder(rungs, 5.0)
    assert bins["notional_usd"].isna().all()
    assert bins["cumulative_notional_usd"].isna().all()
    assert "notional" in render_csv(rungs).splitlines()[0]
    assert "NaN" not in render_json(rungs)


def test_bins_sum_sizes_outwards_from_spot() -> None:
    bins = bin_ladder(defiliq.ladder(venue_book(), "ALL"), 5.0)
    assert list(bins.columns) == list(BIN_COLUMNS)
    shown = [
        (row["side"], row["outcome"], row["accounts"], row["notional_usd"], row["cumulative_notional_usd"])
        for row in bins.to_dict("records")
    ]
    assert shown == [
        ("long", "price", 1, 51_546.39174, 51_546.39174),
        ("short", "already", 1, 500.0, 500.0),
        ("short", "price", 1, 99_549.9648, 100_049.9648),
    ]


def test_a_bin_without_any_size_says_none() -> None:
    """Carol is broken and holds no bitcoin: her bin has no size, and the next one counts from nothing."""
    bins = bin_ladder(defiliq.ladder(venue_book(), "BTC/USD", "long"), 5.0)
    first, second = bins.to_dict("records")
    assert (first["outcome"], first["accounts"]) == ("already", 1)
    assert math.isnan(first["notional_usd"])
    assert math.isnan(first["cumulative_notional_usd"])
    assert second["cumulative_accounts"] == 2
    assert second["notional_usd"] == second["cumulative_notional_usd"] == 51_546.39175


def test_levels_alone_are_the_same_levels() -> None:
    table, rungs = levels(venue_book(), "ALL"), defiliq.ladder(venue_book(), "ALL")
    priced = table[table["outcome"] == "price"]
    assert priced["price_raw"].tolist() == rungs[rungs["outcome"] == "price"]["price_raw"].tolist()
    assert "notional_usd" not in table.columns


def test_sizes_survive_files() -> None:
    rungs = defiliq.ladder(venue_book())
    assert list(rungs.columns) == list(LADDER_COLUMNS)
    (line,) = (
        row for row in render_csv(rungs).splitlines() if f"{name(ALICE)},BTC/USD" in row and ",price," in row
    )
    assert ",51546.39175," in line


def test_factors_below_nothing_are_floored_and_keep_their_sign() -> None:
    assert factor_text(-1) == "-0.000000000000000001"
    assert factor_text(-(10**18)) == "-1.000000000000000000"
    assert factor_text(-6_666666666666666667) == "-6.666666666666666667"
    assert factor_text(0) == "0.000000000000000000"
    assert factor_text(NO_DEBT_FACTOR) == ""


def test_health_of_traders() -> None:
    table = {row["account"]: row for row in health(venue_book()).to_dict("records")}
    carol, broke, idle = (table[name(who)] for who in (CAROL, BROKE, IDLE))
    assert (carol["health_factor"], carol["liquidatable"]) == ("-6.666666666666666667", True)
    # Nobody asks a margin of who has no position, so he has no factor and is safe however much he owes.
    assert (broke["health_factor"], broke["debt_usd"], broke["liquidatable"]) == ("", 5.0, False)
    assert (idle["health_factor"], idle["collateral_usd"], idle["debt_raw"]) == ("", 77.0, "0")
    assert table[name(BOB)]["available_borrows_usd"] == 12_500 - 90_500 * 0.05
    assert carol["available_borrows_usd"] == 0.0
    written = render_csv(health(venue_book()))
    assert f"{name(CAROL)},-6.666666666666666667," in written
    assert f"{name(BROKE)},,0.0,5.0," in written


@pytest.mark.parametrize(
    ("raw", "decimals", "shown"),
    [
        (5, -1, "50"),
        (0, -3, "0"),
        (7, 0, "7"),
        (15, 1, "1.5"),
        (10**10, 10, "1"),
        (1, 10, "0.0000000001"),
        (5_000_000, -1, "50000000"),
        (2**70, -2, str(2**70 * 100)),
    ],
)
def test_amounts_in_whole_tokens(raw: int, decimals: int, shown: str) -> None:
    """A quantum of PEPE is ten PEPE: its decimals are negative."""
    assert amount_text(raw, decimals) == shown


def test_a_ladder_of_both_kinds_of_venue_is_one_table() -> None:
    """A lending market's chain id is a number, the venue's a name: as one table both are text."""
    both = joined([defiliq.ladder(lending_book()), defiliq.ladder(venue_book())])
    assert set(both["chain_id"]) == {"31337", "dydx-local-1"}
    assert joined([defiliq.ladder(lending_book())] * 2)["chain_id"].dtype == "int64"
    bins = bin_ladder(both, 5.0)
    assert set(bins["protocol"]) == {"aave-v3", "dydx-v4"}
    assert bins["accounts"].sum() == len(both)
