"""Pictures of depth, cascades, sweeps and contagion, drawn and for plotly: data, words, nothing cut."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from defiliq.model.cascade import SWEEP_COLUMNS, Cascade
from defiliq.model.contagion import Place
from defiliq.view.cascade_charts import (
    beyond_frontier,
    draw_cascade,
    draw_depth,
    draw_sweep,
    drivers_shown,
)
from defiliq.view.cascade_figures import cascade_figure, depth_figure, sweep_figure
from defiliq.view.chart_frame import Caption
from defiliq.view.charts import write_picture
from defiliq.view.contagion import DOTS, NOBODY, arcs_of, arcs_told, contagion_figure, draw_contagion
from defiliq.view.depth_curve import depth_curve
from tests.view.drawn import clipped, texts, touching
from tests.view.heat_stage import shallow_depth, thin_depth, wide_cascade, wide_sweep

CAPTION = Caption("A title", ("A market, a block, a time",), ("A note.",))


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return wide_cascade()


@pytest.fixture(scope="module")
def swept() -> pd.DataFrame:
    return wide_sweep()


def said(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def graph_of(
    edges: list[tuple[int, int, float]], count: int = 6, driver: str = "ETH/USD"
) -> nx.DiGraph[Place]:
    """Clusters below spot at 1, 2, … percent, with edges between them."""
    places = [Place(driver, "long", 3000.0 - 30 * k) for k in range(1, count + 1)]
    graph: nx.DiGraph[Place] = nx.DiGraph()
    for k, place in enumerate(places):
        graph.add_node(place, size_usd=1e6 * (k + 1), accounts=k + 1, distance_pct=-(k + 1.0))
    for source, target, volume in edges:
        graph.add_edge(places[source], places[target], volume_usd=volume, runs_dry=target == count - 1)
    return graph


def test_a_depth_curve_ends_where_the_depth_does() -> None:
    sold, bought = depth_curve(shallow_depth(), 3000.0)
    assert (sold.side, bought.side, sold.is_dry, bought.is_dry) == ("long", "short", True, True)
    assert sold.moved_pct[-1] == pytest.approx(-8, abs=0.02)
    assert bought.moved_pct[-1] == pytest.approx(6, abs=0.02)
    assert sold.size_usd[-1] == pytest.approx(3000 * 5200, rel=2e-3)
    for found in (sold, bought):
        assert list(found.size_usd) == sorted(found.size_usd)
        assert [abs(moved) for moved in found.moved_pct] == sorted(abs(moved) for moved in found.moved_pct)


def test_a_depth_curve_without_end_is_cut_where_it_is_far_enough() -> None:
    sold, bought = depth_curve(thin_depth(), 3000.0)
    assert not sold.is_dry
    assert sold.moved_pct[-2] > -30 >= sold.moved_pct[-1]
    # 4% * sqrt(size / 100M a day)
    for size, moved in zip(bought.size_usd, bought.moved_pct, strict=True):
        assert moved == pytest.approx(4 * math.sqrt(size / 100e6), rel=1e-6)


def test_depth_is_drawn_both_ways() -> None:
    figure = draw_depth(depth_curve(shallow_depth(), 3000.0), CAPTION, "USD")
    (axes,) = figure.axes
    sold, _, bought, _, *_ = axes.lines
    assert max(np.asarray(sold.get_xdata())) == min(np.asarray(bought.get_xdata())) == 0
    assert "runs dry at 15.60M" in said(figure)
    shown = depth_figure(depth_curve(shallow_depth(), 3000.0), "USD")
    assert [trace["name"] for trace in shown["data"]] == ["selling", "buying"]
    assert shown["data"][0]["text"][-1].startswith("selling 15.60M: -8.0%")
    assert shown["data"][0]["text"][-1].endswith("then it runs dry")


def test_a_cascade_is_drawn_round_by_round(cascade: Cascade) -> None:
    prices, sums = draw_cascade(cascade, CAPTION, "USD").axes
    rounds = cascade.rounds[cascade.rounds["cause"] != "already"]
    after = [100 * (price / 3000 - 1) for price in rounds["market_after_usd"]]
    assert np.asarray(prices.lines[0].get_ydata()).tolist() == pytest.approx([0, *after])
    heights = [bar.get_height() for bar in sums.containers[0]] + [
        bar.get_height() for bar in sums.containers[1]
    ]
    assert math.fsum(h for h in heights if not math.isnan(h)) == pytest.approx(cascade.total_usd)
    shown = cascade_figure(cascade, "USD")
    traces = [trace for trace in shown["data"] if trace["type"] == "bar"]
    assert [trace["name"] for trace in traces] == ["by the shock itself", "induced"]
    assert math.fsum(traces[0]["y"]) == cascade.initial_usd
    assert math.fsum(traces[1]["y"]) == pytest.approx(cascade.induced_usd)
    assert traces[0]["hovertext"] == ["round 1, shock: 2.74M seized, 99 accounts"]
    moved = {trace["name"]: trace["y"] for trace in shown["data"]}
    assert moved["ETH/USD market"] == pytest.approx([0, *after])
    assert moved["ETH/USD oracle"] == pytest.approx(
        [0, *(100 * (price / 3000 - 1) for price in rounds["oracle_usd"])]
    )
    below = shown["layout"]["xaxis"]
    assert next(zip(below["tickvals"], below["ticktext"], strict=True)) == (0, "spot")
    assert [label.get_text() for label in sums.get_xticklabels()][:2] == ["spot", "1\nshock"]


def test_a_cascade_of_nothing_says_so(cascade: Cascade) -> None:
    empty = replace(cascade, round_rows=())
    assert "nothing breaks" in said(draw_cascade(empty, CAPTION, "USD"))
    assert cascade_figure(empty, "USD")["data"] == []


def test_bad_debt_and_several_drivers_are_shown(cascade: Cascade) -> None:
    more = cascade.rounds.assign(bad_debt_usd=1e6)
    other = more.assign(driver="BTC/USD", traded_usd=1.0)
    found = replace(
        cascade,
        round_rows=pd.concat([more, other]).sort_values("round", kind="stable").to_dict("records"),
        spot_usd={"ETH/USD": 3000.0, "BTC/USD": 3000.0},
    )
    assert drivers_shown(found.rounds) == ["ETH/USD", "BTC/USD"]
    names = [trace["name"] for trace in cascade_figure(found, "USD")["data"]]
    assert names[:4] == ["ETH/USD market", "ETH/USD oracle", "BTC/USD market", "BTC/USD oracle"]
    assert names[-1] == "bad debt"
    text = said(draw_cascade(found, CAPTION, "USD"))
    assert "bad debt" in text
    assert "BTC/USD oracle" in text


def test_a_sweep_shows_where_more_is_induced_than_caused(swept: pd.DataFrame) -> None:
    assert beyond_frontier(swept.sort_values("shock_pct")) == [(-11.0, -9.0), (2.0, 3.5), (9.0, 11.0)]
    figure = draw_sweep(swept, CAPTION, "ETH/USD", "USD")
    assert "-10%: more induced\nthan initial" in said(figure)
    shown = sweep_figure(swept, "ETH/USD", "USD")
    assert [(shape["x0"], shape["x1"]) for shape in shown["layout"]["shapes"]] == [
        *((-11.0, -9.0), (2.0, 3.5), (9.0, 11.0), (-10.0, -10.0), (2.0, 2.0))
    ]
    assert [trace["name"] for trace in shown["data"] if trace["showlegend"]] == [
        "by the shock itself",
        "induced by those liquidations",
    ]
    lost = sweep_figure(swept.assign(bad_debt_usd=5.0), "ETH/USD", "USD")
    assert lost["data"][-1]["name"] == "bad debt"


def test_stretches_of_a_sweep_reach_halfway_and_join() -> None:
    shocks = (-4.0, -3.0, -2.0, -1.0, 1.0)
    table = pd.DataFrame(
        {"shock_pct": shocks, "initial_usd": [1.0] * 5, "induced_usd": [2.0, 3.0, 1.0, 1.0, 9.0]}
    )
    assert beyond_frontier(table) == [(-4.0, -2.5), (1.0, 1.0)]


def test_an_empty_sweep() -> None:
    nothing = pd.DataFrame(columns=list(SWEEP_COLUMNS))
    assert "no shock was tried" in said(draw_sweep(nothing, CAPTION, "ETH/USD", "USD"))
    assert sweep_figure(nothing, "ETH/USD", "USD")["data"] == []


def test_clusters_stand_in_the_order_of_their_prices() -> None:
    graph = graph_of([(0, 1, 5e5), (1, 3, 2e6), (0, 5, 1e5)])
    above = Place("ETH/USD", "short", 3100.0)
    graph.add_node(above, size_usd=1e6, accounts=1, distance_pct=3.3)
    shown = arcs_of(graph)
    by_price = sorted(shown.dots, key=lambda dot: dot.place.price_usd)
    assert [dot.across for dot in by_price] == [-6, -5, -4, -3, -2, -1, 1]
    assert [arc.volume_usd for arc in shown.arcs] == [1e5, 5e5, 2e6]
    assert [arc.is_dry for arc in shown.arcs] == [True, False, False]
    start, end = shown.arcs[0].points(5)[0], shown.arcs[0].points(5)[-1]
    assert [*start, *end] == pytest.approx([-1.0, 0.0, -6.0, 0.0], abs=1e-12)
    assert shown.left_out == 0
    assert arcs_told(graph).endswith(" Wider is more.")


def test_of_many_clusters_those_that_push_most_are_drawn() -> None:
    count = DOTS + 10
    graph = graph_of([(k, k + 1, 1e6 + k) for k in range(count - 1)], count)
    shown = arcs_of(graph)
    assert len(shown.dots) == DOTS
    assert {arc.source.place for arc in shown.arcs} <= {dot.place for dot in shown.dots}
    assert shown.left_out == count - 1 - len(shown.arcs) == 10
    assert arcs_told(graph).endswith(" Wider is more; 10 arcs not drawn.")
    assert "10 arcs not drawn" in said(draw_contagion(graph, CAPTION, "USD"))


def test_two_drivers_have_a_line_each() -> None:
    graph = nx.compose(graph_of([(0, 1, 1e6)]), graph_of([(0, 1, 1e6)], driver="BTC/USD"))
    graph.add_edge(
        *(Place(d, "long", 2970.0) for d in ("BTC/USD", "ETH/USD")), volume_usd=5.0, runs_dry=False
    )
    shown = arcs_of(graph)
    assert shown.lines == ((0, "ETH/USD"), (1, "BTC/USD"))
    across = shown.arcs[0].points(1)
    assert [across[0][1], across[-1][1]] == pytest.approx([1.0, 0.0], abs=1e-12)
    figure = contagion_figure(graph, "USD")
    assert figure["layout"]["yaxis"]["ticktext"] == ["ETH/USD", "BTC/USD"]
    assert figure["data"][0]["text"][0] == "$2,970 pushes 5.00 into $2,970"
    assert clipped(draw_contagion(graph, CAPTION, "USD")) == []


def test_an_arc_is_as_wide_as_its_dollars() -> None:
    arcs = contagion_figure(graph_of([(0, 1, 2e6), (1, 2, 1e6)]), "USD")["data"][:2]
    narrow, wide = (arc["line"]["width"] for arc in arcs)
    assert wide == pytest.approx(2 * narrow)


def test_sales_lie_left_and_below_spot() -> None:
    selling, buying = depth_figure(depth_curve(shallow_depth(), 3000.0), "USD")["data"]
    for trace, sign in ((selling, -1), (buying, 1)):
        assert trace["x"][0] == trace["y"][0] == 0
        assert all(sign * value > 0 for value in (*trace["x"][1:], trace["y"][-1]))


def test_nothing_is_pushed() -> None:
    graph = graph_of([])
    assert NOBODY in said(draw_contagion(graph, CAPTION, "USD"))
    assert contagion_figure(graph, "USD")["layout"]["annotations"][0]["text"] == NOBODY


def test_no_words_are_cut_and_none_lie_on_others(cascade: Cascade, swept: pd.DataFrame) -> None:
    graph = graph_of([(0, 1, 5e5), (1, 3, 2e6), (0, 5, 1e5)], DOTS)
    for figure in (
        draw_depth(depth_curve(shallow_depth(), 3000.0), CAPTION, "USD"),
        draw_cascade(cascade, CAPTION, "USD"),
        draw_sweep(swept, CAPTION, "ETH/USD", "USD"),
        draw_contagion(graph, CAPTION, "USD"),
    ):
        assert clipped(figure) == []
        assert touching(figure) == []


def test_the_same_data_is_the_same_file(cascade: Cascade, swept: pd.DataFrame, tmp_path: Path) -> None:
    graph = graph_of([(0, 1, 5e5), (1, 3, 2e6)])
    files = []
    for run in ("a", "b"):
        drawn = (
            draw_cascade(cascade, CAPTION, "USD"),
            draw_sweep(swept, CAPTION, "ETH/USD", "USD"),
            draw_contagion(graph if run == "a" else graph.reverse().reverse(), CAPTION, "USD"),
        )
        paths = [write_picture(figure, tmp_path / f"{run}{k}.svg") for k, figure in enumerate(drawn)]
        files.append([path.read_bytes() for path in paths])
    assert files[0] == files[1]


def test_names_from_a_chain_are_only_text(cascade: Cascade, tmp_path: Path) -> None:
    odd = "<b>\U0001f680$x$/USD"
    named = replace(
        cascade,
        round_rows=cascade.rounds.assign(driver=odd).to_dict("records"),
        spot_usd={odd: 3000.0},
        depth={odd: "</script>\n"},
        final={odd: Fraction(9, 10)},
    )
    path = write_picture(draw_cascade(named, CAPTION, odd), tmp_path / "odd.svg")
    assert "<b>" not in path.read_text()
    figure = cascade_figure(named, odd)
    assert figure["data"][0]["name"] == "&lt;b&gt;\U0001f680$x$/USD market"
    assert "<b>" not in str(figure)
