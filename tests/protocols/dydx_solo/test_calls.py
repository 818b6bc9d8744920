"""Liquidate in float columns, against take.py and after.py."""

from __future__ import annotations

from collections import Counter

import pytest

from defiliq.book import Book
from defiliq.protocols.dydx_solo.market import LIQUID
from defiliq.units import WAD
from tests.calling import first_calls_agree, settles_agree
from tests.protocols.dydx_solo.states import DOLLAR, holding, listed, solo
from tests.solo_book import PRICES, solo_book


@pytest.mark.parametrize("percent", [-40, -8, 0, 15])
@pytest.mark.parametrize("least_dollars", [0, 1_000])
def test_first_calls_are_the_laws(percent: int, least_dollars: int) -> None:
    book = solo_book(700, 9, least_dollars * DOLLAR)
    seen = first_calls_agree(book, [PRICES[0] * (100 + percent) // 100, *PRICES[1:]])
    assert seen["the same"] > 100
    assert (seen["refused"] > 20) == (least_dollars > 0)


@pytest.mark.parametrize("percent", [-40, -8, 0, 15])
def test_whole_books_end_as_the_law_ends_them(percent: int) -> None:
    """Without a least debt: with one, the law repays the last unit again and again, as indices round it."""
    found = settles_agree(solo_book(1500, 10), [PRICES[0] * (100 + percent) // 100, *PRICES[1:]])
    assert found.calls > found.accounts > 300


def test_who_is_liquid_is_liquidated_however_well_covered() -> None:
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    book = Book.build(market, [holding(10**21, -(10**20), mode=LIQUID)])
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1})
    assert settles_agree(book, market.prices).repaid == [0.0, 1e20]


def test_one_call_makes_an_account_liquid_so_all_of_its_debts_go() -> None:
    market = solo([listed(0), listed(1), listed(2)], [10**18, 10**18, 10**18])
    book = Book.build(market, [holding(114 * 10**18, -(60 * 10**18), -(40 * 10**18))])
    found = settles_agree(book, market.prices)
    assert (found.calls, found.repaid) == (2, [0.0, 60e18, 40e18])


def test_a_debt_that_nothing_backs_is_left() -> None:
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    book = Book.build(market, [holding(0, -(10**20)), holding(50 * 10**18, -(10**20))])
    found = settles_agree(book.keep(~(book.modes > 9)), market.prices)
    assert found.bad_debt_base == pytest.approx((100 - 50 / 1.05) * DOLLAR)
    assert sum(found.refused.values()) == 2


def test_premiums_of_both_markets_widen_the_spread() -> None:
    reserves = [listed(0, spread_premium_wad=WAD), listed(1, spread_premium_wad=WAD // 2)]
    market = solo(reserves, [10**18, 10**18])
    found = settles_agree(Book.build(market, [holding(114 * 10**18, -(10**20))]), market.prices)
    assert found.bonus_base == pytest.approx((114 - 114 / 1.15) * DOLLAR)
