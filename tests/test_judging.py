"""Levels near spot: those of the whole ladder that lie in the band, and no others, by every protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.oracle.drivers import drivers, input_drivers
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.judging import judge_of, near
from defiliq.pipeline.solving import solve_book
from defiliq.protocols.aave_v3.market import EMode
from defiliq.types import Account, Feed, Level
from defiliq.watch.rejudge import is_within
from tests.builders import account, account_in, address, book, every_outcome, graph_market, market
from tests.protocols.aave_v3 import states as aave
from tests.protocols.compound_v2 import states as compound_v2
from tests.protocols.compound_v3 import states as compound_v3
from tests.protocols.dydx_v4 import states as dydx_v4
from tests.solo_book import solo_book


def by_ladder(whole: Book[Any], pct: Fraction | None, names: Sequence[str] | None) -> set[tuple[object, ...]]:
    """The same from all levels of the book."""
    known = input_drivers(whole.market) if names is None else drivers(whole.market)
    chosen = [driver for driver in known if names is None or driver.name in names]
    levels = solve_book(whole, chosen).levels
    return {
        told(level) for level in levels if level.outcome == "price" and (pct is None or is_within(level, pct))
    }


def told(level: Level) -> tuple[object, ...]:
    return level.account, level.driver.name, level.side, level.price, level.band


SYMBOLS = ("WETH", "wstETH", "weETH", "USDC", "WBTC", "USDT", "PT-sUSDe", "LDO")


@st.composite
def near_accounts(draw: st.DrawFn, at: Any, number: int) -> Account:
    """An account that owes about so much that something near breaks it."""
    held = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=3, unique=True))
    owed = draw(st.sampled_from(SYMBOLS))
    place = {reserve.symbol: k for k, reserve in enumerate(at.reserves)}
    worth = 0.0
    legs: dict[str, tuple[float, float]] = {}
    for symbol in held:
        amount = draw(st.floats(0.5, 100.0)) * 3e11 / at.price_of(place[symbol])
        legs[symbol] = (amount, 0.0)
        worth += (
            amount * at.price_of(place[symbol]) * at.reserves[place[symbol]].liquidation_threshold_bps / 1e4
        )
    factor = draw(st.sampled_from([0.99, 1.0, 1.0000001, 1.001, 1.01, 1.019, 1.021, 1.03, 1.3]))
    debt = worth / factor / at.price_of(place[owed])
    legs[owed] = (legs.get(owed, (0.0, 0.0))[0], debt)
    return account_in(at, number, legs)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from([0.0, 0.1, 2.0, 2.5, 50.0, 99.9]))
def test_the_band_holds_what_the_ladder_has_there(data: st.DataObject, pct: float) -> None:
    at = graph_market(revision=data.draw(st.sampled_from([3, 8, 10])))
    accounts = [data.draw(near_accounts(at, k + 1)) for k in range(6)]
    whole = Book.build(at, accounts)
    found = near(whole, pct, None)
    event(f"{min(len(found), 5)} levels")
    assert {told(level) for level in found} == by_ladder(whole, Fraction(str(pct)), None)
    assert len({told(level) for level in found}) == len(found)


def test_infinity_asks_for_every_level() -> None:
    assert {told(level) for level in near(book(), math.inf, None)} == by_ladder(book(), None, None)
    assert len(near(book(), math.inf, None)) > 8


def test_names_choose_drivers_and_unknown_ones_have_no_levels() -> None:
    names = ["WETH/USD", "no such driver"]
    found = near(book(), 60.0, names)
    assert {level.driver.name for level in found} == {"WETH/USD"}
    assert {told(level) for level in found} == by_ladder(book(), Fraction(60), names)
    assert near(book(), 60.0, ["no such driver"]) == []


def test_levels_are_numbered_as_in_the_book() -> None:
    accounts = every_outcome()
    found = near(book(accounts), 20.0, None)
    assert found
    for level in found:
        (alone,) = [
            it
            for it in near(book([accounts[level.account]]), 20.0, None)
            if (it.driver.name, it.side) == (level.driver.name, level.side)
        ]
        assert alone.price == level.price


def test_who_is_liquidatable_and_who_owes_nothing_has_no_level() -> None:
    whole = book([account(1, WETH=(1, 0), USDC=(0, 2600)), account(2, WETH=(1, 0)), account(3)])
    assert near(whole, math.inf, None) == []
    assert near(book([]), 2.0, None) == []


def test_a_level_exactly_at_the_edge_is_in_the_band() -> None:
    whole = book([account(1, WETH=(1, 0), USDC=(0, 2000))], market(WETH=2500_00000000))
    (level,) = [it for it in near(whole, 50.0, None) if it.side == "long"]
    assert level.price is not None
    share = Fraction(100 * (level.driver.spot - level.price), level.driver.spot)
    assert is_within(level, share)
    assert not is_within(level, share - Fraction(1, 10**30))


def test_a_judge_gives_the_verdicts_of_the_law() -> None:
    judge = judge_of(lambda head, market: lambda account, market, taken: {})
    assert np.array_equal(judge.liquidatable(book()), liquidatable(book()))
    assert judge.near is near


@pytest.mark.parametrize("pct", [0.5, 3.0])
def test_a_capped_price_that_bends_in_the_band_hides_nobody(pct: float) -> None:
    at = graph_market({"USDC/USD": 1_03990000})  # its cap stands at 1.04
    accounts = [
        account_in(at, k + 1, {"USDC": (10_000, 0), "WETH": (0, 10_000 * 1.0399 * 0.78 / 3000 / factor)})
        for k, factor in enumerate((1.0001, 1.004, 1.02, 1.5))
    ]
    short = [
        account_in(at, k + 9, {"WETH": (1, 0), "USDC": (0, 3000 * 0.825 / 1.0399 / factor)})
        for k, factor in enumerate((1.00005, 1.0002, 1.02))
    ]
    whole = Book.build(at, accounts + short)
    assert {told(level) for level in near(whole, pct, None)} == by_ladder(whole, Fraction(str(pct)), None)


def test_an_emode_with_a_price_of_its_own_is_seen() -> None:
    plain = market(revision=1, reserves={"WETH": {"emode_category": 1}})
    mode = EMode(
        id=1,
        label="own price",
        ltv_bps=9000,
        liquidation_threshold_bps=9300,
        liquidation_bonus_bps=10_100,
        collateral_bitmap=1,
        borrowable_bitmap=1,
        feed=len(plain.feeds),
    )
    feeds, prices = (*plain.feeds, Feed("eMode 1", address(1))), (*plain.prices, plain.prices[0])
    at = replace(plain, emodes={1: mode}, feeds=feeds, prices=prices)
    whole = book([account(1, mode=1, WETH=(1, 0), USDC=(0, 2750))], at)
    found = near(whole, 2.0, ["eMode 1/USD"])
    assert len(found) == 1
    assert {told(level) for level in found} == by_ladder(whole, Fraction(2), ["eMode 1/USD"])


@pytest.mark.parametrize("seed", range(4))
def test_the_band_of_solo(seed: int) -> None:
    whole = solo_book(200, seed)
    found = {told(level) for level in near(whole, 2.5, None)}
    assert found
    assert found == by_ladder(whole, Fraction("2.5"), None)


LAWS: Sequence[tuple[str, Any, Any]] = (
    ("aave-v3", aave.markets, aave.accounts),
    ("compound-v2", compound_v2.markets, compound_v2.accounts),
    ("compound-v3", compound_v3.comets, compound_v3.at_the_edge),
    ("dydx-v4", dydx_v4.chains, dydx_v4.at_the_edge),
)


@pytest.mark.parametrize(("name", "markets", "accounts"), LAWS, ids=[law[0] for law in LAWS])
@settings(deadline=None, max_examples=20)
@given(st.data())
def test_the_band_of_other_laws(name: str, markets: Any, accounts: Any, data: st.DataObject) -> None:
    at = data.draw(markets())
    named = [replace(data.draw(accounts(at)), owner=_name(at, k)) for k in range(4)]
    whole = Book.build(at, named)
    pct = data.draw(st.sampled_from([0.5, 2.5, 60.0]))
    found = {told(level) for level in near(whole, pct, None)}
    event(f"{name}: {bool(found)}")
    lacking = by_ladder(whole, Fraction(str(pct)), None) ^ found
    unresolved = solve_book(whole, input_drivers(at)).unresolved
    # Fewer hard accounts at a time are searched for longer.
    assert {(whole.owner(k), driver) for k, driver, *_ in lacking} <= set(unresolved)  # type: ignore[arg-type]


def _name(at: Any, number: int) -> str:
    return f"dydx1{'q' * 38}/{number}" if at.protocol == "dydx-v4" else address(number + 1)


def test_who_breaks_inside_the_band_and_is_safe_at_both_of_its_ends_is_found() -> None:
    at = graph_market({"USDC/USD": 1_03000000})  # its cap stands at 1.04
    uncapped = next(k for k, quoted in at.graph.inputs if quoted.name == "USDC/USD")
    feeds = (*at.graph.feeds[:-1], uncapped)  # LDO is worth a dollar without a cap
    graph = replace(at.graph, feeds=feeds)
    at = replace(at, graph=graph, prices=graph.prices(at.timestamp))
    held = account_in(at, 1, {"WETH": (2.0909, 0), "LDO": (10_000, 0), "USDC": (0, 10_000)})
    whole = Book.build(at, [held])
    found = {told(level) for level in near(whole, 2.5, ["USDC/USD"])}
    assert len(found) == 1
    assert found == by_ladder(whole, Fraction("2.5"), ["USDC/USD"])
