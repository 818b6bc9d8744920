"""What seized collateral is sold for: pools read from the chain, in their own integers.

An exit has several ways: each pool alone, pools together, a way over a third token. Whoever sells takes the
one that leaves most after the gas of its swaps. Where the market is asked about at other oracle prices than
those its pools were read beside, every pool is moved by the ratio of the oracle prices: arbitrage is assumed
to keep the distance that pools had from the oracle, and liquidity to stay where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from defiliq.depth.venue import Depth, Fill
from defiliq.units import mul_div_down, mul_div_up


class Way(NamedTuple):
    """One way to sell, and how many swaps it takes at most."""

    depth: Depth
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
        """The best sale of `amount`: of those that sell most, the one that brings most.

        `moved` is how many times higher the oracle has the price than when the pools were read; `swap_cost`
        what the gas of one swap is worth, in base units of what is bought.
        """
        sales = [self._sold(way, amount, moved) for way in self.ways]
        return max(sales, key=lambda sale: (sale.got - sale.swaps * swap_cost, -sale.left))

    def _sold(self, way: Way, amount: int, moved: Fraction) -> Sale:
        depth = way.depth if moved == 1 else way.depth.at_price(way.depth.price * moved)
        fill, _ = depth.sell(_rescaled(amount, self.sold_decimals, depth.base.decimals))
        sold = amount - _unscaled_up(fill, self.sold_decimals, depth.base.decimals)
        got = _rescaled(fill.got, depth.quote.decimals, self.bought_decimals)
        return Sale(depth.name, sold, got, amount - sold, way.swaps)


def ways_of(depths: Sequence[Way]) -> tuple[Way, ...]:
    """Ways without those of the same pools."""
    return tuple({way.depth.name: way for way in depths}.values())


def _rescaled(amount: int, decimals: int, to: int) -> int:
    """Base units of one count of decimals in another, rounded down: a curve from a file has its own."""
    return amount if decimals == to else mul_div_down(amount, 10**to, 10**decimals)


def _unscaled_up(fill: Fill, decimals: int, of: int) -> int:
    """What was left of a sale, in the token's own base units, rounded up."""
    return fill.left if decimals == of else mul_div_up(fill.left, 10**decimals, 10**of)
