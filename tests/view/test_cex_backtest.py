"""The picture of a backtest: dots where the lift is, hollow where it may be chance, all said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure

from defiliq.cex.backtest.results import BACKTEST_COLUMNS
from defiliq.view.cex_backtest import MOST, NOTHING, Of, backtest_figure, dots_of, draw_backtest, reach_of
from tests.view.drawn import clipped, texts, touching

SCORES = [("better", 1.31, 1.12, 1.52), ("chance", 1.02, 0.9, 1.17), ("worse", 0.8, 0.7, 0.95)]


def table_of(scores: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(scores, columns=["label", "lift", "lift_low", "lift_high"])


def said(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def test_dots_stand_at_their_lift_and_are_hollow_where_it_may_be_chance() -> None:
    (axes,) = draw_backtest(table_of(SCORES)).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(np.asarray(dot.get_xdata())[0]) for dot in dots] == [1.31, 1.02, 0.8]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True, False]
    whiskers = [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
    assert [ends for ends in whiskers if ends[0] != ends[-1]] == [[1.12, 1.52], [0.9, 1.17], [0.7, 0.95]]
    assert [1, 1] in whiskers  # what chance would have
    words = said(draw_backtest(table_of(SCORES), lines=["703 days of BTC"]))
    assert {"1.31 (1.12 to 1.52)", "1.02 (0.90 to 1.17)", "703 days of BTC", "better"} <= set(words)


def test_a_score_that_is_not_defined_is_said_to_be_so() -> None:
    scores = [*SCORES, ("nothing", math.nan, math.nan, math.nan), ("no interval", 1.1, math.nan, math.nan)]
    figure = draw_backtest(table_of(scores))
    assert "not defined" in said(figure)
    assert "1.10" in said(figure)
    assert len([line for line in figure.axes[0].lines if line.get_marker() == "o"]) == 4
    empty = draw_backtest(table_of([("a", math.nan, math.nan, math.nan)]))
    assert NOTHING in said(empty)
    assert NOTHING in said(draw_backtest(table_of([])))
    assert backtest_figure(table_of([]))["layout"]["annotations"][0]["text"] == NOTHING


def test_an_endless_whisker_is_cut_and_marked() -> None:
    scores = [*SCORES, ("wide", 1.2, 0.1, 900.0)]
    axes = draw_backtest(table_of(scores)).axes[0]
    left, right = axes.get_xlim()
    assert right < 4
    assert [line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">")] == [">"]
    assert (left, right) == reach_of(dots_of(table_of(scores)), "lift")


def test_rows_of_a_backtest_name_themselves() -> None:
    row = dict.fromkeys(BACKTEST_COLUMNS, math.nan) | {
        "predictor": "estimate",
        "venue": "binance",
        "asset": "BTC",
        "side": "long",
        "test": "levels",
        "baseline": "random",
        "condition": "reached",
        "horizon_s": 86_400,
        "n": 240,
        "dataset": "x",
        "lift": 1.3,
        "lift_low": 1.1,
        "lift_high": 1.5,
        "gain": 0.04,
        "gain_low": -0.01,
        "gain_high": 0.1,
    }
    table = pd.DataFrame([row])
    (dot,) = dots_of(table)
    assert dot.label == "estimate, binance BTC long, levels in 24 h, against random, of those reached"
    assert dot.words == "1.30 (1.10 to 1.50), n 240"
    (gain,) = dots_of(table, "gain")
    assert not gain.is_apart(0.0)
    assert "rank correlation, less that of the baseline" in said(draw_backtest(table, of="gain"))


@pytest.mark.parametrize("of", ["lift", "recall_lift", "gain"])
@pytest.mark.parametrize("count", [1, 4, MOST + 5])
def test_no_words_are_cut_and_none_lie_on_others(of: Of, count: int) -> None:
    draw = np.random.default_rng(count)
    scores = draw.normal(1, 0.2, count)
    table = pd.DataFrame(
        {"label": [f"{k} " + "a very long label " * 9 for k in range(count)], "n": 1000}
        | {of: scores, f"{of}_low": scores - 0.2, f"{of}_high": scores + 0.3}
    )
    figure = draw_backtest(table, of=of, title="A title that is far too long for such a picture " * 3)
    assert clipped(figure) == []
    assert touching(figure) == []
    assert ("Not shown: 5 further scores." in " ".join(said(figure))) == (count > MOST)


def test_plotly_takes_it_and_a_pointer_is_told() -> None:
    figure = backtest_figure(
        table_of([*SCORES, ("<i>none</i>", math.nan, math.nan, math.nan), ("<b>", 1.0, 0.5, 1.5)])
    )
    assert go.Figure(figure).data
    (trace,) = figure["data"]
    assert trace["x"] == [1.31, 1.02, 0.8, 1.0]
    assert trace["error_x"]["array"] == pytest.approx([0.21, 0.15, 0.15, 0.5])
    assert trace["error_x"]["arrayminus"] == pytest.approx([0.19, 0.12, 0.1, 0.5])
    assert trace["marker"]["symbol"] == ["circle", "circle-open", "circle", "circle-open"]
    assert trace["text"][0] == "better: 1.31 (1.12 to 1.52)"
    assert trace["text"][3] == "&lt;b&gt;: 1.00 (0.50 to 1.50)"
