"""`defiliq cex backtest`: the scores are those of the backtest itself, and what is left out is told."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest

from defiliq.cex.backtest import BACKTEST_COLUMNS, BacktestSettings, Estimator, run_backtest
from defiliq.cex.daily import load_days
from defiliq.cex.history import History
from defiliq.cex.levels import Estimate
from defiliq.cex.peers import at_spot, one_sided
from defiliq.cex.priors import MID, Prior
from defiliq.view.files import render_csv
from tests.cli.conftest import Run

SETTINGS = BacktestSettings(ks=(10,), tolerances_pct=(0.25,))


def by_mid(method: Callable[[History, Prior], Estimate], history: History) -> Estimate:
    """What a peer says under the middle prior."""
    return method(history, MID)


def on_days(asset: str) -> str:
    """The estimator on the real days, without the command and its pipeline."""
    days = [load_days(asset)]
    return render_csv(
        run_backtest(days, Estimator(), SETTINGS, dataset="real days", predictor="estimate").table()
    )


@pytest.mark.parametrize("asset", ["LTC", "MATIC"])
def test_real_days_are_scored_as_the_backtest_does(run: Run, asset: str) -> None:
    code, out, err = run("cex", "backtest", asset, "--on", "days", "--format", "csv")
    assert (code, out, err) == (0, on_days(asset), "")
    assert tuple(pd.read_csv(io.StringIO(out)).columns) == BACKTEST_COLUMNS


def test_peers_stand_beside_it_with_the_middle_prior(run: Run) -> None:
    code, out, _ = run("cex", "backtest", "LTC", "--on", "days", "--peers", "--format", "csv")
    table = pd.read_csv(io.StringIO(out))
    assert (code, table["predictor"].unique().tolist()) == (
        0,
        ["estimate", "peers, one-sided", "peers, at-spot"],
    )
    for name, method in (("peers, one-sided", one_sided), ("peers, at-spot", at_spot)):
        own = run_backtest(
            [load_days("LTC")], partial(by_mid, method), SETTINGS, dataset="real days", predictor=name
        )
        mine = table[table["predictor"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, pd.read_csv(io.StringIO(render_csv(own.table()))))


def test_an_asset_that_one_test_has_none_of_is_left_to_the_other(run: Run) -> None:
    code, out, err = run("cex", "backtest", "LTC", "--format", "csv")
    assert (code, out) == (0, on_days("LTC"))
    assert err == "Left to the other test: the bundled sample holds BTC and ETH, no LTC.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("CRV", "--on", "days"), "no real days of CRV are bundled"),
        (("LTC", "--on", "prices"), "the bundled sample holds BTC and ETH, no LTC."),
        (("CRV",), "the bundled sample holds BTC and ETH, no CRV."),
        (("LTC", "--horizon", "soon"), "'soon' is no time"),
        (("LTC", "-o", "scores.xlsx"), "has an unknown format"),
    ],
)
def test_what_cannot_be_tested_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    code, out, err = run("cex", "backtest", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_liquidations_with_prices_are_the_samples(run: Run) -> None:
    words = ("cex", "backtest", "BTC", "--on", "prices", "--venue", "okx", "--format", "csv")
    code, out, err = run(*words)
    table = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert "the bundled sample is simulated" in err
    assert set(table["test"]) == {"density", "levels"}
    assert all("simulated" in dataset for dataset in table["dataset"])
    reached = table[
        (table["test"] == "density") & (table["condition"] == "reached") & (table["side"] == "both")
    ]
    lift = reached[reached["baseline"] == "elsewhen"].iloc[0]
    assert lift["lift_low"] < lift["lift"] == pytest.approx(lift["precision"] / lift["baseline_precision"])
    fewer = pd.read_csv(io.StringIO(run(*words, "--top", "3")[1]))
    assert set(fewer["k"]) == {3}


def test_a_terminal_is_told_the_same_figures(run: Run) -> None:
    row = pd.read_csv(io.StringIO(on_days("LTC"))).query(
        "side == 'both' and test == 'moves' and baseline == 'elsewhen'"
    )
    code, out, _ = run("cex", "backtest", "LTC", "--on", "days", "--format", "table")
    line = next(line for line in out.splitlines() if line.startswith("estimate"))
    assert code == 0
    for value, form in ((row["correlation"], ".2f"), (row["gain"], "+.2f"), (row["lift_high"], ".2f")):
        assert format(value.item(), form) in line


def test_a_picture(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "lift.png"
    code, out, err = run("cex", "backtest", "LTC", "--on", "days", "-o", target)
    assert (code, out, err) == (0, "", f"Wrote {target}\n")
    assert min(matplotlib.image.imread(target).shape[:2]) > 300
