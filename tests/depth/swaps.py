"""Random swaps for pools of Uniswap v3, of every kind that a pool may be asked for."""

from __future__ import annotations

import random

from defiliq.depth.tick_math import MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, sqrt_ratio_at_tick
from defiliq.depth.uniswap_v3 import HIGHEST_LIMIT, LOWEST_LIMIT, MAX_INT256, WORD_TICKS, PoolV3
from tests.lab.uniswap_v3 import Asked


def random_swap(rng: random.Random, pool: PoolV3) -> Asked:
    """Either way, exact input or output, tiny to huge, with and without a price limit."""
    zero_for_one = pool.sqrt_price_x96 > LOWEST_LIMIT and (
        pool.sqrt_price_x96 >= HIGHEST_LIMIT or rng.random() < 0.5
    )
    sizes = rng.randint(1, 3), 10 ** rng.randint(1, 30), rng.randint(1, 10 ** rng.randint(6, 26))
    size = rng.choice(sizes)
    if rng.random() < 0.03:
        size = rng.choice([MAX_INT256, rng.randint(2**128, MAX_INT256)])
    specified = size if rng.random() < 0.5 else -size
    return Asked(pool.address, zero_for_one, specified, _limit(rng, pool, zero_for_one))


def _limit(rng: random.Random, pool: PoolV3, zero_for_one: bool) -> int:
    """A price ahead: the last one, on a tick, at the end of a word of the bitmap, or near."""
    price, last = pool.sqrt_price_x96, LOWEST_LIMIT if zero_for_one else HIGHEST_LIMIT
    ahead = [tick for tick in pool.ticks if (tick < pool.tick if zero_for_one else tick > pool.tick + 1)]
    words = pool.tick // pool.tick_spacing // WORD_TICKS + rng.randint(-3, 4)
    end = words * WORD_TICKS * pool.tick_spacing
    choices = [last, last, last, sqrt_ratio_at_tick(min(max(end, MIN_TICK), MAX_TICK))]
    choices.append(price + (-1 if zero_for_one else 1) * rng.randint(1, price // 20))
    if ahead:
        choices.append(sqrt_ratio_at_tick(rng.choice(ahead)))
    found = rng.choice(choices)
    is_ahead = MIN_SQRT_RATIO < found < price if zero_for_one else price < found < MAX_SQRT_RATIO
    return found if is_ahead else last
