"""Churn by what was liquidated: of simulated markets whose churn is known, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from defiliq.cex.churn import fit_churn
from defiliq.cex.estimate import DEFAULT, estimate
from defiliq.cex.history import History
from defiliq.cex.population import World, factors_of, flat_rule, recovery, simulate
from defiliq.cex.priors import LOW, MID, Prior
from defiliq.cex.walk import EstimateSettings
from defiliq.errors import InputError
from tests.cex.estimator.made import STEP_S, drawn_history, history_of, simple

RULE = flat_rule()
TEN = Prior("ten", (10,), (1.0,))
FLAT = (100.0, 100.0, 100.0, 100.0)
FALL = (100.0, 100.0, 90.0, 95.0)


def with_executed(history: History, rows: list[tuple[int, float, str, float]]) -> History:
    """Rows are (candle, price, side, dollars)."""
    table = pd.DataFrame(rows, columns=["at", "price_usd", "side", "size_usd"])
    table["at"] = history.at[0] + STEP_S * table["at"].astype("int64")
    return replace(history, executed=table)


@pytest.mark.parametrize("churn_daily", [0.0, 2.0])
def test_what_was_liquidated_tells_the_churn_of_a_simulated_market(churn_daily: float) -> None:
    world = World(candles=720, warm_up=360, traders=2_000, size_spread=0.3, churn_daily=churn_daily)
    market = simulate(2, world, prior=MID, rule=RULE)
    factors = factors_of(RULE, MID, market.truth.spot_usd)
    fitted = fit_churn(market.history, factors, MID, DEFAULT)
    assert fitted.is_found
    assert fitted.churn == pytest.approx(market.lasting_share, abs=0.2)
    assert sum(fitted.traded_through) == pytest.approx(sum(fitted.executed), rel=0.02)

    def error(churn: float) -> float:
        found = estimate(market.history, [factors], [MID], replace(DEFAULT, churn=churn))
        return recovery(market.truth, found).mid_error

    assert error(fitted.churn) < 0.7 * error(DEFAULT.churn)


def test_a_prior_of_too_little_leverage_finds_no_churn_that_does() -> None:
    market = simulate(1, World(candles=480, warm_up=240, traders=1_000), prior=MID, rule=RULE)
    fitted = fit_churn(market.history, factors_of(RULE, LOW, market.truth.spot_usd), LOW, DEFAULT)
    assert (fitted.churn, fitted.is_found) == (1.0, False)
    assert sum(fitted.traded_through) < sum(fitted.executed)


def test_by_hand_which_share_of_volume_was_opened() -> None:
    """Open interest stands at 1000; 200 change hands in a candle, of which the share c opens 100c longs, less
    what is closed of these at once: (1 - 100c / (1000 + 100c)). All of them break when the price falls below
    90.4, of which 100 * 0.5 / 1.05 were told.
    """
    wanted = 0.5
    opened = 100 * wanted * (1 - 100 * wanted / (1000 + 100 * wanted))
    history = with_executed(
        history_of([FLAT, FLAT, FALL, FLAT], [1000, 1000, 1000, 1000], volume_usd=[0, 20_000, 0, 0]),
        [(2, 90.4, "long", opened * 90.4), (3, 110.0, "short", 0.0)],
    )
    fitted = fit_churn(history, simple(TEN), TEN, EstimateSettings(points=1))
    assert fitted.churn == pytest.approx(wanted, abs=0.005)
    assert list(fitted.executed) == pytest.approx([opened, 0.0])
    assert fitted.from_at == history.at[2]
    assert fitted.until_at == history.until_at


def test_what_broke_before_the_first_liquidation_known_does_not_count() -> None:
    candles = [FLAT, FLAT, FALL, FLAT, FLAT, FALL, FLAT]
    history = history_of(candles, [1000] * 7, volume_usd=[0, 20_000, 0, 0, 20_000, 0, 0])
    rows = [(5, 90.4, "long", 40 * 90.4), (6, 110.0, "short", 0.0)]
    late = fit_churn(with_executed(history, rows), simple(TEN), TEN, EstimateSettings(points=1))
    both = fit_churn(
        with_executed(history, [(2, 90.4, "long", 0.0), *rows]), simple(TEN), TEN, EstimateSettings(points=1)
    )
    assert both.churn < late.churn


def test_nothing_liquidated_or_at_one_time_only_fits_nothing() -> None:
    history = drawn_history(1, 50)
    with pytest.raises(InputError, match="tells of no liquidation"):
        fit_churn(history, simple(TEN), TEN, DEFAULT)
    with pytest.raises(InputError, match="tells of no liquidation"):
        fit_churn(with_executed(history, []), simple(TEN), TEN, DEFAULT)
    once = with_executed(history, [(7, 90.0, "long", 5.0)])
    with pytest.raises(InputError, match="one candle"):
        fit_churn(once, simple(TEN), TEN, DEFAULT)


def test_liquidations_beyond_all_volume_and_none_at_all_are_the_ends() -> None:
    history = drawn_history(1, 400)
    much = with_executed(history, [(0, 100.0, "long", 1e12), (399, 100.0, "short", 1e12)])
    none = with_executed(history, [(0, 100.0, "long", 0.0), (399, 100.0, "short", 0.0)])
    assert fit_churn(much, simple(TEN), TEN, DEFAULT).churn == 1
    assert fit_churn(none, simple(TEN), TEN, DEFAULT).churn == 0
    assert np.isfinite(fit_churn(none, simple(TEN), TEN, DEFAULT).traded_through).all()
