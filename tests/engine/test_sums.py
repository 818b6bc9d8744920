"""Sums that do not hang on the order of what is added."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defiliq.engine.sums import steady_sum, steady_sums

NUMBERS = st.lists(
    st.one_of(
        st.floats(-1e30, 1e30, allow_nan=False), st.floats(-1, 1), st.integers(-(2**60), 2**60).map(float)
    ),
    max_size=60,
)


def total(values: list[float]) -> float:
    return float(steady_sums(np.array(values), np.zeros(len(values), dtype=np.intp), 1)[0])


def alone(values: list[float]) -> float:
    return steady_sum(np.array(values, dtype=np.float64))


@given(NUMBERS, st.randoms())
def test_no_order_changes_a_sum_and_it_is_nearly_the_true_one(values: list[float], random: object) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    largest = max(map(abs, values), default=0.0)
    for ours, again in ((total(values), total(shuffled)), (alone(values), alone(shuffled))):
        assert ours == again
        assert abs(ours - math.fsum(values)) <= 2.0**-52 * max(abs(math.fsum(values)), largest)


def test_groups_are_summed_apart() -> None:
    values, group = np.array([1e300, 1.0, -1e300, 2.0, 0.5]), np.array([0, 1, 0, 1, 3])
    assert steady_sums(values, group, 5).tolist() == [0.0, 3.0, 0.0, 0.5, 0.0]


def test_plain_addition_would_hang_on_the_order() -> None:
    values = [1e16, 1.0, -1e16, 1.0]
    assert sum(values) != sum(sorted(values))
    assert total(values) == total(sorted(values)) == 2.0


def test_nothing_sums_to_nothing() -> None:
    assert steady_sums(np.zeros(0), np.zeros(0, dtype=np.intp), 2).tolist() == [0.0, 0.0]
