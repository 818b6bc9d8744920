"""Markets whose price hangs on one thing: how much base was bought or sold there on balance.

A trade moves the position along a curve and costs the area under it. So it does not matter in how many parts
one trades, and what is sold and bought back costs nothing but roundings, which always go to the market.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from math import ceil, floor
from typing import Self

from defiliq.depth.venue import Fill, nothing


class Positional(ABC):
    """The trades of such a market; what it is made of says where the curve goes."""

    __slots__ = ()

    net: int
    """Base bought there so far less what was sold."""

    @property
    def price(self) -> Fraction:
        """Where the curve is now."""
        return self._price_of(self.net)

    @property
    def keeps(self) -> Fraction:
        """All of an input: there is no fee."""
        return Fraction(1)

    @property
    def bid(self) -> Fraction | None:
        """The price of the next unit that is sold; None at the end of the curve."""
        return None if self.net == self._lowest() else self.price

    @property
    def ask(self) -> Fraction | None:
        """The price of the next unit that is bought; None at the end of the curve."""
        return None if self.net == self._highest() else self.price

    def sell(self, amount: int) -> tuple[Fill, Self]:
        """Give base for the area under the curve, rounded down."""
        lowest = self._lowest()
        given = amount if lowest is None else min(amount, self.net - lowest)
        if given <= 0:
            return nothing(amount), self
        got = floor(self._cost_of(self.net) - self._cost_of(self.net - given))
        return Fill(given, max(got, 0), amount - given), self._at(self.net - given)

    def buy(self, amount: int) -> tuple[Fill, Self]:
        """Get base for the area under the curve, rounded up."""
        highest = self._highest()
        got = amount if highest is None else min(amount, highest - self.net)
        if got <= 0:
            return nothing(amount), self
        given = ceil(self._cost_of(self.net + got) - self._cost_of(self.net))
        return Fill(max(given, 0), got, amount - got), self._at(self.net + got)

    def sale_to(self, price: Fraction) -> Fill:
        """The largest sale that leaves the price at `price` or above."""
        return self.sell(max(self.net - self._lowest_at(price), 0))[0]

    def purchase_to(self, price: Fraction) -> Fill:
        """The largest purchase that leaves the price at `price` or below."""
        return self.buy(max(self._highest_at(price) - self.net, 0))[0]

    @abstractmethod
    def _price_of(self, net: int) -> Fraction:
        """The price at a position."""

    @abstractmethod
    def _cost_of(self, net: int) -> Fraction:
        """What going from no position to this one costs."""

    @abstractmethod
    def _lowest(self) -> int | None:
        """The position at which nobody buys any more; None where somebody always does."""

    @abstractmethod
    def _highest(self) -> int | None:
        """The position at which nobody sells any more."""

    @abstractmethod
    def _lowest_at(self, price: Fraction) -> int:
        """The lowest position whose price is not below `price`."""

    @abstractmethod
    def _highest_at(self, price: Fraction) -> int:
        """The highest position whose price is not above `price`."""

    @abstractmethod
    def _at(self, net: int) -> Self:
        """The same market at another position."""
