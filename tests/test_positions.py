"""Open positions, open interest and leverage on a book whose numbers are known by heart."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest

import defiliq
from defiliq.book import Book
from defiliq.errors import InputError
from defiliq.pipeline.positions import (
    INTEREST_COLUMNS,
    LEVERAGE_COLUMNS,
    LEVERAGE_EDGES,
    NO_EQUITY,
    POSITION_COLUMNS,
    leverage_distribution,
    open_interest,
    positions,
)
from defiliq.types import Leg
from tests.builders import book as lending_book
from tests.dydx.population import population
from tests.dydx.standin import dydx_standin
from tests.protocols.dydx_v4.stage import LISTING, opened
from tests.venue import ALICE, BOB, BTC, CAROL, DAVE, holder, name, traders, venue, venue_book


@cache
def held() -> pd.DataFrame:
    return positions(venue_book())


def of(who: int, symbol: str) -> dict[str, object]:
    (row,) = held()[(held()["account"] == name(who)) & (held()["perpetual"] == symbol)].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_one_row_per_position_in_the_books_order() -> None:
    assert list(held().columns) == list(POSITION_COLUMNS)
    named = list(zip(held()["account"], held()["perpetual"], held()["side"], strict=True))
    assert named == [
        (name(ALICE), "BTC-USD", "long"),
        (name(BOB), "BTC-USD", "short"),
        (name(BOB), "PEPE-USD", "long"),
        (name(CAROL), "PEPE-USD", "short"),
        (name(DAVE), "BTC-USD", "long"),
    ]


def test_a_long_of_one_bitcoin_that_is_six_times_levered() -> None:
    row = of(ALICE, "BTC-USD")
    assert (row["size"], row["size_raw"]) == ("1", str(BTC))
    assert (row["price_usd"], row["price_raw"]) == (60_000.0, "6000000000")
    assert (row["notional_usd"], row["maintenance_margin_usd"]) == (60_000.0, 1_800.0)
    assert (row["equity_usd"], row["leverage"]) == (10_000.0, 6.0)
    assert row["health_factor"] == "5.555555555555555555"
    assert row["liquidatable"] is False


def test_both_positions_of_a_subaccount_share_its_equity() -> None:
    short, long = of(BOB, "BTC-USD"), of(BOB, "PEPE-USD")
    assert (short["size"], short["notional_usd"]) == ("1.5", 90_000.0)
    assert (long["size"], long["size_raw"], long["notional_usd"]) == ("50000000", "5000000", 500.0)
    assert long["price_usd"] == 0.00001
    for row in (short, long):
        assert row["equity_usd"] == 12_500.0
        assert row["leverage"] == 90_500 / 12_500


def test_longs_pay_when_the_index_has_risen_and_shorts_are_paid() -> None:
    assert of(ALICE, "BTC-USD")["funding_usd"] == -5.0
    assert of(BOB, "BTC-USD")["funding_usd"] == 7.5
    assert of(DAVE, "BTC-USD")["funding_usd"] == 0.0
    assert of(CAROL, "PEPE-USD")["funding_usd"] == 0.0


def test_without_equity_there_is_no_leverage() -> None:
    row = of(CAROL, "PEPE-USD")
    assert row["equity_usd"] == -100.0
    assert isinstance(row["leverage"], float)
    assert math.isnan(row["leverage"])
    assert (row["health_factor"], row["liquidatable"]) == ("-6.666666666666666667", True)


def test_equity_of_exactly_nothing_has_no_leverage() -> None:
    table = positions(Book.build(venue(), [holder(ALICE, -60_000, BTC)]))
    assert table["equity_usd"].tolist() == [0.0]
    assert table["leverage"].isna().all()
    assert leverage_distribution(Book.build(venue(), []), table)["accounts"].tolist()[-1] == 1


def test_open_interest() -> None:
    book = venue_book()
    table = open_interest(book, held())
    assert list(table.columns) == list(INTEREST_COLUMNS)
    bitcoin, pepe = table.to_dict("records")
    assert (bitcoin["perpetual"], pepe["perpetual"]) == ("BTC-USD", "PEPE-USD")
    assert (bitcoin["longs"], bitcoin["shorts"], pepe["longs"], pepe["shorts"]) == (2, 1, 1, 1)
    assert bitcoin["open_interest_usd"] == bitcoin["long_usd"] == bitcoin["short_usd"] == 90_000.0
    assert pepe["open_interest_usd"] == pepe["long_usd"] == pepe["short_usd"] == 500.0
    assert (bitcoin["largest_long_usd"], bitcoin["largest_short_usd"]) == (60_000.0, 90_000.0)
    assert bitcoin["long_leverage"] == (6 * 60_000 + 1 * 30_000) / 90_000
    assert bitcoin["short_leverage"] == pytest.approx(90_500 / 12_500)
    assert math.isnan(pepe["short_leverage"]), "nobody who is short of it has equity"


def test_open_interest_of_nobody() -> None:
    empty = Book.build(venue(), [])
    table = open_interest(empty, positions(empty))
    assert table["longs"].tolist() == table["shorts"].tolist() == [0, 0]
    assert table["long_usd"].tolist() == table["largest_short_usd"].tolist() == [0.0, 0.0]
    assert table["open_interest_usd"].tolist() == [90_000.0, 500.0], "as the chain counts"
    assert table["long_leverage"].isna().all()


def test_leverage_is_distributed() -> None:
    book = venue_book()
    table = leverage_distribution(book, held())
    assert list(table.columns) == list(LEVERAGE_COLUMNS)
    assert table["range"].tolist() == [
        *("0x to 1x", "1x to 2x", "2x to 3x", "3x to 5x", "5x to 10x", "10x to 15x", "15x to 20x"),
        *("20x and up", NO_EQUITY),
    ]
    found = {
        row["range"]: (row["accounts"], row["long_usd"], row["short_usd"]) for row in table.to_dict("records")
    }
    assert found["1x to 2x"] == (1, 30_000.0, 0.0)
    assert found["5x to 10x"] == (2, 60_500.0, 90_000.0)
    assert found[NO_EQUITY] == (1, 0.0, 500.0)
    assert table["accounts"].sum() == 4


@pytest.mark.parametrize("times", LEVERAGE_EDGES[1:])
def test_a_range_begins_at_its_lower_edge(times: int) -> None:
    account = holder(ALICE, -60_000 + 60_000 // times, BTC, is_settled=True)
    book = Book.build(venue(), [account])
    table = leverage_distribution(book, positions(book))
    (found,) = table["range"][table["accounts"] == 1]
    assert str(found).startswith(f"{times}x ")


def test_a_lending_book_has_no_positions() -> None:
    with pytest.raises(InputError, match="aave-v3 has no positions"):
        positions(lending_book())


def test_all_positions_of_a_chain_are_its_open_interest() -> None:
    """To the quantum; in dollars each position's notional is cut to a quote quantum."""
    with opened(dydx_standin(population(300, seed=2))) as node:
        book = defiliq.read(node, LISTING)
    table = positions(book)
    interest = open_interest(book, table).set_index("perpetual")
    sizes = table.assign(size_raw=table["size_raw"].map(int))
    for reserve in book.market.reserves[1:]:
        of_it = sizes[sizes["perpetual"] == reserve.symbol]
        for side in ("long", "short"):
            mine = of_it[of_it["side"] == side]
            assert sum(mine["size_raw"]) == reserve.open_interest > 0
            row = interest.loc[reserve.symbol]
            assert row[f"{side}s"] == len(mine)
            assert 0 <= row["open_interest_usd"] - row[f"{side}_usd"] + 1e-3 <= 2e-3 + 1e-6 * len(mine)
    spread = leverage_distribution(book, table)
    for side in ("long_usd", "short_usd"):
        assert spread[side].sum() == pytest.approx(interest[side].sum())
    assert spread["accounts"].sum() == table["account"].nunique()
    owned = sum(leg.reserve != 0 for account in book.accounts() for leg in account.legs)
    assert len(table) == owned


def test_what_a_position_weighs_is_what_the_verdict_weighs() -> None:
    """Margins of a subaccount's positions sum to what its health factor divides by."""
    with opened(dydx_standin(population(200, seed=3))) as node:
        book = defiliq.read(node, LISTING)
    parts = [part for _, part in positions(book).groupby("account")]
    assert len(parts) > 100
    for part in parts:
        margin, shared = float(part["maintenance_margin_usd"].sum()), part.iloc[0]
        if margin > 1:
            share = shared["equity_usd"] / margin
            assert float(shared["health_factor"]) == pytest.approx(share, rel=1e-9, abs=1e-9)


def test_a_position_of_no_size_is_none() -> None:
    empty_leg = replace(traders()[0], legs=(*traders()[0].legs, Leg(2, 0, 0, True, funding_index=0)))
    assert len(positions(Book.build(venue(), [empty_leg]))) == 1
