"""A whole backtest: walk over histories, name levels, and hold them against what came."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeAlias

import numpy as np

from defiliq.cex.backtest import at_levels, on_moves
from defiliq.cex.backtest.at_levels import named_by_side, tally
from defiliq.cex.backtest.on_moves import passage, share_passed, together
from defiliq.cex.backtest.resampling import Resampled, resampled
from defiliq.cex.backtest.results import UNDEFINED, Backtest, Baseline, Condition, Score, Test
from defiliq.cex.backtest.windows import Predict, PredictsAtOnce, Window, executed_in, known_at, windows
from defiliq.cex.daily import Days
from defiliq.cex.history import Floats, History
from defiliq.cex.levels import Estimate
from defiliq.errors import InputError
from defiliq.model.heat import SIDES
from defiliq.types import Side

AnySide: TypeAlias = Literal["long", "short", "both"]
ALL = "all"
"""The asset of a row that is of several markets, and the venue where these are of several."""

_LEVEL_TESTS: tuple[tuple[Test, Baseline, Condition], ...] = (
    ("density", "elsewhen", "reached"),
    ("density", "random", "reached"),
    ("levels", "elsewhen", "reached"),
    ("levels", "random", "reached"),
    ("levels", "elsewhen", "all"),
    ("levels", "random", "all"),
)
"""The primary one first."""
_MOVE_TESTS: tuple[tuple[Test, Baseline], ...] = (
    ("moves", "elsewhen"),
    ("moves", "open interest x move"),
    ("moves", "move"),
    ("together", "open interest x move"),
)


@dataclass(frozen=True, slots=True)
class BacktestSettings:
    """How levels are named and counted."""

    horizons_s: tuple[int, ...] = (86_400,)
    """How long liquidations are waited for."""
    ks: tuple[int, ...] = (5,)
    """How many levels are named per side."""
    tolerances_pct: tuple[float, ...] = (0.5,)
    """How far from a level a liquidation may be."""
    within_pct: float = 20.0
    """Levels further from spot are not named."""
    even: float = 1.0
    """A level is hit by at least so many times what it would have if the window's liquidations were spread
    evenly over the way that the price went."""
    every_s: int | None = None
    """How often levels are named; None: as often as the horizon is long, so that no two windows overlap."""
    warm_up: int = 60
    """Candles that are known before levels are named first."""
    strata: int = 3
    """`elsewhen` takes levels of moments in the same one of so many groups by volatility."""
    draws: int = 199
    """Of each baseline."""
    resamples: int = 1000
    """Of the history, for intervals."""
    block: int | None = None
    """Windows that are resampled together; None: twice the cube root of their number."""
    seed: int = 7

    def __post_init__(self) -> None:
        """InputError for what cannot be."""
        counts = (*self.ks, self.strata, self.draws, self.resamples, *self.horizons_s)
        if not counts or min(counts) < 1 or self.warm_up < 0:
            raise InputError("a backtest needs horizons, levels, groups, draws and resamples of at least 1.")
        if not all(0 < each < 100 for each in (*self.tolerances_pct, self.within_pct)):
            raise InputError("a tolerance, and how far levels may be, lie between 0% and 100%.")
        if not 0 <= self.even < math.inf:
            raise InputError(f"a hit cannot be {self.even} times an even share. Give 0 or more.")


DEFAULT = BacktestSettings()


class _Market:
    """One market on the way."""

    def __init__(self, of: History | Days, predict: Predict) -> None:
        self.history = of if isinstance(of, History) else of.history
        self.sums: dict[Side, Floats] = {}
        """(t,) liquidations per candle, where only their sums are known."""
        if isinstance(of, Days):
            self.sums = {"long": of.long_liquidated, "short": of.short_liquidated}
        self.predict = predict

    @property
    def name(self) -> str:
        return f"{self.history.instrument.venue} {self.history.instrument.symbol}"

    def windows(self, horizon_s: int, settings: BacktestSettings) -> list[Window]:
        """Those in which everything that is asked for is known.

        Venues tell of the latest liquidations only: before the first one told, nobody knows of any.
        """
        found = windows(self.history, horizon_s, settings.every_s or horizon_s, settings.warm_up)
        executed = self.history.executed
        if not self.sums and executed is not None and len(executed):
            begins = int(executed["at"].min()) - self.history.step_s
            found = [one for one in found if one.at > begins]
        return [one for one in found if not any(np.isnan(self.liquidated(side, one)) for side in self.sums)]

    def liquidated(self, side: Side, window: Window) -> float:
        """Dollars of a side, at the window's first price; NaN where that is not known."""
        worth = 1.0 if self.history.instrument.is_inverse else window.spot_usd
        return worth * float(self.sums[side][window.known : window.ends].sum())

    def estimates(self, found: Sequence[Window]) -> Iterable[Estimate]:
        """What the predictor says at each window's start, from what was known then."""
        if isinstance(self.predict, PredictsAtOnce):
            until_last = known_at(self.history, found[-1].known)
            return self.predict.at_moments(until_last, [one.known for one in found])
        return (self.predict(known_at(self.history, one.known)) for one in found)


_Walked: TypeAlias = Sequence[tuple[_Market, list[Window]]]


