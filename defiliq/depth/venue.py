"""What anything that takes trades offers: a price, and what a sale or a purchase does to it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final, NamedTuple, Protocol, Self

LONGEST_BITS: Final = 2048
"""Of a price. What is cut off beyond is less than 2 ** -1000 of it."""


class Token(NamedTuple):
    """What is traded. Amounts of it are in its base units."""

    symbol: str
    decimals: int
    address: str = ""
    """Empty where it is no token of a chain, as in a depth curve from a file."""


class Fill(NamedTuple):
    """What one trade moved, in base units."""

    given: int
    got: int
    left: int
    """Of what was asked: not taken by a sale, or not delivered by a purchase, because the depth ran dry."""


class Depth(Protocol):
    """A market of `base` against `quote`. It never changes: a trade answers with a new state."""

    @property
    def name(self) -> str:
        """What to call it in output, with the parameters that decide what it says."""
        ...

    @property
    def base(self) -> Token:
        """What is sold and bought."""
        ...

    @property
    def quote(self) -> Token:
        """What is paid."""
        ...

    @property
    def price(self) -> Fraction:
        """Base units of `quote` for one base unit of `base`, at the margin and before fees."""
        ...

    def sell(self, amount: int) -> tuple[Fill, Self]:
        """Give `amount` of base for quote. `given` and `left` add up to `amount`."""
        ...

    def buy(self, amount: int) -> tuple[Fill, Self]:
        """Get `amount` of base for quote. `got` and `left` add up to `amount`; `given` is quote."""
        ...

    def at_price(self, price: Fraction) -> Self:
        """The same depth once the market is at `price`, which is above 0: nobody's trade, and no fee."""
        ...


def nothing(amount: int) -> Fill:
    """A trade of `amount` that did not come about."""
    return Fill(0, 0, amount)


def cut(price: Fraction) -> Fraction:
    """A price that does not grow longer with every trade: one beyond LONGEST_BITS is rounded down."""
    if price.denominator.bit_length() <= LONGEST_BITS:
        return price
    shift = LONGEST_BITS // 2 + price.denominator.bit_length() - price.numerator.bit_length()
    return Fraction((price.numerator << shift) // price.denominator, 1 << shift)


def largest(holds: Callable[[int], bool], highest: int) -> int:
    """The largest number up to `highest` for which `holds`, which holds up to one number and not beyond."""
    if holds(highest):
        return highest
    low, high = 0, 1
    while high < highest and holds(high):
        low, high = high, 2 * high
    high = min(high, highest)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
