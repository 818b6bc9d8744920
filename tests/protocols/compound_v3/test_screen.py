"""The screen and the law agree on every account, on books made to stand at the edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine.screen import SAFE, screen
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols import compound_v3
from defiliq.protocols.compound_v3 import CometMarket, margin, rule
from tests.protocols.compound_v3.states import (
    SMALL_DECIMALS,
    accounts,
    at_the_edge,
    base_asset,
    collateral,
    comet,
    comets,
    owing,
)
from tests.screening import assert_screen_agrees, assert_screen_agrees_at_levels

SCENES = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def books(draw: st.DrawFn) -> Book[CometMarket]:
    """Accounts far from the edge, at it, and a few token units or price integers to either side."""
    small = draw(st.booleans())
    market = draw(comets(decimals=SMALL_DECIMALS, prices=st.integers(1, 300)) if small else comets())
    if draw(st.booleans()):
        market = market.as_stored()
    most = 5000 if small else 2**100
    rows = draw(st.lists(st.one_of(accounts(market, most=most), at_the_edge(market, most=most)), max_size=12))
    return Book.build(market, [replace(row, owner=f"0x{k:040x}") for k, row in enumerate(rows)])


@settings(SCENES, max_examples=500)
@given(books())
def test_the_screen_never_contradicts_the_law(book: Book[CometMarket]) -> None:
    assert_screen_agrees(compound_v3, book)


@SCENES
@given(st.data())
def test_at_the_exact_boundary_the_law_decides(data: st.DataObject) -> None:
    """Every account at its own liquidation price, and up to two integers to either side of it."""
    market = data.draw(comets())
    account = data.draw(accounts(market))
    feed = data.draw(st.integers(0, len(market.feeds) - 1))
    # a feed that prices the base asset and a collateral may leave the decision to rounding alone
    if sum(reserve.feed == feed for reserve in market.reserves) > 1 and feed == 0:
        return
    driver = driver_of_feeds("drawn", market.prices[feed], 1, (Move(feed),))
    assert_screen_agrees_at_levels(compound_v3, market, account, driver)


def test_every_rounding_lies_within_the_doubt() -> None:
    """Ten collaterals of nearly 2, of which 99% count: cut to 1 and then to 0, they lose nearly 2 each."""
    listed = [collateral(k, 18, liquidate_factor_wad=99 * 10**16) for k in range(1, 11)]
    market = comet([base_asset(18), *listed], [1] * 11)
    for owed in range(1, 25):
        book = Book.build(market, [owing(-owed * 10**18, *[2 * 10**18 - 1] * 10)])
        sure = assert_screen_agrees(compound_v3, book)
        assert rule(book.account(0), market).liquidatable(market.prices)
        if owed < 19:
            assert sure == 0, "the exact line says safe, and the law does not"


def test_a_debts_amount_is_doubted_by_a_token_unit() -> None:
    """One unit of a coarse, dear token: a principal of 1 at an index of 1.9 owes one whole token."""
    market = comet(
        [base_asset(0), collateral(1, 0, liquidate_factor_wad=10**18)], [1000, 1], borrow_index=19 * 10**14
    )
    rows = [replace(owing(-1, held), owner=f"0x{held:040x}") for held in range(900, 2100, 50)]
    assert_screen_agrees(compound_v3, Book.build(market, rows))
    assert not rule(rows[2], market).liquidatable(market.prices)  # 1000 against 1000, not 1900


def test_clear_accounts_do_not_need_the_law() -> None:
    market = comet([base_asset(6), collateral(1)], [10**8, 3000 * 10**8])
    rng = np.random.default_rng(5)
    factors = rng.uniform(0.5, 10, 2000)
    rows = [
        replace(owing(-int(2550 * 10**6 / factor), 10**18), owner=f"0x{k:040x}")
        for k, factor in enumerate(factors, start=1)
    ]
    sure = assert_screen_agrees(compound_v3, Book.build(market, rows))
    assert sure > 0.99 * 2000


def test_suppliers_are_safe() -> None:
    market = comet([base_asset(6), collateral(1)], [10**8, 1])
    book = Book.build(market, [owing(10**12), owing(0, 10**18)])
    assert screen(margin(book), market.prices).tolist() == [SAFE, SAFE]
