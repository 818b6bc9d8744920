"""The backtests behind docs/lift.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from defiliq.cex.backtest import Backtest, BacktestSettings, Predict, joined, run_backtest
from defiliq.cex.backtest.predictors import Estimator, known_levels
from defiliq.cex.daily import DAY_S, WICKS, Wicks, daily_assets, load_days
from defiliq.cex.estimate import DEFAULT
from defiliq.cex.history import History, Instrument
from defiliq.cex.levels import Estimate
from defiliq.cex.openings import Factors
from defiliq.cex.peers import at_spot, one_sided
from defiliq.cex.population import Population, World, flat_rule, simulate
from defiliq.cex.population.rules import factors_of
from defiliq.cex.priors import HIGH, LOW, MID, PRIORS, Prior

HORIZONS_S = (DAY_S, 3 * DAY_S, 7 * DAY_S)
REAL = BacktestSettings(horizons_s=HORIZONS_S)
ESTIMATOR = "estimator"
SEEDS = (1, 2, 3, 4, 5, 6)
WARM_UP = 240
LEVELS = BacktestSettings(ks=(3, 10), tolerances_pct=(0.25, 0.5), warm_up=WARM_UP)
KNOWN, TRUE_PRIOR = "all positions known", "estimator, true prior"


def real_predictors() -> Mapping[str, Predict]:
    """What is tested on real days."""
    return {
        ESTIMATOR: Estimator(PRIORS),
        "estimator, low prior": Estimator((LOW,)),
        "estimator, high prior": Estimator((HIGH,)),
        "estimator, no churn": Estimator((MID,), replace(DEFAULT, churn=0.0)),
        "peers: one side per candle": one_side,
        "peers: all as if opened now": now_opened,
    }


def one_side(history: History) -> Estimate:
    """What public projects do, under the middle prior."""
    return one_sided(history, MID)


def now_opened(history: History) -> Estimate:
    """What simpler ones do, under the middle prior."""
    return at_spot(history, MID)


def on_real_days(
    wicks: Wicks, predictor: str, assets: tuple[str, ...], given: BacktestSettings = REAL
) -> Backtest:
    """One predictor on the bundled days of some assets."""
    days = [load_days(asset, wicks) for asset in assets]
    return run_backtest(days, real_predictors()[predictor], given, dataset=wicks, predictor=predictor)


def all_real_days() -> Backtest:
    """The estimator on all bundled days over all horizons under both wick models."""
    return joined([on_real_days(wicks, ESTIMATOR, daily_assets()) for wicks in WICKS])


def compared_on_real_days() -> Backtest:
    """Every predictor over one day after every third day, on all bundled days."""
    sparse = replace(REAL, horizons_s=(DAY_S,), every_s=3 * DAY_S)
    return joined([on_real_days("median", name, daily_assets(), sparse) for name in real_predictors()])


def simulated() -> Iterator[Population]:
    """Markets whose positions are known, with the truth at the start of every window."""
    world = World()
    step = DAY_S // world.step_s
    moments = [known - 1 for known in range(WARM_UP, world.candles, step)]
    for seed in SEEDS:
        found = simulate(seed, world, prior=MID, moments=moments)
        asset = f"S{seed}"
        yield replace(
            found,
            history=replace(
                found.history, instrument=Instrument("simulated", f"{asset}/USDT:USDT", asset, "USDT")
            ),
        )


def by_flat_rule(history: History, prior: Prior) -> Factors:
    """Distances by the rule that simulated markets liquidate by."""
    return factors_of(flat_rule(), prior, World().start_usd)


def seeing(populations: list[Population]) -> Predict:
    """What somebody who sees every position names."""
    each = {
        one.history.instrument.asset: known_levels(
            {truth.at: (truth.side("long"), truth.side("short")) for truth in one.truths}
        )
        for one in populations
    }
    return lambda history: each[history.instrument.asset](history)


def guessing(history: History) -> Estimate:
    """Ten levels per side within 20% of spot, of random places and sizes."""
    rng = np.random.default_rng(history.until_at % 2**32)
    spot = float(history.close_usd[-1])
    away = rng.uniform(0.0, math.log(1.2), (2, 10))
    sizes = rng.uniform(1e6, 2e6, (2, 10))
    levels = ((spot * np.exp(-away[0]), sizes[0]), (spot * np.exp(away[1]), sizes[1]))
    return known_levels({history.until_at: levels})(history)


def on_simulated() -> Backtest:
    """Every predictor on all simulated markets."""
    populations = list(simulated())
    predictors: Mapping[str, Predict] = {
        KNOWN: seeing(populations),
        TRUE_PRIOR: Estimator((MID,), DEFAULT, by_flat_rule),
        "estimator, wrong prior (low)": Estimator((LOW,), DEFAULT, by_flat_rule),
        "estimator, wrong prior (high)": Estimator((HIGH,), DEFAULT, by_flat_rule),
        "peers: one side per candle": one_side,
        "peers: all as if opened now": now_opened,
        "random levels": guessing,
    }
    histories = [one.history for one in populations]
    return joined(
        [
            run_backtest(histories, predict, LEVELS, dataset="simulated", predictor=name)
            for name, predict in predictors.items()
        ]
    )
