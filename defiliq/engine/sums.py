"""Sums of doubles that do not hang on the order in which they are added."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_HALF_STEP = 2.0**-53
"""What is cut off a number at a grid is at most so much of the power of two that the grid hangs from."""


def steady_sums(values: Floats, group: NDArray[np.intp], groups: int) -> Floats:
    """(groups,) sums of finite values by group, the same to the last bit whatever their order.

    Adding a power of two far above all and taking it off again cuts each value to a grid on which a double
    adds without rounding; what is cut off is treated the same way once more (Demmel and Nguyen, reproducible
    summation). Each fold adds 50 bits or so of every number exactly; what two leave is below the sum's own
    last digit.
    """
    largest, room = np.zeros(groups), _room(len(values))
    np.maximum.at(largest, group, np.abs(values))
    anchor = (room * 2.0 ** np.ceil(np.log2(np.where(largest > 0, largest, 1.0)))).take(group)
    high = (values + anchor) - anchor
    anchor *= room * _HALF_STEP
    low = ((values - high) + anchor) - anchor
    total = np.zeros(groups)
    for part in (high, low):
        total += np.bincount(group, part, minlength=groups)
    return total


def steady_sum(values: Floats) -> float:
    """The sum of finite values, the same to the last bit whatever their order."""
    largest, room = float(np.abs(values).max(initial=0.0)), _room(len(values))
    if largest == 0.0:
        return 0.0
    anchor = room * 2.0 ** math.ceil(math.log2(largest))
    high = (values + anchor) - anchor
    anchor *= room * _HALF_STEP
    low = ((values - high) + anchor) - anchor
    return float(high.sum()) + float(low.sum())


def _room(count: int) -> float:
    """How far above the largest of so many values a grid has to be, for no sum to reach it."""
    return 2.0 ** (count.bit_length() + 1)
