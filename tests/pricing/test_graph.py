"""A graph over seconds against the graph at each of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction as Exact

from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.pricing.graph import PriceGraph
from defiliq.pricing.span import Span, mul_div, total
from defiliq.units import mul_div_down, mul_div_half_up, mul_div_up
from tests.pricing.test_driver import NOW, graphs

MANY = settings(max_examples=500, deadline=None)


def holds(span: Span, values: list[int]) -> None:
    """All that a span says is true of the values on the way, first to last."""
    assert (span.start, span.end) == (values[0], values[-1])
    for k, value in enumerate(values):
        line = span.start + Exact(k, max(1, len(values) - 1)) * (span.end - span.start)
        assert span.low <= value <= span.high
        assert abs(value - line) <= span.bend


@MANY
@given(graphs(), st.integers(0, 70), st.integers(0, 60))
def test_every_quantity_stays_in_its_span(graph: PriceGraph, later: int, width: int) -> None:
    walk = range(NOW + later, NOW + later + width + 1)
    values = [graph.values(at) for at in walk]
    spans = graph.spans(range(len(graph.quantities)), walk[0], walk[-1])
    for k in range(len(graph.quantities)):
        holds(spans[k], [at_once[k] for at_once in values])


@MANY
@given(graphs(), st.integers(0, 20))
def test_what_is_below_a_quantity_is_all_that_it_needs(graph: PriceGraph, wanted: int) -> None:
    position = wanted % len(graph.quantities)
    below = graph.below(position)
    assert below == sorted(set(below))
    assert below[-1] == position
    assert graph.spans(below, NOW, NOW)[position].start == graph.values(NOW)[position]


@MANY
@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=6),
    st.lists(st.integers(0, 300), min_size=6, max_size=6),
    st.integers(0, 40),
    st.integers(1, 40),
    st.sampled_from([mul_div_down, mul_div_half_up, mul_div_up]),
)
def test_products_and_sums_of_any_path(
    path: list[int],
    other: list[int],
    numerator: int,
    denominator: int,
    rounded: Callable[[int, int, int], int],
) -> None:
    def described(values: list[int]) -> Span:
        line = [
            values[0] + Exact(k, max(1, len(values) - 1)) * (values[-1] - values[0])
            for k in range(len(values))
        ]
        bend = max(abs(value - at) for value, at in zip(values, line, strict=True))
        return Span(values[0], values[-1], min(values), max(values), -(-bend // 1))

    other = other[: len(path)]
    scaled = mul_div(described(path), numerator, denominator, rounded)
    holds(scaled, [rounded(value, numerator, denominator) for value in path])
    holds(total([described(path), described(other)]), [a + b for a, b in zip(path, other, strict=True)])
