"""The square-root law of market impact: what is left to say where nobody knows the pools.

A trade moves the price by volatility * sqrt(traded / daily volume), where both are of a day. The move is
permanent and whole: nothing flows back, and what several trades sold on balance counts as one. No move
goes beyond 100%: sales run dry there, where nothing is left of the price, and purchases go on at twice of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Final, Self

from defiliq.depth.naming import is_dollar, percent, short
from defiliq.depth.position import Positional
from defiliq.depth.venue import Token, cut
from defiliq.units import PPM

ROOT_BITS: Final = 128
"""Binary places of the square root: one base unit of a position of 2 ** 112 is still felt."""
DEFAULT_VOLATILITY_PPM: Final = 40_000
"""4% a day: 76% a year, about what ether has."""


@dataclass(frozen=True, slots=True)
class SquareRootImpact(Positional):
    """The law for one pair. `daily_base` is its daily volume in base units."""

    base: Token
    quote: Token
    anchor: Fraction
    """The price at no position."""
    daily_quote: int
    """The daily volume as it was given, for the name."""
    daily_base: int
    volatility_ppm: int
    net: int = 0

    @property
    def name(self) -> str:
        """The law and its two parameters."""
        volume = Fraction(self.daily_quote, 10**self.quote.decimals)
        unit = "" if is_dollar(self.quote.symbol) else f" {self.quote.symbol}"
        return f"square-root impact, {short(volume)}{unit} a day, {percent(self.volatility_ppm)}"

    def at_price(self, price: Fraction) -> Self:
        """The same position around another price; a price at the end of the scale starts anew."""
        if price <= 0:
            raise ValueError(f"{price} is no price")
        share = 1 + self._move(self.net)
        if share == 0:
            return replace(self, anchor=price, net=0)
        return replace(self, anchor=cut(Fraction(price, share)))

    def _price_of(self, net: int) -> Fraction:
        return self.anchor * (1 + self._move(net))

    def _cost_of(self, net: int) -> Fraction:
        """The integral of the price: size * (1 +- 2/3 of the move), and the last price beyond the cap."""
        end = self._cap()
        inside = max(-end, min(net, end))
        return self.anchor * (inside + Fraction(2, 3) * inside * self._move(inside)) + (
            net - inside
        ) * self._price_of(inside)

    def _move(self, net: int) -> Fraction:
        """The relative move at a position, from -1 to 1."""
        root = isqrt((abs(net) << 2 * ROOT_BITS) // self.daily_base)
        move = min(Fraction(self.volatility_ppm * root, PPM << ROOT_BITS), Fraction(1))
        return move if net >= 0 else -move

    def _cap(self) -> int:
        """The size of a position that moves the price by 100%."""
        return self.daily_base * PPM**2 // self.volatility_ppm**2

    def _lowest(self) -> int:
        return -self._cap()

    def _highest(self) -> None:
        return None

    def _lowest_at(self, price: Fraction) -> int:
        return self._position(price)

    def _highest_at(self, price: Fraction) -> int:
        return self._position(price)

    def _position(self, price: Fraction) -> int:
        """Where the price is `price`; the cap for prices beyond it."""
        move = max(Fraction(-1), min(Fraction(price, self.anchor) - 1, Fraction(1)))
        size = int(self.daily_base * Fraction(move * PPM, self.volatility_ppm) ** 2)
        return size if move > 0 else -size

    def _at(self, net: int) -> Self:
        return replace(self, net=net)


def square_root_impact(
    base: Token,
    quote: Token,
    price: Fraction,
    daily_quote: int,
    volatility_ppm: int = DEFAULT_VOLATILITY_PPM,
) -> SquareRootImpact:
    """The law from a daily volume in base units of quote, at the price of today.

    ValueError where it is no law: no price, no volume, or no volatility.
    """
    if price <= 0:
        raise ValueError(f"{price} is no price")
    daily_base = int(Fraction(daily_quote, price))
    if daily_base <= 0:
        raise ValueError("the daily volume is less than a base unit")
    if volatility_ppm <= 0:
        raise ValueError("the volatility is not above 0")
    return SquareRootImpact(base, quote, price, daily_quote, daily_base, volatility_ppm)
