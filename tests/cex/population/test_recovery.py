"""How much of a truth an estimate recovers: by hand, and of simulated markets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from defiliq.cex.estimate import estimate
from defiliq.cex.levels import Estimate
from defiliq.cex.peers import at_spot, one_sided
from defiliq.cex.population import Population, World, factors_of, flat_rule, recovery, simulate
from defiliq.cex.priors import HIGH, LOW, MID, PRIORS, Prior
from defiliq.cex.walk import EstimateSettings
from tests.cex.population.stage import estimate_of, truth_at

LONGS, SHORTS = {80.0: 1.0, 90.0: 1.0}, {110.0: 3.0, 120.0: 3.0}
STEP = math.log1p(0.001)


def test_the_truth_itself_has_no_error_but_the_buckets() -> None:
    found = recovery(truth_at(LONGS, SHORTS), estimate_of([(LONGS, SHORTS)]))
    assert found.long.spread == pytest.approx(math.log(90 / 80) / 2)
    assert found.mid_error < STEP / found.short.spread
    assert found.outside < STEP / found.short.spread
    assert found.long.dollars_ratio == pytest.approx([1.0])
    assert found.long.coverage.tolist() == [1.0]


def test_only_shares_count_and_dollars_are_told_apart() -> None:
    tripled = {price: 3 * dollars for price, dollars in LONGS.items()}
    found = recovery(truth_at(LONGS, SHORTS), estimate_of([(tripled, SHORTS)]))
    assert found.long.error[0] < STEP / found.long.spread
    assert found.long.dollars_ratio == pytest.approx([3.0])


def test_everything_moved_by_a_tenth_by_hand() -> None:
    moved = {price * 1.1: dollars for price, dollars in LONGS.items()}
    found = recovery(truth_at(LONGS, SHORTS), estimate_of([(moved, SHORTS)]))
    assert found.long.error[0] == pytest.approx(math.log(1.1) / found.long.spread, abs=0.02)
    # One row is no band: all of the distance is outside.
    assert found.long.outside == pytest.approx(found.long.error[0])
    assert found.long.width == 0.0


def test_the_best_single_price_has_error_one() -> None:
    found = recovery(
        truth_at({80.0: 1.0, 90.0: 2.0, 100.0: 1.0}, SHORTS), estimate_of([({90.0: 1.0}, SHORTS)])
    )
    assert found.long.error[0] == pytest.approx(1.0, abs=0.02)


def test_a_band_around_the_truth_holds_it() -> None:
    low = {price * 0.95: dollars for price, dollars in LONGS.items()}
    high = {price * 1.05: dollars for price, dollars in LONGS.items()}
    found = recovery(
        truth_at(LONGS, SHORTS), estimate_of([(low, SHORTS), (LONGS, SHORTS), (high, SHORTS)], 1)
    )
    assert found.long.outside < STEP / found.long.spread
    assert found.long.width == pytest.approx(math.log(1.05 / 0.95) / found.long.spread, abs=0.02)
    assert found.long.error[0] > 0.8
    assert found.mid_error < 0.02


def test_a_side_without_levels_is_not_known() -> None:
    found = recovery(truth_at(LONGS, SHORTS), estimate_of([(LONGS, {})]))
    assert math.isnan(found.short.error[0])
    assert math.isnan(found.outside)


def test_another_moment_is_refused() -> None:
    early = truth_at(LONGS, SHORTS)
    with pytest.raises(ValueError, match="999"):
        recovery(
            type(early)(999, 100.0, early.is_long, early.price_usd, early.size_usd),
            estimate_of([(LONGS, SHORTS)]),
        )


# Of simulated markets. `scripts/measure_recovery` does the same with twenty seeds and more markets.
SEEDS = range(4)
CALM = World(candles=900, warm_up=120, traders=1_500, churn_daily=0.0)
CHURNED = World(candles=900, warm_up=120, traders=1_500, churn_daily=0.5)


def found_in(market: Population, priors: tuple[Prior, ...], settings: EstimateSettings) -> Estimate:
    factors = [factors_of(flat_rule(), prior, 60_000.0) for prior in priors]
    return estimate(market.history, factors, priors, settings)


@pytest.mark.parametrize(("world", "churn", "nine_of_ten"), [(CALM, 0.0, 0.15), (CHURNED, 0.5, 0.25)])
def test_with_the_true_prior_curves_are_recovered_within_15_percent(
    world: World, churn: float, nine_of_ten: float
) -> None:
    """Half of all within a tenth. With churn, one in ten ends after a wild day whose volume misleads."""
    ours, theirs, spots = [], [], []
    for seed in SEEDS:
        market = simulate(seed, world, prior=MID)
        ours += _errors(market, found_in(market, (MID,), EstimateSettings(churn=churn)))
        theirs += _errors(market, one_sided(market.history, MID))
        spots += _errors(market, at_spot(market.history, MID))
    assert np.median(ours) < 0.10
    assert np.quantile(ours, 0.9) < nine_of_ten
    assert np.nanmedian(theirs) > 1.5 * np.median(ours)
    assert np.median(spots) > 1.5 * np.median(ours)


def _errors(market: Population, found: Estimate) -> list[float]:
    against = recovery(market.truth, found)
    return [float(against.long.error[0]), float(against.short.error[0])]


def test_churn_that_is_not_assumed_is_not_recovered() -> None:
    market = simulate(1, CHURNED, prior=MID)
    blind = recovery(market.truth, found_in(market, (MID,), EstimateSettings(churn=0.0)))
    seeing = recovery(market.truth, found_in(market, (MID,), EstimateSettings(churn=0.5)))
    assert blind.mid_error > 3 * seeing.mid_error


@pytest.mark.parametrize("prior", [LOW, MID, HIGH])
def test_with_a_wrong_prior_the_band_still_holds_the_truth(prior: Prior) -> None:
    market = simulate(3, CALM, prior=prior)
    found = recovery(market.truth, found_in(market, PRIORS, EstimateSettings(churn=0.0)))
    row = PRIORS.index(prior)
    for side in (found.long, found.short):
        assert side.error[row] == side.error.min() < 0.15
        assert side.outside < 0.1
        assert side.width > 0.5
    assert (found.mid_error > 0.5) == (prior is not MID)


def test_a_prior_beyond_the_band_lies_outside_of_it() -> None:
    beyond = Prior("all at 2x and 3x", (2, 3), (0.5, 0.5))
    market = simulate(3, CALM, prior=beyond)
    found = recovery(market.truth, found_in(market, PRIORS, EstimateSettings(churn=0.0)))
    assert found.outside > 0.5
