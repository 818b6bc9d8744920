"""Ticks and prices: the contract's bounds and constants, and every tick there and back."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.depth.tick_math import (
    _POWERS,
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)


def test_the_ends_are_the_contract_s() -> None:
    assert sqrt_ratio_at_tick(MIN_TICK) == MIN_SQRT_RATIO == 4295128739
    assert sqrt_ratio_at_tick(MAX_TICK) == MAX_SQRT_RATIO
    assert tick_at_sqrt_ratio(MIN_SQRT_RATIO) == MIN_TICK
    assert tick_at_sqrt_ratio(MAX_SQRT_RATIO - 1) == MAX_TICK - 1
    assert sqrt_ratio_at_tick(0) == 2**96


def test_the_constants_are_powers_of_the_root_of_a_tick() -> None:
    with localcontext() as context:
        context.prec = 100
        root = Decimal("1.0001").sqrt()
        for place, power in enumerate(_POWERS):
            assert abs(2**128 / root ** (2**place) - power) < 2


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1])
def test_no_tick_beyond(tick: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        sqrt_ratio_at_tick(tick)


@pytest.mark.parametrize("root", [0, MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO])
def test_no_price_beyond(root: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        tick_at_sqrt_ratio(root)


@given(st.integers(MIN_TICK, MAX_TICK - 1))
def test_a_tick_begins_at_its_ratio(tick: int) -> None:
    root = sqrt_ratio_at_tick(tick)
    assert tick_at_sqrt_ratio(root) == tick
    assert tick == MIN_TICK or tick_at_sqrt_ratio(root - 1) == tick - 1


@given(st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO - 1))
def test_a_price_lies_in_its_tick(root: int) -> None:
    tick = tick_at_sqrt_ratio(root)
    assert sqrt_ratio_at_tick(tick) <= root < sqrt_ratio_at_tick(tick + 1)
