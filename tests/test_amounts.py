"""Columns of wide integers against Python's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.amounts import Amounts, mul_div, ray_mul
from defiliq.units import RAY, mul_div_down, mul_div_up, ray_mul_down, ray_mul_up

MANY = settings(max_examples=300, deadline=None)
WIDE = st.one_of(st.integers(0, 2**128 - 1), st.integers(0, 2**96 - 1), st.integers(0, 2**33), st.just(2**96))
RAYS = st.one_of(st.integers(RAY, 3 * RAY), st.integers(0, 2**97), st.just(RAY))


@MANY
@given(st.lists(st.tuples(WIDE, st.integers(0, 2)), min_size=1, max_size=40), st.tuples(RAYS, RAYS, RAYS))
def test_ray_products_round_as_the_law_does(rows: list[tuple[int, int]], rays: tuple[int, int, int]) -> None:
    amounts = Amounts.of([amount for amount, _ in rows])
    ray_of = np.array([k for _, k in rows], dtype=np.intp)
    for up, law in ((False, ray_mul_down), (True, ray_mul_up)):
        product, fits = ray_mul(amounts, rays, ray_of, up=up)
        assert fits.tolist() == [amount < 2**96 and rays[k] < 2**96 for amount, k in rows]
        for row, (amount, k) in enumerate(rows):
            assert not fits[row] or product[row] == law(amount, rays[k])


def test_rounding_up_carries_into_the_high_half() -> None:
    amounts = Amounts.of([2**64])
    product, fits = ray_mul(amounts, [RAY - 1], np.array([0]), up=True)
    assert fits.all()
    assert product[0] == ray_mul_up(2**64, RAY - 1) == 2**64


@MANY
@given(st.lists(st.integers(0, 2**256 - 1), max_size=30))
def test_the_lower_halves_of_words(values: list[int]) -> None:
    words = np.frombuffer(b"".join(value.to_bytes(32, "big") for value in values), np.uint8).reshape(-1, 32)
    found = Amounts.of_words(words)
    assert [str(found.high.dtype), str(found.low.dtype)] == ["uint64", "uint64"]
    assert [found[k] for k in range(len(values))] == [value % 2**128 for value in values]


def test_one_word_of_several_is_taken_as_it_lies() -> None:
    words = np.zeros((4, 2, 32), np.uint8)
    words[:, :, 31] = np.arange(8).reshape(4, 2)
    assert Amounts.of_words(words[:, 1]).low.tolist() == [1, 3, 5, 7]


PRICES = st.one_of(st.integers(0, 2**50), st.integers(0, 2**62 - 1), st.integers(0, 100))
UNITS = st.one_of(st.sampled_from([1, 10**6, 10**8, 10**18]), st.integers(1, 2**61 - 1))


@MANY
@given(st.lists(st.tuples(WIDE, PRICES, UNITS), min_size=1, max_size=40))
def test_quotients_are_exact_where_they_say_so(rows: list[tuple[int, int, int]]) -> None:
    x = Amounts.of([row[0] for row in rows])
    y = np.array([row[1] for row in rows], dtype=np.int64)
    d = np.array([row[2] for row in rows], dtype=np.int64)
    for up, law in ((False, mul_div_down), (True, mul_div_up)):
        quotient, fits = mul_div(x, x.to_float(), y, d, up=up)
        for row, (amount, price, unit) in enumerate(rows):
            exact = law(amount, price, unit)
            assert not fits[row] or int(quotient[row]) == exact
            assert fits[row] or exact >= 2**60 - 1


def test_wide_quotients_on_a_machine_without_extended_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        nmant = 52

    monkeypatch.setattr("numpy.finfo", lambda kind: Plain)
    x = Amounts.of([10**30 + 7, 10**30 + 7])
    y, d = np.array([10**6 + 1] * 2, dtype=np.int64), np.array([10**18, 10**18 - 1], dtype=np.int64)
    for up, law in ((False, mul_div_down), (True, mul_div_up)):
        quotient, fits = mul_div(x, x.to_float(), y, d, up=up)
        assert fits.all()
        assert quotient.tolist() == [law(10**30 + 7, 10**6 + 1, unit) for unit in d.tolist()]


@MANY
@given(
    st.integers(1, 2**49),
    st.sampled_from([10**6, 10**18, 2**61 - 1]),
    st.integers(-2, 2),
    st.integers(1, 2**40),
)
def test_quotients_next_to_an_integer(whole: int, unit: int, off: int, price: int) -> None:
    """Products that hit a multiple of the divisor, or miss it by one or two."""
    amount = max(0, whole * unit + off) // price
    x = Amounts.of([amount % 2**128])
    for up, law in ((False, mul_div_down), (True, mul_div_up)):
        y, d = np.array([price], dtype=np.int64), np.array([unit], dtype=np.int64)
        quotient, fits = mul_div(x, x.to_float(), y, d, up=up)
        assert not fits[0] or int(quotient[0]) == law(amount % 2**128, price, unit)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**128 - 1)), max_size=40))
def test_sums_by_group_are_exact(rows: list[tuple[int, int]]) -> None:
    column = Amounts.of([amount for _, amount in rows])
    group = np.array([place for place, _ in rows], np.int16)
    expected = [sum(amount for place, amount in rows if place == k) for k in range(4)]
    assert column.sums(group, 4) == expected
