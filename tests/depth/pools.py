"""Pools for tests: tokens, small ones by hand, and any by hypothesis."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from math import isqrt

from hypothesis import strategies as st

from defiliq.depth.constant_product import PoolV2
from defiliq.depth.curve import Curve, curve
from defiliq.depth.impact import SquareRootImpact, square_root_impact
from defiliq.depth.tick_math import MAX_TICK, sqrt_ratio_at_tick, tick_at_sqrt_ratio
from defiliq.depth.uniswap_v3 import PoolV3, pool_v3
from defiliq.depth.venue import Token
from tests.builders import address

WETH = Token("WETH", 18, address(0xE1))
USDC = Token("USDC", 6, address(0xD1))
WBTC = Token("WBTC", 8, address(0xB1))
SPOT = Fraction(2_500 * 10**6, 10**18)
AMOUNTS = st.one_of(
    st.integers(0, 10**6), st.integers(0, 10**24), st.builds(lambda n: 10**n, st.integers(0, 40))
)


def v3(
    positions: list[tuple[int, int, int]],
    sqrt_price_x96: int,
    *,
    fee_pips: int = 3_000,
    spacing: int = 60,
    base: Token = WETH,
) -> PoolV3:
    """A pool of WETH (token0) and USDC with (lower, upper, liquidity) positions."""
    nets: dict[int, int] = {}
    for lower, upper, liquidity in positions:
        nets[lower] = nets.get(lower, 0) + liquidity
        nets[upper] = nets.get(upper, 0) - liquidity
    tick = tick_at_sqrt_ratio(sqrt_price_x96)
    return pool_v3(
        f"pool of {fee_pips}",
        (WETH, USDC),
        base,
        sqrt_price_x96=sqrt_price_x96,
        tick=tick,
        liquidity=sum(net for at, net in nets.items() if at <= tick),
        fee_pips=fee_pips,
        tick_spacing=spacing,
        ticks=nets,
    )


def root_of(price: Fraction) -> int:
    """The Q64.96 square root of a price of token1 for token0."""
    return isqrt(price.numerator * 2**192 // price.denominator)


def deep(fee_pips: int = 3_000, price: Fraction = SPOT, liquidity: int = 10**18) -> PoolV3:
    """A pool that reaches over all prices, with more around the price."""
    here = tick_at_sqrt_ratio(root_of(price)) // 60 * 60
    last = MAX_TICK // 60 * 60
    positions = [
        (-last, last, liquidity),
        (here - 600, here + 600, 7 * liquidity),
        (here + 60, here + 1200, 3 * liquidity),
    ]
    return v3(positions, root_of(price), fee_pips=fee_pips)


@st.composite
def pools_v3(draw: st.DrawFn) -> PoolV3:
    """Any pool with a few positions that lie as they like, either token sold; there may be gaps."""
    spacing = draw(st.sampled_from((1, 10, 60, 200)))
    here = draw(st.integers(-300_000, 300_000)) // spacing * spacing
    position = st.tuples(
        st.integers(-800, 400), st.integers(1, 600), st.one_of(st.integers(1, 10**6), st.integers(1, 10**24))
    )
    drawn = draw(st.lists(position, min_size=1, max_size=6))
    positions = [(here + low * spacing, here + (low + width) * spacing, size) for low, width, size in drawn]
    price = sqrt_ratio_at_tick(here + draw(st.integers(-500, 500)))
    price += draw(st.integers(0, sqrt_ratio_at_tick(tick_at_sqrt_ratio(price) + 1) - price - 1))
    fee_pips = draw(st.sampled_from((0, 100, 500, 3_000, 10_000)))
    base = draw(st.sampled_from((WETH, USDC)))
    return v3(positions, price, fee_pips=fee_pips, spacing=spacing, base=base)


@st.composite
def pools_v2(draw: st.DrawFn) -> PoolV2:
    """Any pair."""
    reserve = st.one_of(st.integers(1, 10**4), st.integers(1, 10**30))
    return PoolV2("pair", WETH, USDC, draw(reserve), draw(reserve), draw(st.sampled_from((0, 2_500, 3_000))))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Any curve around 2,500, with flat stretches and sides of different lengths."""
    step = st.fractions(0, 90, max_denominator=100)
    amount = st.fractions(Fraction(1, 10**6), 10**6, max_denominator=10**6)
    sides = [draw(st.lists(st.tuples(step, amount), max_size=6)) for _ in range(2)]
    if not any(sides):
        sides[0] = [(Fraction(1), Fraction(1))]
    bids, asks = (
        list(zip(accumulate((move for move, _ in side)), (size for _, size in side), strict=True))
        for side in sides
    )
    middle = Fraction(2_500)
    return curve(
        "curve",
        WETH,
        USDC,
        [(middle - move, size) for move, size in bids],
        [(middle + move, size) for move, size in asks],
        middle,
    )


@st.composite
def laws(draw: st.DrawFn) -> SquareRootImpact:
    """Any square-root law."""
    return square_root_impact(
        WETH, USDC, SPOT, draw(st.integers(10**6, 10**18)), draw(st.integers(1, 500_000))
    )


ANY_DEPTH = st.one_of(pools_v3(), pools_v2(), curves(), laws())
