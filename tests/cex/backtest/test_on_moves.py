"""Estimates against daily sums: who knows the levels gains on every baseline, who does not gains on none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from defiliq.cex.backtest import Backtest, BacktestSettings, Predict, Score, run_backtest
from defiliq.cex.backtest.on_moves import share_passed
from defiliq.cex.daily import Days
from defiliq.cex.history import Floats, History
from defiliq.types import Side
from tests.cex.backtest.stage import DAY_S, always, days_through, market, naming, saying, walk

QUICK = BacktestSettings(draws=60, resamples=300, warm_up=40)
CLOSES = walk(2, 400, per_candle=0.03)
LUMP = np.random.default_rng(4).uniform(0.005, 0.06, (400, 2))
"""Per day, at which distance from the close before all longs and all shorts lie."""
_SIDES: dict[str, int] = {"long": 0, "short": 1}


def lumps(day: int, side: Side, moved: float) -> float:
    """A fifth of the open interest where the day's move passed the lump, and nothing else."""
    return 0.2 * bool(moved > LUMP[day, _SIDES[side]])


DAYS = days_through(CLOSES, lumps)


def run(days: Days, predict: Predict, given: BacktestSettings = QUICK) -> Backtest:
    return run_backtest([days], predict, given, dataset="made", predictor="p")


def against(
    found: Backtest, baseline: str, side: str = "both", asset: str = "BTC", test: str = "moves"
) -> Score:
    (one,) = [
        s for s in found.scores if (s.baseline, s.side, s.asset, s.test) == (baseline, side, asset, test)
    ]
    return one


def at_lumps(closes: Floats, day_of: Floats) -> Predict:
    """Names one level per side, as far away as `day_of` (days, 2) says of the day to come."""

    def prices(known: History) -> dict[str, list[float]]:
        spot, (long, short) = float(known.close_usd[-1]), day_of[min(len(known), len(day_of) - 1)]
        return {"long": [spot * math.exp(-long)], "short": [spot * math.exp(short)]}

    return naming(prices)  # type: ignore[arg-type]


def test_what_lies_in_the_way_is_summed_by_hand() -> None:
    known = market(np.array([100.0, 100.0]))
    one = saying(known, {"long": [90.0], "short": [110.0]}, usd=1e4)
    # The open interest is a million dollars, and each side has 20,000 of it at one level.
    passed = share_passed(one, "long", np.array([0.0, 0.05, 0.2, 5.0]))
    assert passed.tolist() == pytest.approx([0, 0, 0.02, 0.02])
    short = share_passed(one, "short", np.array([0.05, 0.2]))
    assert short.tolist() == pytest.approx([0, 0.02])
    # Within its bucket of 0.1% it is spread evenly.
    edges = np.abs(np.log(one.edges_usd / 100.0))
    inside = (edges[:-1] + edges[1:]) / 2
    here = share_passed(one, "long", inside[one.long_usd[0] > 0])
    assert here.tolist() == pytest.approx([0.01])


def test_an_estimate_of_no_open_interest_passes_nothing() -> None:
    known = replace(market(np.array([100.0, 100.0])), open_interest=np.zeros(2))
    one = saying(known, {"long": [90.0], "short": [110.0]})
    assert share_passed(one, "long", np.array([0.2])).tolist() == [0.0]


def test_who_knows_where_the_lumps_are_gains_on_every_baseline() -> None:
    found = run(DAYS, at_lumps(CLOSES, LUMP))
    for baseline in ("elsewhen", "move", "open interest x move"):
        assert against(found, baseline).gain.low > 0.02, baseline
    assert against(found, "elsewhen").p_value == pytest.approx(1 / 61)
    assert against(found, "elsewhen").lift.low > 1
    assert against(found, "elsewhen", "long").gain.low > 0
    assert against(found, "elsewhen", "short").gain.low > 0


