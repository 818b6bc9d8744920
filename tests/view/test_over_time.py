"""Heat over time: every cell at its time and price, gaps shown as gaps, one colour for one amount."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.collections import QuadMesh

from defiliq.model.over_time import over_time
from defiliq.view.charts import write_picture
from defiliq.view.over_time import NOTHING, draw_over_time, mesh_of, over_time_figure
from defiliq.view.time_mesh import MOST_COLUMNS, columns_of
from tests.view.drawn import clipped, texts, touching
from tests.view.heat_stage import BLOCK_AT, Level, frame_of, wide_over_time


def test_nothing_is_lost_and_nothing_smoothed() -> None:
    found = wide_over_time()
    for most in (10_000, 160, 20):
        mesh = mesh_of(found, most=most)
        assert len(mesh.edges_usd) <= most + 2
        widths = np.diff(np.log(mesh.edges_usd))
        assert np.ptp(widths) == pytest.approx(0, abs=1e-12)
        sums = (mesh.density_usd * 100 * widths[0]).sum(axis=1)
        assert sums.tolist() == pytest.approx((found.times["long_usd"] + found.times["short_usd"]).tolist())
        assert mesh.edges_usd[0] <= min(mesh.spot_usd) <= max(mesh.spot_usd) <= mesh.edges_usd[-1]


def test_a_level_is_in_the_row_of_its_price() -> None:
    levels: list[Level] = [(2000.0, 5e6, "long"), (4000.0, 5e6, "short")]
    mesh = mesh_of(
        over_time([frame_of(levels, 3000.0, BLOCK_AT, 1), frame_of(levels[:1], 3100.0, BLOCK_AT + 60, 2)])
    )
    (low, high), (alone,) = (np.flatnonzero(line) for line in mesh.density_usd)
    assert mesh.edges_usd[low] <= 2000 < mesh.edges_usd[low + 1]
    assert mesh.edges_usd[high] <= 4000 < mesh.edges_usd[high + 1]
    assert alone == low
    assert mesh.density_usd[0, low] == mesh.density_usd[0, high] == mesh.density_usd[1, low]


def test_by_side_longs_go_down_the_scale_and_shorts_up() -> None:
    levels: list[Level] = [(2000.0, 5e6, "long"), (4000.0, 5e6, "short")]
    roots = mesh_of(over_time([frame_of(levels, 3000.0, BLOCK_AT, 1)])).roots([0], by_side=True)[0]
    seen = roots[roots != 0]
    assert seen.tolist() == [-seen[1], seen[1]]
    assert seen[1] > 0


def test_a_snapshot_lasts_until_the_next_unless_there_is_a_gap() -> None:
    assert columns_of((0, 60, 120, 600, 660)) == ([0, 60, 120, 180, 600, 660, 720], [0, 1, 2, None, 3, 4])
    assert columns_of((0, 60, 210)) == ([0, 60, 210, 315], [0, 1, 2])
    assert columns_of((7,)) == ([7, 3607], [0])
    assert columns_of(()) == ([], [])


def test_the_mesh_is_drawn_with_its_gap_and_the_path_of_spot() -> None:
    figure = draw_over_time(wide_over_time())
    axes = figure.axes[0]
    (mesh,) = [part for part in axes.collections if isinstance(part, QuadMesh)]
    drawn = mesh.get_array()
    assert drawn is not None
    cells = np.ma.filled(drawn, math.nan).reshape(-1, 41)
    found = mesh_of(wide_over_time())
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, found.full_usd)
    assert np.asarray(axes.lines[0].get_ydata())[:3].tolist() == pytest.approx(found.spot_usd[:3])
    assert np.isnan(cells[:, 26]).all()
    assert not np.isnan(np.delete(cells, 26, axis=1)).any()
    (spot,) = axes.lines
    assert np.isnan(np.asarray(spot.get_ydata(), dtype=np.float64)).sum() == 1
    words = [text.get_text() for text in texts(figure)]
    assert "aave-v3 Ethereum, chain 1" in words
    assert "no snapshot" in words
    assert any(word.startswith("40 snapshots, block 0 (2025-11-24 16:30 UTC) to") for word in words)
    assert clipped(figure) == []
    assert touching(figure) == []


def test_plotly_takes_it_and_a_pointer_is_told() -> None:
    figure = over_time_figure(wide_over_time())
    assert go.Figure(figure).data
    colours, spot = figure["data"]
    mesh = mesh_of(wide_over_time())
    assert len(colours["y"]) == len(colours["z"]) + 1
    assert len(colours["x"]) == len(colours["z"][0]) + 1 == 42
    assert [row[26] for row in colours["z"]] == [None] * len(colours["z"])
    assert [row[0] for row in colours["z"]] == pytest.approx(np.sqrt(mesh.density_usd[0]).tolist(), rel=1e-3)
    assert [told[30][1] for told in colours["customdata"]] == ["2025-11-25 13:30 UTC"] * len(colours["z"])
    assert {told[26] for told in colours["customdata"]} == {None}
    assert spot["text"][0] == f"spot ${mesh.spot_usd[0]:,.2f}, 2025-11-24 16:30 UTC"
    (gap,) = figure["layout"]["shapes"]
    assert (gap["x0"], gap["x1"]) == (colours["x"][26], colours["x"][27])


def test_a_page_shows_some_of_very_many_snapshots_the_last_among_them() -> None:
    levels: list[Level] = [(2000.0, 5e6, "long")]
    many = over_time(
        [frame_of(levels, 3000.0 + k, BLOCK_AT + 60 * k, k) for k in range(2 * MOST_COLUMNS + 1)]
    )
    shown = mesh_of(many).thinned(MOST_COLUMNS)
    assert len(shown.at) == 201
    assert shown.at[-1] == BLOCK_AT + 60 * 2 * MOST_COLUMNS
    assert set(np.diff(shown.at)) == {180}
    assert len(over_time_figure(many)["data"][0]["x"]) == 202


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    far = over_time([frame_of([(10.0, 1.0, "long")], 3000.0, BLOCK_AT, 1)])
    assert NOTHING in [text.get_text() for text in texts(draw_over_time(far))]
    assert over_time_figure(far)["layout"]["annotations"][0]["text"] == NOTHING
    assert "Further out in the last one: $1.00." in [text.get_text() for text in texts(draw_over_time(far))]
    one = over_time([frame_of([(2500.0, 1.0, "long")], 3000.0, BLOCK_AT, 1)])
    assert write_picture(draw_over_time(one), tmp_path / "one.png").is_file()
    assert math.isfinite(mesh_of(one).full_usd)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_snapshots_are_the_same_file(tmp_path: Path, suffix: str) -> None:
    found = wide_over_time(12, None)
    first, again = (
        write_picture(draw_over_time(found), tmp_path / f"{k}.{suffix}").read_bytes() for k in "ab"
    )
    assert first == again
