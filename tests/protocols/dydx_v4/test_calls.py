"""Liquidation orders in float columns, against take.py and after.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.engine.float_levels import float_levels
from defiliq.oracle.drivers import find_driver
from defiliq.protocols.dydx_v4.calls import call_terms
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.types import Account
from defiliq.units import PPM
from tests.calling import first_calls_agree, settles_agree
from tests.dydx.population import owner
from tests.protocols.dydx_v4.states import CONFIG, chain, holding, perpetual

SMALL = replace(CONFIG, max_position_portion_liquidated_ppm=PPM // 4, max_notional_liquidated=40_000 * 10**6)


def three(**changes: Any) -> DydxMarket:
    """Bitcoin, ether and a meme, with ticks and steps as the chain has them."""
    listed = [
        perpetual(
            1,
            atomic_resolution=-10,
            exponent=-5,
            initial_margin_ppm=20_000,
            step_base_quantums=10**6,
            subticks_per_tick=10**5,
            quantum_conversion_exponent=-9,
        ),
        perpetual(
            2,
            atomic_resolution=-9,
            exponent=-6,
            initial_margin_ppm=20_000,
            step_base_quantums=10**6,
            subticks_per_tick=10**5,
            quantum_conversion_exponent=-9,
        ),
        perpetual(
            3,
            atomic_resolution=1,
            exponent=-16,
            initial_margin_ppm=100_000,
            maintenance_fraction_ppm=500_000,
            step_base_quantums=10**6,
            subticks_per_tick=10**6,
            quantum_conversion_exponent=-9,
        ),
    ]
    return chain(listed, [86_512_34000, 2_795_316400, 9_415_000_000], **changes)  # fmt: skip


def people(market: DydxMarket, count: int, seed: int) -> list[Account]:
    """Longs and shorts whose USDC puts them around their maintenance margin, or past all they have."""
    random, accounts = Random(seed), []
    for number in range(count):
        sizes, net, margin = [0, 0, 0], 0.0, 0.0
        for k in random.sample(range(3), random.choice((1, 1, 2, 3))):
            reserve, dollars = market.reserves[k + 1], random.lognormvariate(9, 2)
            worth = market.prices[k + 1] * 10.0**reserve.quantum_exponent
            size = int(dollars * 10**6 / worth) // reserve.step_base_quantums * reserve.step_base_quantums
            sizes[k] = random.choice((1, -1)) * size
            net += sizes[k] * worth
            part = reserve.initial_margin_ppm / PPM * reserve.maintenance_fraction_ppm / PPM
            margin += size * worth * part
        usdc = margin * random.choice((random.uniform(-1.5, 3), random.uniform(0.9, 1.1))) - net
        accounts.append(replace(holding(int(usdc), *sizes), owner=f"{owner(number)}/0"))
    return accounts


@pytest.mark.parametrize("config", [CONFIG, SMALL])
@pytest.mark.parametrize("percent", [-3, 0, 2, 12])
def test_first_calls_are_the_laws(config: Any, percent: int) -> None:
    market = three(liquidations=config)
    book = Book.build(market, people(market, 500, 3))
    prices = [market.prices[0], *(price * (100 + percent) // 100 for price in market.prices[1:])]
    assert first_calls_agree(book, prices)["the same"] > 100


@pytest.mark.parametrize("percent", [-4, 5])
def test_whole_books_end_as_the_law_ends_them(percent: int) -> None:
    market = three(liquidations=SMALL)
    book = Book.build(market, people(market, 250, 4))
    prices = [market.prices[0], *(price * (100 + percent) // 100 for price in market.prices[1:])]
    found = settles_agree(book, prices)
    assert found.calls > 2 * found.accounts
    assert found.bad_debt_base > 0


def test_an_account_without_usdc_gets_some() -> None:
    """Net collateral is what the positions are worth: a long that a short outweighs."""
    market = three()
    account = replace(holding(0, 10**10, -(31 * 10**9)), owner=f"{owner(1)}/0")
    book = Book.build(market, [replace(account, legs=account.legs[1:])])
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1})
    settles_agree(book, market.prices)


def test_closed_books_take_nothing() -> None:
    market = three()
    shut = tuple(replace(r, clob_status="paused") if k == 2 else r for k, r in enumerate(market.reserves))
    market = replace(market, reserves=shut)
    accounts = [
        replace(holding(-(86_000 * 10**6), 10**10), owner=f"{owner(1)}/0"),
        replace(holding(-(2_780 * 10**6), 0, 10**9), owner=f"{owner(2)}/0"),
    ]
    book = Book.build(market, accounts)
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1, "refused": 1})
    found = settles_agree(book, market.prices)
    assert found.refused == {"ErrLiquidationConflictsWithClobPairStatus": 1}


def test_a_debt_without_a_position_is_no_liquidation() -> None:
    market = three()
    accounts = [
        replace(holding(-(10**6)), owner=f"{owner(1)}/0"),
        replace(holding(-(86_000 * 10**6), 10**10), owner=f"{owner(2)}/0"),
    ]
    book = Book.build(market, accounts)
    assert first_calls_agree(book, market.prices) == Counter({"the same": 1})
    levels = float_levels(call_terms(book), market.prices, find_driver(market, "P1-USD"))
    assert levels is not None
    assert levels.account.tolist() == [1]


def test_a_negative_fillable_price_is_refused() -> None:
    """Twice the margin that a position is worth, and nothing left: it would have to be given away."""
    harsh = replace(CONFIG, spread_to_maintenance_margin_ratio_ppm=3 * PPM, bankruptcy_adjustment_ppm=PPM)
    market = chain([perpetual(1, initial_margin_ppm=PPM)], [1_000], liquidations=harsh)
    book = Book.build(market, [holding(-(10**9), 10**6)])
    assert first_calls_agree(book, market.prices) == Counter({"refused": 1})
