"""A pool by hand, its edges, and what makes it unsound; the contract itself answers in another file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given

from defiliq.depth.swap_math import (
    SwapReverts,
    amount0_down,
    amount0_up,
    amount1_down,
    amount1_up,
    price_after_input,
    price_after_output,
)
from defiliq.depth.tick_math import sqrt_ratio_at_tick
from defiliq.depth.uniswap_v3 import HIGHEST_LIMIT, LOWEST_LIMIT, MAX_INT256, PoolV3, pool_v3
from defiliq.depth.venue import Fill
from tests.depth.pools import AMOUNTS, USDC, WBTC, WETH, pools_v3, v3

ONE = 2**96
"""The square root of a price of 1."""
FREE = v3([(-600, 600, 10**18), (-1200, -600, 2 * 10**18)], ONE, fee_pips=0)


def test_amounts_of_a_range_by_hand() -> None:
    # From a price of 1 to 4 the roots are 1 and 2: L * (1/1 - 1/2) of token0, L * (2 - 1) of token1.
    assert amount0_down(ONE, 2 * ONE, 1001) == 500
    assert amount0_up(ONE, 2 * ONE, 1001) == 501
    assert amount1_down(ONE, 2 * ONE, 1001) == amount1_up(ONE, 2 * ONE, 1001) == 1001
    assert amount1_up(ONE, 2 * ONE + 1, 1001) == 1002
    # L * L / (L + amount * root): 1000 in at a root of 1 halves it.
    assert price_after_input(ONE, 1000, 1000, zero_for_one=True) == ONE // 2
    assert price_after_input(ONE, 1000, 500, zero_for_one=False) == ONE + ONE // 2
    assert price_after_output(ONE, 1000, 500, zero_for_one=True) == ONE // 2
    assert price_after_output(ONE, 1000, 500, zero_for_one=False) == 2 * ONE


def test_where_the_contract_takes_another_way_around_an_overflow() -> None:
    huge = 2**200
    assert huge * ONE > 2**256
    numerator = 1000 << 96
    assert price_after_input(ONE, 1000, huge, zero_for_one=True) == -(-numerator // (numerator // ONE + huge))


@pytest.mark.parametrize(
    ("amount", "zero_for_one"), [(1000, True), (1001, True), (1000, False), (2**170, False)]
)
def test_more_than_a_range_holds_reverts(amount: int, zero_for_one: bool) -> None:
    with pytest.raises(SwapReverts, match="more token"):
        price_after_output(ONE, 1000, amount, zero_for_one=zero_for_one)


def test_a_price_beyond_160_bits_reverts() -> None:
    with pytest.raises(SwapReverts, match="160 bits"):
        price_after_input(ONE, 1, 2**80, zero_for_one=False)


def test_a_sale_over_a_tick_by_hand() -> None:
    edge = sqrt_ratio_at_tick(-600)
    to_edge = amount0_up(edge, ONE, 10**18)
    fill, after = FREE.sell(to_edge)
    assert fill == Fill(to_edge, amount1_down(edge, ONE, 10**18), 0)
    assert (after.sqrt_price_x96, after.tick, after.liquidity) == (edge, -601, 2 * 10**18)
    assert after.bid == after.ask == after.price
    more, beyond = after.sell(10**15)
    assert more.got == amount1_down(beyond.sqrt_price_x96, edge, 2 * 10**18)


def test_it_runs_dry_at_the_last_price_and_comes_back() -> None:
    fill, dry = FREE.sell(10**30)
    assert fill.left == 10**30 - fill.given > 0
    assert (dry.sqrt_price_x96, dry.liquidity, dry.bid) == (LOWEST_LIMIT, 0, None)
    assert dry.sell(5) == (Fill(0, 0, 5), dry)
    assert dry.ask == Fraction(sqrt_ratio_at_tick(-1200) ** 2, 2**192)
    back, after = dry.buy(fill.given - 3)
    assert back.left == 0
    assert back.given > fill.got - 4
    bought, gone = FREE.buy(10**30)
    assert bought.got + bought.left == 10**30
    assert gone.sqrt_price_x96 == HIGHEST_LIMIT
    assert gone.ask is None
    assert after.liquidity == 10**18


def test_nothing_and_more_than_the_contract_can_be_asked() -> None:
    assert FREE.sell(0) == FREE.buy(0) == (Fill(0, 0, 0), FREE)
    for trade in (FREE.sell, FREE.buy):
        fill, _ = trade(MAX_INT256 + 10)
        assert fill.left > 10


@pytest.mark.parametrize(
    ("specified", "limit"), [(0, LOWEST_LIMIT), (5, ONE), (5, ONE + 1), (5, LOWEST_LIMIT - 1)]
)
def test_what_the_contract_refuses(specified: int, limit: int) -> None:
    with pytest.raises(ValueError, match="a swap of nothing"):
        FREE.swap(True, specified, limit)


def test_a_gap_is_no_price() -> None:
    pool = v3([(-600, -300, 10**18), (300, 600, 10**18)], ONE)
    assert pool.liquidity == 0
    assert pool.bid is not None
    assert pool.ask is not None
    assert pool.bid < pool.price < pool.ask
    assert pool.bid == Fraction(sqrt_ratio_at_tick(-300) ** 2, 2**192)


@given(pools_v3(), AMOUNTS)
def test_the_other_token_sold_is_the_same_pool(pool: PoolV3, amount: int) -> None:
    turned = pool.turned()
    assert turned.turned() == pool
    assert turned.base == pool.quote
    assert turned.price * pool.price == 1
    bought, after = pool.buy(amount)
    paid, same = turned.sell(bought.given)
    # What an exact output costs, an exact input gives back, but for the last unit's rounding.
    assert paid.got >= bought.got or (bought.left and paid.left == 0)
    assert after.tick == pool.buy(amount)[1].tick
    assert same.base == pool.quote


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sqrt_price_x96": 0, "tick": 0}, "not initialized"),
        ({"tick": 1}, "its tick is 1, but its price is of tick 0"),
        ({"liquidity": 10**18 + 1}, "its ticks make a liquidity of"),
        ({"fee_pips": 10**6}, "its fee is 1000000"),
        ({"tick_spacing": 0}, "its tick spacing is 0"),
        ({"tick_spacing": 7}, "between those of its spacing"),
        ({"ticks": {-600: 5, 600: -4}, "liquidity": 5}, "adds up to 1, not to 0"),
        ({"ticks": {-600: 5, 600: -6, 660: 1}, "liquidity": 5}, "a liquidity below 0"),
        ({"ticks": {-600: 2**128, 600: -(2**128)}, "liquidity": 2**128}, "more than 128 bits"),
    ],
)
def test_a_pool_that_contradicts_itself(changes: dict[str, object], fault: str) -> None:
    numbers: dict[str, object] = {
        "sqrt_price_x96": ONE,
        "tick": 0,
        "liquidity": 10**18,
        "fee_pips": 500,
        "tick_spacing": 60,
        "ticks": {-600: 10**18, 600: -(10**18)},
    }
    with pytest.raises(ValueError, match=fault):
        pool_v3("pool", (WETH, USDC), WETH, **{**numbers, **changes})  # type: ignore[arg-type]


def test_a_token_that_is_not_traded() -> None:
    with pytest.raises(ValueError, match="neither"):
        pool_v3(
            "pool",
            (WETH, USDC),
            WBTC,
            sqrt_price_x96=ONE,
            tick=0,
            liquidity=0,
            fee_pips=0,
            tick_spacing=1,
            ticks={},
        )


def test_a_price_at_a_crossed_tick_may_have_the_tick_below() -> None:
    edge = sqrt_ratio_at_tick(-600)
    crossed = FREE.sell(amount0_up(edge, ONE, 10**18))[1]
    again = pool_v3(
        crossed.name,
        (WETH, USDC),
        WETH,
        sqrt_price_x96=edge,
        tick=-601,
        liquidity=crossed.liquidity,
        fee_pips=0,
        tick_spacing=60,
        ticks=dict(zip(crossed.ticks, crossed.liquidity_net, strict=True)),
    )
    assert again == replace(crossed, address="")


@pytest.mark.parametrize("price", [0, -1])
def test_no_price_at_or_below_nothing(price: int) -> None:
    with pytest.raises(ValueError, match="no price"):
        FREE.at_price(Fraction(price))
