"""Arithmetic of spans against brute force, on quantities whose own bounds are as tight as they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction as Exact
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.pricing.span import Span, constant, fraction, is_less, least, linear, mul_div, times, total
from defiliq.units import mul_div_down, mul_div_half_up, mul_div_up

MANY = settings(max_examples=400, deadline=None)
Walk = tuple[int, ...]


def distances(values: Sequence[int], start: int, end: int) -> list[Exact]:
    """How far each value lies from the straight line between two ends."""
    last = len(values) - 1
    return [abs(value - start - Exact(k * (end - start), last)) for k, value in enumerate(values)]


def tight(values: Walk) -> Span:
    """The narrowest span that holds some values."""
    bend = ceil(max(distances(values, values[0], values[-1])))
    return Span(values[0], values[-1], min(values), max(values), bend)


def assert_holds(span: Span, values: Sequence[int]) -> None:
    assert (span.start, span.end) == (values[0], values[-1])
    assert all(span.low <= value <= span.high for value in values)
    assert max(distances(values, span.start, span.end)) <= span.bend


@st.composite
def walks(draw: st.DrawFn, count: int, lowest: int = 0) -> tuple[Walk, ...]:
    """Some quantities over the same integers: steep or flat lines, with a little or much beside them."""
    length = draw(st.integers(3, 6))
    found = []
    for _ in range(count):
        start, slope = draw(st.integers(lowest, 300)), draw(st.integers(-100, 100))
        beside = draw(st.sampled_from([0, 1, 3, 40]))
        line = (start + k * slope + draw(st.integers(-beside, beside)) for k in range(length))
        found.append(tuple(max(lowest, value) for value in line))
    return tuple(found)


@MANY
@given(walks(2))
def test_products(drawn: tuple[Walk, ...]) -> None:
    a, b = drawn
    assert_holds(times(tight(a), tight(b)), [x * y for x, y in zip(a, b, strict=True)])


def test_a_steep_quantity_times_one_that_bends() -> None:
    """The bend counts at the upper end of the other factor, whichever end that is."""
    steep, bent = (1, 34, 67, 100), (10, 10, 12, 10)
    for a in (steep, steep[::-1]):
        found = times(tight(a), tight(bent))
        assert_holds(found, [x * y for x, y in zip(a, bent, strict=True)])
        assert found.bend >= 2 * 67


@MANY
@given(walks(2))
def test_one_quantity_below_another(drawn: tuple[Walk, ...]) -> None:
    a, b = drawn
    found = is_less(tight(a), tight(b))
    assert found is None or {x < y for x, y in zip(a, b, strict=True)} == {found}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(Span(4, 6, 4, 6, 9), Span(6, 8, 6, 8, 9), None, id="they meet"),
        pytest.param(Span(4, 5, 4, 5, 9), Span(6, 8, 6, 8, 9), True, id="all of it is below"),
        pytest.param(Span(6, 8, 6, 8, 9), Span(4, 6, 4, 6, 9), False, id="the same is not below"),
        pytest.param(Span(0, 90, 0, 90, 2), Span(5, 95, 5, 95, 2), True, id="lines further apart than bends"),
        pytest.param(Span(0, 90, 0, 90, 2), Span(5, 95, 5, 95, 3), None, id="lines as far apart as bends"),
        pytest.param(Span(5, 95, 5, 95, 2), Span(0, 90, 0, 90, 3), False, id="as far as bends is not below"),
        pytest.param(Span(5, 95, 5, 95, 3), Span(0, 90, 0, 90, 3), None, id="nearer than bends"),
    ],
)
def test_when_it_is_known_which_is_below(a: Span, b: Span, expected: bool | None) -> None:
    assert is_less(a, b) is expected


@MANY
@given(walks(3, lowest=0), st.integers(1, 50), st.integers(1, 50))
def test_quotients(drawn: tuple[Walk, ...], numerator: int, denominator: int) -> None:
    a, b, c = drawn
    for over, under in (((a,), ()), ((a,), (b,)), ((a, b), (c,)), ((), (a,)), ((a,), (b, c))):
        values = []
        for k in range(len(a)):
            dividend, divisor = numerator, denominator
            for x in over:
                dividend *= x[k]
            for x in under:
                divisor *= x[k]
            values.append(dividend // divisor if divisor else 0)
        assert_holds(
            fraction([tight(x) for x in over], [tight(x) for x in under], numerator, denominator), values
        )


def test_a_curved_quotient_and_its_floor() -> None:
    """1000 / x between 10 and 30 sags by 26 of 67, and each floor adds up to 1."""
    x = tuple(range(10, 31))
    found = fraction([], [tight(x)], 1000, 1)
    assert_holds(found, [1000 // value for value in x])
    assert found.bend < found.high - found.low


@MANY
@given(walks(3))
def test_the_least_and_the_sum(drawn: tuple[Walk, ...]) -> None:
    spans = [tight(values) for values in drawn]
    assert_holds(least(spans), [min(values) for values in zip(*drawn, strict=True)])
    assert_holds(total(spans), [sum(values) for values in zip(*drawn, strict=True)])


def test_a_cap_that_is_never_reached_bends_nothing() -> None:
    bent = tight((10, 60, 20, 30))
    assert least([bent, constant(60)]) == bent
    assert least([constant(60), bent]) == bent
    assert least([linear(10, 30, 1), linear(12, 32, 1)]) == linear(10, 30, 1)
    assert least([linear(10, 30, 1), linear(11, 31, 1)]).bend > 1


@MANY
@given(walks(1), st.integers(0, 40), st.integers(1, 40))
@pytest.mark.parametrize("rounded", [mul_div_down, mul_div_up, mul_div_half_up])
def test_roundings(
    rounded: Callable[[int, int, int], int], drawn: tuple[Walk, ...], numerator: int, denominator: int
) -> None:
    (values,) = drawn
    expected = [rounded(value, numerator, denominator) for value in values]
    assert_holds(mul_div(tight(values), numerator, denominator, rounded), expected)
