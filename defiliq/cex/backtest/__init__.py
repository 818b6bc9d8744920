"""Whether estimated levels are worth anything: predictions walked forward, against what was liquidated."""

from defiliq.cex.backtest.results import BACKTEST_COLUMNS, Backtest, Measure, Score, joined
from defiliq.cex.backtest.run import BacktestSettings, run_backtest
from defiliq.cex.backtest.windows import Predict, known_at

__all__ = [
    "BACKTEST_COLUMNS",
    "Backtest",
    "BacktestSettings",
    "Measure",
    "Predict",
    "Score",
    "joined",
    "known_at",
    "run_backtest",
]
