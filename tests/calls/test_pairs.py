"""Which pairs of legs there are, and which of their calls pays best."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.calls import BARE, NO_LEG, WENT, CallTerms, Moved, Pairs, Standing, best_pairs, pairs_of
from defiliq.calls.terms import raised, whole


def standing(supplied: list[list[float]], owed: list[list[float]]) -> Standing:
    """Accounts whose legs are reserves in order, each token worth one."""
    counts = [len(row) for row in supplied]
    terms = CallTerms(
        first_leg=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        kind=np.concatenate([np.arange(count) for count in counts]),
        supplied=np.concatenate(supplied),
        owed=np.concatenate(owed),
        always=np.zeros(len(counts), dtype=np.bool_),
        reserves=np.arange(max(counts)),
        feeds=np.zeros(max(counts), dtype=np.intp),
        unit=np.ones(max(counts)),
        weight=np.ones(max(counts)),
        least_weight=np.ones(max(counts)),
        burden=np.ones(max(counts)),
        rule=None,  # type: ignore[arg-type]  # nothing here asks for it
    )
    return Standing.apart(terms, np.arange(len(counts)), np.ones(sum(counts)))


def all_pairs(of: Standing) -> Pairs:
    return pairs_of(of, of.supplied > 0, of.owed > 0)


def test_every_collateral_meets_every_debt_of_its_account() -> None:
    of = standing([[5, 0, 7], [0, 3], [1], [2, 2]], [[0, 4, 6], [9, 0], [0], [1, 0]])
    pairs = all_pairs(of)
    named = list(zip(pairs.account.tolist(), pairs.seize.tolist(), pairs.repay.tolist(), strict=True))
    assert named == [(0, 0, 1), (0, 0, 2), (0, 2, 1), (0, 2, 2), (1, 4, 3), (3, 6, 6), (3, 7, 6)]


def test_no_pairs_at_all() -> None:
    of = standing([[0.0], [0.0]], [[1], [2]])
    calls = best_pairs(of, all_pairs(of), Moved(*(np.zeros(0),) * 3), np.zeros(0, dtype=np.int8))
    assert calls.reason.tolist() == [BARE, BARE]
    assert calls.seize_leg.tolist() == [NO_LEG, NO_LEG]


@pytest.mark.parametrize(
    ("taken", "fee", "repaid", "chosen"),
    [
        ([105, 110, 104, 100], [0, 0, 0, 0], [100, 100, 100, 100], 1),
        ([105, 110, 104, 100], [0, 9, 0, 0], [100, 100, 100, 100], 0),
        # Bonuses that are alike: the larger seizure; of alike seizures the first in the order of reserves.
        ([105, 205, 205, 5], [0, 0, 0, 0], [100, 200, 200, 0], 1),
    ],
)
def test_the_best_pair(taken: list[float], fee: list[float], repaid: list[float], chosen: int) -> None:
    of = standing([[900, 900, 0, 0]], [[0, 0, 900, 900]])
    moved = Moved(*(np.array(column, dtype=np.float64) for column in (taken, fee, repaid)))
    pairs = all_pairs(of)
    calls = best_pairs(of, pairs, moved, np.zeros(4, dtype=np.int8))
    assert (calls.seize_leg[0], calls.repay_leg[0]) == (pairs.seize[chosen], pairs.repay[chosen])
    assert calls.bonus_base[0] == taken[chosen] - fee[chosen] - repaid[chosen]
    assert calls.supplied_left[pairs.seize[chosen]] == 900 - taken[chosen]
    assert calls.owed_left[pairs.repay[chosen]] == 900 - repaid[chosen]
    assert calls.fees[pairs.seize[chosen]] == fee[chosen]


def test_a_refused_pair_is_left_out_and_the_last_reason_stands_where_all_are() -> None:
    of = standing([[9, 9, 0], [9, 9, 0]], [[0, 0, 9], [0, 0, 9]])
    moved = Moved(np.array([8.0, 4.0] * 2), np.zeros(4), np.array([1.0, 1.0] * 2))
    reason = np.array([3, WENT, 3, 5], dtype=np.int8)
    calls = best_pairs(of, all_pairs(of), moved, reason)
    assert calls.reason.tolist() == [WENT, 5]
    assert calls.seized.tolist() == [0, 4, 0, 0, 0, 0]


def test_a_bonus_below_zero_is_a_call_as_well() -> None:
    of = standing([[9, 0]], [[0, 9]])
    moved = Moved(np.array([1.0]), np.zeros(1), np.array([2.0]))
    calls = best_pairs(of, all_pairs(of), moved, np.zeros(1, dtype=np.int8))
    assert calls.reason.tolist() == [WENT]
    assert calls.bonus_base.tolist() == [-1.0]


def test_rounding_forgives_the_last_digits_alone() -> None:
    just_below, just_above = np.nextafter(7.0, 0.0), np.nextafter(7.0, 9.0)
    assert whole(np.array([just_below, 6.999999, 7.0, 1e20, 2.0**53 - 1])).tolist() == [
        7.0, 6.0, 7.0, 1e20, 2.0**53 - 1,
    ]  # fmt: skip
    assert raised(np.array([just_above, 7.000001, 7.0, 1e20, 2.0**53 - 1])).tolist() == [
        7.0, 8.0, 7.0, 1e20, 2.0**53 - 1,
    ]  # fmt: skip
