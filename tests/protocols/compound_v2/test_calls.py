"""liquidateBorrow in float columns, against take.py and after.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.engine.liquidate import ColumnBook
from defiliq.protocols.compound_v2.calls import call_terms
from defiliq.protocols.compound_v2.market import COIN, CompoundMarket
from defiliq.protocols.compound_v2.take import take
from defiliq.types import Account, Liquidation
from defiliq.units import WAD
from tests.bench.compound import synthetic_comptroller
from tests.builders import address
from tests.calling import first_calls_agree, settles_agree
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds

DOLLAR = WAD
RATE = 213 * 10**24 // 10**10 + 12_345_678
"""Underlying per cToken of 8 decimals, for 18."""


def three(**changes: Any) -> CompoundMarket:
    """ETH, a dollar of 6 decimals, and a token that is seized with a share for the protocol."""
    reserves = [
        ctoken(0, "ETH", exchange_rate_now_wad=RATE, collateral_factor_wad=82 * WAD // 100),
        ctoken(1, "USDC", 6, borrow_index_now_wad=12 * WAD // 10 + 7, exchange_rate_now_wad=RATE // 10**12),
        ctoken(2, "UNI", exchange_rate_now_wad=RATE, seize_share_wad=28 * 10**15),
    ]
    prices = [2_800 * DOLLAR, 10**30, 7 * DOLLAR + 123]
    return comptroller(reserves, prices, **changes)


def held(eth: float, usdc_owed: float, uni: float = 0.0, number: int = 1, *, entered: bool = True) -> Account:
    legs = [
        holds(0, int(eth * 10**18 * WAD) // RATE, entered=entered),
        holds(1, 0, int(usdc_owed * 10**6)),
        holds(2, int(uni * 10**18 * WAD) // RATE),
    ]
    return Account(address(number), 0, tuple(leg for leg in legs if leg.collateral or leg.debt))


@pytest.mark.parametrize("percent", [-45, -10, 0])
@pytest.mark.parametrize("rounding", ["down", "half_up"])
def test_first_calls_and_whole_books_are_the_laws(percent: int, rounding: Any) -> None:
    market, book = synthetic_comptroller(1200)
    book = replace(book, market=replace(market, product_rounding=rounding))
    prices = [price * (100 + percent) // 100 if k else price for k, price in enumerate(market.prices)]
    assert first_calls_agree(book, prices)["the same"] > 30
    found = settles_agree(book, prices)
    assert found.calls > found.accounts


def test_a_share_of_what_is_seized_is_the_protocols() -> None:
    market = three()
    book = Book.build(market, [held(0.5, 2200, uni=300, number=k) for k in range(1, 4)])
    found = settles_agree(book, [2_300 * DOLLAR, *market.prices[1:]])
    assert found.fees[2] > 0


def test_what_was_not_entered_is_seized_and_backs_nothing() -> None:
    market = three()
    book = Book.build(market, [held(1, 900, uni=100, entered=False)])
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1})
    settles_agree(book, market.prices)


@pytest.mark.parametrize("is_short", [False, True])
def test_a_deprecated_debt_goes_whole_and_then_nothing_more(is_short: bool) -> None:
    market = three()
    reserves = list(market.reserves)
    reserves[1] = replace(reserves[1], is_deprecated=True, collateral_factor_wad=0)
    market = replace(market, reserves=tuple(reserves))
    book = Book.build(market, [held(1, 2500 if is_short else 500, number=k) for k in range(1, 3)])
    found = settles_agree(book, market.prices)
    assert found.calls == 2


@pytest.mark.parametrize("eth", [0.0, 0.05, 0.4, 0.62, 0.79])
def test_coins_that_are_sent_count_for_the_borrower(eth: float) -> None:
    """Repaying a debt of the coin backs more of the borrower's own supply of it, while it is sent."""
    reserves = [
        ctoken(0, "ETH", asset=COIN, cash=10**20, total_borrows=10**20, total_supply=2 * 10**20),
        ctoken(1, "USDC", 6),
    ]
    market = comptroller(reserves, [2_800 * DOLLAR, 10**30])
    legs = holds(0, int(eth * 10**18), int(0.6 * 10**18)), holds(1, 2_238 * 10**6 - int(eth * 2_800 * 10**6))
    book = Book.build(market, [Account(address(1), 0, legs)])
    assert sum(first_calls_agree(book, market.prices).values()) == 1
    taken = take(book.account(0), market)
    assert isinstance(taken, Liquidation)
    assert (taken.repaid < int(0.3 * 10**18)) == (eth > 0.5)


def test_not_more_than_the_ctoken_has_lent_out() -> None:
    market = three()
    reserves = list(market.reserves)
    reserves[1] = replace(reserves[1], total_borrows=700 * 10**6, accrued_at=market.block.number)
    market = replace(market, reserves=tuple(reserves))
    book = Book.build(market, [held(1, 2500)])
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1})


def test_refusals() -> None:
    book = Book.build(three(seize_paused=True), [held(1, 2500)])
    assert settles_agree(book, book.market.prices).refused == {"seize is paused": 1}
    market = three()
    reserves = (replace(market.reserves[0], is_listed=False), *market.reserves[1:])
    book = Book.build(replace(market, reserves=reserves), [held(1, 2500), held(0, 2500, number=2)])
    assert settles_agree(book, market.prices).refused == {
        "MARKET_NOT_LISTED": 1,
        "no collateral to seize": 1,
    }


def test_a_ratio_of_few_digits_is_cut_as_the_contract_cuts_it() -> None:
    """A wei of a dollar buys 9e-14 of a cToken of bitcoin: as a wad, five digits."""
    reserves = [
        ctoken(0, "WBTC", 8, exchange_rate_now_wad=2 * 10**16 + 77),
        ctoken(1, "DAI", 18),
    ]
    market = comptroller(reserves, [60_000 * 10**28 + 7, 10**18])
    legs = holds(0, 5 * 10**9), holds(1, 0, 50_000 * 10**18)
    book = Book.build(market, [Account(address(1), 0, legs)])
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1})


def test_no_order_of_accounts_changes_a_sum() -> None:
    market, book = synthetic_comptroller(600)
    prices = [price * 3 // 4 if k else price for k, price in enumerate(market.prices)]
    accounts = [book.account(i) for i in range(len(book))]
    shuffled = [accounts[i] for i in np.random.default_rng(3).permutation(len(accounts))]
    one, other = (
        ColumnBook.of(Book.build(market, some), call_terms).settle(prices) for some in (accounts, shuffled)
    )
    assert one == other
