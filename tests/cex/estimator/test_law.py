"""Columns against the law level by level, and what must hold of any history."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from defiliq.cex.estimate import estimate
from defiliq.cex.openings import Factors, shots_of
from defiliq.cex.priors import LOW, MID, PRIORS, Prior
from defiliq.cex.walk import EstimateSettings, State, walk
from tests.bench.plain_estimate import plain_estimate
from tests.cex.estimator.made import BTC_INVERSE, drawn_history, head, history_of, simple, times_price

FACTORS = [simple(prior) for prior in PRIORS]
seeds = st.integers(0, 2**32 - 1)
any_settings = st.builds(
    EstimateSettings,
    step_pct=st.sampled_from([0.05, 0.25, 1.0]),
    points=st.sampled_from([1, 3, 8]),
    tilt=st.sampled_from([0.0, 0.3, -1.0]),
    churn=st.sampled_from([0.0, 0.3, 1.0]),
    half_life_s=st.sampled_from([300.0, 5400.0, math.inf]),
)
wilds = st.sampled_from([0.0005, 0.004, 0.03])


@given(seeds, any_settings, wilds, st.booleans(), st.sampled_from([0.0, 0.2]))
@settings(max_examples=40, deadline=None)
def test_columns_are_the_law_level_by_level(
    seed: int, chosen: EstimateSettings, wild: float, is_inverse: bool, gaps: float
) -> None:
    history = drawn_history(seed, 60, wild=wild, gaps=gaps, is_inverse=is_inverse)
    (state,) = walk(history, shots_of(PRIORS, FACTORS, chosen.log_step), chosen, [59])
    for k, prior in enumerate(PRIORS):
        for lane, side in ((k, "long"), (k + 3, "short")):
            plain = plain_estimate(history, side, prior, FACTORS[k], chosen)  # type: ignore[arg-type]
            for mine, theirs in ((state.alive[lane], plain.units), (state.score[lane], plain.score)):
                found = {state.first + int(b): float(mine[b]) for b in np.flatnonzero(mine)}
                wanted = {b: v for b, v in theirs.items() if v}
                assert found.keys() == wanted.keys()
                assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)
            assert state.unplaced[lane] == pytest.approx(plain.unplaced, rel=1e-9, abs=1e-9)


@given(seeds, any_settings, wilds)
@settings(max_examples=40, deadline=None)
def test_every_side_is_the_open_interest_at_every_candle(
    seed: int, chosen: EstimateSettings, wild: float
) -> None:
    history = drawn_history(seed, 80, wild=wild)
    shots = shots_of(PRIORS, FACTORS, chosen.log_step)
    for state in walk(history, shots, chosen, range(80)):
        whole = state.alive.sum(axis=1) + state.unplaced
        assert whole == pytest.approx(np.full(6, history.open_interest[state.row]), rel=1e-9)
        assert (state.alive >= 0).all()
        assert (state.unplaced >= -1e-9).all()
        assert (state.score <= state.alive * (1 + 1e-9)).all()


@given(seeds, any_settings, wilds, st.sampled_from([0.0, 0.2]))
@settings(max_examples=40, deadline=None)
def test_nothing_stands_that_a_later_candle_went_through(
    seed: int, chosen: EstimateSettings, wild: float, gaps: float
) -> None:
    history = drawn_history(seed, 60, wild=wild, gaps=gaps)
    shots = shots_of(PRIORS, FACTORS, chosen.log_step)
    for state in walk(history, shots, chosen, range(0, 60, 7)):
        close = history.close_usd[: state.row + 1]
        spot = close[~np.isnan(close)]
        middle = np.exp((state.first + np.arange(state.alive.shape[1]) + 0.5) * chosen.log_step)
        longs, shorts = middle[state.alive[:3].any(axis=0)], middle[state.alive[3:].any(axis=0)]
        if len(spot):
            assert longs.max(initial=0.0) < spot[-1] < shorts.min(initial=math.inf)
    # What stood before a candle and is within its range afterwards was opened in it.
    quiet = replace(history, open_interest=np.where(np.arange(60) < 40, history.open_interest, np.nan))
    (state,) = walk(quiet, shots, chosen, [59])
    middle = np.exp((state.first + np.arange(state.alive.shape[1]) + 0.5) * chosen.log_step)
    low, high = np.nanmin(history.low_usd[40:]), np.nanmax(history.high_usd[40:])
    assert middle[state.alive[:3].any(axis=0)].max(initial=0.0) < low
    assert middle[state.alive[3:].any(axis=0)].min(initial=math.inf) > high


@given(seeds, any_settings, st.integers(1, 59))
@settings(max_examples=40, deadline=None)
def test_what_comes_later_changes_nothing_before(seed: int, chosen: EstimateSettings, count: int) -> None:
    history = drawn_history(seed, 60)
    shots = shots_of(PRIORS, FACTORS, chosen.log_step)
    before = next(_filled(state) for state in walk(history, shots, chosen, [count - 1, 59]))
    alone = next(_filled(state) for state in walk(head(history, count), shots, chosen, [count - 1]))
    assert before.keys() == alone.keys()
    assert before == pytest.approx(alone, rel=1e-12)


def _filled(state: State) -> dict[tuple[int, int], float]:
    lanes, buckets = np.nonzero(state.alive)
    amounts = state.alive[lanes, buckets]
    return {(int(k), state.first + int(b)): float(a) for k, b, a in zip(lanes, buckets, amounts, strict=True)}


@given(seeds, st.integers(-300, 300), any_settings)
@settings(max_examples=30, deadline=None)
def test_other_units_of_price_move_every_bucket_alike(
    seed: int, buckets: int, chosen: EstimateSettings
) -> None:
    history = drawn_history(seed, 50)
    factor = math.exp(buckets * chosen.log_step)
    one = estimate(history, FACTORS, PRIORS, chosen)
    other = estimate(times_price(history, factor), FACTORS, PRIORS, chosen)
    assert (other.bucket == one.bucket + buckets).all()
    assert_allclose(other.long_usd, one.long_usd * factor, rtol=1e-6, atol=1e-9 * factor)
    assert_allclose(other.short_usd, one.short_usd * factor, rtol=1e-6, atol=1e-9 * factor)
    assert other.coverage_long == pytest.approx(one.coverage_long, rel=1e-9)


@given(seeds, st.sampled_from([1e-6, 0.5, 3.0, 1e9]), any_settings)
@settings(max_examples=30, deadline=None)
def test_more_contracts_are_more_dollars(seed: int, factor: float, chosen: EstimateSettings) -> None:
    history = drawn_history(seed, 50)
    more = replace(
        history, open_interest=history.open_interest * factor, volume_usd=history.volume_usd * factor
    )
    one, other = (estimate(each, FACTORS, PRIORS, chosen) for each in (history, more))
    assert (other.bucket == one.bucket).all()
    assert_allclose(other.long_usd, one.long_usd * factor, rtol=1e-9)
    assert_allclose(other.short_score, one.short_score * factor, rtol=1e-9)


@given(seeds, st.permutations(range(3)))
@settings(max_examples=15, deadline=None)
def test_priors_in_any_order_and_alone_are_the_same(seed: int, order: list[int]) -> None:
    history = drawn_history(seed, 50)
    one = estimate(history, FACTORS)
    other = estimate(history, [FACTORS[k] for k in order], [PRIORS[k] for k in order])
    assert other.priors == one.priors == ("low", "mid", "high")
    assert (other.long_usd == one.long_usd).all()
    assert (other.short_usd == one.short_usd).all()
    alone = estimate(history, [FACTORS[1]], [MID])
    inside = slice(int(alone.bucket[0] - one.bucket[0]), int(alone.bucket[-1] - one.bucket[0]) + 1)
    assert_allclose(alone.long_usd[0], one.long_usd[1, inside], rtol=1e-12)
    assert alone.long_usd.sum() == pytest.approx(one.long_usd[1].sum(), rel=1e-12)


@given(seeds, any_settings)
@settings(max_examples=25, deadline=None)
def test_cumulative_dollars_only_grow_away_from_spot(seed: int, chosen: EstimateSettings) -> None:
    found = estimate(drawn_history(seed, 60), FACTORS, PRIORS, chosen)
    table = found.table()
    for side, order in (("long", -1), ("short", 1)):
        mine = table[table["side"] == side][::order]
        assert (np.diff(mine["cumulative_mid_usd"]) >= 0).all()
        assert (np.diff(mine["distance_pct"].abs()) > 0).all()
        total = found.dollars(side)[found.mid].sum()  # type: ignore[arg-type]
        assert mine["cumulative_mid_usd"].iloc[-1] == pytest.approx(total)
    assert (table["low_usd"] <= table["mid_usd"]).all()
    assert (table["mid_usd"] <= table["high_usd"]).all()
    assert table["score"].between(0, 1).all()


def test_a_year_of_thinning_and_ageing_keeps_every_digit() -> None:
    """Factors are multiplied in before floats end: 1,500 candles that each replace half of everything."""
    history = replace(drawn_history(7, 1500), volume_usd=np.full(1500, 150_000.0))
    chosen = EstimateSettings(churn=1.0, half_life_s=60.0, points=2)
    found = estimate(history, [simple(LOW)], [LOW], chosen)
    (state,) = walk(history, shots_of([LOW], [simple(LOW)], chosen.log_step), chosen, [1499])
    plain = plain_estimate(history, "long", LOW, simple(LOW), chosen)
    mine = {state.first + int(b): float(state.score[0, b]) for b in np.flatnonzero(state.alive[0] > 1e-9)}
    theirs = {b: v for b, v in plain.score.items() if plain.units[b] > 1e-9}
    assert mine == pytest.approx(theirs, rel=1e-9)
    assert found.coverage_long[0] == pytest.approx(1.0)


def test_what_no_price_liquidates_is_in_no_bucket() -> None:
    """A long of 1x in a contract whose collateral is what it buys has no liquidation price."""
    prior = Prior("calm", (1, 10), (0.4, 0.6))
    factors = Factors((1, 10), np.array([np.nan, 0.904]), np.array([1.996, 1.096]))
    history = drawn_history(3, 200, wild=0.0001)
    chosen = EstimateSettings(churn=1.0, tilt=0.0)
    found = estimate(history, [factors], [prior], chosen)
    plain = plain_estimate(history, "long", prior, factors, chosen)
    assert found.coverage_long[0] == pytest.approx(0.6, rel=1e-3)
    assert found.coverage_short[0] == pytest.approx(1.0, rel=1e-3)
    assert plain.unplaced == pytest.approx((1 - found.coverage_long[0]) * history.open_interest[-1], rel=1e-9)


@pytest.mark.parametrize("interest", [[1000.0, 0.0, 1000.0], [1000.0, 500.0, 0.0], [100.0, math.nan, 0.0]])
@pytest.mark.parametrize("volume", [1e6, 1e12, 1e18])
def test_a_volume_that_dwarfs_open_interest_leaves_nothing_below_none(
    interest: list[float], volume: float
) -> None:
    candles = [(100.0, 101.0, 99.0, 100.0)] * 2 + [(98.0, 150.0, 50.0, 60.0)]
    history = history_of(candles, interest, instrument=BTC_INVERSE, volume_usd=[0.0, volume, volume])
    chosen = EstimateSettings()
    (state,) = walk(history, shots_of(PRIORS, FACTORS, chosen.log_step), chosen, [2])
    assert state.alive.min() >= 0
    assert_allclose(state.alive.sum(axis=1) + state.unplaced, interest[-1], rtol=1e-9, atol=1e-9)
