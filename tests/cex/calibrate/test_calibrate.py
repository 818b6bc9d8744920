"""Which assumptions foresee executed liquidations best: by hand, and of simulated markets."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from defiliq.cex.calibrate import Calibration, calibrate
from defiliq.cex.estimate import estimate
from defiliq.cex.history import History
from defiliq.cex.population import Population, World, factors_of, flat_rule, recovery, simulate
from defiliq.cex.priors import HIGH, LOW, MID, PRIORS, Prior
from defiliq.cex.walk import EstimateSettings
from defiliq.errors import InputError

WORLD = World(candles=600, warm_up=240, traders=2_000, stopped=0.3)
TRIED = (0.0, 0.2, 0.4, 0.6)
FACTORS = [factors_of(flat_rule(), prior, 60_000.0) for prior in PRIORS]


@lru_cache(maxsize=8)
def market(churn: float, name: str = "mid", seed: int = 4) -> Population:
    prior = {one.name: one for one in PRIORS}[name]
    return simulate(seed, dataclasses.replace(WORLD, churn_daily=churn), prior=prior)


@lru_cache(maxsize=8)
def calibrated(churn: float, name: str = "mid", seed: int = 4) -> Calibration:
    return calibrate(market(churn, name, seed).history, FACTORS, churns=TRIED)


def test_churn_is_found_without_being_told() -> None:
    assert calibrated(0.0).churn_of(1) == 0.0
    assert calibrated(0.5).churn_of(1) in (0.2, 0.4)
    assert calibrated(2.0).churn_of(1) == 0.6


@pytest.mark.parametrize("prior", [LOW, MID, HIGH])
def test_the_prior_is_found_among_the_presets(prior: Prior) -> None:
    found = calibrated(0.5, prior.name)
    assert found.best[0] == prior
    assert found.agreement.shape == (3, len(TRIED))
    assert found.agreement.max() > 0.9


def test_curves_are_recovered_with_the_churn_that_it_finds() -> None:
    """Without stop orders, which nobody outside sees."""
    errors = []
    for churn in (0.0, 2.0):
        for seed in (4, 5):
            world = dataclasses.replace(WORLD, churn_daily=churn, stopped=0.0)
            known = simulate(seed, world, prior=MID)
            found = calibrate(known.history, FACTORS[1:2], [MID], churns=TRIED)
            chosen = EstimateSettings(churn=found.best[1])
            against = estimate(known.history, FACTORS[1:2], [MID], chosen)
            errors.append(recovery(known.truth, against).mid_error)
    assert np.median(errors) < 0.1
    assert max(errors) < 0.2


def test_publishing_a_tenth_changes_no_choice() -> None:
    known = market(0.5).history
    executed = known.executed
    assert executed is not None
    tenth = dataclasses.replace(known, executed=executed.assign(size_usd=executed["size_usd"] / 10))
    again = calibrate(tenth, FACTORS, churns=TRIED)
    assert again.agreement == pytest.approx(calibrated(0.5).agreement)


def test_the_future_is_not_looked_at() -> None:
    """What an estimate foresees of a candle is from before it: a level opened within it is not foreseen."""
    known = market(0.5).history
    executed = known.executed
    assert executed is not None
    # Every liquidation told one candle early is foreseen worse.
    early = executed.assign(at=executed["at"] - known.step_s)
    early = early[early["at"] >= known.at[0]].reset_index(drop=True)
    shifted = calibrate(dataclasses.replace(known, executed=early), FACTORS, churns=TRIED)
    assert np.nanmax(shifted.agreement) < np.nanmax(calibrated(0.5).agreement) - 0.2


def test_the_table_is_best_first() -> None:
    found = calibrated(0.5)
    table = found.table()
    assert table["agreement"].is_monotonic_decreasing
    assert (table["prior"][0], table["churn"][0]) == (found.best[0].name, found.best[1])
    assert len(table) == 3 * len(TRIED)
    assert found.candles == 400
    assert 30 < found.with_executed <= 400


def few(history: History, count: int) -> History:
    executed = history.executed
    assert executed is not None
    return dataclasses.replace(history, executed=executed.tail(count).reset_index(drop=True))


def test_without_liquidations_nothing_is_said() -> None:
    history = market(0.5).history
    with pytest.raises(InputError, match="publishes no"):
        calibrate(dataclasses.replace(history, executed=None), FACTORS)
    with pytest.raises(InputError, match="30 are needed"):
        calibrate(few(history, 5), FACTORS)
    nothing = few(history, 0)
    with pytest.raises(InputError, match="in 0 candles"):
        calibrate(nothing, FACTORS)


def test_a_venue_that_tells_of_the_last_days_only_is_looked_at_there_only() -> None:
    history = market(0.5).history
    executed = history.executed
    assert executed is not None
    late = executed[executed["at"] >= history.at[480]].reset_index(drop=True)
    found = calibrate(dataclasses.replace(history, executed=late), FACTORS, churns=TRIED)
    assert 100 < found.candles <= 120
    # Five days tell little leverage from much, and not mid from high.
    assert found.best[0] != LOW
    assert found.agreement[0].max() < found.agreement[1].max() - 0.1


def test_holes_in_prices_and_liquidations_outside_of_the_history_do_not_matter() -> None:
    history = market(0.5).history
    executed = history.executed
    assert executed is not None
    around = pd.DataFrame(
        {"at": [0, 2**40], "price_usd": [1.0, 1.0], "side": ["long", "short"], "size_usd": [1e12, 1e12]}
    )
    joined = pd.concat([around.head(1), executed, around.tail(1)], ignore_index=True)
    holed = {name: getattr(history, name).copy() for name in ("open_usd", "high_usd", "low_usd", "close_usd")}
    for column in holed.values():
        column[450:453] = np.nan
    found = calibrate(dataclasses.replace(history, executed=joined, **holed), FACTORS, churns=TRIED)
    assert found.best[0] == MID
    assert np.isfinite(found.agreement).all()
