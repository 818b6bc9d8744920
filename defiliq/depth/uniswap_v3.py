"""A pool of Uniswap v3, or of a fork with the same arithmetic: UniswapV3Pool.swap, as a function.

What a pool charges goes to its liquidity providers and, by a protocol fee, to the protocol: neither changes
what a swap gives. Fees that a swap leaves behind are no liquidity here, and none in the contract.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from math import isqrt
from typing import Final, NamedTuple, Self

from defiliq.depth.swap_math import compute_swap_step
from defiliq.depth.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from defiliq.depth.venue import Fill, Token, nothing
from defiliq.units import PPM

Q192: Final = 1 << 192
LOWEST_LIMIT: Final = MIN_SQRT_RATIO + 1
HIGHEST_LIMIT: Final = MAX_SQRT_RATIO - 1
MAX_INT256: Final = (1 << 255) - 1
MAX_UINT128: Final = (1 << 128) - 1
WORD_TICKS: Final = 256
"""Ticks of one word of the tick bitmap, over which no step goes."""


class Swap(NamedTuple):
    """What a swap moved, as the pool sees it: what came in is above 0, what went out below."""

    amount0: int
    amount1: int
    crossed: int
    """Initialized ticks that were crossed."""


@dataclass(frozen=True, slots=True)
class PoolV3:
    """One pool at one block. `base` is one of its two tokens; token0 where `base_is_token0`."""

    name: str
    base: Token
    quote: Token
    base_is_token0: bool
    sqrt_price_x96: int
    tick: int
    """slot0.tick; one below the price's own where the price stands on a tick that was crossed downwards."""
    liquidity: int
    """In range now."""
    fee_pips: int
    """Of what comes in, in millionths."""
    tick_spacing: int
    ticks: tuple[int, ...]
    """Initialized ticks, ascending; also those that change nothing, for a step ends at each."""
    liquidity_net: tuple[int, ...]
    """What each adds to the liquidity when it is crossed upwards."""
    address: str = ""

    @property
    def price(self) -> Fraction:
        """Quote for base, from sqrtPriceX96 alone."""
        return self._price_of(self.sqrt_price_x96)

    @property
    def keeps(self) -> Fraction:
        """What is left of an input after the fee."""
        return Fraction(PPM - self.fee_pips, PPM)

    @property
    def bid(self) -> Fraction | None:
        """The price of the next unit that is sold: lower than the price where no liquidity is below it."""
        return self._next_price(self.base_is_token0)

    @property
    def ask(self) -> Fraction | None:
        """The price of the next unit that is bought."""
        return self._next_price(not self.base_is_token0)

    def sell(self, amount: int) -> tuple[Fill, Self]:
        """Swap with exact input of base, down to the end of all liquidity where need be."""
        return self._sold(amount, self._limit(self.base_is_token0))

    def buy(self, amount: int) -> tuple[Fill, Self]:
        """Swap with exact output of base, up to the end of all liquidity where need be."""
        zero_for_one = not self.base_is_token0
        limit = self._limit(zero_for_one)
        asked = min(amount, MAX_INT256)
        if asked == 0 or not self._may_move(zero_for_one, limit):
            return nothing(amount), self
        swap, after = self.swap(zero_for_one, -asked, limit)
        given, got = self._oriented(swap, zero_for_one)
        return Fill(given, got, amount - got), after

    def at_price(self, price: Fraction) -> Self:
        """The same liquidity, with the price moved over its ticks.

        The nearest square root not above `price`, as token1 for token0, is taken.
        """
        if price <= 0:
            raise ValueError(f"{price} is no price")
        if price == self.price:
            return self
        ratio = price if self.base_is_token0 else Fraction(1, price)
        root = isqrt(ratio.numerator * Q192 // ratio.denominator)
        return self._moved(min(max(root, MIN_SQRT_RATIO), HIGHEST_LIMIT))

    def sale_to(self, price: Fraction) -> Fill:
        """The largest sale that leaves the price at `price` or above."""
        return Fill(*self._traded_to(price, self.base_is_token0), 0)

    def purchase_to(self, price: Fraction) -> Fill:
        """The largest purchase that leaves the price at `price` or below."""
        return Fill(*self._traded_to(price, not self.base_is_token0), 0)

    def turned(self) -> Self:
        """The same pool, with the other token sold."""
        return replace(self, base=self.quote, quote=self.base, base_is_token0=not self.base_is_token0)

    def swap(self, zero_for_one: bool, specified: int, limit_x96: int) -> tuple[Swap, Self]:
        """The amounts and the pool after UniswapV3Pool.swap, whose arguments these are.

        `specified` comes in, or, below 0, is wanted out. Ends when all of it is done or the price is at the
        limit.
        """
        if specified == 0 or not self._may_move(zero_for_one, limit_x96):
            raise ValueError("a swap of nothing, or a limit behind the price")
        exact_in = specified > 0
        remaining, calculated, crossed = specified, 0, 0
        price, tick, liquidity = self.sqrt_price_x96, self.tick, self.liquidity
        while remaining != 0 and price != limit_x96:
            start = price
            place, next_tick = self._next_tick(tick, zero_for_one, liquidity)
            next_price = sqrt_ratio_at_tick(next_tick)
            is_beyond = next_price < limit_x96 if zero_for_one else next_price > limit_x96
            target = limit_x96 if is_beyond else next_price
            price, amount_in, amount_out, fee = compute_swap_step(
                price, target, liquidity, remaining, self.fee_pips
            )
            if exact_in:
                remaining -= amount_in + fee
                calculated -= amount_out
            else:
                remaining += amount_out
                calculated += amount_in + fee
            if price == next_price:
                if place is not None:
                    net = self.liquidity_net[place]
                    liquidity += -net if zero_for_one else net
                    crossed += 1
                tick = next_tick - 1 if zero_for_one else next_tick
            elif price != start:
                tick = self._tick_at(price, zero_for_one)
        done = specified - remaining
        amounts = (done, calculated) if zero_for_one is exact_in else (calculated, done)
        after = replace(self, sqrt_price_x96=price, tick=tick, liquidity=liquidity)
        return Swap(*amounts, crossed), after

    def _price_of(self, sqrt_price_x96: int) -> Fraction:
        squared = sqrt_price_x96**2
        return Fraction(squared, Q192) if self.base_is_token0 else Fraction(Q192, squared)

    def _next_price(self, zero_for_one: bool) -> Fraction | None:
        """Where the next liquidity in a direction begins; None where there is none."""
        price, tick, liquidity = self.sqrt_price_x96, self.tick, self.liquidity
        while True:
            place, next_tick = self._next_tick(tick, zero_for_one, 0)
            if liquidity != 0 and (place is None or sqrt_ratio_at_tick(next_tick) != price):
                return self._price_of(price)
            if place is None:
                return None
            net = self.liquidity_net[place]
            liquidity += -net if zero_for_one else net
            price, tick = sqrt_ratio_at_tick(next_tick), next_tick - 1 if zero_for_one else next_tick

    def _next_tick(self, tick: int, zero_for_one: bool, liquidity: int) -> tuple[int | None, int]:
        """Where the next step may go to, and its place among the initialized ticks, if it is one of them.

        TickBitmap.nextInitializedTickWithinOneWord: a step ends at the end of a word too, and rounds there.
        Without liquidity nothing is rounded, so such steps are taken as one.
        """
        spacing = self.tick_spacing
        compressed = tick // spacing
        if zero_for_one:
            place = bisect_right(self.ticks, compressed * spacing) - 1
            end = compressed // WORD_TICKS * WORD_TICKS * spacing
            if place >= 0 and (liquidity == 0 or self.ticks[place] >= end):
                return place, self.ticks[place]
            return None, MIN_TICK if liquidity == 0 else max(end, MIN_TICK)
        first = compressed + 1
        place = bisect_left(self.ticks, first * spacing)
        end = (first // WORD_TICKS * WORD_TICKS + WORD_TICKS - 1) * spacing
        if place < len(self.ticks) and (liquidity == 0 or self.ticks[place] <= end):
            return place, self.ticks[place]
        return None, MAX_TICK if liquidity == 0 else min(end, MAX_TICK)

    def _tick_at(self, sqrt_price_x96: int, zero_for_one: bool) -> int:
        """slot0.tick where a step ended between initialized ticks.

        The contract goes without liquidity word by word, and is past the end of one that it comes down to.
        """
        tick = tick_at_sqrt_ratio(sqrt_price_x96)
        is_end = tick % (WORD_TICKS * self.tick_spacing) == 0 and sqrt_ratio_at_tick(tick) == sqrt_price_x96
        return tick - 1 if zero_for_one and is_end else tick

    def _sold(self, amount: int, limit: int) -> tuple[Fill, Self]:
        zero_for_one = self.base_is_token0
        asked = min(amount, MAX_INT256)
        if asked == 0 or not self._may_move(zero_for_one, limit):
            return nothing(amount), self
        swap, after = self.swap(zero_for_one, asked, limit)
        given, got = self._oriented(swap, zero_for_one)
        return Fill(given, got, amount - given), after

    def _traded_to(self, price: Fraction, zero_for_one: bool) -> tuple[int, int]:
        """What comes in and goes out until the price is at `price`."""
        ratio = price if self.base_is_token0 else Fraction(1, price)
        root = isqrt(ratio.numerator * Q192 // ratio.denominator)
        limit = min(max(root, LOWEST_LIMIT), HIGHEST_LIMIT)
        if not self._may_move(zero_for_one, limit):
            return 0, 0
        return self._oriented(self.swap(zero_for_one, MAX_INT256, limit)[0], zero_for_one)

    def _oriented(self, swap: Swap, zero_for_one: bool) -> tuple[int, int]:
        """What came in and what went out."""
        return (swap.amount0, -swap.amount1) if zero_for_one else (swap.amount1, -swap.amount0)

    def _limit(self, zero_for_one: bool) -> int:
        return LOWEST_LIMIT if zero_for_one else HIGHEST_LIMIT

    def _may_move(self, zero_for_one: bool, limit: int) -> bool:
        """Whether the contract takes this limit: it must lie ahead of the price."""
        if zero_for_one:
            return MIN_SQRT_RATIO < limit < self.sqrt_price_x96
        return self.sqrt_price_x96 < limit < MAX_SQRT_RATIO

    def _moved(self, sqrt_price_x96: int) -> Self:
        if sqrt_price_x96 == self.sqrt_price_x96:
            return self
        tick = tick_at_sqrt_ratio(sqrt_price_x96)
        here, there = bisect_right(self.ticks, self.tick), bisect_right(self.ticks, tick)
        crossed = sum(self.liquidity_net[here:there]) - sum(self.liquidity_net[there:here])
        return replace(self, sqrt_price_x96=sqrt_price_x96, tick=tick, liquidity=self.liquidity + crossed)


def pool_v3(
    name: str,
    tokens: tuple[Token, Token],
    base: Token,
    *,
    sqrt_price_x96: int,
    tick: int,
    liquidity: int,
    fee_pips: int,
    tick_spacing: int,
    ticks: Mapping[int, int],
    address: str = "",
) -> PoolV3:
    """A pool of token0 and token1 with the liquidityNet of each initialized tick.

    ValueError says what does not fit together.
    """
    ordered = tuple(sorted(ticks))
    is_token0 = base == tokens[0]
    if not is_token0 and base != tokens[1]:
        raise ValueError(f"{base.symbol} is neither of its tokens")
    pool = PoolV3(
        name=name,
        base=base,
        quote=tokens[1] if is_token0 else tokens[0],
        base_is_token0=is_token0,
        sqrt_price_x96=sqrt_price_x96,
        tick=tick,
        liquidity=liquidity,
        fee_pips=fee_pips,
        tick_spacing=tick_spacing,
        ticks=ordered,
        liquidity_net=tuple(ticks[tick] for tick in ordered),
        address=address,
    )
    fault = unsound(pool)
    if fault is not None:
        raise ValueError(fault)
    return pool


def unsound(pool: PoolV3) -> str | None:
    """What about a pool's numbers contradicts itself."""
    if not MIN_SQRT_RATIO <= pool.sqrt_price_x96 < MAX_SQRT_RATIO:
        return "its price is out of range: it was not initialized"
    own = tick_at_sqrt_ratio(pool.sqrt_price_x96)
    if pool.tick != own and (pool.tick != own - 1 or sqrt_ratio_at_tick(own) != pool.sqrt_price_x96):
        return f"its tick is {pool.tick}, but its price is of tick {own}"
    if not 0 <= pool.fee_pips < PPM:
        return f"its fee is {pool.fee_pips} millionths"
    if not 0 < pool.tick_spacing <= MAX_TICK:
        return f"its tick spacing is {pool.tick_spacing}"
    if any(tick % pool.tick_spacing != 0 or abs(tick) > MAX_TICK for tick in pool.ticks):
        return "it has a tick between those of its spacing, or beyond the last"
    below = bisect_right(pool.ticks, pool.tick)
    if sum(pool.liquidity_net) != 0:
        return f"the liquidity of its ticks adds up to {sum(pool.liquidity_net)}, not to 0"
    in_range = sum(pool.liquidity_net[:below])
    if any(not 0 <= liquidity <= MAX_UINT128 for liquidity in accumulate(pool.liquidity_net)):
        return "somewhere it has a liquidity below 0, or of more than 128 bits"
    if in_range != pool.liquidity:
        return f"its ticks make a liquidity of {in_range}, but it says {pool.liquidity}"
    return None
