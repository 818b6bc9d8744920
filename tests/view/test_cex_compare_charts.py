"""The picture and the figures of the comparison: every sum at its price, exact and estimated kept apart."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure as Drawn

from defiliq.cex.compare import Comparison, compare
from defiliq.cex.levels import Estimate
from defiliq.model.heat import Heat, build_heat
from defiliq.types import Side
from defiliq.view.cex_compare_charts import (
    NOTHING,
    curve_of,
    densities,
    draw_comparison,
    full_density,
    is_bent,
    shown_parties,
)
from defiliq.view.cex_compare_figures import comparison_figure, strips_figure
from defiliq.view.cex_figures import estimate_figure
from defiliq.view.cex_rows import estimate_rows
from defiliq.view.heat_rows import few_slots
from defiliq.view.model_charts import SLOTS
from defiliq.view.palette import CHAIN
from tests.view.cex_stage import Sided, contract, estimate_of, wide_comparison, wide_estimate
from tests.view.drawn import clipped, texts, touching
from tests.view.heat_stage import ladder_of, wide_heat

SIDES: tuple[Side, Side] = ("long", "short")


def chain(usd: float = 3e6) -> Heat:
    return build_heat([ladder_of([(2500.0, usd, "long"), (3300.0, usd, "short")], 3000.0)], "ETH/USD")


def small(venue: str = "binance", times: float = 1.0) -> Estimate:
    levels: list[Sided] = [
        (2500.0, "long", (1e6 * times, 2e6 * times, 4e6 * times)),
        (2000.0, "long", (1e6 * times, 1e6 * times, 1e6 * times)),
        (3300.0, "short", (2e6 * times, 3e6 * times, 4e6 * times)),
    ]
    return estimate_of(levels, instrument=contract(venue))


def said(figure: Drawn) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def test_curves_are_the_sums_from_spot_outward() -> None:
    found = compare(chain(), [small()])
    exact, venue = found.parties
    below = curve_of(found, exact, "long")
    assert below.price_usd == sorted(below.price_usd, reverse=True)
    assert below.price_usd[0] == 3000.0
    assert below.low_usd == below.mid_usd == below.high_usd
    at = {
        round(math.log(price / 3000), 3): usd
        for price, usd in zip(below.price_usd, below.mid_usd, strict=True)
    }
    assert at[0] == 0.0
    assert at[min(at)] == 3e6
    band = curve_of(found, venue, "long")
    assert (band.low_usd[-1], band.mid_usd[-1], band.high_usd[-1]) == (2e6, 3e6, 5e6)
    above = curve_of(found, venue, "short")
    assert above.price_usd == sorted(above.price_usd)
    assert (above.mid_usd[0], above.mid_usd[-1]) == (0.0, 3e6)
    reached = next(price for price, usd in zip(band.price_usd, band.mid_usd, strict=True) if usd > 0)
    assert 2490 < reached < 2500 * 1.0025


def test_strips_hold_all_dollars_and_the_same_dollars_have_one_colour() -> None:
    found, _ = wide_comparison()
    width = 100 * math.log(found.axis.ratio)
    for party in shown_parties(found):
        assert densities(found, party).sum() * width == pytest.approx(party.points.dollars[1].sum())
    figure = draw_comparison(compare(chain(), [small()]))
    meshes = [part for axes in figure.axes[1:3] for part in axes.collections if isinstance(part, QuadMesh)]
    assert len(meshes) == 2
    figure.draw_without_rendering()
    values = [np.asarray(mesh.get_array()).ravel() for mesh in meshes]
    colours = [np.asarray(mesh.get_facecolor()) for mesh in meshes]
    of_three = [colours[k][np.isclose(values[k], 3e6 / width)] for k in range(2)]
    assert [len(found) for found in of_three] == [2, 1]
    assert len({tuple(colour) for each in of_three for colour in each}) == 1


def test_the_words_around_a_comparison_are_true() -> None:
    found, estimates = wide_comparison()
    text = said(draw_comparison(found, estimates))
    for line in (
        "On chain and ESTIMATED (simulated sample): ETH, spot $3,000",
        "aave-v3 Ethereum, chain 1, block 23,872,000, 2025-11-24 16:00 UTC",
        "bybit ETH/USDT:USDT, 2025-11-24 16:00 UTC, explains 80% (70% to 90%) of $7.20B",
        "Estimates from: bundled sample, simulated.",
        "chain, exact",
        "okx, estimated",
        "sum, estimated",
        "liquidated on the way, logarithmic (USD)",
    ):
        assert line in text
    assert "Incomplete" not in text
    assert "Incomplete: two candles are missing." in said(
        draw_comparison(replace(found, faults=("two candles are missing.",)), estimates)
    )


def test_what_is_exact_is_drawn_through_and_nothing_else_is() -> None:
    curves = draw_comparison(wide_comparison()[0]).axes[0]
    through = {str(line.get_label()) for line in curves.lines if line.get_linestyle() == "-"}
    assert {label for label in through if not label.startswith("_")} == {"chain, exact"}
    assert {line.get_color() for line in curves.lines if line.get_linestyle() == "-"} == {CHAIN}


def marks(found: Comparison) -> list[tuple[float, str]]:
    """(price, how full) of the clusters of all strips but the scale."""
    axes = draw_comparison(found).axes[1:-1]
    lines = [line for strip in axes for line in strip.lines if line.get_marker() in ("o", ".")]
    return [(float(np.asarray(line.get_xdata())[0]), line.get_fillstyle()) for line in lines]


def test_clusters_are_marked_by_who_else_has_them() -> None:
    found = compare(chain(), [small(), small("okx")])
    assert {level.agreement.label for level in found.levels} == {"consensus", "partial"}
    fills = {"consensus": "full", "partial": "left", "alone": "none", None: "none"}
    wanted = [
        (level.cluster.price_usd, fills[level.agreement.label])
        for level in found.levels
        if level.name != "sum"
    ]
    assert marks(found) == wanted
    nobody = marks(compare(None, [small()]))
    assert {fill for _, fill in nobody} == {"none"}


CASES = {
    "all": wide_comparison()[0],
    "straight": compare(chain(), [small(), small("okx")]),
    "one venue": compare(chain(), [small()]),
    "no chain": compare(None, [small(), small("bybit")]),
    "no venue": compare(chain(), []),
    "an empty venue": compare(chain(), [estimate_of([]), small("okx")]),
    "long names": compare(
        chain(), [small("a venue of a very long name " * 4), small("another venue of a very long name " * 4)]
    ),
    "by distance": compare(chain(), [wide_estimate("okx", 1.0, 2, 5000.0)], by="distance"),
}


@pytest.mark.parametrize("case", CASES)
def test_no_words_are_cut_and_none_lie_on_others(case: str) -> None:
    figure = draw_comparison(CASES[case])
    assert clipped(figure) == []
    assert touching(figure) == []
    assert "Not investment advice." in said(figure)


def test_nothing_to_show_is_said() -> None:
    nothing = compare(None, [estimate_of([])])
    assert NOTHING in said(draw_comparison(nothing))
    for figure in (comparison_figure(nothing), strips_figure(nothing)):
        assert figure["layout"]["annotations"][0]["text"] == NOTHING
    assert not full_density(nothing) > 0


@pytest.mark.parametrize("case", CASES)
def test_plotly_takes_all_figures(case: str) -> None:
    found = CASES[case]
    curves, strips = comparison_figure(found), strips_figure(found)
    assert go.Figure(curves).data
    assert go.Figure(strips).data
    lines = [trace for trace in curves["data"] if trace.get("hoverinfo") == "text"]
    assert len(lines) == 2 * len(found.parties)
    for (party, side), trace in zip(product(found.parties, SIDES), lines, strict=True):
        known = [value for value in trace["y"] if value is not None]
        total = party.points.of(side).band()[1]
        assert max(known, default=0.0) == pytest.approx(total)
        assert (trace["line"]["dash"] == "solid") == (party.kind == "chain")
    heats = [trace for trace in strips["data"] if trace["type"] == "heatmap"]
    for party, trace in zip(shown_parties(found), heats, strict=True):
        assert np.square(trace["z"][0][1:-1]) == pytest.approx(densities(found, party), rel=1e-3)
        assert trace["z"][0][0] == trace["z"][0][-1] == 0
        assert len(trace["x"]) == len(trace["z"][0]) + 1
    assert len({trace["zmax"] for trace in heats}) == 1


def test_a_pointer_is_told_sums_with_their_band() -> None:
    found = compare(chain(), [small()])
    assert not is_bent(found)
    lines = {
        (trace["name"], trace["showlegend"]): trace["text"][-1]
        for trace in comparison_figure(found)["data"]
        if trace.get("hoverinfo") == "text"
    }
    assert lines["chain, exact", True].startswith("chain, exact: longs $3M by $")
    assert lines["binance, estimated", True].startswith("binance, estimated: longs $3M (2M to 5M) by $")
    assert lines["binance, estimated", False].startswith("binance, estimated: shorts $3M (2M to 4M) by $3,3")
    (named,) = [trace for trace in strips_figure(found)["data"] if trace["name"] == "clusters of chain"]
    assert named["text"][1] == "chain $2,500 long $3M, consensus (all 1), -16.7%"
    assert named["marker"]["symbol"] == ["circle", "circle"]


def test_an_estimate_s_bars_and_words_are_those_of_its_rows() -> None:
    estimate = wide_estimate()
    figure = estimate_figure(estimate)
    assert go.Figure(figure).data
    rows = estimate_rows(estimate, fits=few_slots(SLOTS)).rows
    bars = [trace for trace in figure["data"] if trace["type"] == "bar"]
    assert [trace["name"] for trace in bars[:3]] == ["long, high", "long, mid", "long"]
    for which, trace in zip(("high", "mid", "low"), bars[:3], strict=True):
        wanted = [-getattr(row.long, f"{which}_usd") for row in rows if row.long.high_usd > 0]
        assert trace["x"] == pytest.approx(wanted)
    heaviest = int(np.argmin(bars[0]["x"]))
    middle, half = bars[0]["y"][heaviest], bars[0]["width"][heaviest] / 2
    inside = np.abs(estimate.middles_usd - middle) < half
    low, mid, high = (f"{usd / 1e6:.3g}M" for usd in estimate.long_usd[:, inside].sum(axis=1))
    assert bars[0]["hovertext"][heaviest] == f"$2,453.32 long ${mid} ({low} to {high}), score 0.81, -18.2%"
    assert not any("account" in text for trace in bars for text in trace.get("hovertext", ()))


@pytest.mark.parametrize(
    "estimate", [estimate_of([]), estimate_of([(2500.0, "long", (1.0, 2.0, 3.0))], math.nan)]
)
def test_an_estimate_without_anything_says_so(estimate: Estimate) -> None:
    figure = estimate_figure(estimate)
    assert figure["data"] == []
    assert figure["layout"]["annotations"][0]["text"] == "nothing is estimated within this window"


def test_hostile_names_are_only_text() -> None:
    bad = "<b>x</b><img src=x>"
    found = compare(wide_heat(), [small(bad), small("okx")])
    for figure in (comparison_figure(found), strips_figure(found)):
        shown = [trace["name"] for trace in figure["data"]]
        shown += [text for trace in figure["data"] for text in np.ravel(trace.get("text", []))]
        shown += [note["text"] for note in figure["layout"]["annotations"]]
        assert not any("<" in text for text in shown)