def run_backtest(
    markets: Sequence[History | Days],
    predict: Predict,
    settings: BacktestSettings = DEFAULT,
    *,
    dataset: str,
    predictor: str,
) -> Backtest:
    """Walk forward over each market, and score what `predict` says, per market and over all of them.

    A History is tested at its executed liquidations, Days at what their moves passed; what is of one kind is
    also scored together. `predict` is only ever given a history that ends where its window starts. The same
    arguments give the same figures. InputError for a History that tells of no liquidations.
    """
    scores: list[Score] = []
    walked = [_Market(one, predict) for one in markets]
    faults = [f"{market.name}: {fault}" for market in walked for fault in market.history.faults]
    for horizon_s in settings.horizons_s:
        kept = [(market, market.windows(horizon_s, settings)) for market in walked]
        faults += [
            f"{market.name}: no window of {horizon_s} s fits, or none is known whole."
            for market, found in kept
            if not found
        ]
        with_prices = [(market, found) for market, found in kept if found and not market.sums]
        with_sums = [(market, found) for market, found in kept if found and market.sums]
        scores += _at_levels(with_prices, horizon_s, settings)
        scores += _on_moves(with_sums, horizon_s, settings)
    told = (replace(score, dataset=dataset, predictor=predictor) for score in scores)
    return Backtest(tuple(told), tuple(dict.fromkeys(faults)))


def _at_levels(walked: _Walked, horizon_s: int, settings: BacktestSettings) -> Iterator[Score]:
    executed = [executed_in(market.history, found) for market, found in walked]
    named = [_named(market, found, settings) for market, found in walked]
    for k, tolerance_pct in product(settings.ks, settings.tolerances_pct):
        tallies = {
            (i, side): tally(
                side,
                found,
                [each[side] for each in executed[i]],
                named[i][side][:, :k],
                tolerance_pct=tolerance_pct,
                even=settings.even,
                strata=settings.strata,
                draws=settings.draws,
                seed=settings.seed + i,
            )
            for i, (_, found) in enumerate(walked)
            for side in SIDES
        }
        for asset, venue, of, keys in _groups(walked):
            parts = [tallies[key] for key in keys]
            history = _resampled([part.at for part in parts], settings)
            for test, baseline, condition in _LEVEL_TESTS:
                of_levels = at_levels.precision(parts, test, baseline, condition, history)
                precision, base, lift, p_value = of_levels
                recall, base_recall, recall_lift = at_levels.recall(parts, baseline, history)
                yield Score(
                    *("", "", venue, asset, of, test, baseline, condition),
                    *(horizon_s, k, tolerance_pct, precision, base, lift),
                    *(recall, base_recall, recall_lift, UNDEFINED, math.nan, UNDEFINED),
                    *(p_value, history.moments),
                )


def _named(market: _Market, found: Sequence[Window], settings: BacktestSettings) -> dict[Side, Floats]:
    """(n, k) distances per side, for the most levels that are asked for."""
    most = max(settings.ks)
    each = [named_by_side(one, most, settings.within_pct) for one in market.estimates(found)]
    return {side: np.array([one[side] for one in each]) for side in SIDES}


def _on_moves(walked: _Walked, horizon_s: int, settings: BacktestSettings) -> Iterator[Score]:
    passages: dict[tuple[int, Side], on_moves.Passage] = {}
    for i, (market, found) in enumerate(walked):
        moves = {side: np.array([one.reach[side] for one in found]) for side in SIDES}
        crossed: dict[Side, list[Floats]] = {side: [] for side in SIDES}
        interest = []
        for estimate in market.estimates(found):
            interest.append(estimate.open_interest_usd)
            for side in SIDES:
                crossed[side].append(share_passed(estimate, side, moves[side]))
        for side in SIDES:
            passages[i, side] = passage(
                side,
                found,
                np.array(crossed[side]),
                np.array(interest),
                np.array([market.liquidated(side, one) for one in found]),
                strata=settings.strata,
                draws=settings.draws,
            )
    for asset, venue, of, keys in _groups(walked):
        parts = [passages[key] for key in keys]
        history = _resampled([part.at for part in parts], settings)
        for test, baseline in _MOVE_TESTS:
            parts = [passages[key] for key in keys]
            if test == "together":
                parts = [together(part, baseline) for part in parts]
            correlation, base, gain, p_value = on_moves.correlation(parts, baseline, history)
            precision, base_precision, lift = on_moves.precision(parts, baseline, history)
            yield Score(
                *("", "", venue, asset, of, test, baseline, "all"),
                *(horizon_s, 0, math.nan, precision, base_precision, lift),
                *(UNDEFINED, math.nan, UNDEFINED, correlation, base, gain),
                *(p_value, history.moments),
            )


def _groups(walked: _Walked) -> Iterator[tuple[str, str, AnySide, list[tuple[int, Side]]]]:
    """(asset, venue, side, which parts): each market's sides, both of them, and all markets together."""
    of = [market.history.instrument for market, _ in walked]
    groups = [(instrument.asset, instrument.venue, [i]) for i, instrument in enumerate(of)]
    if len(of) > 1:
        venues = {one.venue for one in of}
        groups.append((ALL, venues.pop() if len(venues) == 1 else ALL, list(range(len(of)))))
    for asset, venue, places in groups:
        for side in SIDES:
            yield asset, venue, side, [(i, side) for i in places]
        yield asset, venue, "both", [(i, side) for i in places for side in SIDES]


def _resampled(moments: Sequence[Floats], settings: BacktestSettings) -> Resampled:
    at = np.concatenate(moments)
    return resampled(at, settings.block, settings.resamples, settings.seed)
