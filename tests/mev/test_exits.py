"""Ways to sell: the best one is taken, whatever was skipped on the way to it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.depth.combined import combined
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.curve import curve
from defiliq.depth.route import route
from defiliq.depth.venue import Token
from defiliq.mev.exits import Exit, Way, ways_of
from tests.depth.pools import AMOUNTS, pools_v2, pools_v3
from tests.mev.deals import exit_of, pool


@given(
    st.lists(st.tuples(st.one_of(pools_v2(), pools_v3()), st.integers(1, 4)), min_size=1, max_size=4),
    AMOUNTS,
    st.fractions(0, 10**6),
    st.fractions(Fraction(1, 2), 2, max_denominator=1_000),
)
def test_no_way_brings_more(
    ways: list[tuple[object, int]], amount: int, swap_cost: Fraction, moved: Fraction
) -> None:
    """Against every way, tried by itself. Decimals are left as they are: the pools are of any tokens."""
    known = tuple(Way(depth, swaps) for depth, swaps in ways)  # type: ignore[arg-type]
    known = tuple(
        Way(replace(way.depth, base=Token("A", 18), quote=Token("B", 18)), way.swaps)  # type: ignore[type-var]
        for way in known
    )
    sale = Exit(known, 18, 18).sell(amount, moved, swap_cost)
    every = [
        way.depth.at_price(way.depth.price * moved).sell(amount)[0].got - way.swaps * swap_cost
        if moved != 1
        else way.depth.sell(amount)[0].got - way.swaps * swap_cost
        for way in known
    ]
    assert sale.got - sale.swaps * swap_cost == max(every)
    assert sale.sold + sale.left == amount
    assert min(sale.sold, sale.left, sale.got) >= 0


def test_pools_together_beat_each_alone_once_that_is_worth_a_swap() -> None:
    one, two = pool(), replace(pool(), name="other", address="0x2")
    ways = Exit((Way(one), Way(two), Way(combined([one, two]), 2)), 18, 6)
    amount = 100 * 10**18
    assert ways.sell(amount).swaps == 2
    gain = ways.sell(amount).got - one.sell(amount)[0].got
    assert gain > 0
    assert ways.sell(amount, swap_cost=Fraction(gain) - 1).swaps == 2
    assert ways.sell(amount, swap_cost=Fraction(gain) + 1).swaps == 1


@pytest.mark.parametrize(("decimals", "amount", "got"), [(18, 10**18, 2_990), (8, 10**8, 2_990)])
def test_curves_have_decimals_of_their_own(decimals: int, amount: int, got: int) -> None:
    """Flat at 2,990 for five tokens; then nothing."""
    flat = curve(
        "flat",
        Token("base", 18),
        Token("quote", 18),
        [(Fraction(2_990), Fraction(5))],
        [(Fraction(2_990), Fraction(5))],
        Fraction(2_990),
    )
    sale = Exit((Way(flat),), decimals, 6).sell(amount)
    assert (sale.sold, sale.left) == (amount, 0)
    assert sale.got == got * 10**6
    dry = Exit((Way(flat),), decimals, 6).sell(7 * amount)
    assert (dry.sold, dry.left, dry.got) == (5 * amount, 2 * amount, 5 * got * 10**6)


def test_the_same_way_counts_once() -> None:
    assert len(ways_of([Way(pool()), Way(pool())])) == 1
    assert exit_of(pool()).sell(0).got == 0


def test_an_empty_pool_does_not_drag_the_deep_ones() -> None:
    """A pool of dust at ten times the price: once the oracle moves, it brings no more than before."""
    deep, dust = pool(10**6, 3 * 10**9), replace(pool(), base_reserve=10**12, quote_reserve=3 * 10**10)
    dust = replace(dust, name="dust")
    together = Way(combined([deep, dust]), 2)
    for moved in (Fraction(1), Fraction(97, 100), Fraction(1, 2), Fraction(999_999, 10**6)):
        alone = exit_of(deep).sell(10**18, moved)
        both = Exit((together,), 18, 6).sell(10**18, moved)
        assert alone.got <= both.got <= alone.got + 3 * 10**10, "all that the dust holds"


def test_pools_together_and_routes_move_each_by_the_ratio() -> None:
    """As the same two pools do that were read there: a pool 1% above the oracle stays 1% above it."""
    moved, amount = Fraction(9, 10), 10**20
    low, high = pool(), replace(pool(2_000, 6_060_000, 500), name="other")
    there = [one.at_price(one.price * moved) for one in (low, high)]
    found = Exit((Way(combined([low, high]), 2),), 18, 6).sell(amount, moved)
    assert found.got == combined(there).sell(amount)[0].got
    middle = Token("USDC", 6, low.quote.address), Token("DAI", 18, "0xd")
    second = PoolV2("second", *middle, 10**14, 10**26, 100)
    over = Exit((Way(route(combined([low, high]), second), 3),), 18, 18).sell(amount, moved)
    assert over.got == route(combined(there), second).sell(amount)[0].got
