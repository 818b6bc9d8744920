"""Accounts judged in markets that never were: what alone makes them break, or keeps them from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import PriceGraph
from defiliq.types import Level, Market
from defiliq.watch.judge import Judge
from defiliq.watch.memory import Status
from defiliq.watch.policy import Policy

Mover: TypeAlias = Literal["price", "interest", "parameters"]
"""What a market changes by."""
Ints: TypeAlias = NDArray[np.intp]
Bools: TypeAlias = NDArray[np.bool_]
URGENCY: Final[Mapping[Status | None, int]] = {None: 0, "approaching": 1, "liquidatable": 2}


def in_market(book: Book[Any], market: Any) -> Book[Any] | None:
    """The same accounts in another market of the same name; None where it lacks a reserve of theirs."""
    places = {(reserve.id, reserve.asset): k for k, reserve in enumerate(market.reserves)}
    moved = [places.get((reserve.id, reserve.asset), -1) for reserve in book.market.reserves]
    reserves = np.array(moved, dtype=np.int16)[book.reserves]
    if (reserves < 0).any():
        return None
    return replace(book, market=market, reserves=reserves, failed={})


def with_prices_of(market: Any, other: Any) -> Any:
    """A market with the prices of another and with what they hang on.

    Where the two have other feeds, prices go over feed by feed, and each moves by itself; feeds that the
    other lacks stay as they are.
    """
    if market.feeds == other.feeds:
        return replace(market, graph=other.graph, prices=other.prices)
    theirs = {(feed.source, feed.name): price for feed, price in zip(other.feeds, other.prices, strict=True)}
    moved = {k: theirs.get((feed.source, feed.name)) for k, feed in enumerate(market.feeds)}
    there = market.at_prices({k: price for k, price in moved.items() if price is not None})
    return replace(there, graph=PriceGraph())


def with_driver_at(market: Any, driver: Driver, at: int) -> Any:
    """A market with one of its drivers at another integer."""
    if driver.inputs:
        return market.at_inputs(driver.moved_inputs(at))
    return market.at_prices(driver.prices(at))


def is_within(level: Level, pct: Fraction) -> bool:
    """Whether a level lies within so many percent of spot, exactly."""
    if level.price is None:
        return False
    away = abs(level.price - level.driver.spot)
    return 100 * away * pct.denominator <= pct.numerator * level.driver.spot


def nearer(level: Level, other: Level) -> bool:
    """Whether a level is nearer to spot than another, as shares of spot; names decide between equals."""
    price, beside = level.price, other.price
    if price is None or beside is None:
        return beside is None and price is not None
    spot, spot_beside = level.driver.spot, other.driver.spot
    away, away_beside = abs(price - spot) * spot_beside, abs(beside - spot_beside) * spot
    if away != away_beside:
        return away < away_beside
    return (level.driver.name, level.side) < (other.driver.name, other.side)


def urgencies(book: Book[Any], policy: Policy, judge: Judge, *, were_told: bool = False) -> Ints:
    """(N,) how urgent accounts are, as URGENCY has it, whatever the filters but that on drivers."""
    found = np.where(judge.liquidatable(book), URGENCY["liquidatable"], 0)
    wanted = None if policy.drivers is None else sorted(policy.drivers)
    pct = policy.leave if were_told else policy.within
    for level in judge.near(book, float(pct), wanted):
        if is_within(level, pct):
            found[level.account] = max(found.item(level.account), URGENCY["approaching"])
    return found


def movers(
    accounts: Book[Any],
    market: Market,
    holds: Callable[[Book[Any], Ints], Bools],
    *,
    has_new_parameters: bool,
) -> list[Mover | None]:
    """What alone makes something hold of each account of a book on the way from its market to another.

    The first of price, interest (all that time does: caps that grow, too) and parameters that does it alone;
    where none does, but all do together, the first of those that changed. None where it does not hold in the
    other market either. `holds` is given accounts and their positions in the book, and gives a mask.
    """
    before: Any = accounts.market
    there = in_market(accounts, market)
    if there is None:
        return ["parameters"] * len(accounts)
    at_prices = with_prices_of(before, market)
    at_time = before.at_time(max(market.timestamp, before.block.timestamp))
    rest: Mover = "parameters" if has_new_parameters else "interest"
    every: Mover = "price" if at_prices.prices != before.prices else rest
    found: list[Mover | None] = [None] * len(accounts)
    ways: tuple[tuple[Mover, Book[Any]], ...] = (
        ("price", replace(accounts, market=at_prices)),
        ("interest", replace(accounts, market=at_time)),
        (rest, replace(there, market=with_prices_of(market, before))),
        (every, there),
    )
    for name, way in ways:
        open_rows = np.array([k for k, known in enumerate(found) if known is None], dtype=np.intp)
        if len(open_rows):
            for k in open_rows[holds(way.pick(open_rows), open_rows)].tolist():
                found[k] = name
    return found
