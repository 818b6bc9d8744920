"""Interactive figures of heats: what plotly accepts, and what they say of the data."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from defiliq.model.clusters import find_clusters
from defiliq.model.heat import build_heat
from defiliq.view.depth_curve import depth_curve
from defiliq.view.figure_frame import Figure
from defiliq.view.figures import heatmap_figure, ladder_figure
from defiliq.view.model_charts import NOTHING
from defiliq.view.palette import LONG, SHORT
from defiliq.view.report_figures import pictures_of
from tests.view.heat_stage import (
    Level,
    contagion_of,
    full_analysis,
    ladder_of,
    seeds_heat,
    thin_depth,
    wide_heat,
)


def trace(figure: Figure, name: str) -> dict[str, Any]:
    (found,) = [trace for trace in figure["data"] if trace["name"] == name]
    return dict(found)


def test_plotly_takes_every_figure() -> None:
    analysis = full_analysis()
    pictures = pictures_of(
        analysis, depth=depth_curve(thin_depth(), 3000.0), contagion=contagion_of(analysis)
    )
    assert list(pictures) == ["heatmap", "ladder", "depth", "contagion", "cascade", "sweep"]
    assert [colour for colour, _ in pictures["heatmap"].key] == [LONG, SHORT]
    assert [words[: words.index(":")] for _, words in pictures["heatmap"].key] == ["long", "short"]
    for picture in pictures.values():
        assert go.Figure(picture.figure).data
        assert picture.title
        assert picture.caption


def test_a_pointer_is_told_price_side_size_accounts_and_distance() -> None:
    bars = trace(heatmap_figure(seeds_heat(), ()), "long")
    assert "$56,490 long<br>34.04M<br>1 account<br>-0.9%" in bars["hovertext"]
    assert len(bars["x"]) == 7


def test_spot_is_where_it_is_and_each_side_has_its_colour() -> None:
    heat = seeds_heat()
    bars, ladder = heatmap_figure(heat, ()), ladder_figure(heat)
    for figure, along, across in ((bars, "y", "x"), (ladder, "x", "y")):
        (line,), (name,) = figure["layout"]["shapes"], figure["layout"]["annotations"]
        assert line[f"{along}ref"] == name[f"{along}ref"] == along
        assert line[f"{along}0"] == line[f"{along}1"] == 57_000.0
        assert (line[f"{across}0"], line[f"{across}1"]) == (0, 1)
        assert (name[along], name["text"]) == (pytest.approx(math.log10(57_000)), "spot $57,000")
        assert figure["layout"][f"{along}axis"]["type"] == "log"
    assert [trace(bars, side)["marker"]["color"] for side in ("long", "short")] == [LONG, SHORT]
    assert [trace(ladder, side)["line"]["color"] for side in ("long", "short")] == [LONG, SHORT]


def test_the_strip_says_what_its_colours_say() -> None:
    strip = trace(heatmap_figure(seeds_heat(), ()), "density")
    heaviest = strip["z"].index(max(strip["z"]))
    density = 34.04e6 / (100 * math.log(1.001))
    assert strip["z"][heaviest][0] ** 2 == pytest.approx(density)
    low, high = strip["y"][heaviest : heaviest + 2]
    assert low < 56_490 < high
    assert strip["hovertext"][heaviest] == [f"${math.sqrt(low * high):,.0f}: 340.57M per 1% of price"]
    scale = strip["colorbar"]
    assert scale["ticktext"] == ["0", "30M", "150M", "300M"]
    assert [value**2 for value in scale["tickvals"]] == pytest.approx([0, 30e6, 150e6, 300e6])


def test_the_same_dollars_are_as_long_as_high_and_of_one_colour_at_any_price() -> None:
    levels: list[Level] = [(1601.0, 5e6, "long"), (2400.0, 5e6, "long"), (4321.0, 5e6, "short")]
    figure = heatmap_figure(build_heat([ladder_of(levels, 3000.0)], "ETH/USD"), ())
    long, short, strip = (trace(figure, name) for name in ("long", "short", "density"))
    assert long["x"] == [-5e6, -5e6]
    assert short["x"] == [5e6]
    middles, widths = [*long["y"], *short["y"]], [*long["width"], *short["width"]]
    ratios = [(y + w / 2) / (y - w / 2) for y, w in zip(middles, widths, strict=True)]
    assert ratios == [pytest.approx(ratios[0])] * 3
    full = [row[0] for row in strip["z"] if row[0]]
    assert full == [pytest.approx(full[0])] * 3
    assert len(strip["y"]) == len(strip["z"]) + 1
    steps = [math.log(high / low) for low, high in pairwise(strip["y"])]
    assert steps == [pytest.approx(steps[0])] * len(steps)
    assert strip["zmin"] == 0
    assert strip["zmax"] == pytest.approx(full[0])


def test_all_rows_are_in_the_bars() -> None:
    heat = wide_heat()
    figure = heatmap_figure(heat, find_clusters(heat))
    for side in ("long", "short"):
        inside = heat.buckets[(heat.buckets["side"] == side) & (heat.buckets["distance_pct"].abs() < 50)]
        total = abs(math.fsum(trace(figure, side)["x"]))
        assert total == pytest.approx(math.fsum(inside["size_usd"]), rel=1e-3)


def test_clusters_that_would_touch_are_not_both_named() -> None:
    heat = wide_heat()
    figure = heatmap_figure(heat, find_clusters(heat))
    names = trace(figure, "clusters")
    low, high = (10**edge for edge in figure["layout"]["yaxis"]["range"])
    for positions in ("middle left", "middle right"):
        prices = sorted(p for p, at in zip(names["y"], names["textposition"], strict=True) if at == positions)
        gaps = [math.log(b / a) / math.log(high / low) for a, b in pairwise(prices)]
        assert min(gaps, default=1) >= 0.05
    assert "$3,303 18M" in names["text"]


def test_a_long_price_leaves_a_cluster_its_size_as_name() -> None:
    heat = build_heat([ladder_of([(720_000.0, 5e6, "long")], 1.2e6)], "ETH/USD")
    assert trace(heatmap_figure(heat, find_clusters(heat)), "clusters")["text"] == ["5M"]


def test_the_ladder_ends_at_what_a_side_holds() -> None:
    figure = ladder_figure(seeds_heat())
    assert trace(figure, "long")["y"][-1] == pytest.approx(153.7e6)
    assert trace(figure, "long")["text"][-2:] == [
        "$56,100 long 153.70M in all, -1.6%",
        "$55,984 long 153.70M in all, -1.8%",
    ]
    assert trace(figure, "short")["y"] == [0.0, 0.0]


def test_a_giant_leaves_the_others_to_be_seen() -> None:
    small: list[Level] = [(2000.0 + 100 * k, 1e6, "long") for k in range(6)]
    heat = build_heat([ladder_of([*small, (2800.0, 1e9, "long")], 3000.0)], "ETH/USD")
    bars, strip = (trace(heatmap_figure(heat, ()), name) for name in ("long", "density"))
    assert set(bars["x"]) == {-1e6}
    (giant,) = [t for t in heatmap_figure(heat, ())["data"] if t["name"] == "beyond the scale"]
    assert (giant["x"], giant["text"]) == ([-1e6], ["» 1B"])
    assert "$2,800 long<br>1.00B<br>1 account<br>-6.7%" in bars["hovertext"]
    assert sum(row[0] >= strip["zmax"] * (1 - 1e-9) for row in strip["z"]) == 7
    ladder = ladder_figure(heat)
    assert go.Figure(ladder).data
    assert ladder["layout"]["yaxis"]["type"] == "log"
    assert trace(ladder, "long")["y"] == [None, *(1e9 + k * 1e6 for k in range(7)), 1e9 + 6e6]


@pytest.mark.parametrize("ladders", [[], [ladder_of([(1.0, 1.0, "long")], 3000.0)]])
def test_nothing_to_show_is_said(ladders: list[pd.DataFrame]) -> None:
    heat = build_heat(ladders, "ETH/USD")
    for figure in (heatmap_figure(heat, ()), ladder_figure(heat)):
        assert figure["data"] == []
        assert figure["layout"]["annotations"][0]["text"] == NOTHING


def test_names_from_a_chain_are_escaped() -> None:
    driver = "<a href='javascript:1'>x</a>/USD"
    heat = build_heat([ladder_of([(2000.0, 1.0, "long")], 3000.0, driver, base_symbol="<b>")], driver)
    for figure in (heatmap_figure(heat, find_clusters(heat)), ladder_figure(heat)):
        assert "<a" not in str(figure)
        assert "<b>" not in str(figure)
        assert "&lt;b&gt;" in str(figure)
