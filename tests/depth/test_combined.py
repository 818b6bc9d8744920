"""Several pools as one, and two in a row."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.depth.combined import Combined, Venue, combined
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.impact import square_root_impact
from defiliq.depth.route import Route, route
from defiliq.depth.tick_math import sqrt_ratio_at_tick
from tests.depth.pools import AMOUNTS, SPOT, USDC, WBTC, WETH, curves, deep, laws, pools_v2, root_of, v3

PAIR = PoolV2("pair", WETH, USDC, 4_000 * 10**18, 10_000_000 * 10**6)
SIX = (deep(500), deep(3_000), deep(10_000, liquidity=10**17), PAIR)
AT_SPOT = st.one_of(
    st.builds(deep, st.sampled_from((0, 500, 3_000)), st.just(SPOT), st.integers(10**14, 10**19)),
    curves(),
    laws(),
    st.integers(10**18, 10**24).map(
        lambda base: PoolV2("pair", WETH, USDC, base, base * SPOT.numerator // SPOT.denominator)
    ),
)


def net(pool: Venue) -> Fraction:
    return pool.price * pool.keeps


def test_all_pools_that_are_used_end_at_one_price_after_fees() -> None:
    whole = combined(SIX)
    fill, after = whole.sell(3_000 * 10**18)
    assert isinstance(after, Combined)
    assert fill.left == 0
    used = [net(now) for now, before in zip(after.pools, SIX, strict=True) if now != before]
    assert len(used) == 4
    assert max(used) / min(used) - 1 < Fraction(1, 10**9)


def test_a_small_sale_goes_to_the_cheapest_pool_alone() -> None:
    fill, after = combined(SIX).sell(10**17)
    assert isinstance(after, Combined)
    assert after.pools[1:] == SIX[1:]
    assert fill == SIX[0].sell(10**17)[0]


def test_no_other_split_of_two_gets_more() -> None:
    first, second = deep(500), deep(3_000, liquidity=3 * 10**18)
    amount = 5_000 * 10**18
    best = combined((first, second)).sell(amount)[0].got
    for k in range(101):
        part = amount * k // 100
        assert first.sell(part)[0].got + second.sell(amount - part)[0].got <= best


@settings(max_examples=60)
@given(st.lists(AT_SPOT, min_size=1, max_size=4), AMOUNTS)
def test_a_split_keeps_amounts_and_is_never_worse_than_a_pool_alone(pools: list[Venue], amount: int) -> None:
    whole = combined(pools)
    sold, lower = whole.sell(amount)
    assert sold.given + sold.left == amount
    assert min(sold) >= 0
    for pool in pools:
        alone = pool.sell(amount)[0]
        assert (sold.left, -sold.got) <= (alone.left, -alone.got)
    bought, higher = whole.buy(amount)
    assert bought.got + bought.left == amount
    for pool in pools:
        alone = pool.buy(amount)[0]
        assert (bought.left, bought.given) <= (alone.left, alone.given)
    back = lower.buy(sold.given)[0]
    assert back.left > 0 or back.given >= sold.got
    again = higher.sell(bought.got)[0]
    assert again.got <= bought.given


def test_the_price_is_that_of_the_cheapest_among_pools_that_agree() -> None:
    assert combined(SIX).price == SIX[0].price
    assert combined(SIX).at_price(SPOT * 2).price == SIX[0].at_price(SPOT * 2).price


def test_the_price_of_pools_that_differ_is_between_what_they_pay_and_ask() -> None:
    cheap, dear = deep(500, SPOT * Fraction(99, 100)), deep(3_000, SPOT * Fraction(101, 100))
    assert cheap.price < combined((cheap, dear)).price < dear.price


def test_a_gap_in_one_pool_does_not_make_the_price() -> None:
    above = v3([(-197_400, -196_800, 10**18)], root_of(SPOT * Fraction(1, 2)))
    assert (above.liquidity, above.bid) == (0, None)
    whole = combined((deep(500), above))
    assert whole.price == deep(500).price
    assert (whole.bid, whole.ask) == (whole.price, whole.price)


def test_a_pool_that_the_market_has_left_does_not_make_the_price() -> None:
    """The cheapest of three holds but one token after the move: there it neither pays nor asks anything."""
    near = v3([(-198_600, -197_400, 10**18)], deep().sqrt_price_x96, fee_pips=100)
    for moved in (SPOT / 2, SPOT * 2):
        assert (
            combined((near, deep(500), deep(3_000))).at_price(moved).price == deep(500).at_price(moved).price
        )
    assert combined((near, replace(near, fee_pips=500))).at_price(SPOT / 2).price > 0


@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(99, 100), Fraction(103, 100), Fraction(10)])
def test_a_forgotten_pair_does_not_make_the_price(share: Fraction) -> None:
    """A few dollars at a price of their own; arbitrage brings them to where the deep pool charges its fee."""
    price = SPOT * share
    forgotten = PoolV2("pair", WETH, USDC, 10**15, 10**15 * price.numerator // price.denominator)
    whole = combined((deep(500), forgotten))
    assert abs(whole.price / SPOT - 1) < Fraction(501, 10**6)
    moved = whole.sell(10**18)[1].price
    assert abs(moved / deep(500).sell(10**18)[1].price - 1) < Fraction(501, 10**6)


def test_next_to_nothing_at_an_absurd_price_changes_neither_price_nor_split() -> None:
    absurd = v3([(879_960, 880_080, 10**6)], sqrt_ratio_at_tick(880_020), fee_pips=10_000)
    assert absurd.price > SPOT * 10**30
    whole, amount = combined((*SIX, absurd)), 3_000 * 10**18
    assert abs(whole.price / SPOT - 1) < Fraction(501, 10**6)
    fill, _ = whole.sell(amount)
    assert fill.got - absurd.sell(amount)[0].got >= combined(SIX).sell(amount)[0].got
    assert whole.buy(amount)[0] == combined(SIX).buy(amount)[0]


def test_it_runs_dry_when_all_do() -> None:
    first, second = (v3([(-198_600, -197_400, size)], deep().sqrt_price_x96) for size in (10**17, 10**18))
    most = [pool.sell(10**40)[0] for pool in (first, second)]
    fill, after = combined((first, second)).sell(10**40)
    assert fill.given == sum(each.given for each in most)
    assert fill.got == sum(each.got for each in most)
    assert after.bid is None
    assert after.sell(7)[0] == (0, 0, 7)


def test_what_several_pools_are_called() -> None:
    assert combined(SIX[:2]).name == "pool of 500 + pool of 3000"
    assert combined(SIX).name == "pool of 500 and 3 more pools"


def test_pools_of_several_pairs_are_refused_and_one_is_itself() -> None:
    assert combined((SIX[0],)) is SIX[0]
    with pytest.raises(ValueError, match="is of USDC/WETH, not of WETH/USDC"):
        combined((SIX[0], SIX[1].turned()))


def test_how_much_until_a_price_of_all_pools() -> None:
    whole = combined(SIX)
    amount = whole.sale_to(SPOT * Fraction(95, 100)).given
    assert amount > max(pool.sale_to(SPOT * Fraction(95, 100)).given for pool in SIX)
    assert abs(whole.sell(amount)[1].price / (SPOT * Fraction(95, 100)) - 1) < Fraction(1, 10**6)


TO_WETH = PoolV2("WBTC/WETH", WBTC, WETH, 500 * 10**8, 12_000 * 10**18)
BY_WETH = route(TO_WETH, deep(500))


def test_a_route_is_one_leg_after_the_other() -> None:
    fill, after = BY_WETH.sell(10**8)
    middle, first = TO_WETH.sell(10**8)
    end, second = deep(500).sell(middle.got)
    assert fill == (10**8, end.got, 0)
    assert after == Route(first, second)
    assert after.price == first.price * second.price
    bought, _ = BY_WETH.buy(10**8)
    paid = deep(500).buy(TO_WETH.buy(10**8)[0].given)[0]
    assert bought == (paid.given, 10**8, 0)
    assert BY_WETH.keeps == TO_WETH.keeps * deep(500).keeps


def test_a_route_sells_no_more_than_its_second_leg_takes() -> None:
    short = route(TO_WETH, v3([(-198_600, -197_400, 10**17)], deep().sqrt_price_x96))
    fill, after = short.sell(400 * 10**8)
    assert fill.given + fill.left == 400 * 10**8
    assert 0 < fill.given < 400 * 10**8
    one_more = short.second.sell(TO_WETH.sell(fill.given + 1)[0].got)[0]
    assert one_more.left > 0
    assert after.first == TO_WETH.sell(fill.given)[1]
    bought, _ = short.buy(400 * 10**8)
    assert bought.got + bought.left == 400 * 10**8
    assert 0 < bought.got < 400 * 10**8
    assert short.second.buy(TO_WETH.buy(bought.got + 1)[0].given)[0].left > 0


def test_a_route_is_brought_to_a_price_by_its_first_leg() -> None:
    there = BY_WETH.at_price(BY_WETH.price * 2)
    assert there.second == BY_WETH.second
    assert abs(there.price / BY_WETH.price - 2) < Fraction(1, 10**9)
    assert BY_WETH.at_price(BY_WETH.price) == BY_WETH
    lower, higher = BY_WETH.price * Fraction(99, 100), BY_WETH.price * Fraction(101, 100)
    sale, purchase = BY_WETH.sale_to(lower), BY_WETH.purchase_to(higher)
    after, more = (BY_WETH.sell(sale.given + extra)[1].price for extra in (0, sale.given // 10**6))
    assert after >= lower > more
    after, more = (BY_WETH.buy(purchase.got + extra)[1].price for extra in (0, purchase.got // 10**6))
    assert after <= higher < more
    assert BY_WETH.sale_to(higher) == BY_WETH.purchase_to(lower) == (0, 0, 0)


def test_a_route_beside_a_pool_of_the_same_pair() -> None:
    direct = PoolV2("WBTC/USDC", WBTC, USDC, 100 * 10**8, 6_000_000 * 10**6)
    fill, _ = combined((direct, BY_WETH)).sell(50 * 10**8)
    assert fill.left == 0
    assert fill.got > max(pool.sell(50 * 10**8)[0].got for pool in (direct, BY_WETH))


def test_legs_that_do_not_meet() -> None:
    with pytest.raises(ValueError, match="begins elsewhere"):
        route(deep(), TO_WETH)
    with pytest.raises(ValueError, match="end where they began"):
        route(deep(), deep().turned())


def test_a_law_beside_a_pool() -> None:
    law = square_root_impact(WETH, USDC, SPOT, 10**9 * 10**6)
    fill, _ = combined((law, deep())).sell(10_000 * 10**18)
    assert fill.got > law.sell(10_000 * 10**18)[0].got


@given(pools_v2(), st.integers(1, 10**30))
def test_the_library_s_roundings(pool: PoolV2, amount: int) -> None:
    sold, after = pool.sell(amount)
    kept = (10**6 - pool.fee_pips) * sold.given
    if sold.given:
        # UniswapV2Pair.swap's check on the product, without the fee: it holds, and not for a unit more.
        grown = pool.base_reserve * 10**6 + kept
        whole = pool.base_reserve * pool.quote_reserve * 10**6
        assert grown * (pool.quote_reserve - sold.got) >= whole > grown * (pool.quote_reserve - sold.got - 1)
        assert (after.base_reserve, after.quote_reserve) == (
            pool.base_reserve + sold.given,
            pool.quote_reserve - sold.got,
        )
    bought, _ = pool.buy(amount)
    if bought.got:
        left = (pool.base_reserve - bought.got) * (10**6 - pool.fee_pips)
        assert (bought.given - 2) * left < pool.quote_reserve * bought.got * 10**6 < bought.given * left
