"""What holds of trades in any depth: nothing is lost, nothing is won, and more trades move more."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from defiliq.depth.combined import Venue
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.uniswap_v3 import PoolV3
from tests.depth.pools import AMOUNTS, ANY_DEPTH


@given(ANY_DEPTH, AMOUNTS)
def test_amounts_add_up_and_prices_move_the_right_way(depth: Venue, amount: int) -> None:
    sold, lower = depth.sell(amount)
    assert sold.given + sold.left == amount
    assert min(sold) >= 0
    assert lower.price <= depth.price
    bought, higher = depth.buy(amount)
    assert bought.got + bought.left == amount
    assert min(bought) >= 0
    assert higher.price >= depth.price


@given(ANY_DEPTH, AMOUNTS, AMOUNTS)
def test_no_way_there_and_back_pays(depth: Venue, amount: int, other: int) -> None:
    sold, after = depth.sell(amount)
    back, _ = after.buy(sold.given)
    assert back.left > 0 or back.given >= sold.got
    bought, after = depth.buy(other)
    again, _ = after.sell(bought.got)
    assert again.got <= bought.given


@given(ANY_DEPTH, AMOUNTS, AMOUNTS)
def test_the_second_part_of_a_sale_gets_no_better_price(depth: Venue, first: int, second: int) -> None:
    one, between = depth.sell(first)
    other, _ = between.sell(second)
    whole, _ = depth.sell(first + second)
    if one.left == other.left == whole.left == 0:
        # Each step rounds in the pool's favour, so parts can get less than the whole; never more but dust.
        assert one.got + other.got <= whole.got + _dust(depth)
        assert (one.got + _dust(depth)) * second >= (other.got - _dust(depth)) * first


def _dust(depth: Venue) -> int:
    """What roundings make of a trade: the fee of an input is cut at every step of a pool of v3."""
    return len(depth.ticks) + 2 if isinstance(depth, PoolV3) else 2


@given(ANY_DEPTH, AMOUNTS)
def test_a_price_that_is_there_changes_nothing(depth: Venue, amount: int) -> None:
    assert depth.at_price(depth.price) == depth
    after = depth.sell(amount)[1]
    if after.price > 0:
        assert after.at_price(after.price).price == after.price


@given(ANY_DEPTH, st.fractions(Fraction(1, 50), 50).filter(lambda share: share > 0))
def test_a_price_is_brought_about(depth: Venue, share: Fraction) -> None:
    wanted = depth.price * share
    there = depth.at_price(wanted)
    if isinstance(depth, PoolV2) and isinstance(there, PoolV2):
        # Reserves are whole: where they are large, the price is near.
        if min(there.base_reserve, there.quote_reserve) > 10**6:
            assert abs(there.price / wanted - 1) < Fraction(1, 10**5)
    elif isinstance(depth, PoolV3):
        assert abs(there.price / wanted - 1) < Fraction(1, 2**30)
    else:
        assert there.price == wanted


def is_fine(depth: Venue) -> bool:
    """Whether one base unit is too little to be seen in the price."""
    if isinstance(depth, PoolV2):
        return min(depth.base_reserve, depth.quote_reserve) > 10**12
    return not isinstance(depth, PoolV3) or min(map(abs, depth.liquidity_net)) > 10**15


@given(ANY_DEPTH.filter(is_fine), st.fractions(Fraction(1, 3), 3))
def test_how_much_until_a_price(depth: Venue, share: Fraction) -> None:
    wanted, slack = depth.price * share, Fraction(1, 10**6)
    sold, bought = depth.sale_to(wanted).given, depth.purchase_to(wanted).got
    assert sold == 0 if share > 1 else bought == 0 or share == 1
    fill, after = depth.sell(sold)
    assert fill == depth.sale_to(wanted)
    assert sold == 0 or after.price >= wanted * (1 - slack)
    fill, after = depth.buy(bought)
    # What is paid last may move the price and be too little for one more unit of base.
    there = depth.purchase_to(wanted)
    assert (fill.got, fill.left) == (there.got, there.left)
    assert bought == 0 or 0 <= there.given - fill.given <= 2 + there.given * slack
    assert bought == 0 or after.price <= wanted * (1 + slack)
