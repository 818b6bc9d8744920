"""What a quantity does while a driver goes from one integer to another, in integers and never too narrow.

Write f for the quantity, c for the straight line between its values at the two ends, and `bend` for a bound
of |f - c|. The rules below follow from

    product    f g - cf cg = (f - cf) g + cf (g - cg), and cf cg lies within |Df Dg| / 4 of its own line;
    quotient   cf / cg is a Moebius function, within |Dcg Dh| / (4 min cg) of its own line, h = f / g;
    floor      moves a value by less than 1;
    least      is one of its parts wherever that part stays below the other.

Every bend is also at most high - low, because both f and c lie between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from defiliq.units import mul_div_down


class Span(NamedTuple):
    """A quantity between two integers of a driver."""

    start: int
    end: int
    low: int
    """It is nowhere below."""
    high: int
    """It is nowhere above."""
    bend: int
    """It is nowhere further from the straight line between `start` and `end`."""

    @property
    def is_constant(self) -> bool:
        """Whether it has one value throughout."""
        return self.low == self.high


def constant(value: int) -> Span:
    """A quantity that does not move."""
    return Span(value, value, value, value, 0)


def straight(start: int, end: int) -> Span:
    """The driver itself."""
    return Span(start, end, min(start, end), max(start, end), 0)


def linear(start: int, end: int, bend: int) -> Span:
    """A quantity that goes one way only and stays within `bend` of the straight line."""
    low, high = min(start, end), max(start, end)
    return Span(start, end, low, high, min(bend, high - low))


def fraction(over: Sequence[Span], under: Sequence[Span], numerator: int, denominator: int) -> Span:
    """floor(numerator * product(over) / (denominator * product(under))) of quantities that are not negative.

    0 where the divisor is 0, as the contracts guard it.
    """
    dividend, divisor = _product(over, numerator), _product(under, denominator)
    if divisor.high == 0:
        return constant(0)
    low = _quotient(dividend.low, divisor.high) if divisor.low > 0 else 0
    high = _quotient(dividend.high, max(1, divisor.low))
    start, end = _quotient(dividend.start, divisor.start), _quotient(dividend.end, divisor.end)
    widest = high - low
    if divisor.is_constant:
        is_exact = divisor.low == 1 or (len(over) == 1 and numerator % divisor.low == 0)
        bend = _ceil(dividend.bend, divisor.low) + (0 if is_exact else 1)
    elif divisor.low == 0:
        bend = widest
    else:
        turn = _ceil(abs(divisor.end - divisor.start) * (abs(end - start) + 1), 4 * divisor.low)
        bend = _ceil(dividend.bend, divisor.low) + _ceil((high + 1) * divisor.bend, divisor.low) + turn + 1
    return Span(start, end, low, high, min(bend, widest))


def mul_div(
    span: Span, numerator: int, denominator: int, rounded: Callable[[int, int, int], int] = mul_div_down
) -> Span:
    """A quantity times numerator / denominator, with any of the named roundings of `units`.

    Each of them lies within 1 of the exact quotient, always on one side or within a half on both.
    """
    start = rounded(span.start, numerator, denominator)
    end = rounded(span.end, numerator, denominator)
    low = start if span.low == span.start else rounded(span.low, numerator, denominator)
    high = end if span.high == span.end else rounded(span.high, numerator, denominator)
    bend = bend_of(span.bend, numerator, denominator)
    return Span(start, end, low, high, min(bend, high - low))


def bend_of(bend: int, numerator: int, denominator: int) -> int:
    """How far x * numerator / denominator, rounded, may lie from a straight line where x may lie `bend` from
    its own: the rounding adds at most 1, and nothing where the factor is whole.
    """
    return _ceil(bend * numerator, denominator) + (0 if numerator % denominator == 0 else 1)


def total(of: Sequence[Span]) -> Span:
    """The sum of some quantities."""
    return Span(*map(sum, zip(*of, strict=True)))


def is_less(a: Span, b: Span) -> bool | None:
    """Whether one quantity is below another throughout; None where that differs, or is not known.

    Either the worst join of both decides, or the straight line between the ends of their difference does,
    moved against the answer by as much as values may lie from it.
    """
    if a.low >= b.high:
        return False
    if a.high < b.low:
        return True
    ends, bend = (a.start - b.start, a.end - b.end), a.bend + b.bend
    if min(ends) >= bend:
        return False
    if max(ends) < -bend:
        return True
    return None


def least(of: Sequence[Span]) -> Span:
    """The smallest of some quantities at each point."""
    found = of[0]
    for other in of[1:]:
        found = _lesser(found, other)
    return found


def _lesser(a: Span, b: Span) -> Span:
    for one, other in ((a, b), (b, a)):
        gap = min(other.start - one.start, other.end - one.end)
        if one.high <= other.low or gap >= one.bend + other.bend:
            return one
    start, end = min(a.start, b.start), min(a.end, b.end)
    low, high = min(a.low, b.low), min(a.high, b.high)
    return Span(start, end, low, high, high - low)


def _product(factors: Sequence[Span], scale: int) -> Span:
    found = constant(scale)
    for factor in factors:
        found = times(found, factor)
    return found


def times(a: Span, b: Span) -> Span:
    """The product of two quantities that are not negative."""
    low, high = a.low * b.low, a.high * b.high
    bow = _ceil(abs(a.end - a.start) * abs(b.end - b.start), 4)
    bend = bow + a.bend * b.high + max(a.start, a.end) * b.bend
    return Span(a.start * b.start, a.end * b.end, low, high, min(bend, high - low))


def _quotient(dividend: int, divisor: int) -> int:
    return dividend // divisor if divisor > 0 else 0


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
