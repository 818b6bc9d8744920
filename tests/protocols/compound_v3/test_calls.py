"""absorb and the storefront in float columns, against take.py and after.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.types import Account
from defiliq.units import WAD
from tests.bench.compound import synthetic_comet
from tests.builders import address
from tests.calling import first_calls_agree, settles_agree
from tests.protocols.compound_v3.states import base_asset, collateral, comet, owing

DOLLAR = 10**8


def four(**changes: Any) -> CometMarket:
    """Dollars on three collaterals that are worth some 2,500, 40 and 7 dollars and bought at discounts."""
    factors = [
        {"liquidate_factor_wad": (85 + k) * WAD // 100, "liquidation_factor_wad": (90 + k) * WAD // 100}
        for k in range(3)
    ]
    reserves = [
        base_asset(6),
        collateral(1, 18, held=10**30, supplied=10**30 - 10**21, **factors[0]),
        collateral(2, 8, held=10**20, supplied=10**20, **factors[1]),
        collateral(3, 18, held=10**30, supplied=10**30, **factors[2]),
    ]
    prices = [DOLLAR, 2_500 * DOLLAR + 17, 40 * DOLLAR, 7 * DOLLAR + 1]
    return comet(reserves, prices, **changes)


def people() -> list[Account]:
    """Some that are covered, some that are not, one without anything, one that is safe."""
    sizes = (
        (-2_400 * 10**6, 10**18, 0, 0),
        (-2_600 * 10**6, 10**18, 0, 0),
        (-3_900 * 10**6, 10**18, 20 * 10**8, 100 * 10**18),
        (-3_600 * 10**6, 10**18, 20 * 10**8, 50 * 10**18),
        (-40 * 10**6, 0, 0, 0),
        (-100 * 10**6, 10**18, 0, 0),
        (-700 * 10**6, 0, 1, 102 * 10**18),
    )
    accounts = [replace(owing(*size), owner=address(k)) for k, size in enumerate(sizes, start=1)]
    return [replace(one, legs=tuple(x for x in one.legs if x.collateral or x.debt)) for one in accounts]


@pytest.mark.parametrize("percent", [-60, -15, 0])
def test_first_calls_and_whole_books_are_the_laws(percent: int) -> None:
    market, book = synthetic_comet(1500)
    prices = [price * (100 + percent) // 100 if k else price for k, price in enumerate(market.prices)]
    assert first_calls_agree(book, prices)["the same"] > 40
    found = settles_agree(book, prices)
    assert found.calls == found.accounts


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"buy_paused": True},
        {"target_reserves": 0},
        {"target_reserves": 1_500 * 10**6},
        {"target_reserves": 3_000 * 10**6},
        {"target_reserves": 4_700 * 10**6},
        {"store_front_factor_wad": 0},
        {"store_front_factor_wad": WAD},
    ],
)
def test_what_the_storefront_sells(changes: dict[str, Any]) -> None:
    """Reserves of nothing: what absorbing pays out is what they lack to their target besides."""
    market = four(total_supply=0, total_borrow=0, **changes)
    seen = first_calls_agree(Book.build(market, people()), market.prices)
    assert seen == Counter({"the same": 6})


@pytest.mark.parametrize("room", [1, 700, 900, 1_700, 2_100, 2_900, 3_500])
def test_the_best_sale_of_several(room: int) -> None:
    market = four(total_supply=0, total_borrow=0)
    owed = 3_900 * 10**6
    market = replace(market, target_reserves=room * 10**6 - owed)
    seen = first_calls_agree(Book.build(market, people()[2:3]), market.prices)
    assert seen == Counter({"the same": 1})


def test_refusals() -> None:
    for changes, reason in (
        ({"absorb_paused": True}, "Paused"),
        ({"target_health_factor_wad": WAD}, "this Comet answers targetHealthFactor()"),
    ):
        book = Book.build(four(**changes), people())
        assert first_calls_agree(book, book.market.prices) == Counter({"refused": 6})
        assert settles_agree(book, book.market.prices).refused == {reason: 6}


def test_accrued_indices_count_even_as_stored() -> None:
    market = four(borrow_index=11 * 10**14, accrued_at=four().timestamp).as_stored()
    assert first_calls_agree(Book.build(market, people()), market.prices)["the same"] > 3
