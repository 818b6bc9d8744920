"""The screen and the law agree on every account, on books made to stand at the edge."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine.screen import SAFE, UNCLEAR, screen
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols import dydx_solo
from defiliq.protocols.dydx_solo import LIQUID, SoloMarket, margin, rule, values
from defiliq.types import Account
from defiliq.units import WAD
from tests.builders import address
from tests.protocols.dydx_solo.states import accounts, at_the_edge, holding, listed, markets, solo
from tests.screening import assert_screen_agrees, assert_screen_agrees_at_levels

SCENES = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def named(rows: list[Account]) -> list[Account]:
    return [replace(row, owner=f"{address(7)}/{k}") for k, row in enumerate(rows)]


@st.composite
def books(draw: st.DrawFn) -> Book[SoloMarket]:
    """Accounts far from the edge, at it, and a few token units or price integers to either side."""
    small = draw(st.booleans())
    market = draw(markets(prices=st.integers(1, 300)) if small else markets())
    if draw(st.booleans()):
        market = market.as_stored()
    most = 500 if small else 2**127
    rows = draw(st.lists(st.one_of(accounts(market, most=most), at_the_edge(market, most=most)), max_size=12))
    return Book.build(market, named(rows))


@settings(SCENES, max_examples=300)
@given(books())
def test_the_screen_never_contradicts_the_law(book: Book[SoloMarket]) -> None:
    assert_screen_agrees(dydx_solo, book)


@SCENES
@given(st.data())
def test_at_the_exact_boundary_the_law_decides(data: st.DataObject) -> None:
    """Every account at its own liquidation price, and up to two integers to either side of it."""
    market = data.draw(markets())
    account = data.draw(accounts(market))
    feed = data.draw(st.integers(0, len(market.feeds) - 1))
    driver = driver_of_feeds("drawn", market.prices[feed], 1, (Move(feed),))
    with suppress(UnresolvedLevel):
        assert_screen_agrees_at_levels(dydx_solo, market, account, driver)


def test_every_rounding_of_supplies_lies_within_the_doubt() -> None:
    """Ten supplies of one token at an index of nearly 2, and a premium that leaves half of it: cut to 0."""
    reserves = [listed(0, 36)]
    grown = {"supply_index_wad": 2 * WAD - 1, "margin_premium_wad": WAD + 1}
    reserves += [listed(k, 36, **grown) for k in range(1, 11)]
    market = solo(reserves, [1] * 11, margin_ratio_wad=0)
    rows = named([holding(-owed, *[1] * 10) for owed in range(1, 12)])
    sure = assert_screen_agrees(dydx_solo, Book.build(market, rows))
    assert all(rule(row, market).liquidatable(market.prices) for row in rows)
    assert sure == 0, "the exact line says safe up to 10, and the law does not"


@pytest.mark.parametrize(("premium", "ratio"), [(3 * WAD // 10, 15 * WAD // 100), (0, 3 * WAD)])
def test_every_rounding_of_debts_lies_within_the_doubt(premium: int, ratio: int) -> None:
    """Ten debts of a par of 1 at an index of 1.1 owe two tokens each, dear ones, and margin on top."""
    reserves = [listed(0, 36)]
    grown = {"borrow_index_wad": 11 * WAD // 10, "margin_premium_wad": premium}
    reserves += [listed(k, 36, **grown) for k in range(1, 11)]
    market = solo(reserves, [1, *[1000] * 10], margin_ratio_wad=ratio)
    rows = named([holding(held, *[-1] * 10) for held in range(15_000, 90_000, 500)])
    assert_screen_agrees(dydx_solo, Book.build(market, rows))
    assert {rule(row, market).liquidatable(market.prices) for row in rows} == {True, False}


def test_what_is_required_for_debts_lies_within_the_doubt() -> None:
    """Debts of 3 at a premium that leaves them at 3, where the exact line is nearly 4, three times over."""
    reserves = [listed(0, 36)]
    reserves += [listed(k, 36, margin_premium_wad=33 * WAD // 100) for k in range(1, 11)]
    market = solo(reserves, [1] * 11, margin_ratio_wad=3 * WAD)
    rows = named([holding(held, *[-3] * 10) for held in range(115, 165)])
    assert_screen_agrees(dydx_solo, Book.build(market, rows))
    safe = [row for row in rows if not rule(row, market).liquidatable(market.prices)]
    assert len(safe) == 165 - 120


def test_clear_accounts_do_not_need_the_law() -> None:
    market = solo([listed(0), listed(1, 6)], [200 * 10**18, 10**30])
    factors = np.random.default_rng(5).uniform(0.5, 10, 2000)
    rows = named([holding(10**18, -int(200 / 1.15 * 10**6 / factor)) for factor in factors])
    sure = assert_screen_agrees(dydx_solo, Book.build(market, rows))
    assert sure > 0.99 * 2000


def test_suppliers_are_safe_and_liquid_accounts_are_for_the_law() -> None:
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    rows = named([holding(10**12), holding(10**30, -1), holding(10**30, -1, mode=LIQUID)])
    book = Book.build(market, rows)
    assert screen(margin(book), market.prices).tolist() == [SAFE, SAFE, UNCLEAR]
    assert_screen_agrees(dydx_solo, book)


def test_there_are_no_integer_columns() -> None:
    market = solo([listed(0)], [10**18])
    assert values(Book.build(market, [holding(1)])) is None
