"""Columns against the law: the same levels and bands, on made-up states and on every recorded price."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine import bulk
from defiliq.engine.solve import find_levels
from defiliq.engine.sweep import FOR_LAW, FOUND, UNRESOLVED
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.compound_v3.margin import margin
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.rules import rule
from defiliq.protocols.compound_v3.values import values
from defiliq.types import Account, Side
from defiliq.units import WAD
from tests.protocols.compound_v3.states import base_asset, collateral, comet, owing
from tests.protocols.compound_v3.test_vectors import FILES, market_feed
from tests.protocols.compound_v3.test_verdicts_over import flicker, scenes
from tests.protocols.compound_v3.vectors import market_and_account, read_cases

SCENES = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIDES: tuple[Side, Side] = ("long", "short")
BPS_WAD = WAD // 10_000


def whole_bps(market: CometMarket) -> CometMarket:
    """The same market with factors of four decimals, as a Comet keeps them."""
    reserves = tuple(
        replace(reserve, liquidate_factor_wad=reserve.liquidate_factor_wad // BPS_WAD * BPS_WAD)
        for reserve in market.reserves
    )
    return replace(market, reserves=reserves)


def assert_as_the_law(market: CometMarket, account: Account, driver: Driver) -> set[int]:
    """Columns say of an account that is safe at spot what the law says; the states that they end in."""
    law = rule(account, market)
    if law.liquidatable(driver.lead(market.prices, driver.spot)):
        return set()
    book = Book.build(market, [account])
    terms = values(book)
    assert terms is not None
    prepared = bulk.prepare(margin(book), terms, market.prices, driver, np.arange(1))
    states = set()
    for side in SIDES:
        found = bulk.crossings(prepared, side)
        states.add(int(found.state[0]))
        if found.state[0] in (FOR_LAW, UNRESOLVED):
            continue
        try:
            levels = find_levels(law, 0, market.prices, driver, (side,))
        except UnresolvedLevel:
            continue
        expected = [(level.price, level.band or bulk.NO_BAND) for level in levels if level.outcome == "price"]
        assert expected == ([(found.price[0], found.band[0])] if found.state[0] == FOUND else [])
    return states


@SCENES
@given(scenes())
@example(flicker())
def test_made_up_states(scene: tuple[CometMarket, Account, Driver]) -> None:
    market, account, driver = scene
    assert_as_the_law(whole_bps(market), account, driver)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_recorded_price(path: Path) -> None:
    """None of them is left to the law."""
    states: set[int] = set()
    for case in read_cases(path):
        market, account = market_and_account(case)
        for row in case["liquidationPrices"]:
            feed = market_feed(case, row)
            driver = driver_of_feeds(row["asset"], market.prices[feed], market.base_unit, (Move(feed),))
            states |= assert_as_the_law(market, account, driver)
    assert FOUND in states
    assert FOR_LAW not in states
    assert UNRESOLVED not in states


@given(st.integers(1, 9_999))
def test_a_weight_is_cut_as_the_contract_cuts_it(bps: int) -> None:
    """One whole token, worth a few integers: every weighted value is rounded down by its factor."""
    reserves = [base_asset(0), collateral(1, 0, liquidate_factor_wad=bps * BPS_WAD)]
    market = comet(reserves, [1, 100])
    driver = driver_of_feeds("X", 100, 1, (Move(1),))
    assert_as_the_law(market, owing(-1, 7), driver)


@pytest.mark.parametrize("owed", range(300, 1800, 11))
def test_ten_values_that_are_cut_twice(owed: int) -> None:
    """Each loses nearly 1 to its price and nearly 1 to its factor: the lines must allow for both."""
    reserves = [base_asset(0)]
    reserves += [collateral(k, 2, feed=1, liquidate_factor_wad=9_999 * BPS_WAD) for k in range(1, 11)]
    market = comet(reserves, [1, 1000, *[1] * 9])
    driver = driver_of_feeds("X", 1000, 1, (Move(1),))
    assert_as_the_law(market, owing(-owed, *[19] * 10), driver)


def test_factors_of_more_digits_have_no_columns() -> None:
    market = comet([base_asset(6), collateral(1, 18, liquidate_factor_wad=WAD // 3)], [10**8, 10**8])
    assert values(Book.build(market, [owing(-1, 1)])) is None
    assert values(Book.build(whole_bps(market), [owing(-1, 1)])) is not None


def test_whales_that_do_not_fit_go_to_the_law() -> None:
    market = comet([base_asset(6), collateral(1, 18)], [10**8, 10**8])
    terms = values(Book.build(market, [owing(-(2**97), 2**120), owing(-(10**9), 2**120)]))
    assert terms is not None
    assert terms.law_only.tolist() == [True, False]