def test_lumps_of_other_days_gain_nothing() -> None:
    inside, gains = 0, []
    for seed in range(8):
        shuffled = np.random.default_rng(seed).permutation(LUMP)
        found = against(run(DAYS, at_lumps(CLOSES, shuffled)), "elsewhen")
        inside += found.gain.low <= 0 <= found.gain.high
        gains.append(found.gain.value)
    assert inside >= 6
    assert np.mean(gains) == pytest.approx(0, abs=0.03)


def test_the_same_distances_at_all_times_are_their_own_baseline() -> None:
    found = against(run(DAYS, always(0.01, 0.02, 0.03, 0.05)), "elsewhen")
    assert found.gain.value == pytest.approx(0, abs=0.01)
    assert found.p_value > 0.05


def test_where_the_move_is_all_there_is_no_estimate_gains_on_it() -> None:
    days = days_through(CLOSES, lambda day, side, moved: moved)
    found = run(days, at_lumps(CLOSES, LUMP))
    # What is liquidated is counted in dollars, as is the open interest that moved.
    assert against(found, "open interest x move").baseline_correlation == pytest.approx(1)
    assert against(found, "open interest x move").gain.high < 0
    assert against(found, "move").gain.high < 0


def test_nothing_liquidated_correlates_with_nothing() -> None:
    found = against(run(days_through(CLOSES, lambda *_: 0.0), at_lumps(CLOSES, LUMP)), "elsewhen")
    assert math.isnan(found.correlation.value)
    assert math.isnan(found.gain.value)
    assert found.precision.value == 0.0
    assert math.isnan(found.lift.value)


def test_days_whose_liquidations_are_not_known_are_left_out() -> None:
    holed = DAYS.long_liquidated.copy()
    holed[[100, 200]] = math.nan
    whole, found = (
        against(run(days, always(0.02)), "move")
        for days in (DAYS, Days(DAYS.history, holed, DAYS.short_liquidated))
    )
    assert found.windows == whole.windows - 2


def test_longer_windows_sum_their_days() -> None:
    found = against(run(DAYS, always(0.02), replace(QUICK, horizons_s=(7 * DAY_S,))), "move", "long")
    assert found.windows == (400 - 40) // 7
    assert found.correlation.n == found.windows


def test_assets_are_ranked_each_by_itself() -> None:
    # The second asset liquidates a thousand times as much: together they must rank as they do apart.
    scaled = days_through(CLOSES, lambda day, side, moved: 1e3 * lumps(day, side, moved), asset="ETH")
    both = run_backtest([DAYS, scaled], at_lumps(CLOSES, LUMP), QUICK, dataset="made", predictor="p")
    one, together = against(both, "elsewhen"), against(both, "elsewhen", asset="all")
    assert together.correlation.value == pytest.approx(one.correlation.value)
    assert together.correlation.n == 2 * one.correlation.n
    # They are the same days, so they say no more than one of them does.
    width = one.correlation.high - one.correlation.low
    assert together.correlation.high - together.correlation.low == pytest.approx(width, rel=0.01)


def test_together_is_more_only_where_the_estimate_tells_something() -> None:
    def half(day: int, side: Side, moved: float) -> float:
        return lumps(day, side, moved) + 4 * moved

    days = days_through(CLOSES, half)
    knows = against(run(days, at_lumps(CLOSES, LUMP)), "open interest x move", test="together")
    assert knows.gain.low > 0
    knows_not = against(run(days, always(0.02)), "open interest x move", test="together")
    assert knows_not.gain.high < knows.gain.low
    copy = against(run(days, always(*np.linspace(0.002, 0.4, 100))), "open interest x move", test="together")
    # An even spread of levels is open interest times move itself, and adds nothing to it.
    assert copy.gain.value == pytest.approx(0, abs=0.01)


def test_what_lies_where_the_side_gains_is_on_no_way() -> None:
    known = market(np.array([100.0, 100.0]))
    plain = saying(known, {"long": [90.0], "short": [110.0]}, usd=1e4)
    turned = saying(known, {"long": [90.0, 105.0], "short": [110.0, 95.0]}, usd=1e4)
    for side in ("long", "short"):
        away = np.array([0.001, 0.08, 0.2])
        assert share_passed(turned, side, away).tolist() == share_passed(plain, side, away).tolist()
