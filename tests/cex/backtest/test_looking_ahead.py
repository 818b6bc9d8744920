"""No prediction can see what comes after it: not by what it is given, and not by walking once for all."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from defiliq.cex.backtest import BacktestSettings, known_at, run_backtest
from defiliq.cex.backtest.predictors import Estimator, by_tiers, known_levels
from defiliq.cex.backtest.windows import CANDLE_COLUMNS, PredictsAtOnce, windows
from defiliq.cex.daily import DAY_S, daily_assets, load_days
from defiliq.cex.history import History
from defiliq.cex.levels import Estimate
from defiliq.cex.openings import Factors
from defiliq.cex.priors import MID, Prior
from defiliq.errors import InputError, UnknownTiers
from tests.cex.backtest.stage import HOUR_S, always, liquidating, uneven, walk

QUICK = BacktestSettings(ks=(3,), tolerances_pct=(0.2,), draws=20, resamples=50)
LIVELY = liquidating(walk(3, 24 * 12, per_candle=0.012), uneven(3))


def test_every_column_of_a_history_is_cut() -> None:
    columns = {each.name for each in fields(History) if isinstance(getattr(LIVELY, each.name), np.ndarray)}
    assert columns == set(CANDLE_COLUMNS)
    cut = known_at(LIVELY, 200)
    assert all(len(getattr(cut, name)) == 200 for name in CANDLE_COLUMNS)
    assert cut.executed is not None
    assert LIVELY.executed is not None
    assert 0 < len(cut.executed) < len(LIVELY.executed)
    assert cut.executed["at"].max() < cut.until_at == cut.fetched_at
    # Nothing leads back from a cut to what it was cut from.
    assert all(getattr(cut, name).base is None for name in CANDLE_COLUMNS)


@pytest.mark.parametrize("candles", [0, -1, 24 * 12 + 1])
def test_there_is_no_history_of_no_candles_or_of_more_than_there_are(candles: int) -> None:
    with pytest.raises(InputError, match="has no first"):
        known_at(LIVELY, candles)


def test_a_predictor_is_given_what_ends_where_its_window_starts() -> None:
    seen: list[History] = []

    def predict(known: History) -> Estimate:
        seen.append(known)
        return always(0.01)(known)

    run_backtest([LIVELY], predict, QUICK, dataset="made", predictor="spy")
    assert LIVELY.executed is not None
    first = int(LIVELY.executed["at"].min())
    every = windows(LIVELY, DAY_S, DAY_S, QUICK.warm_up)
    starts = [one.at for one in every if one.at > first - HOUR_S]
    assert len(starts) > 5
    assert [known.until_at for known in seen] == starts
    assert starts == sorted(starts)
    for known in seen:
        assert known.executed is not None
        assert (known.executed["at"] < known.until_at).all()


def test_another_future_changes_no_prediction() -> None:
    turned = 150
    other_closes = np.concatenate([LIVELY.close_usd[:turned], LIVELY.close_usd[turned:] * 1.5])
    other = liquidating(other_closes, uneven(3))
    said: dict[str, list[Estimate]] = {}
    for name, history in (("one", LIVELY), ("other", other)):
        said[name] = [Estimator()(known_at(history, known)) for known in (60, 100, turned)]
    for one, changed in zip(said["one"], said["other"], strict=True):
        assert_same(one, changed)


def assert_same(one: Estimate, other: Estimate) -> None:
    for each in fields(Estimate):
        a, b = getattr(one, each.name), getattr(other, each.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-6)
        else:
            assert a == b, each.name


@pytest.mark.parametrize(
    "history", [load_days("BTC").history, load_days("MATIC").history, LIVELY], ids=["BTC", "MATIC", "made"]
)
def test_walking_once_says_what_each_cut_says(history: History) -> None:
    estimator = Estimator()
    assert isinstance(estimator, PredictsAtOnce)
    known = [61, 62, 200, len(history) - 5, len(history)]
    for candles, at_once in zip(known, estimator.at_moments(history, known), strict=True):
        assert_same(estimator(known_at(history, candles)), at_once)


def test_the_backtest_is_the_same_either_way() -> None:
    days = load_days("ETH")
    short = replace(days, history=known_at(days.history, 160))
    short = replace(
        short, long_liquidated=days.long_liquidated[:160], short_liquidated=days.short_liquidated[:160]
    )
    estimator = Estimator()
    tables = [
        run_backtest([short], predict, QUICK, dataset="days", predictor="e").table()
        for predict in (estimator, lambda history: estimator(history))
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_all_bundled_assets_have_tiers() -> None:
    for asset in daily_assets():
        assert by_tiers(load_days(asset).history, MID).leverages == MID.leverages
        assert Estimator()(known_at(load_days(asset).history, 30)).open_interest_usd > 0
    unknown = replace(LIVELY, instrument=replace(LIVELY.instrument, asset="NONE", symbol="NONE/USDT:USDT"))
    with pytest.raises(UnknownTiers):
        Estimator()(unknown)


def test_windows_follow_each_other_without_overlap() -> None:
    found = windows(LIVELY, DAY_S, DAY_S, 60)
    assert [one.known for one in found] == list(range(60, 24 * 12 - 23, 24))
    assert all(one.ends == following.known for one, following in pairwise(found))
    for one in found:
        assert one.spot_usd == LIVELY.close_usd[one.known - 1]
        low = LIVELY.low_usd[one.known : one.ends].min()
        assert one.reach["long"] == pytest.approx(max(0.0, math.log(one.spot_usd / low)))
    assert len(windows(LIVELY, DAY_S, 6 * HOUR_S, 60)) > 3 * len(found)


def test_known_levels_are_named_where_they_are() -> None:
    levels = ((np.array([90.0, 95.0]), np.array([2e6, 1e6])), (np.array([110.0]), np.array([3e6])))
    one = known_levels({LIVELY.until_at: levels})(LIVELY)
    table = one.table()
    assert table["mid_usd"].tolist() == [2e6, 1e6, 3e6]
    assert table["price_usd"].tolist() == pytest.approx([90, 95, 110], rel=1e-3)
    assert table["side"].tolist() == ["long", "long", "short"]


def test_tiers_that_count_coins_are_chosen_at_the_first_price() -> None:
    seen: list[float] = []

    def factors(history: History, prior: Prior) -> Factors:
        seen.append(float(history.close_usd[-1]))
        return by_tiers(history, prior)

    late = replace(LIVELY, close_usd=np.where(np.arange(len(LIVELY)) < 2, math.nan, LIVELY.close_usd))
    Estimator((MID,), factors_of=factors)(late)
    assert list(Estimator((MID,), factors_of=factors).at_moments(late, [100, 200]))
    assert set(seen) == {LIVELY.close_usd[2]}
