"""Named levels against liquidations with prices: the harness itself is put to the test."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.cex.backtest import Backtest, BacktestSettings, Predict, Score, run_backtest
from defiliq.cex.backtest.at_levels import precision, recall, tally
from defiliq.cex.backtest.resampling import resampled
from defiliq.cex.backtest.results import Measure
from defiliq.cex.backtest.windows import Executed, Window, executed_in, windows
from defiliq.cex.history import Floats, History
from defiliq.errors import InputError
from defiliq.model.heat import SIDES
from defiliq.types import Side
from tests.cex.backtest.stage import (
    DAY_S,
    HOUR_S,
    START_AT,
    always,
    executions,
    guessing,
    knowing,
    liquidating,
    market,
    naming,
    no_executions,
    saying,
    uneven,
    walk,
)

QUICK = BacktestSettings(ks=(3,), tolerances_pct=(0.2,), draws=60, resamples=300)
LEVELS = uneven(3)


def score(found: Backtest, **wanted: object) -> Score:
    (one,) = [s for s in found.scores if all(getattr(s, name) == is_ for name, is_ in wanted.items())]
    return one


def primary(found: Backtest, asset: str = "BTC") -> Score:
    return score(found, asset=asset, side="both", test="density", baseline="elsewhen")


def hits(found: Backtest, **wanted: object) -> Score:
    """The share of levels that were hit."""
    return score(found, **({"side": "both", "asset": "BTC"} | wanted), test="levels")


def run(history: History, predict: Predict, given: BacktestSettings = QUICK) -> Backtest:
    return run_backtest([history], predict, given, dataset="made", predictor="p")


@pytest.fixture(scope="module")
def lively() -> History:
    return liquidating(walk(1, 24 * 50, per_candle=0.012), LEVELS)


def window(reach: float) -> Window:
    return Window(1, 2, 0, 100.0, 0.01, {"long": reach, "short": reach})


def test_a_window_is_counted_by_hand() -> None:
    # 50 dollars at 1%, 30 at 1.1%, 20 at 3%; the price went 2% and the tolerance is 0.15%
    liquidated = Executed(np.array([0.010, 0.011, 0.030]), np.array([0.0, 50.0, 80.0, 100.0]))
    named = np.array([[0.0105, 0.0110, 0.0300, 0.0150, math.nan]])
    found = tally(
        "long",
        [window(0.02)],
        [liquidated],
        named,
        tolerance_pct=0.15,
        even=1.0,
        strata=1,
        draws=2,
        seed=0,
    )
    # Four are named, three of them reached. Both near 1% have the same 80 dollars, more than 100 * 0.3 / 2.
    # 20 dollars lie at 3%, where none would if they were spread over the way; none lie at 1.5%.
    assert found.mine.tolist() == [[4, 3, 3, 2, 1.6, 100]]
    assert found.executed_usd.tolist() == [100]
    # The only window gets its own levels, and as many of each baseline.
    assert found.others["elsewhen"].tolist() == [[[4, 3, 3, 2, 1.6, 100]]] * 2
    assert found.others["random"][..., 0].tolist() == [[4], [4]]


def test_a_hit_is_more_than_an_even_share() -> None:
    # A dollar at every 0.1% up to 2%, and nine more at 1%: around 1% lie 12 of 29, around 0.5% lie 3.
    at = np.concatenate([np.arange(1, 21) / 1000, np.full(9, 0.01)])
    liquidated = Executed(np.sort(at), np.arange(30, dtype=np.float64))
    for even, hits_of_two in ((1.0, 2), (2.0, 1), (5.0, 0)):
        found = tally(
            "long",
            [window(0.02)],
            [liquidated],
            np.array([[0.005, 0.01]]),
            tolerance_pct=0.1001,
            even=even,
            strata=1,
            draws=1,
            seed=0,
        )
        # Even shares are 0.2% of 2%, a tenth of 29 dollars: 2.9.
        assert found.mine[0, 3] == hits_of_two
        assert found.mine[0, 4] == pytest.approx((3 + 12) / 29)


@settings(max_examples=80)
@given(
    places=st.lists(st.floats(0, 0.2), max_size=30),
    levels=st.lists(st.floats(0, 0.2), min_size=1, max_size=8),
    tolerance=st.floats(0.01, 5),
)
def test_no_dollar_counts_twice(places: list[float], levels: list[float], tolerance: float) -> None:
    where = np.sort(np.array(places, dtype=np.float64))
    liquidated = Executed(where, np.arange(len(where) + 1, dtype=np.float64))
    found = tally(
        "short",
        [window(0.1)],
        [liquidated],
        np.array([levels]),
        tolerance_pct=tolerance,
        even=1.0,
        strata=1,
        draws=1,
        seed=0,
    )
    wide = math.log1p(tolerance / 100)
    near = sum(any(level - wide <= at <= level + wide for level in levels) for at in where.tolist())
    named, hit, reached, reached_hit, density, captured = found.mine[0].tolist()
    assert captured == near
    assert 0 <= density <= reached
    assert named == len(levels)
    assert hit <= named
    assert reached_hit <= min(hit, reached)


def test_who_knows_the_levels_is_far_better_than_chance(lively: History) -> None:
    result = run(lively, knowing(LEVELS))
    found = primary(result)
    assert found.lift.low > 3
    assert found.p_value == pytest.approx(1 / 15), "14 turns are all that there are"
    assert found.recall_lift.low > 1.1
    # Estimates are in buckets of 0.1%, so a level is known about as well.
    assert hits(result, baseline="elsewhen", condition="reached").precision.value > 0.9


def test_who_sees_the_future_is_too(lively: History) -> None:
    assert lively.executed is not None
    executed = lively.executed

    def seen(known: History) -> dict[str, list[float]]:
        until = known.until_at
        ahead = executed[(executed["at"] >= until) & (executed["at"] < until + DAY_S)]
        return {side: ahead["price_usd"][ahead["side"] == side].tolist()[:3] for side in ("long", "short")}

    found = primary(run(lively, naming(seen)))  # type: ignore[arg-type]
    assert found.lift.low > 3


class Walked:
    """Windows of a market with what was executed in each, cut out once for many predictors."""

    def __init__(self, history: History) -> None:
        self.windows = windows(history, DAY_S, DAY_S, 60)
        self.executed = executed_in(history, self.windows)

    def lifts(self, named: dict[Side, Floats]) -> tuple[Measure, Measure]:
        """(of density, of recall) against `elsewhen`, of distances (n, k)."""
        tallies = [
            tally(
                side,
                self.windows,
                [one[side] for one in self.executed],
                named[side][: len(self.windows)],
                tolerance_pct=0.2,
                even=1.0,
                strata=3,
                draws=40,
                seed=0,
            )
            for side in SIDES
        ]
        history = resampled(np.concatenate([one.at for one in tallies]), None, 300, 0)
        _, _, lift, _ = precision(tallies, "density", "elsewhen", "reached", history)
        _, _, recall_lift = recall(tallies, "elsewhen", history)
        return lift, recall_lift


def test_guesses_have_no_lift(lively: History) -> None:
    walked = Walked(liquidating(walk(1, 24 * 200, per_candle=0.008), LEVELS))
    drawn = [np.random.default_rng(seed).uniform(0.002, 0.06, (2, 200, 6)) for seed in range(12)]
    found = [walked.lifts({"long": each[0], "short": each[1]}) for each in drawn]
    for lifts in zip(*found, strict=True):
        assert np.mean([one.value for one in lifts]) == pytest.approx(1, abs=0.06)
        assert sum(one.low <= 1 <= one.high for one in lifts) >= 10


@pytest.mark.parametrize("distances", [(0.002, 0.004, 0.006), (0.02, 0.03, 0.04), (0.002, 0.05)])
def test_always_naming_the_same_distances_is_no_skill(lively: History, distances: tuple[float, ...]) -> None:
    levels = np.tile(np.array(distances), (50, 1))
    lift, recall_lift = Walked(lively).lifts({"long": levels, "short": levels})
    assert (lift.value, lift.low, lift.high) == pytest.approx((1, 1, 1))
    assert recall_lift.value == pytest.approx(1)


def test_without_conditions_naming_what_is_near_would_look_like_skill(lively: History) -> None:
    one_level = replace(QUICK, ks=(1,), even=0.0, tolerances_pct=(1.0,))
    near, far = (run(lively, always(away), one_level) for away in (0.005, 0.08))
    shares = [hits(one, baseline="random", condition="all").precision.value for one in (near, far)]
    assert shares[0] > 2 * shares[1]
    assert primary(near).lift.low <= 1 <= primary(near).lift.high


def test_distances_that_follow_volatility_are_no_skill_either() -> None:
    lifts = []
    for seed in range(8):
        walked = Walked(liquidating(walk(50 + seed, 24 * 160, wild=True), LEVELS))
        wild = np.array([one.volatility for one in walked.windows])
        levels = wild[:, None] * np.array([1.0, 2.0, 3.0, 4.0])
        lifts.append(walked.lifts({"long": levels, "short": levels})[0])
    assert np.mean([one.value for one in lifts]) == pytest.approx(1, abs=0.1)
    assert sum(one.low <= 1 <= one.high for one in lifts) >= 5


def test_the_unit_of_money_and_of_price_does_not_matter(lively: History) -> None:
    assert lively.executed is not None
    executed = lively.executed.assign(
        price_usd=lively.executed["price_usd"] * 8, size_usd=lively.executed["size_usd"] * 1e-6
    )
    prices = {name: getattr(lively, name) * 8 for name in ("open_usd", "high_usd", "low_usd", "close_usd")}
    scaled = replace(lively, executed=executed, **prices)
    one, other = run(lively, knowing(LEVELS)), run(scaled, knowing(LEVELS * 8))
    assert primary(other).precision.value == pytest.approx(primary(one).precision.value, abs=0.03)
    assert primary(other).recall.value == pytest.approx(primary(one).recall.value, abs=0.05)


def test_sides_are_told_apart() -> None:
    closes = 100.0 * np.exp(np.cumsum(np.full(24 * 40, -0.002)))
    history = liquidating(closes, LEVELS)
    found = run(history, knowing(LEVELS))
    long = score(found, side="long", test="levels", baseline="elsewhen", condition="reached")
    short = score(found, side="short", test="levels", baseline="elsewhen", condition="reached")
    assert long.precision.value == 1.0
    assert long.precision.n > 0
    assert short.precision.n == 0
    assert math.isnan(short.precision.value)
    assert math.isnan(short.lift.value)


def test_without_liquidations_nothing_is_hit_and_no_lift_is_defined() -> None:
    history = market(walk(1, 24 * 40), executed=no_executions())
    found = primary(run(history, guessing(1)))
    assert found.precision.value == 0.0
    assert found.precision.n > 0
    assert math.isnan(found.lift.value)
    assert math.isnan(found.recall.value)
    assert math.isnan(found.recall_lift.value)


def test_fewer_levels_than_asked_for_are_fewer(lively: History) -> None:
    few = run(lively, always(0.004, 0.03), replace(QUICK, ks=(50,)))
    one = hits(few, baseline="random", condition="all")
    assert one.k == 50
    assert one.precision.n == 2 * 2 * one.windows


def test_naming_nothing_is_not_defined(lively: History) -> None:
    found = primary(run(lively, lambda known: saying(known, {"long": [], "short": []})))
    assert found.precision.n == 0
    assert math.isnan(found.lift.value)
    assert found.recall.value == 0.0


def test_levels_beyond_the_limit_are_not_named(lively: History) -> None:
    found = primary(run(lively, always(0.2), replace(QUICK, within_pct=10.0)))
    assert found.precision.n == 0


def test_a_history_that_is_too_short_says_so() -> None:
    history = market(walk(1, 70), executed=no_executions())
    found = run(history, guessing(1))
    assert found.scores == ()
    assert found.table().empty
    assert any("no window of 86400 s" in fault for fault in found.faults)


def test_a_candle_without_a_price_takes_its_windows_out(lively: History) -> None:
    low = lively.low_usd.copy()
    low[24 * 30] = math.nan
    whole, holed = run(lively, always(0.01)), run(replace(lively, low_usd=low), always(0.01))
    assert primary(holed).windows == primary(whole).windows - 1


def test_before_the_first_liquidation_told_nobody_knows_of_any(lively: History) -> None:
    assert lively.executed is not None
    late = replace(lively, executed=lively.executed[lively.executed["at"] >= lively.at[24 * 30]])
    assert late.executed is not None
    begins = int(late.executed["at"].min())
    found, whole = (primary(run(one, always(0.01))) for one in (late, lively))
    assert found.windows == sum(
        one.at > begins - HOUR_S for one in windows(lively, DAY_S, DAY_S, QUICK.warm_up)
    )
    assert found.windows < whole.windows


@pytest.mark.parametrize("wrong", [{"price_usd": 0.0}, {"price_usd": math.nan}, {"size_usd": math.inf}])
def test_a_senseless_liquidation_is_refused(lively: History, wrong: dict[str, float]) -> None:
    assert lively.executed is not None
    with pytest.raises(InputError, match="no price above 0, or no size"):
        run(replace(lively, executed=lively.executed.assign(**wrong)), always(0.01))


def test_what_cannot_be_tested_is_refused(lively: History) -> None:
    with pytest.raises(InputError, match="tells of no liquidations"):
        run(market(walk(1, 24 * 40)), guessing(1))
    with pytest.raises(InputError, match="does not fit candles of 3600 s"):
        run(lively, guessing(1), replace(QUICK, horizons_s=(5000,)))
    with pytest.raises(InputError, match="every 5400 s does not fit candles of 3600 s"):
        run(lively, guessing(1), replace(QUICK, every_s=5400))
    with pytest.raises(InputError, match="at least 1"):
        BacktestSettings(ks=(0,))
    with pytest.raises(InputError, match="between 0% and 100%"):
        BacktestSettings(tolerances_pct=(0.0,))
    with pytest.raises(InputError, match="times an even share"):
        BacktestSettings(even=-1.0)


def test_markets_are_scored_one_by_one_and_together(lively: History) -> None:
    other = liquidating(walk(9, 24 * 50, per_candle=0.012), LEVELS, asset="ETH")
    found = run_backtest([lively, other], knowing(LEVELS), QUICK, dataset="made", predictor="knowing")
    each = [primary(found, asset) for asset in ("BTC", "ETH")]
    together = primary(found, "all")
    assert together.precision.n == sum(one.precision.n for one in each)
    # They share their times, but for one before the first liquidation of one of them.
    assert together.windows == max(one.windows for one in each)
    table = found.table()
    assert set(table["dataset"]) == {"made"}
    assert set(table["predictor"]) == {"knowing"}
    assert len(table) == 3 * 3 * 6
    assert (table["lift_low"] <= table["lift"]).all()
    assert (table["lift"] <= table["lift_high"]).all()


def test_the_same_arguments_give_the_same_figures() -> None:
    lively = liquidating(walk(1, 24 * 20, per_candle=0.012), LEVELS)
    one, other = (run(lively, always(0.01)).table() for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    reseeded = run(lively, always(0.01), replace(QUICK, seed=8)).table()
    assert not reseeded["lift_low"].equals(one["lift_low"])


def test_windows_hold_what_is_executed_from_their_start_to_before_their_end() -> None:
    closes = np.full(24 * 4, 100.0)
    closes[::2] = 99.0
    start, ends = START_AT + 60 * HOUR_S, START_AT + 84 * HOUR_S
    rows = [(at, 99.5, "long", 1.0) for at in (start - 1, start, ends - 1, ends)]
    history = market(closes, executed=executions(rows))  # type: ignore[arg-type]
    seen: list[int] = []

    def predict(known: History):  # type: ignore[no-untyped-def]
        assert known.executed is not None
        seen.append(len(known.executed))
        return saying(known, {"long": [99.5], "short": [101.0]})

    found = run(history, predict, replace(QUICK, warm_up=60))
    assert seen == [1]
    long = hits(found, side="long", baseline="random", condition="all")
    assert (long.recall.value, long.recall.n, long.windows) == (1.0, 2, 1)
