"""Several pools of one pair as one depth.

A trade is split so that all pools it uses end at one marginal price after fees, which no other split beats.
The price that the pools would end at is searched in rationals; what rounding leaves over is shared along the
last stretch of the search. No split is worse than the best pool alone: that is looked at, and taken instead.

The price of a combination: arbitrage leaves pools alone as long as the market is between the best of what
they pay and the best of what they ask, both after fees. The price is the geometric middle of the two. Where
one pool is best on both sides, as the cheapest one is among pools that agree, that is its own price, exactly.
A pool that is dry on one side pays or asks nothing there. Pools that disagree so far that one pays more than
another asks have the price at which arbitrage between them would end: a forgotten pool with a few dollars in
it does not make the price of the deep ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Final, Protocol, Self

from defiliq.depth.venue import Depth, Fill, Token

SEARCH_STEPS: Final = 32
"""Halvings of the range of prices. The loss goes with the square of what is left of it."""
ROOT_BITS: Final = 128
HALF: Final = Fraction(1, 2)
BEYOND: Final = Fraction(1, 1 << 30)
"""How far beyond the price that one pool alone is left at the search begins, so that roundings are in it."""


class Venue(Depth, Protocol):
    """A depth that also says how much it takes until its price is somewhere."""

    @property
    def keeps(self) -> Fraction:
        """What is left of an input after the fee."""
        ...

    @property
    def bid(self) -> Fraction | None:
        """The price of the next unit that is sold, before fees; None where nobody buys any more."""
        ...

    @property
    def ask(self) -> Fraction | None:
        """The price of the next unit that is bought, before fees; None where nobody sells any more."""
        ...

    def sale_to(self, price: Fraction) -> Fill:
        """The largest sale that leaves the price, before fees, at `price` or above. Nothing is left of it."""
        ...

    def purchase_to(self, price: Fraction) -> Fill:
        """The largest purchase that leaves the price, before fees, at `price` or below."""
        ...


@dataclass(frozen=True, slots=True)
class Combined:
    """Pools of one pair, at least two, in an order that decides between equals."""

    pools: tuple[Venue, ...]

    @property
    def name(self) -> str:
        """The first pool's name, and the second's, or how many more there are."""
        first, second, *more = (pool.name for pool in self.pools)
        return f"{first} and {len(more) + 1} more pools" if more else f"{first} + {second}"

    @property
    def base(self) -> Token:
        """Of every pool."""
        return self.pools[0].base

    @property
    def quote(self) -> Token:
        """Of every pool."""
        return self.pools[0].quote

    @property
    def price(self) -> Fraction:
        """The geometric middle of what the best pool pays and the best pool asks, or where they meet."""
        payer = max([pool for pool in self.pools if pool.bid is not None] or self.pools, key=_pays)
        seller = min([pool for pool in self.pools if pool.ask is not None] or self.pools, key=_asks)
        if payer == seller:
            return payer.price
        if _pays(payer) > _asks(seller):
            return self._settled(_asks(seller), _pays(payer))
        product = _pays(payer) * _asks(seller)
        return Fraction(isqrt((product.numerator << 2 * ROOT_BITS) // product.denominator), 1 << ROOT_BITS)

    @property
    def bid(self) -> Fraction | None:
        """What the best pool pays, with the fee of the cheapest put back."""
        found = [pool.bid * pool.keeps for pool in self.pools if pool.bid is not None]
        return Fraction(max(found), self.keeps) if found else None

    @property
    def ask(self) -> Fraction | None:
        """What the best pool asks, without the fee of the cheapest."""
        found = [Fraction(pool.ask, pool.keeps) for pool in self.pools if pool.ask is not None]
        return min(found) * self.keeps if found else None

    @property
    def keeps(self) -> Fraction:
        """What the cheapest pool leaves."""
        return max(pool.keeps for pool in self.pools)

    def sell(self, amount: int) -> tuple[Fill, Self]:
        """Sell to all pools at once, each as much as leaves all at one price after fees."""
        alone = [pool.sell(amount) for pool in self.pools]
        ends = [(fill.left, _pays(after)) for fill, after in alone]
        enough = [level for left, level in ends if left == 0]
        shares = _shares(
            amount,
            [fill.given for fill, _ in alone],
            max(_pays(pool) for pool in self.pools),
            max(enough) * (1 - BEYOND) if enough else HALF * min(level for _, level in ends),
            lambda level: [pool.sale_to(Fraction(level, pool.keeps)).given for pool in self.pools],
        )
        parts = [pool.sell(share) for pool, share in zip(self.pools, shares, strict=True)]
        split = _sum([fill for fill, _ in parts])
        split = split._replace(left=amount - split.given)
        single = min(range(len(alone)), key=lambda k: (alone[k][0].left, -alone[k][0].got))
        if (alone[single][0].left, -alone[single][0].got) < (split.left, -split.got):
            return alone[single][0], self._with(single, alone[single][1])
        return split, replace(self, pools=tuple(after for _, after in parts))

    def buy(self, amount: int) -> tuple[Fill, Self]:
        """Buy from all pools at once, each as much as leaves all at one price after fees."""
        alone = [pool.buy(amount) for pool in self.pools]
        ends = [(fill.left, _asks(after)) for fill, after in alone]
        enough = [level for left, level in ends if left == 0]
        shares = _shares(
            amount,
            [fill.got for fill, _ in alone],
            min(_asks(pool) for pool in self.pools),
            min(enough) * (1 + BEYOND) if enough else max(level for _, level in ends) * 2,
            lambda level: [pool.purchase_to(level * pool.keeps).got for pool in self.pools],
        )
        parts = [pool.buy(share) for pool, share in zip(self.pools, shares, strict=True)]
        split = _sum([fill for fill, _ in parts])
        split = split._replace(left=amount - split.got)
        single = min(range(len(alone)), key=lambda k: (alone[k][0].left, alone[k][0].given))
        if (alone[single][0].left, alone[single][0].given) < (split.left, split.given):
            return alone[single][0], self._with(single, alone[single][1])
        return split, replace(self, pools=tuple(after for _, after in parts))

    def sale_to(self, price: Fraction) -> Fill:
        """What all pools take until each is down to what `price` leaves after the cheapest fee."""
        level = price * self.keeps
        return _sum([pool.sale_to(Fraction(level, pool.keeps)) for pool in self.pools])

    def purchase_to(self, price: Fraction) -> Fill:
        """What all pools give until each asks what `price` comes to with the cheapest fee."""
        level = Fraction(price, self.keeps)
        return _sum([pool.purchase_to(level * pool.keeps) for pool in self.pools])

    def _settled(self, low: Fraction, high: Fraction) -> Fraction:
        """Between what is asked and what is paid: where as much can be bought as can be sold, after fees."""
        for _ in range(SEARCH_STEPS):
            middle = _middle(low, high)
            bought = sum(pool.purchase_to(middle * pool.keeps).got for pool in self.pools)
            sold = sum(pool.sale_to(Fraction(middle, pool.keeps)).given for pool in self.pools)
            low, high = (middle, high) if bought < sold else (low, middle)
        return high

    def _with(self, place: int, pool: Venue) -> Self:
        return replace(self, pools=(*self.pools[:place], pool, *self.pools[place + 1 :]))

    def at_price(self, price: Fraction) -> Self:
        """Every pool at this price."""
        return replace(self, pools=tuple(pool.at_price(price) for pool in self.pools))


def combined(pools: Sequence[Venue]) -> Venue:
    """Pools of one pair as one depth; one pool is itself. ValueError where they are of several pairs."""
    first = pools[0]
    for pool in pools[1:]:
        if (pool.base, pool.quote) != (first.base, first.quote):
            raise ValueError(
                f"{pool.name} is of {pool.base.symbol}/{pool.quote.symbol}, "
                f"not of {first.base.symbol}/{first.quote.symbol}"
            )
    return first if len(pools) == 1 else Combined(tuple(pools))


def _sum(fills: Sequence[Fill]) -> Fill:
    return Fill(*(sum(amounts) for amounts in zip(*fills, strict=True)))


def _pays(pool: Venue) -> Fraction:
    """What a seller gets for the next unit; where nobody buys any more, what the price stands at."""
    bid = pool.bid
    return (pool.price if bid is None else bid) * pool.keeps


def _asks(pool: Venue) -> Fraction:
    """What a buyer gives for the next unit; where nobody sells any more, what the price stands at."""
    ask = pool.ask
    return Fraction(pool.price if ask is None else ask, pool.keeps)


def _shares(
    amount: int,
    most: Sequence[int],
    near: Fraction,
    far: Fraction,
    taken: Callable[[Fraction], list[int]],
) -> list[int]:
    """How much each pool trades, so that all end at one price between `near` and `far`.

    `most` is what each takes alone; at `near` none takes anything, at `far` together enough.
    """
    if sum(most) <= amount:
        return list(most)

    def at_most(level: Fraction) -> list[int]:
        return [min(part, end) for part, end in zip(taken(level), most, strict=True)]

    less, more = [0] * len(most), at_most(far) if far > 0 else list(most)
    if sum(more) < amount:
        more = list(most)
    for _ in range(SEARCH_STEPS):
        middle = _middle(min(near, far), max(near, far))
        parts = at_most(middle)
        if sum(parts) <= amount:
            near, less = middle, parts
        else:
            far, more = middle, parts
    return _filled(amount, less, more)


def _middle(low: Fraction, high: Fraction) -> Fraction:
    """Halfway between two prices; where one is many times the other, about halfway in the logarithm.

    Anybody can make a pool of next to nothing at any price, which the halvings must not be used up for.
    """
    times = high // low if low > 0 else 0
    return low * (1 << times.bit_length() // 2) if times >= 4 else HALF * (low + high)


def _filled(amount: int, less: Sequence[int], more: Sequence[int]) -> list[int]:
    """`amount` in parts that lie between `less`, which is not enough, and `more`, which is too much."""
    rest, spans = amount - sum(less), [high - low for low, high in zip(less, more, strict=True)]
    width = sum(spans)
    if width == 0:
        return list(less)
    shares = [low + rest * span // width for low, span in zip(less, spans, strict=True)]
    for place, high in enumerate(more):
        shares[place] += min(high - shares[place], amount - sum(shares))
    return shares
