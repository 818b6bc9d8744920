"""A pool of Ethereum, 240 ticks: swaps as its bytecode answered them, then and on the lab."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.depth.real_pool import answered, on_the_lab, real_pool
from tests.lab.uniswap_v3 import Swapped, UniswapLab


def test_recorded_answers_are_ours() -> None:
    pool, crossed = real_pool(), []
    for swap, answer in answered():
        done, after = pool.swap(swap.zero_for_one, swap.specified, swap.limit_x96)
        stands = after.sqrt_price_x96, after.tick, after.liquidity
        assert Swapped(done.amount0, done.amount1, *stands) == answer
        crossed.append(done.crossed)
    assert len(crossed) == 60
    assert max(crossed) > 100


def test_it_has_the_price_of_its_day() -> None:
    # 1 July 2023: a bitcoin was worth some 15.9 ether.
    price = real_pool().price * Fraction(10**8, 10**18)
    assert Fraction(158, 10) < price < Fraction(159, 10)


@pytest.mark.lab
def test_the_recorded_answers_are_those_of_the_bytecode(lab_uniswap_v3: UniswapLab) -> None:
    with lab_uniswap_v3.rewinding():
        made = on_the_lab(lab_uniswap_v3, real_pool())
        swaps = [swap._replace(pool=made) for swap, _ in answered()]
        assert lab_uniswap_v3.ask(swaps) == [answer for _, answer in answered()]
