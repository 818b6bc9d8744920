"""Levels that lines have bracketed are those of a search without brackets, whatever the protocol."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine import bulk
from defiliq.engine.solve import find_levels
from defiliq.engine.sweep import NEVER
from defiliq.errors import UnresolvedLevel
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.solving import solve_book
from defiliq.pricing.driver import Driver, Move, driver_of_feeds, driver_of_inputs
from defiliq.pricing.graph import Fixed, Input, Least, PriceGraph
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Side
from defiliq.units import WAD
from tests.bench.compound import synthetic_comet, synthetic_comptroller
from tests.builders import NOW, address
from tests.engine import test_solve
from tests.protocols.compound_v2 import states as v2
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v3 import test_verdicts_over as v3
from tests.protocols.compound_v3.states import base_asset, collateral, comet, owing

SCENES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIDES: tuple[Side, Side] = ("long", "short")


def compare(market: Any, book: Book[Any], row: int, driver: Driver) -> Counter[str]:
    """One account that is safe at spot, with brackets and without; what the lines told of each side."""
    protocol = PROTOCOLS[market.protocol]
    law = protocol.rule(book.account(row), market)
    if law.liquidatable(driver.lead(market.prices, driver.spot)):
        return Counter()
    prepared = bulk.prepare(protocol.margin(book), None, market.prices, driver, np.array([row], np.intp))
    told = Counter[str]()
    for side in SIDES:
        found = bulk.crossings(prepared, side)
        bracket = found.bracket(0)
        try:
            levels = find_levels(law, row, market.prices, driver, (side,))
        except UnresolvedLevel:
            continue
        if found.state[0] == NEVER:
            told["never"] += 1
            assert [level.outcome for level in levels] == ["never"]
        elif bracket is not None:
            told["bracket"] += 1
            assert find_levels(law, row, market.prices, driver, (side,), brackets={side: bracket}) == levels
        else:
            told["nothing"] += 1
    return told


@SCENES
@given(test_solve.scenes(coarse=False))
def test_aave_of_every_revision(scene: tuple[Any, Account, Driver]) -> None:
    market, account, driver = scene
    market = market.at_prices(driver.prices(driver.spot))
    compare(market, Book.build(market, [account]), 0, driver)


@SCENES
@given(v3.scenes())
@example(v3.flicker())
def test_compound_v3(scene: tuple[Any, Account, Driver]) -> None:
    market, account, driver = scene
    compare(market, Book.build(market, [account]), 0, driver)


@SCENES
@given(st.data())
def test_compound_v2(data: st.DataObject) -> None:
    is_usual = data.draw(st.booleans())
    prices, rates, amounts = (
        (v2.USUAL_PRICES, v2.USUAL_RATES, v2.USUAL_AMOUNTS)
        if is_usual
        else (v2.COARSE_PRICES, v2.COARSE_RATES, v2.COARSE_AMOUNTS)
    )
    market = data.draw(v2.markets(prices, rates))
    account = data.draw(v2.accounts(market, amounts))
    lead = data.draw(st.integers(0, len(market.feeds) - 1))
    moves = [Move(k, market.prices[k], market.prices[lead]) for k in range(len(market.feeds)) if k >= lead]
    driver = driver_of_feeds("drawn", market.prices[lead], 1, moves)
    compare(market, Book.build(market, [account]), 0, driver)


@pytest.mark.parametrize("synthetic", [synthetic_comet, synthetic_comptroller])
def test_usual_books_are_bracketed(synthetic: Any) -> None:
    """Nearly every account that breaks is told between which integers."""
    market, book = synthetic(400)
    driver, told = find_driver(market, "ETH/USD"), Counter[str]()
    for row in range(len(book)):
        told += compare(market, book, row, driver)
    assert told["bracket"] > 150
    assert told["nothing"] < told["bracket"] / 4


def test_rounding_flickers_inside_a_bracket() -> None:
    """One cToken backs a debt of the same price: between its ends the verdict changes with many integers."""
    reserves = [
        ctoken(0, "A", 18, collateral_factor_wad=WAD // 2),
        ctoken(1, "B", 18, collateral_factor_wad=WAD // 2),
        ctoken(2, "C", 18),
    ]
    market = comptroller(reserves, [1000, 1000, WAD])
    account = owner(holds(0, 4 * WAD), holds(1, 0, 19 * WAD // 10), holds(2, 0, 99))
    driver = driver_of_feeds("A", 1000, 1, (Move(0), Move(1)))
    law = PROTOCOLS["compound-v2"].rule(account, market)
    verdicts = [law.liquidatable(driver.lead(market.prices, at)) for at in range(1, 1001)]
    (level,) = find_levels(law, 0, market.prices, driver, ("long",))
    first = max(at for at in range(1, 1001) if verdicts[at - 1])
    last = max(at for at in range(1, first + 1) if not any(not bad for bad in verdicts[:at]))
    assert (level.price, level.band) == (first, last)
    assert first > last
    for near, far in ((999, last - 1), (first, last), (first + 1, 1)):
        bracketed = find_levels(law, 0, market.prices, driver, ("long",), brackets={"long": (near, far)})
        assert bracketed == [level]


def test_no_bracket_where_prices_are_mostly_rounding() -> None:
    """A debt under a cap that binds at spot: the account breaks only below a millionth of it."""
    graph = PriceGraph(
        (Input("X", "aggregator", address(0xD001), 10**9, 0), Fixed(50), Least((0, 1))), (2, 0)
    )
    reserves = [base_asset(0), collateral(1, 0, liquidate_factor_wad=8 * WAD // 10)]
    market = comet(reserves, graph.prices(NOW), graph=graph)
    book = Book.build(market, [owing(-8 * 10**6, 10**6)])
    driver = driver_of_inputs(graph, "X", 10**9, 1, [Move(0)], NOW)
    law = PROTOCOLS["compound-v3"].rule(book.account(0), market)
    breaks = [law.liquidatable(driver.lead(market.prices, at)) for at in (1, 400, 499, 501, 999, 10**8)]
    assert breaks == [True, True, True, False, False, False]
    assert driver.shallow == 1000
    assert compare(market, book, 0, driver) == Counter(nothing=1, never=1)
    (level,) = solve_book(book, [driver], include_never=True).levels
    assert level.outcome == "never"
