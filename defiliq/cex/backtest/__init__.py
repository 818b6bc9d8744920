"""Whether estimated levels are worth anything: predictions walked forward, against what was liquidated."""

from defiliq.cex.backtest.predictors import Estimator, by_tiers, known_levels
from defiliq.cex.backtest.results import BACKTEST_COLUMNS, Backtest, Measure, Score, joined
from defiliq.cex.backtest.run import BacktestSettings, run_backtest
from defiliq.cex.backtest.windows import Predict, known_at

__all__ = [
    "BACKTEST_COLUMNS",
    "Backtest",
    "BacktestSettings",
    "Estimator",
    "Measure",
    "Predict",
    "Score",
    "by_tiers",
    "joined",
    "known_at",
    "known_levels",
    "run_backtest",
]
