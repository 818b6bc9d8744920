"""The screen and the law agree on every account, on books made to stand at the edge."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine.bulk import crossings, prepare
from defiliq.engine.screen import LIQUIDATABLE, SAFE, UNCLEAR
from defiliq.engine.sweep import NEVER
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols import compound_v2
from defiliq.protocols.compound_v2.margin import margin, values
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.compound_v2.rules import rule
from defiliq.types import Account
from defiliq.units import WAD
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v2.states import (
    COARSE_AMOUNTS,
    USUAL_AMOUNTS,
    USUAL_PRICES,
    USUAL_RATES,
    accounts,
    markets,
    with_debt_at_the_edge,
)
from tests.screening import assert_screen_agrees_at_levels, screened

SCENES = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def scenes(draw: st.DrawFn) -> tuple[CompoundMarket, list[Account]]:
    """Coarse or usual numbers, with some markets deprecated."""
    usual = draw(st.booleans())
    market = draw(markets(USUAL_PRICES, USUAL_RATES) if usual else markets())
    reserves = tuple(replace(r, is_deprecated=draw(st.integers(0, 9)) == 0) for r in market.reserves)
    market = replace(market, reserves=reserves)
    amounts = USUAL_AMOUNTS if usual else COARSE_AMOUNTS
    return market, draw(st.lists(accounts(market, amounts), max_size=10))


@SCENES
@given(scenes())
def test_the_screen_never_contradicts_the_law(scene: tuple[CompoundMarket, list[Account]]) -> None:
    market, rows = scene
    screened(compound_v2, Book.build(market, rows))


@SCENES
@given(st.data(), st.booleans())
def test_one_base_unit_around_the_edge(data: st.DataObject, usual: bool) -> None:
    """The same supply with debts of every size about the one that it backs."""
    market = data.draw(markets(USUAL_PRICES, USUAL_RATES) if usual else markets())
    account = data.draw(accounts(market, USUAL_AMOUNTS if usual else COARSE_AMOUNTS))
    at = data.draw(st.integers(0, len(account.legs) - 1))
    rows = [with_debt_at_the_edge(account, market, at, off) for off in range(-3, 4)]
    screened(compound_v2, Book.build(market, rows))


@settings(SCENES, max_examples=100)
@given(st.data())
def test_at_the_exact_boundary_the_law_decides(data: st.DataObject) -> None:
    """Every account at its own liquidation price, and up to two integers to either side of it."""
    market = data.draw(markets(USUAL_PRICES, USUAL_RATES))
    account = data.draw(accounts(market, USUAL_AMOUNTS))
    feed = data.draw(st.integers(0, len(market.feeds) - 1))
    driver = driver_of_feeds("drawn", market.prices[feed], 1, (Move(feed),))
    driver = replace(driver, highest=min(driver.highest, 4 * driver.spot))
    with suppress(UnresolvedLevel):  # collateral and debt cancel, and only rounding decides
        assert_screen_agrees_at_levels(compound_v2, market, account, driver)


@SCENES
@given(scenes(), st.data())
def test_what_lines_clear_the_law_finds_safe(
    scene: tuple[CompoundMarket, list[Account]], data: st.DataObject
) -> None:
    """`bulk` without exact columns: an account it calls safe all the way has no level on that side."""
    market, rows = scene
    book = Book.build(market, rows)
    feed = data.draw(st.integers(0, len(market.feeds) - 1))
    driver = driver_of_feeds("drawn", market.prices[feed], 1, (Move(feed),))
    driver = replace(driver, highest=min(driver.highest, 90 * driver.spot))
    prepared = prepare(margin(book), values(book), market.prices, driver, np.arange(len(book)))
    cleared = crossings(prepared, "long").state == NEVER
    for i in np.flatnonzero(cleared):
        law = rule(rows[i], market)
        if not law.liquidatable(market.prices):
            for at in (driver.lowest, driver.spot // 3, driver.spot // 2, driver.spot - 1):
                assert at < driver.lowest or not law.liquidatable(driver.lead(market.prices, at))


def test_the_screen_is_sure_of_whatever_is_not_near() -> None:
    """Real sizes: the edge itself is for the law, a millionth off is not. Deprecated debts always are."""
    eth = ctoken(0, "ETH", 18, exchange_rate_now_wad=2 * 10**26)
    usdc = ctoken(1, "USDC", 6, exchange_rate_now_wad=2 * 10**14, borrow_index_now_wad=3 * WAD // 2)
    old = ctoken(2, "OLD", 18, is_deprecated=True, collateral_factor_wad=0)
    market = comptroller([eth, usdc, old], [3000 * WAD, 10**30, WAD])
    supply, edge = holds(0, 100 * 10**8), 3000 * 10**6
    rows = [
        owner(supply, holds(1, 0, edge)),
        owner(supply, holds(1, 0, edge - edge // 10**6)),
        owner(supply, holds(1, 0, edge + edge // 10**6)),
        owner(holds(0, 100 * 10**8, entered=False), holds(1, 0, 10)),
        owner(supply, holds(1, 0, 2 * edge, entered=False)),
        owner(supply),
        owner(),
        owner(supply, holds(2, 0, 1)),
        owner(supply, holds(2, 0, 1, entered=False)),
    ]
    expected = [UNCLEAR, SAFE, LIQUIDATABLE, LIQUIDATABLE, SAFE, SAFE, SAFE, UNCLEAR, UNCLEAR]
    assert screened(compound_v2, Book.build(market, rows)) == expected
    assert values(Book.build(market, rows)) is None


def test_every_collateral_value_is_cut_once() -> None:
    """Six times 0.9 are nothing, so one base unit of debt is too much."""
    tenths = [
        ctoken(k, f"T{k}", collateral_factor_wad=WAD, exchange_rate_now_wad=WAD // 10) for k in range(6)
    ]
    market = comptroller([*tenths, ctoken(6, "D")], [WAD] * 7)
    account = owner(*(holds(k, 9) for k in range(6)), holds(6, 0, 1))
    assert rule(account, market).liquidatable(market.prices)
    assert screened(compound_v2, Book.build(market, [account])) == [UNCLEAR]


def test_a_debt_is_cut_to_whole_base_units_first() -> None:
    """1.9 base units at 1000 each are 1000."""
    reserves = [
        ctoken(0, "A", collateral_factor_wad=WAD),
        ctoken(1, "B", borrow_index_now_wad=19 * WAD // 10),
    ]
    market = comptroller(reserves, [WAD, 1000 * WAD])
    account = owner(holds(0, 1500), holds(1, 0, 1))
    assert not rule(account, market).liquidatable(market.prices)
    assert screened(compound_v2, Book.build(market, [account])) == [UNCLEAR]


def test_doubles_are_not_trusted_beyond_their_digits() -> None:
    """Values of 1e37, which doubles tell apart by 1e21, with the debt at the very edge."""
    rich = ctoken(0, "A", collateral_factor_wad=WAD, exchange_rate_now_wad=10**28 + 7)
    market = comptroller([rich, ctoken(1, "B")], [10**33 + 11, WAD])
    rows = [
        with_debt_at_the_edge(owner(holds(0, 10**12 + 1237 * k), holds(1)), market, 1, off)
        for k in range(60)
        for off in (-1, 0, 1)
    ]
    assert set(screened(compound_v2, Book.build(market, rows))) == {UNCLEAR}


def test_lines_use_the_comptrollers_own_rounding() -> None:
    """A factor times a rate of half a unit: 1, which 100 wads of cTokens make 100 of."""
    tiny = ctoken(0, "A", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=1)
    market = comptroller([tiny, ctoken(1, "B")], [WAD, WAD], product_rounding="half_up")
    account = owner(holds(0, 100 * WAD), holds(1, 0, 100))
    assert not rule(account, market).liquidatable(market.prices)
    screened(compound_v2, Book.build(market, [account]))
