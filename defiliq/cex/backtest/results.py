"""What a backtest found: measures with their intervals, and one table of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

import pandas as pd

from defiliq.types import Side

BACKTEST_COLUMNS = (
    *("dataset", "predictor", "venue", "asset", "side", "test", "baseline", "condition", "horizon_s"),
    *("k", "tolerance_pct", "precision", "precision_low", "precision_high", "baseline_precision"),
    *("lift", "lift_low", "lift_high", "recall", "baseline_recall", "recall_lift", "recall_lift_low"),
    *("recall_lift_high", "correlation", "correlation_low", "correlation_high", "baseline_correlation"),
    *("gain", "gain_low", "gain_high", "p_value", "n", "windows"),
)

Test: TypeAlias = Literal["density", "levels", "moves", "together"]
"""`density`: how much was liquidated at levels that the price reached. `levels`: at how many of them it was
more than an even share. `moves`: where only sums of liquidations per window are known, whether what was
estimated to lie in the price's way explains them. `together`: the same of the estimate and its baseline,
their ranks added: whether the estimate tells anything that the baseline does not."""
Baseline: TypeAlias = Literal["random", "elsewhen", "move", "open interest x move"]
Condition: TypeAlias = Literal["all", "reached"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with the interval that holds it in 95% of resampled histories."""

    value: float
    """NaN where it is not defined: nothing was named, reached or liquidated."""
    low: float
    high: float
    n: int
    """Of how many things it was counted."""


UNDEFINED = Measure(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Score:
    """One predictor against one baseline on one market, one side and one horizon."""

    dataset: str
    predictor: str
    venue: str
    asset: str
    side: Side | Literal["both"]
    test: Test
    baseline: Baseline
    condition: Condition
    horizon_s: int
    k: int
    """Levels named per side and moment; 0 where all that is estimated counts (`moves`)."""
    tolerance_pct: float
    precision: Measure
    """`density`: the mean share of a window's liquidations that lies within tolerance of a level reached.
    `levels`: of the levels named (or named and reached), the share that was hit. Else: of the windows named
    the heaviest tenth, the share that were."""
    baseline_precision: float
    lift: Measure
    """Precision over that of the baseline; 1 is no better."""
    recall: Measure
    """Of all liquidated dollars, the share within tolerance of a named level."""
    baseline_recall: float
    recall_lift: Measure
    correlation: Measure
    """`moves`: rank correlation of what was estimated to lie in the way with what was liquidated."""
    baseline_correlation: float
    gain: Measure
    """Correlation less that of the baseline; 0 is no better."""
    p_value: float
    """How often levels of other moments do as well or better, on precision or (`moves`) on correlation; NaN
    for other baselines."""
    windows: int
    """How many moments levels were named at."""

    def row(self) -> dict[str, object]:
        """BACKTEST_COLUMNS."""
        found: dict[str, object] = {}
        for each in fields(self):
            held = getattr(self, each.name)
            if isinstance(held, Measure):
                found |= {each.name: held.value, f"{each.name}_low": held.low, f"{each.name}_high": held.high}
            else:
                found[each.name] = held
        found["n"] = self.precision.n if self.test in ("density", "levels") else self.correlation.n
        return {name: found[name] for name in BACKTEST_COLUMNS}


@dataclass(frozen=True, slots=True)
class Backtest:
    """Scores with what was left out on the way."""

    scores: tuple[Score, ...]
    faults: tuple[str, ...]
    """Sentences; each makes the result incomplete."""

    def table(self) -> pd.DataFrame:
        """BACKTEST_COLUMNS, a row per score."""
        return pd.DataFrame([score.row() for score in self.scores], columns=list(BACKTEST_COLUMNS))


def joined(parts: Sequence[Backtest]) -> Backtest:
    """Several backtests as one."""
    faults = dict.fromkeys(fault for part in parts for fault in part.faults)
    return Backtest(tuple(score for part in parts for score in part.scores), tuple(faults))
