"""The screen and the law agree on every account, on books made to stand at the edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine.screen import SAFE, UNCLEAR, screen
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3.margin import margin
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import rule
from defiliq.types import Account, Leg, StableDebt
from tests.protocols.aave_v3.states import accounts, markets
from tests.screening import assert_screen_agrees, assert_screen_agrees_at_levels

SCENES = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WHALE = 2**100


@st.composite
def books(draw: st.DrawFn) -> Book[AaveMarket]:
    market = draw(markets())
    rows = draw(st.lists(accounts(market, most=WHALE), max_size=12))
    return Book.build(market, rows)


@SCENES
@given(books())
def test_the_screen_never_contradicts_the_law(book: Book[AaveMarket]) -> None:
    assert_screen_agrees(aave_v3, book)


@SCENES
@given(st.data())
def test_at_the_exact_boundary_the_law_decides(data: st.DataObject) -> None:
    """Every account at its own liquidation price, and up to two integers to either side of it."""
    market = data.draw(markets())
    account = data.draw(accounts(market, most=WHALE))
    feed = data.draw(st.integers(0, len(market.feeds) - 1))
    driver = driver_of_feeds("drawn", market.prices[feed], 1, (Move(feed),))
    assert_screen_agrees_at_levels(aave_v3, market, account, driver)


@SCENES
@given(st.data())
def test_two_base_units_around_a_factor_of_one(data: st.DataObject) -> None:
    """Debt in a coin worth one base unit each, so that debt can be set to the backing to the unit."""
    market = data.draw(markets(prices=st.just(10**8)))
    coin = replace(
        market.reserves[-1], decimals=0, variable_borrow_rate_ray=0, variable_borrow_index_ray=10**27
    )
    prices = (*market.prices[:-1], 1)
    market = replace(market, reserves=(*market.reserves[:-1], coin), prices=prices).at_time(market.timestamp)
    account = data.draw(accounts(market, most=WHALE))
    legs = [replace(leg, debt=0) for leg in account.legs[:-1]]
    backing = rule(replace(account, legs=tuple(legs)), market).margin(prices) // 10_000
    rows = [
        replace(account, legs=(*legs, Leg(len(legs), 0, backing + off, False)))
        for off in (-2, -1, 0, 1, 2)
        if backing + off > 0
    ]
    assert_screen_agrees(aave_v3, Book.build(market, rows))


def test_clear_accounts_do_not_need_the_law() -> None:
    """Two thousand ordinary accounts of one drawn market: nearly all are decided by the screen."""
    sure = assert_screen_agrees(aave_v3, ordinary_book(2000))
    assert sure > 0.99 * 2000


def test_no_debt_is_safe_and_stable_debt_goes_to_the_law() -> None:
    book = ordinary_book(1)
    legs = book.account(0).legs
    free = Account("0x" + "33" * 20, 0, (Leg(0, 10**18, 0, True),))
    stable = Account("0x" + "44" * 20, 0, (legs[0], replace(legs[1], stable=StableDebt(10**6, 0, 0))))
    averaged = replace(book.market, revision=4)
    verdicts = screen(margin(Book.build(averaged, [free, stable])), averaged.prices)
    assert verdicts.tolist() == [SAFE, UNCLEAR]
    assert_screen_agrees(aave_v3, Book.build(averaged, [free, stable]))


def ordinary_book(count: int) -> Book[AaveMarket]:
    """Accounts with 1 ETH-like collateral and a dollar debt that gives factors from 0.5 to 10."""
    from tests.protocols.aave_v3.witness import witness

    market, _, _ = witness(revision=10)
    rng = np.random.default_rng(5)
    rows = [
        Account(
            f"0x{i + 1:040x}",
            0,
            (Leg(0, 10**18, 0, True), Leg(2, 0, int(2075 * 10**6 / factor), False)),
        )
        for i, factor in enumerate(rng.uniform(0.5, 10, count))
    ]
    return Book.build(market, rows)
