"""A way over a third token: base is sold for a token in the middle, and that for quote.

The price is the product of both. Once the market is elsewhere, it is base that moved: the first leg goes to
the price that makes up the product, the second stays where trading left it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Self

from defiliq.depth.combined import HALF, Venue
from defiliq.depth.venue import Fill, Token, largest

STEPS: Final = 32
"""Halvings of the range of prices that the first leg may end at."""


@dataclass(frozen=True, slots=True)
class Route:
    """Two legs that meet in a token."""

    first: Venue
    """Base against the token in the middle."""
    second: Venue
    """The token in the middle against quote."""

    @property
    def name(self) -> str:
        """Both legs."""
        return f"{self.first.name}, then {self.second.name}"

    @property
    def base(self) -> Token:
        """Of the first leg."""
        return self.first.base

    @property
    def quote(self) -> Token:
        """Of the second leg."""
        return self.second.quote

    @property
    def price(self) -> Fraction:
        """The product of the legs' prices."""
        return self.first.price * self.second.price

    @property
    def keeps(self) -> Fraction:
        """What both fees leave."""
        return self.first.keeps * self.second.keeps

    @property
    def bid(self) -> Fraction | None:
        """The price of the next unit that is sold through both legs."""
        return _product(self.first.bid, self.second.bid)

    @property
    def ask(self) -> Fraction | None:
        """The price of the next unit that is bought through both legs."""
        return _product(self.first.ask, self.second.ask)

    def sell(self, amount: int) -> tuple[Fill, Self]:
        """Sell base, then all that came of it; only so much base that the second leg takes it all."""
        fill, rest, after = self._sold(amount)
        if rest != 0:
            given = largest(lambda part: self._sold(part)[1] == 0, fill.given)
            fill, _, after = self._sold(given)
        return Fill(fill.given, fill.got, amount - fill.given), after

    def buy(self, amount: int) -> tuple[Fill, Self]:
        """Get base for what the second leg gives for quote; only so much base as that pays for."""
        fill, missing, after = self._bought(amount)
        if missing != 0:
            got = largest(lambda part: self._bought(part)[1] == 0, fill.got)
            fill, _, after = self._bought(got)
        return Fill(fill.given, fill.got, amount - fill.got), after

    def at_price(self, price: Fraction) -> Self:
        """The first leg at the price that makes up `price` with the second, which stays."""
        return replace(self, first=self.first.at_price(Fraction(price, self.second.price)))

    def sale_to(self, price: Fraction) -> Fill:
        """The largest sale that leaves the price at `price` or above, to 2 ** -STEPS of the way there.

        The legs share the way. The further the first goes, the more comes of it and the less way is left for
        the second, which must take it all.
        """
        near, far, most = self.first.price, Fraction(price, self.second.price), 0
        for _ in range(STEPS if far < near else 0):
            middle = HALF * (near + far)
            there = self.first.sale_to(middle)
            if there.got <= self.second.sale_to(Fraction(price, middle)).given:
                near, most = middle, there.given
            else:
                far = middle
        return self.sell(most)[0]

    def purchase_to(self, price: Fraction) -> Fill:
        """The largest purchase that leaves the price at `price` or below, to 2 ** -STEPS of the way there."""
        near, far, most = self.first.price, Fraction(price, self.second.price), 0
        for _ in range(STEPS if far > near else 0):
            middle = HALF * (near + far)
            there = self.first.purchase_to(middle)
            if there.given <= self.second.purchase_to(Fraction(price, middle)).got:
                near, most = middle, there.got
            else:
                far = middle
        return self.buy(most)[0]

    def _sold(self, amount: int) -> tuple[Fill, int, Self]:
        """Both sales, and how much of the middle token the second leg did not take."""
        there, first = self.first.sell(amount)
        back, second = self.second.sell(there.got)
        fill = Fill(there.given, back.got, there.left)
        return fill, back.left, replace(self, first=first, second=second)

    def _bought(self, amount: int) -> tuple[Fill, int, Self]:
        """Both purchases, and how much of the middle token the second leg did not give."""
        there, first = self.first.buy(amount)
        back, second = self.second.buy(there.given)
        fill = Fill(back.given, there.got, there.left)
        return fill, back.left, replace(self, first=first, second=second)


def _product(first: Fraction | None, second: Fraction | None) -> Fraction | None:
    return None if first is None or second is None else first * second


def route(first: Venue, second: Venue) -> Route:
    """Two legs as one depth. ValueError where they do not meet, or end where they began."""
    if first.quote != second.base:
        raise ValueError(f"{first.name} ends in {first.quote.symbol}, {second.name} begins elsewhere")
    if first.base == second.quote:
        raise ValueError(f"{first.name} and {second.name} end where they began")
    return Route(first, second)
