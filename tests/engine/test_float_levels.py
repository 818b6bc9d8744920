"""Levels in doubles against the exact ones, and their sizes against the ladder's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.engine.float_levels import FloatLevels, float_levels
from defiliq.ladder import build_ladder
from defiliq.model.axis import rungs_on
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.solving import solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from tests.bench.cascade import graphed_market
from tests.bench.compound import synthetic_comet, synthetic_comptroller
from tests.bench.synthetic import synthetic_book
from tests.builders import account_in, graph_market
from tests.protocols.dydx_v4.test_calls import people, three
from tests.solo_book import solo_book

SHARE = 1e-9
UNITS = 4.0
"""Base currency units, and base units of each token, that rounding may move an account's margin by."""


def aave() -> Book[Any]:
    return synthetic_book(graphed_market(), 1500, 21)


def comet() -> Book[Any]:
    return synthetic_comet(1000)[1]


def comptroller() -> Book[Any]:
    return synthetic_comptroller(1000)[1]


def solo() -> Book[Any]:
    return solo_book(800, 3)


def dydx() -> Book[Any]:
    market = three()
    return Book.build(market, people(market, 400, 7))


BOOKS: list[tuple[Callable[[], Book[Any]], str, int]] = [
    (aave, "ETH/USD", 300),
    (aave, "WBTC/USD", 40),
    (comet, "ETH/USD", 200),
    (comptroller, "ETH/USD", 120),
    (solo, "T0", 200),
    (dydx, "P1-USD", 15),
]


def doubts(of: Book[Any], driver: Driver, levels: FloatLevels) -> Any:
    """(k,) by which share of its price each level may be off: what rounding moves, over what prices do."""
    terms = PROTOCOLS[of.market.protocol].call_terms(of)
    owner = terms.account_of_leg
    price = np.array([float(price) for price in of.market.prices]).take(terms.feeds).take(terms.kind)
    moved = np.isin(terms.feeds, list(driver.feeds)).take(terms.kind)
    weight, burden, unit = (column.take(terms.kind) for column in (terms.weight, terms.burden, terms.unit))
    net = (terms.supplied * weight - terms.owed * burden) * price / unit
    slope = np.abs(np.bincount(owner, np.where(moved, net, 0.0)))
    units = np.bincount(owner, 1.0 + price / unit)
    raised = np.maximum(1.0, levels.price / driver.spot) * 2
    far = np.maximum(1e-9, slope[levels.account] * levels.price / driver.spot)
    return SHARE + UNITS * units[levels.account] * raised / far


def found(of: Book[Any], driver: Driver) -> FloatLevels:
    levels = float_levels(PROTOCOLS[of.market.protocol].call_terms(of), of.market.prices, driver)
    assert levels is not None
    return levels


@pytest.mark.parametrize(("make", "name", "least"), BOOKS)
def test_levels_are_the_exact_ones_but_for_what_rounding_moves(
    make: Callable[[], Book[Any]], name: str, least: int
) -> None:
    of = make()
    of = of.keep(of.debtors)
    driver = find_driver(of.market, name)
    exact = {(one.account, one.side): one for one in solve_book(of, [driver]).levels}
    levels, sure = found(of, driver), 0
    doubt = doubts(of, driver, levels)
    for k, (i, is_long, price) in enumerate(
        zip(levels.account.tolist(), levels.is_long.tolist(), levels.price.tolist(), strict=True)
    ):
        one = exact.pop((i, "long" if is_long else "short"), None)
        if doubt[k] > 1e-6:
            continue  # dust beside one base unit: a level far out or none, as rounding has it
        assert one is not None
        assert one.price is not None
        assert levels.is_already[k] == (one.outcome == "already")
        assert price == pytest.approx(one.price, rel=doubt[k], abs=1.5)
        sure += abs(price - one.price) <= SHARE * one.price + 1.0
    assert sure >= least
    left = [one for one in exact.values() if one.price is not None and one.price > driver.spot / 100]
    assert len(left) <= len(levels.account) // 100


@pytest.mark.parametrize(("make", "name", "least"), BOOKS)
def test_sizes_are_the_ladders(make: Callable[[], Book[Any]], name: str, least: int) -> None:
    of = make()
    of = of.keep(of.debtors)
    driver, protocol = find_driver(of.market, name), PROTOCOLS[of.market.protocol]
    solved = solve_book(of, [driver]).levels
    ladder = build_ladder(of, solved, protocol.take, protocol.health, protocol.explain)
    rungs = rungs_on([ladder], driver.name, mixed_blocks=True)
    pairs = zip(rungs["account"].tolist(), rungs["side"].tolist(), strict=True)
    wanted: dict[tuple[str, str], float] = dict(zip(pairs, rungs["size_usd"].tolist(), strict=True))
    levels, same, other = found(of, driver), 0, 0
    for i, is_long, size in zip(
        levels.account.tolist(), levels.is_long.tolist(), levels.size_base, strict=True
    ):
        theirs = wanted.get((of.owner(i), "long" if is_long else "short"))
        if theirs is None or theirs < 1.0:
            continue
        ours = size / of.market.base_unit
        if ours == pytest.approx(theirs, rel=1e-6, abs=0.01):
            same += 1
        else:
            other += 1
    assert same >= least
    assert other <= same // 50


def test_a_cap_bends_the_lines() -> None:
    """wstETH stands under its cap: rising, it gains nothing, so who owes ETH on it breaks sooner."""
    of = graph_market()
    held = Book.build(of, [account_in(of, 1, {"wstETH": (10, 0), "WETH": (0, 8)})])
    driver = find_driver(of, "ETH/USD")
    exact = {one.side: one for one in solve_book(held, [driver]).levels}
    levels = found(held, driver)
    assert len(levels.account) == len(exact)
    for is_long, price in zip(levels.is_long.tolist(), levels.price.tolist(), strict=True):
        assert price == pytest.approx(exact["long" if is_long else "short"].price, rel=1e-8)


def test_averaged_thresholds_are_not_cut_here() -> None:
    """Before v3.5 the pool cuts the average threshold to a basis point: levels lie up to that far off."""
    market = replace(graphed_market(), revision=4)
    of = synthetic_book(market, 800, 5)
    of = of.keep(of.debtors)
    driver = find_driver(market, "ETH/USD")
    exact = {(one.account, one.side): one for one in solve_book(of, [driver]).levels}
    levels, doubt, off = found(of, driver), doubts(of, driver, found(of, driver)), []
    for k, (i, is_long) in enumerate(zip(levels.account.tolist(), levels.is_long.tolist(), strict=True)):
        one = exact.get((i, "long" if is_long else "short"))
        if one is not None and one.outcome == "price" and one.price is not None and doubt[k] < 1e-8:
            off.append(abs(levels.price[k] / one.price - 1))
    assert len(off) > 100
    assert np.median(off) < 1e-9
    assert np.quantile(off, 0.95) < 3e-3
