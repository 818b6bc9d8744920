"""All markets moved at once, some at prices of a few integers, which are gone early on the way down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from defiliq.book import Book
from defiliq.oracle.drivers import drivers, find_driver
from defiliq.pipeline.solving import Solved, solve_book
from defiliq.pricing.graph import Fixed, Input, PriceGraph
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.rules import rule
from defiliq.types import Account
from tests.dydx.population import owner
from tests.protocols.dydx_v4.states import chain, holding, perpetual

FINE = 10**9
SPOT = 10**9
"""Of ALL."""


def market(*prices: int) -> DydxMarket:
    """Perpetuals at these prices; a quantum at a price of 1 is a quote quantum."""
    graph = PriceGraph(
        (Fixed(10**6), *(Input(f"P{k}/USD", "oracle", f"market/{k}", p, 0) for k, p in enumerate(prices))),
        tuple(range(len(prices) + 1)),
    )
    return replace(chain([perpetual(k + 1) for k in range(len(prices))], prices), graph=graph)


def solved(at: DydxMarket, *accounts: Account, include_never: bool = False) -> Solved:
    """Their levels on the joint driver."""
    named = [replace(account, owner=f"{owner(k)}/0") for k, account in enumerate(accounts)]
    joint = find_driver(at, "ALL")
    return solve_book(Book.build(at, named), [joint], include_never=include_never)


def prices_at(at: DydxMarket, joint: int) -> list[int]:
    """USDC, and every perpetual in proportion, rounded down."""
    return [10**6, *(joint * price // SPOT for price in at.prices[1:])]


def prices_of(found: Solved, side: str) -> dict[int, int | None]:
    """Account to level."""
    return {level.account: level.price for level in found.levels if level.side == side}


@pytest.mark.parametrize("coarse", [(), (1,), (3,), (1, 7), (999_999,)])
def test_a_coarse_price_holds_up_nobody_who_has_none_of_it(coarse: Sequence[int]) -> None:
    at = market(FINE, *coarse)
    borrower = holding(-FINE, 10)
    found = solved(at, borrower)
    assert found.unresolved == ()
    (level,) = found.levels
    assert (level.side, level.driver.name) == ("long", "ALL")
    assert level.price is not None
    law = rule(borrower, at)
    assert law.liquidatable(prices_at(at, level.price))
    assert not law.liquidatable(prices_at(at, level.price + 1))
    assert 103_000_000 < level.price < 103_200_000, "a tenth, and 3% of margin"


def test_prices_of_few_integers_reach_as_far_as_their_own_first_one() -> None:
    at = market(FINE, 2, 10)
    # The second is gone at a half, the third only at a tenth.
    third = holding(-400_000, 0, 0, 100_000)
    second = holding(-100_000, 0, 100_000)
    found = solved(at, third, second)
    levels = prices_of(found, "long")
    assert levels[0] == 500_000_000 - 1, "at a price of 4, which is the first below 5"
    assert levels[1] == 10**9 - 1, "at a price of 1"


def test_whom_a_vanished_price_may_break_is_not_said_to_be_safe() -> None:
    at = market(FINE, 3)
    holder = holding(-FINE, 10, 5)
    hedged = holding(FINE, 10, -5)
    found = solved(at, holder, hedged, include_never=True)
    assert found.unresolved == ((f"{owner(0)}/0", "ALL"),)
    assert found.never == {"ALL": 1}
    assert [(level.account, level.outcome) for level in found.levels] == [(1, "never")]
    beyond = prices_at(at, 10**8)
    assert beyond == [10**6, 10**8, 0]
    assert rule(holder, at).liquidatable([10**6, 10**8, 1])


def test_other_drivers_are_as_they_were() -> None:
    at = market(FINE, 3)
    single, *_, joint = drivers(at)
    assert (single.lowest, single.is_cut, joint.is_cut) == (1, False, True)
    assert joint.only({1}).lowest == 1
    assert joint.only({2}).lowest == joint.lowest == -(-SPOT // 3)
    assert not drivers(market(FINE, 10**6))[-1].is_cut
