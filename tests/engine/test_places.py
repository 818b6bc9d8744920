"""Sums over accounts' legs as additions of whole columns."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.engine.places import Places


@pytest.mark.parametrize("counts", [[], [0], [3, 3, 2, 2, 1, 0], [1, 1], [7, 0, 0]])
def test_sums_are_those_of_adding_leg_by_leg(counts: list[int]) -> None:
    first_leg = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    account = np.repeat(np.arange(len(counts)), counts)
    values = np.random.default_rng(5).normal(size=len(account)) * 10.0 ** np.arange(len(account))
    places = Places(first_leg)
    sums = places.sums(places.laid_out(values), len(counts))
    assert sums.tolist() == np.bincount(account, values, minlength=len(counts)).tolist()
    assert places.laid_out(values).take(places.of_leg).tolist() == values.tolist()
