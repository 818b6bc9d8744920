"""What seized collateral is sold for: pools read from the chain, in their own integers.

An exit has several ways: each pool alone, pools together, a way over a third token. Whoever sells takes the
one that leaves most after the gas of its swaps. Where the market is asked about at other oracle prices than
those its pools were read beside, every pool is moved by the ratio of the oracle prices: arbitrage is assumed
to keep the distance that pools had from the oracle, and liquidity to stay where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from defiliq.depth.combined import Combined, Venue
from defiliq.depth.route import Route
from defiliq.depth.venue import Fill
from defiliq.units import mul_div_down, mul_div_up


class Way(NamedTuple):
    """One way to sell, and how many swaps it takes at most."""

    depth: Venue
    swaps: int = 1


class Sale(NamedTuple):
    """What a sale came to, in base units of the tokens that the market lists."""

    name: str
    sold: int
    got: int
    left: int
    """Not sold, because the depth ran dry."""
    swaps: int


@dataclass(frozen=True, slots=True)
class Exit:
    """The ways to sell one token for another."""

    ways: tuple[Way, ...]
    """At least one."""
    sold_decimals: int
    bought_decimals: int

    def sell(self, amount: int, moved: Fraction = Fraction(1), swap_cost: Fraction = Fraction(0)) -> Sale:
        """The sale of `amount` that brings most after its swaps' gas; of equals the one that sells more.

        `moved` is how many times higher the oracle has the price than when the pools were read; `swap_cost`
        what the gas of one swap is worth, in base units of what is bought. A way that could not bring more
        even if all of it went at the price of the first unit is not tried.
        """
        best: tuple[Fraction, int, Sale] | None = None
        for way in sorted(self.ways, key=_swaps):
            depth = way.depth if moved == 1 else _moved(way.depth, moved)
            gas = way.swaps * swap_cost
            if best is not None and best[2].left == 0 and self._most(depth, amount) - gas <= best[0]:
                continue
            sale = self._sold(depth, way.swaps, amount)
            if best is None or (sale.got - gas, -sale.left) > best[:2]:
                best = sale.got - gas, -sale.left, sale
        if best is None:
            raise ValueError("an exit without a way")
        return best[2]

    def _most(self, depth: Venue, amount: int) -> Fraction:
        """What a sale cannot exceed: all of it at the price of the first unit, after the fee."""
        if depth.bid is None:
            return Fraction(0)
        over = 10 ** (depth.base.decimals + self.bought_decimals)
        under = 10 ** (depth.quote.decimals + self.sold_decimals)
        return depth.bid * depth.keeps * Fraction(amount * over, under)

    def _sold(self, depth: Venue, swaps: int, amount: int) -> Sale:
        fill, _ = depth.sell(_rescaled(amount, self.sold_decimals, depth.base.decimals))
        sold = amount - _unscaled_up(fill, self.sold_decimals, depth.base.decimals)
        got = _rescaled(fill.got, depth.quote.decimals, self.bought_decimals)
        return Sale(depth.name, sold, got, amount - sold, swaps)


def ways_of(depths: Sequence[Way]) -> tuple[Way, ...]:
    """Ways without those of the same pools."""
    return tuple({way.depth.name: way for way in depths}.values())


def _moved(depth: Venue, ratio: Fraction) -> Venue:
    """A depth whose every pool of what is sold stands at so many times its own price.

    Pools together are not brought to one price: an empty one with a price of its own would drag the others.
    """
    if isinstance(depth, Combined):
        return replace(depth, pools=tuple(_moved(pool, ratio) for pool in depth.pools))
    if isinstance(depth, Route):
        return replace(depth, first=_moved(depth.first, ratio))
    return depth.at_price(depth.price * ratio)


def _rescaled(amount: int, decimals: int, to: int) -> int:
    """Base units of one count of decimals in another, rounded down: a curve from a file has its own."""
    return amount if decimals == to else mul_div_down(amount, 10**to, 10**decimals)


def _unscaled_up(fill: Fill, decimals: int, of: int) -> int:
    """What was left of a sale, in the token's own base units, rounded up."""
    return fill.left if decimals == of else mul_div_up(fill.left, 10**decimals, 10**of)


def _swaps(way: Way) -> int:
    return way.swaps
