"""Pictures of estimates: bands as long as their dollars, moments where they belong, words that are true."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from defiliq.cex.history import Instrument
from defiliq.cex.levels import Estimate
from defiliq.errors import MissingExtra
from defiliq.model.clusters import find_clusters
from defiliq.view.cex_charts import cluster_band, draw_estimate
from defiliq.view.cex_over_time import draw_estimate_over_time, mesh_of_estimate
from defiliq.view.cex_rows import side_band
from defiliq.view.cex_words import NOTHING
from defiliq.view.charts import write_picture
from defiliq.view.palette import BAND_TINTS, LONG, SHORT, tinted
from tests.view.cex_stage import Sided, estimate_of, estimate_over_time, wide_estimate
from tests.view.drawn import boxes, clipped, texts, touching

BANDS: list[Sided] = [
    (1601.0, "long", (2e6, 4e6, 8e6)),
    (2400.0, "long", (2e6, 4e6, 8e6)),
    (4321.0, "short", (2e6, 4e6, 8e6)),
]


def said(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def test_the_same_band_is_the_same_bars_at_any_price(tmp_path: Path) -> None:
    drawn = boxes(write_picture(draw_estimate(estimate_of(BANDS)), tmp_path / "e.svg"))
    for share, tint in zip((1 / 4, 1 / 2, 1), BAND_TINTS, strict=True):
        longs = [box.size for box in drawn if box.fill == tinted(LONG, tint) and box.size[0] > 0]
        shorts = [box.size for box in drawn if box.fill == tinted(SHORT, tint) and box.size[0] > 0]
        assert len(longs) == 2
        assert len(shorts) == 1
        width, height = longs[0]
        for size in (*longs, *shorts):
            assert list(size) == pytest.approx([width, height], abs=0.01)
        full = max(box.size[0] for box in drawn if box.fill == tinted(LONG, BAND_TINTS[2]))
        assert width == pytest.approx(share * full, abs=0.01)


def test_the_words_around_an_estimate_are_true() -> None:
    estimate = replace(wide_estimate(), faults=("two candles are missing.",))
    text = said(draw_estimate(estimate, find_clusters(estimate.heat())))
    assert "ESTIMATE (simulated sample): liquidations of ETH, spot $3,000" in text
    assert "binance ETH/USDT:USDT, 2025-11-24 16:00 UTC, source: bundled sample, simulated" in text
    assert "Of $2.40B open interest it explains: longs 80% (70% to 90%), shorts 80% (70% to 90%)." in text
    assert "Leverage priors: careful, usual, bold. Middle of the band: usual." in text
    assert "Incomplete: two candles are missing." in text
    assert "Venues hide positions: none of this is known." in text
    assert "middle prior, USD per 1% of price" in text
    assert "account" not in text


def test_clusters_are_named_with_the_band_of_what_they_hold() -> None:
    estimate = wide_estimate()
    largest = find_clusters(estimate.heat())[0]
    band = cluster_band(estimate, largest)
    assert band.mid_usd == pytest.approx(largest.magnitude_usd)
    assert band.low_usd < band.mid_usd < band.high_usd < side_band(estimate, "long").high_usd
    low, mid, high = (f"{value / 1e6:.3g}M" for value in (band.low_usd, band.mid_usd, band.high_usd))
    assert f"$2,450.38  ${mid} ({low} to {high})" in said(draw_estimate(estimate, [largest]))


@pytest.mark.parametrize(
    "estimate", [wide_estimate(), estimate_of(BANDS), wide_estimate("okx", 40.0, 3, 91_234.0)]
)
def test_no_words_are_cut_and_none_lie_on_others(estimate: Estimate) -> None:
    figure = draw_estimate(estimate, find_clusters(estimate.heat()))
    assert clipped(figure) == []
    assert touching(figure) == []


def test_a_giant_is_cut_and_has_its_size_beside_it() -> None:
    small: list[Sided] = [(2000.0 + 100 * k, "long", (1e6,) * 3) for k in range(6)]
    figure = draw_estimate(estimate_of([*small, (2800.0, "long", (1e6, 5e8, 1e9))]))
    assert said(figure).count("» 1B") == 1
    assert clipped(figure) == []


@pytest.mark.parametrize(
    "estimate",
    [
        estimate_of([]),
        estimate_of(BANDS, math.nan),
        estimate_of([(10.0, "long", (1e6,) * 3)]),
        estimate_of([(2500.0, "long", (math.nan,) * 3)]),
    ],
)
def test_nothing_to_show_is_said(estimate: Estimate) -> None:
    text = said(draw_estimate(estimate))
    assert NOTHING in text
    assert "Not investment advice." in text


def test_one_prior_without_coverage_and_very_long_names() -> None:
    long = Instrument("venue" * 30, "CONTRACT/USDT:USDT-" * 20, "ASSET" * 30, "USDT")
    estimate = estimate_of(
        [(2500.0, "long", (5e6,)), (3300.0, "short", (0.0,))],
        instrument=long,
        priors=("a name of a prior that goes on and on" * 5,),
        coverage=(0.0,),
        open_interest_usd=math.nan,
        source="$\\frac{1}$</svg>\x1b" + "source " * 60,
    )
    figure = draw_estimate(estimate, find_clusters(estimate.heat()))
    assert clipped(figure) == []
    assert touching(figure) == []
    assert "longs 0%, shorts 0%" in said(figure)


def test_where_only_the_largest_prior_holds_something_there_is_no_density() -> None:
    figure = draw_estimate(estimate_of([(2500.0, "long", (0.0, 0.0, 5e6))]))
    (bars,) = figure.axes
    assert max(abs(patch.get_width()) for patch in bars.patches) == 5e6  # type: ignore[attr-defined]


def test_over_time_nothing_is_lost_and_nothing_smoothed() -> None:
    found = estimate_over_time(missing=None)
    for most in (10_000, 160, 20):
        mesh = mesh_of_estimate(found, within_pct=90, most=most)
        assert len(mesh.edges_usd) <= most + 2
        assert mesh.sums_usd == pytest.approx((found.long_usd + found.short_usd).sum(axis=1).tolist())
        assert mesh.edges_usd[0] <= min(mesh.spot_usd) <= max(mesh.spot_usd) <= mesh.edges_usd[-1]
    k, bucket = 100, int(np.argmax(found.long_usd[100]))
    price = math.exp((found.bucket[bucket] + 0.5) * math.log1p(found.step_pct / 100))
    mesh = mesh_of_estimate(found, within_pct=90, most=10_000)
    row = int(np.searchsorted(mesh.edges_usd, price)) - 1
    width = 100 * math.log1p(found.step_pct / 100)
    assert mesh.long_usd[k, row] == pytest.approx(found.long_usd[k, bucket] / width)


def test_a_moment_that_is_not_known_is_a_gap_and_not_the_one_before() -> None:
    figure = draw_estimate_over_time(estimate_over_time(), wide_estimate())
    axes = figure.axes[0]
    (mesh,) = [part for part in axes.collections if isinstance(part, QuadMesh)]
    drawn = mesh.get_array()
    assert drawn is not None
    cells = np.ma.filled(drawn, math.nan).reshape(-1, 120)
    assert np.isnan(cells[:, 70]).all()
    assert not np.isnan(np.delete(cells, 70, axis=1)).any()
    words = said(figure)
    assert "unknown" in words
    assert "120 moments from 2025-11-24 16:00 UTC to 2025-12-14 12:00 UTC." in words
    assert "ESTIMATE (simulated sample): liquidations of ETH over time" in words
    assert "Middle prior. Venues hide positions: none of this is known." in words


@pytest.mark.parametrize("by_side", [False, True])
def test_over_time_no_words_are_cut(by_side: bool) -> None:
    figure = draw_estimate_over_time(estimate_over_time(), wide_estimate(), by_side=by_side)
    assert clipped(figure) == []
    assert touching(figure) == []


def test_by_side_longs_are_blue_below_and_shorts_red_above() -> None:
    found = estimate_over_time(missing=None)
    figure = draw_estimate_over_time(found, wide_estimate(), by_side=True)
    axes, scale = figure.axes
    (mesh,) = [part for part in axes.collections if isinstance(part, QuadMesh)]
    figure.draw_without_rendering()
    drawn, colours = mesh.get_array(), np.asarray(mesh.get_facecolor())
    assert drawn is not None
    values = np.ma.filled(drawn, math.nan).ravel()
    red, _, blue, _ = colours.T
    least = 0.05 * np.nanmax(np.abs(values))
    assert (blue[values < -least] > red[values < -least]).all()
    assert (red[values > least] > blue[values > least]).all()
    assert colours[values == 0][:, :3].max() < 0.03
    last = np.ma.filled(drawn, math.nan).reshape(-1, 120)[:, -1]
    edges = np.asarray(mesh.get_coordinates())[:, 0, 1]
    middles = np.sqrt(edges[:-1] * edges[1:])
    spot = found.spot_usd[-1]
    assert (last[middles < 0.99 * spot] <= 0).all()
    assert (last[middles > 1.01 * spot] >= 0).all()
    names = [label.get_text() for label in scale.get_yticklabels()]
    assert names == names[::-1]
    assert names[len(names) // 2] == "0"


@pytest.mark.parametrize("by_side", [False, True])
def test_over_time_with_nothing_to_show(by_side: bool) -> None:
    found = estimate_over_time(3, None)
    empty = replace(found, long_usd=0 * found.long_usd, short_usd=0 * found.short_usd)
    unknown = replace(found, spot_usd=np.full(3, math.nan))
    for each in (empty, unknown):
        figure = draw_estimate_over_time(each, estimate_of([]), by_side=by_side)
        assert "nothing was estimated within this window" in said(figure)
    assert draw_estimate_over_time(estimate_over_time(1, None), estimate_of([]), by_side=by_side).axes


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_estimate_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    estimate, found = wide_estimate(), estimate_over_time(20, 5)
    files = []
    for name in "ab":
        drawn = [
            draw_estimate(estimate),
            draw_estimate_over_time(found, estimate),
            draw_estimate_over_time(found, estimate, by_side=True),
        ]
        paths = (write_picture(each, tmp_path / f"{name}{k}.{suffix}") for k, each in enumerate(drawn))
        files.append([path.read_bytes() for path in paths])
    assert files[0] == files[1]


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.view.charts.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="matplotlib"):
        draw_estimate(wide_estimate())
    with pytest.raises(MissingExtra, match="matplotlib"):
        draw_estimate_over_time(estimate_over_time(), wide_estimate())
