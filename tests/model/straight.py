"""A depth whose price moves along a straight line, so that a person can follow what a cascade does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from defiliq.depth.venue import Fill, Token

ETH, USD = Token("ETH", 0), Token("USD", 0)


@dataclass(frozen=True, slots=True)
class Straight:
    """Each whole token sold lowers the price by `slope`, each one bought raises it by as much."""

    price: Fraction
    slope: Fraction
    floor: Fraction = Fraction(0)
    """Where it runs dry."""
    ceiling: Fraction = Fraction(10**9)
    name: str = "straight"
    base: Token = ETH
    quote: Token = USD

    def sell(self, amount: int) -> tuple[Fill, Self]:
        left = max(Fraction(0), amount - (self.price - self.floor) / self.slope)
        taken = amount - int(left)
        after = replace(self, price=self.price - taken * self.slope)
        return Fill(taken, int(taken * (self.price + after.price) / 2), int(left)), after

    def buy(self, amount: int) -> tuple[Fill, Self]:
        left = max(Fraction(0), amount - (self.ceiling - self.price) / self.slope)
        got = amount - int(left)
        after = replace(self, price=self.price + got * self.slope)
        return Fill(int(got * (self.price + after.price) / 2), got, int(left)), after

    def at_price(self, price: Fraction) -> Self:
        return replace(self, price=price)
