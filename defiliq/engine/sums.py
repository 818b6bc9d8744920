"""Sums of doubles that do not hang on the order in which they are added."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_DIGITS = 52
_FOLDS = 2
"""Each fold adds 50 bits or so of every number exactly; what two leave is below the sum's own last digit."""


def steady_sums(values: Floats, group: NDArray[np.intp], groups: int) -> Floats:
    """(groups,) sums of finite values by group, the same to the last bit whatever their order.

    Adding a power of two far above all and taking it off again cuts each value to a grid on which a double
    adds without rounding; what is cut off is treated the same way once more (Demmel and Nguyen, reproducible
    summation).
    """
    total, rest = np.zeros(groups), values.astype(np.float64, copy=True)
    room = _room(len(values))
    for _ in range(_FOLDS):
        largest = np.zeros(groups)
        np.maximum.at(largest, group, np.abs(rest))
        anchor = (room * 2.0 ** np.ceil(np.log2(np.where(largest > 0, largest, 1.0)))).take(group)
        cut = (rest + anchor) - anchor
        total += np.bincount(group, cut, minlength=groups)
        rest -= cut
    return total


def steady_sum(values: Floats) -> float:
    """The sum of finite values, the same to the last bit whatever their order."""
    total, rest = 0.0, values
    for _ in range(_FOLDS):
        largest = float(np.max(np.abs(rest), initial=0.0))
        if largest == 0.0:
            break
        anchor = _room(len(values)) * 2.0 ** math.ceil(math.log2(largest))
        cut = (rest + anchor) - anchor
        total += float(cut.sum())
        rest = rest - cut
    return total


def _room(count: int) -> float:
    """How far above the largest of so many values a grid has to be, for no sum to reach it."""
    return 2.0 ** (count.bit_length() + 1)
