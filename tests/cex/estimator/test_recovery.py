"""What the settings are for: a simulated market whose positions are known, seen through its public sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from defiliq.cex.estimate import DEFAULT, estimate
from defiliq.cex.population import Population, World, factors_of, flat_rule, recovery, simulate
from defiliq.cex.priors import HIGH, LOW, MID, PRIORS
from defiliq.cex.walk import EstimateSettings

RULE = flat_rule()


WORLD = World(candles=720, warm_up=360, traders=2_000, size_spread=0.3)


@pytest.fixture(scope="module")
def markets() -> list[Population]:
    """Two seeds, since positions are few."""
    return [simulate(seed, WORLD, prior=MID, rule=RULE) for seed in (1, 2)]


def errors(markets: list[Population], chosen: EstimateSettings) -> list[float]:
    """Of longs and shorts under the true prior, the mean over all markets."""
    found = []
    for market in markets:
        factors = factors_of(RULE, MID, market.truth.spot_usd)
        against = recovery(market.truth, estimate(market.history, [factors], [MID], chosen))
        found.append([float(against.long.error[0]), float(against.short.error[0])])
    longs, shorts = np.mean(found, axis=0)
    return [float(longs), float(shorts)]


def test_as_it_is_set_the_true_prior_recovers_both_sides_within_15_percent(markets: list[Population]) -> None:
    assert max(errors(markets, DEFAULT)) < 0.15


def test_open_interest_alone_does_not_tell_what_was_opened_again(
    markets: list[Population],
) -> None:
    usual = max(errors(markets, DEFAULT))
    assert max(errors(markets, replace(DEFAULT, churn=0.0))) > 3 * usual
    assert max(errors(markets, replace(DEFAULT, churn=1.0))) > 1.2 * usual


def test_other_priors_are_further_from_the_truth_than_the_true_one(markets: list[Population]) -> None:
    for market in markets:
        factors = [factors_of(RULE, prior, market.truth.spot_usd) for prior in PRIORS]
        found = recovery(market.truth, estimate(market.history, factors))
        assert found.priors == (LOW.name, MID.name, HIGH.name)
        for side in (found.long, found.short):
            assert side.error[1] == side.error.min()
            assert side.outside < side.error[1]
            assert side.width > 0.5
