"""Intervals and chance: known answers, and what must hold of any history."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.cex.backtest.resampling import (
    Resampled,
    block_weights,
    chance,
    correlations,
    donors,
    lift,
    measure,
    quotient,
    ranks,
    resampled,
    share,
    turns_of,
)
from defiliq.cex.backtest.results import UNDEFINED

ONCE = Resampled(np.ones((1, 4)), np.arange(4))


def test_ranks_by_hand() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [0.5, 0.125, 0.5, 0.875]
    assert ranks(np.array([[3.0, 1.0], [1.0, 1.0]])).tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_a_correlation_of_ranks_is_spearmans() -> None:
    x, y = ranks(np.array([1.0, 2.0, 3.0, 4.0])), ranks(np.array([10.0, 30.0, 20.0, 40.0]))
    # 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15)
    assert correlations(x, y, ONCE)[0] == pytest.approx(0.8)


def test_a_column_without_spread_has_no_correlation() -> None:
    assert math.isnan(correlations(np.full(4, 0.5), ranks(np.arange(4.0)), ONCE)[0])


def test_shares_and_lifts_by_hand() -> None:
    part, whole = np.array([1.0, 0.0, 2.0, 0.0]), np.array([2.0, 2.0, 2.0, 0.0])
    base_part, base_whole = np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 1.0])
    assert share(part, whole, ONCE).value == 0.5
    assert share(part, whole, ONCE).n == 6
    assert lift(part, whole, base_part, base_whole, ONCE).value == 2.0
    assert share(part, np.zeros(4), ONCE) == UNDEFINED
    assert lift(part, whole, np.zeros(4), base_whole, ONCE) == UNDEFINED


def test_chance_counts_the_value_itself() -> None:
    assert chance(2.0, np.array([1.0, 2.0, 3.0]), 3) == 0.75
    assert chance(9.0, np.array([1.0, 2.0, 3.0]), 3) == 0.25
    assert math.isnan(chance(math.nan, np.array([1.0]), 1))
    assert math.isnan(chance(1.0, np.array([math.nan]), 1))


def test_draws_that_say_the_same_again_are_no_evidence() -> None:
    three = np.array([1.0, 2.0, 3.0])
    assert chance(9.0, np.repeat(three, 50), 3) == chance(9.0, three, 3)
    assert chance(2.5, np.repeat(three, 50), 3) == pytest.approx(chance(2.5, three, 3))


@pytest.mark.parametrize(("n", "strata"), [(2, 3), (17, 1), (30, 3), (50, 3), (87, 3), (213, 3), (640, 3)])
def test_so_many_turns_differ(n: int, strata: int) -> None:
    given_to = donors(np.zeros(n), strata, 199)
    least = min(len(np.unique(given_to[:, window])) for window in range(n))
    assert turns_of(n, strata, 199) == least


def test_one_window_alone_has_no_turn() -> None:
    assert turns_of(1, 3, 199) == turns_of(0, 3, 199) == 0
    assert chance(5.0, np.array([1.0]), 0) == 1.0


@settings(max_examples=50)
@given(n=st.integers(1, 60), block=st.integers(1, 90), seed=st.integers(0, 9))
def test_every_resampled_history_is_as_long_as_the_real_one(n: int, block: int, seed: int) -> None:
    weights = block_weights(n, block, 20, seed)
    assert weights.shape == (20, n)
    assert (weights.sum(axis=1) == n).all()
    assert (weights >= 0).all()


def test_a_block_as_long_as_the_history_is_the_history() -> None:
    assert (block_weights(10, 10, 5, 1) == 1.0).all()


def test_what_is_of_one_time_is_resampled_together() -> None:
    history = resampled(np.array([3.0, 1.0, 3.0, 1.0, 2.0]), 1, 50, 0)
    assert history.moments == 3
    first, second = np.array([1.0, 0, 0, 0, 0]), np.array([0, 0, 1.0, 0, 0])
    assert (history.totals(first) == history.totals(second)).all()


def test_blocks_widen_the_interval_of_what_comes_in_runs() -> None:
    runs = np.repeat(np.random.default_rng(0).random(40), 10)
    alone, together = (
        share(runs, np.ones(400), resampled(np.arange(400.0), block, 1000, 1)) for block in (1, 20)
    )
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(200):
        drawn = (np.random.default_rng(seed).random(200) < 0.3).astype(np.float64)
        found = share(drawn, np.ones(200), resampled(np.arange(200.0), 1, 400, seed))
        inside += found.low <= 0.3 <= found.high
    assert 180 <= inside <= 199


@settings(max_examples=60)
@given(
    volatility=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=80),
    strata=st.integers(1, 5),
)
def test_levels_go_to_other_times_about_as_wild(volatility: list[float], strata: int) -> None:
    wild = np.array(volatility)
    given_to = donors(wild, strata, 12)
    everyone = np.arange(len(wild))
    assert all(sorted(row) == everyone.tolist() for row in given_to.tolist())
    assert (given_to != everyone).all()
    groups = max(1, min(strata, len(wild) // 10))
    order = np.argsort(wild, kind="stable")
    group = np.empty(len(wild), dtype=np.int64)
    for k, members in enumerate(np.array_split(order, groups)):
        group[members] = k
    assert (group[given_to] == group).all()


def test_levels_are_given_to_no_neighbouring_time() -> None:
    given_to = donors(np.zeros(200), 1, 50)
    apart = (given_to - np.arange(200)) % 200
    assert apart.min() == 10
    assert apart.max() == 190
    assert len(np.unique(apart)) == 50


def test_a_single_window_can_only_be_given_its_own() -> None:
    assert donors(np.array([0.1]), 3, 4).tolist() == [[0]] * 4
    assert donors(np.zeros(0), 3, 4).shape == (4, 0)


def test_quotients_of_nothing_are_not_defined() -> None:
    assert math.isnan(float(quotient(0.0, 0.0)))
    assert quotient(np.array([1.0, 2.0]), np.array([0.0, 4.0])).tolist()[1] == 0.5


def test_a_measure_leaves_undefined_histories_out() -> None:
    found = measure(1.0, np.array([math.nan, 1.0, 1.0, math.inf]), 7)
    assert (found.low, found.high, found.n) == (1.0, 1.0, 7)
    assert math.isnan(measure(1.0, np.full(3, math.nan), 7).low)
