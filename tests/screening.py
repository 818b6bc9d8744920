"""The screen held against the law, account by account."""

from __future__ import annotations

from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.engine.screen import LIQUIDATABLE, SAFE, UNCLEAR, liquidatable, screen
from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Driver
from defiliq.protocols import LendingProtocol
from defiliq.types import Account


def screened(protocol: LendingProtocol, book: Book[Any]) -> list[int]:
    """The screen's verdicts, none of which the law contradicts."""
    prices = book.market.prices
    rules = [protocol.rule(book.account(i), book.market) for i in range(len(book))]
    law = np.array([law.liquidatable(prices) for law in rules], dtype=np.bool_)
    terms = protocol.margin(book)
    verdicts = screen(terms, prices)
    assert not (law & (verdicts == SAFE)).any()
    assert not (~law & (verdicts == LIQUIDATABLE)).any()
    assert (liquidatable(terms, prices, rules.__getitem__) == law).all()
    return [int(verdict) for verdict in verdicts]


def assert_screen_agrees(protocol: LendingProtocol, book: Book[Any]) -> int:
    """Every sure verdict is the law's; how many are sure."""
    return sum(verdict != UNCLEAR for verdict in screened(protocol, book))


def assert_screen_agrees_at_levels(
    protocol: LendingProtocol, market: Any, account: Account, driver: Driver
) -> None:
    """At each liquidation price of an account, and up to two integers to either side of it."""
    for level in find_levels(protocol.rule(account, market), 0, market.prices, driver):
        if level.outcome == "price" and level.price is not None:
            for at in range(max(1, driver.lowest, level.price - 2), level.price + 3):
                moved = market.at_prices(dict(enumerate(driver.lead(market.prices, at))))
                assert_screen_agrees(protocol, Book.build(moved, [account]))
