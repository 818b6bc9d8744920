"""A constant-product pool: a pair of Uniswap v2, or of a fork with another fee."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Final, Self

from defiliq.depth.venue import Fill, Token, largest, nothing
from defiliq.units import PPM

MAX_RESERVE: Final = (1 << 112) - 1
"""A pair keeps its reserves as uint112 and reverts beyond that."""


@dataclass(frozen=True, slots=True)
class PoolV2:
    """One pair at one block, and which of its tokens is sold."""

    name: str
    base: Token
    quote: Token
    base_reserve: int
    quote_reserve: int
    fee_pips: int = 3_000
    """Of what comes in, in millionths."""
    address: str = ""

    def __post_init__(self) -> None:
        reserves = (self.base_reserve, self.quote_reserve)
        if not all(0 < reserve <= MAX_RESERVE for reserve in reserves):
            raise ValueError(f"reserves of {self.base_reserve} and {self.quote_reserve}")
        if not 0 <= self.fee_pips < PPM:
            raise ValueError(f"a fee of {self.fee_pips} millionths")

    @property
    def price(self) -> Fraction:
        """The ratio of its reserves."""
        return Fraction(self.quote_reserve, self.base_reserve)

    @property
    def keeps(self) -> Fraction:
        """What is left of an input after the fee."""
        return Fraction(PPM - self.fee_pips, PPM)

    @property
    def bid(self) -> Fraction:
        """The price of the next unit that is sold: there is liquidity everywhere."""
        return self.price

    @property
    def ask(self) -> Fraction:
        """The price of the next unit that is bought."""
        return self.price

    def sell(self, amount: int) -> tuple[Fill, Self]:
        """Give base for quote by getAmountOut, as far as the reserve of base can grow."""
        given = min(amount, MAX_RESERVE - self.base_reserve)
        if given <= 0:
            return nothing(amount), self
        got = amount_out(given, self.base_reserve, self.quote_reserve, self.fee_pips)
        return Fill(given, got, amount - given), self._with(given, -got)

    def buy(self, amount: int) -> tuple[Fill, Self]:
        """Get base for quote by getAmountIn, as far as the reserve of quote can grow."""
        room = MAX_RESERVE - self.quote_reserve
        got = min(amount, self.base_reserve - 1)
        if got > 0 and self._cost(got) > room:
            got = largest(lambda part: part == 0 or self._cost(part) <= room, got)
        if got <= 0:
            return nothing(amount), self
        given = self._cost(got)
        return Fill(given, got, amount - got), self._with(-got, given)

    def at_price(self, price: Fraction) -> Self:
        """The same product of reserves, in the ratio `price`."""
        if price <= 0:
            raise ValueError(f"{price} is no price")
        product = self.base_reserve * self.quote_reserve
        base = isqrt(product * price.denominator // price.numerator)
        quote = isqrt(product * price.numerator // price.denominator)
        return replace(
            self,
            base_reserve=min(max(base, 1), MAX_RESERVE),
            quote_reserve=min(max(quote, 1), MAX_RESERVE),
        )

    def sale_to(self, price: Fraction) -> Fill:
        """The largest sale that leaves the price at `price` or above, but for roundings.

        With k for what the fee leaves, the root of price * (base + k x) * (base + x) = base * quote.
        """
        base, kept = self.base_reserve, PPM - self.fee_pips
        product = 4 * kept * PPM * base * self.quote_reserve * price.denominator // price.numerator
        root = isqrt((self.fee_pips * base) ** 2 + product)
        sold = (root - (PPM + kept) * base) // (2 * kept)
        return self.sell(min(max(sold, 0), MAX_RESERVE - base))[0]

    def purchase_to(self, price: Fraction) -> Fill:
        """The largest purchase that leaves the price at `price` or below, but for roundings.

        With k for what the fee leaves and y for what is left of the base, the root of
        price * k * y * y + quote * (1 - k) * y = base * quote.
        """
        base, quote, kept = self.base_reserve, self.quote_reserve, PPM - self.fee_pips
        product = 4 * kept * PPM * base * quote * price.numerator // price.denominator
        root = isqrt((self.fee_pips * quote) ** 2 + product)
        left = (root - self.fee_pips * quote) * price.denominator // (2 * kept * price.numerator)
        return self.buy(min(max(base - 1 - left, 0), base - 1))[0]._replace(left=0)

    def turned(self) -> Self:
        """The same pool, with the other token sold."""
        return replace(
            self,
            base=self.quote,
            quote=self.base,
            base_reserve=self.quote_reserve,
            quote_reserve=self.base_reserve,
        )

    def _cost(self, got: int) -> int:
        return amount_in(got, self.quote_reserve, self.base_reserve, self.fee_pips)

    def _with(self, base: int, quote: int) -> Self:
        return replace(self, base_reserve=self.base_reserve + base, quote_reserve=self.quote_reserve + quote)


def amount_out(given: int, reserve_in: int, reserve_out: int, fee_pips: int) -> int:
    """What a pair pays, rounded down (UniswapV2Library.getAmountOut, whose fee is 3,000 millionths)."""
    after_fee = given * (PPM - fee_pips)
    return after_fee * reserve_out // (reserve_in * PPM + after_fee)


def amount_in(got: int, reserve_in: int, reserve_out: int, fee_pips: int) -> int:
    """What a pair asks for `got`, which is less than the reserve, rounded up (UniswapV2Library.getAmountIn).

    One more than rounded down, so one too many where nothing was cut off: as in the contract.
    """
    return reserve_in * got * PPM // ((reserve_out - got) * (PPM - fee_pips)) + 1
