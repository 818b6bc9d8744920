"""Pictures of heats: the same dollars are as large and of one colour wherever they are."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

from defiliq.errors import MissingExtra
from defiliq.model.clusters import find_clusters
from defiliq.model.heat import Heat, build_heat
from defiliq.view.charts import write_picture
from defiliq.view.heat_rows import few_slots, heat_rows
from defiliq.view.model_charts import NOTHING, SLOTS, draw_heatmap, draw_ladder, piled_up
from defiliq.view.palette import LONG, SCALE, SCALE_STOPS, SHORT, price_ticks, scale_ticks
from tests.view.drawn import boxes, clipped, texts, touching, words
from tests.view.heat_stage import SEED_LEVELS, Level, ladder_of, seeds_heat, wide_heat

EQUAL: list[Level] = [
    (1601.0, 5e6, "long"),
    (2400.0, 5e6, "long"),
    (4321.0, 5e6, "short"),
    (2777.0, 2.5e6, "long"),
]


def heat_of(levels: list[Level], spot: float = 3000.0) -> Heat:
    return build_heat([ladder_of(levels, spot)], "ETH/USD")


def said(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def test_the_same_dollars_are_bars_of_the_same_size_at_any_price(tmp_path: Path) -> None:
    path = write_picture(draw_heatmap(heat_of(EQUAL), ()), tmp_path / "heat.svg")
    longs = [box for box in boxes(path) if box.fill == LONG]
    shorts = [box for box in boxes(path) if box.fill == SHORT]
    by_price = sorted(longs, key=lambda box: -box.top)
    widest = max(box.size[0] for box in by_price)
    full = [box for box in by_price if box.size[0] == pytest.approx(widest, abs=0.01)]
    (half,) = [box for box in by_price if 0 < box.size[0] < 0.9 * widest]
    (short,) = [box for box in shorts if box.size[0] > 0]
    assert len(full) == 2
    assert half.size[0] == pytest.approx(widest / 2, abs=0.01)
    assert short.size[0] == pytest.approx(widest, abs=0.01)
    heights = [box.size[1] for box in (*full, half, short)]
    assert heights == [pytest.approx(heights[0], abs=0.01)] * 4
    assert all(box.right == pytest.approx(short.left, abs=0.01) for box in full)


def test_bars_stand_at_the_logarithm_of_their_price(tmp_path: Path) -> None:
    path = write_picture(draw_heatmap(heat_of(EQUAL), ()), tmp_path / "heat.svg")
    bars = sorted(
        (box for box in boxes(path) if box.fill == LONG and box.size[0] > 0), key=lambda box: -box.top
    )
    rows = [row for row in heat_rows(heat_of(EQUAL), fits=few_slots(SLOTS)).rows if row.long_usd > 0]
    heights = [-(box.top + box.bottom) / 2 for box in bars]
    logs = [math.log(row.low_usd * row.high_usd) / 2 for row in rows]
    slopes = np.diff(heights) / np.diff(logs)
    assert slopes.tolist() == [pytest.approx(slopes[0], rel=1e-3)] * 2


def test_the_same_dollars_have_the_same_colour_and_nothing_is_black(tmp_path: Path) -> None:
    figure = draw_heatmap(heat_of(EQUAL), ())
    bars, strip, _ = figure.axes
    (mesh,) = [part for part in strip.collections if isinstance(part, QuadMesh)]
    values = np.asarray(mesh.get_array()).ravel()
    assert sorted(values[values > 0]) == pytest.approx([values.max() / 2, *[values.max()] * 3])
    figure.draw_without_rendering()
    colours = np.asarray(mesh.get_facecolor())
    assert len({tuple(colour) for colour in colours[values > 0.9 * values.max()]}) == 1
    assert {tuple(colour) for colour in colours[values == 0]} == {tuple(colours[0])}
    assert max(colours[0][:3]) < 0.02
    assert bars.get_ylim() == strip.get_ylim()


def test_the_scale_rises_in_lightness_for_any_eye() -> None:
    lights = [float(np.dot(to_rgba(hue)[:3], (0.2126, 0.7152, 0.0722))) for _, hue in SCALE_STOPS]
    assert lights == sorted(lights)
    assert [hue for _, hue in SCALE_STOPS] == [to_hex(colormaps[SCALE](at)) for at, _ in SCALE_STOPS]


def test_clusters_are_named_and_the_words_are_there(tmp_path: Path) -> None:
    heat = seeds_heat()
    path = write_picture(draw_heatmap(heat, find_clusters(heat)), tmp_path / "seeds.svg")
    seen = words(path)
    assert "Liquidation heatmap, BTC/USD, spot $57,000" in seen
    assert "aave-v3 Ethereum, chain 1, block 23,872,000, 2025-11-24 16:00 UTC" in seen
    assert "$56,490  34.04M  1 account" in seen
    assert "USD per 1% of price" in seen
    assert "BTC/USD, logarithmic" in seen
    assert "spot $57,000" in seen
    assert "Not investment advice." in seen
    assert "liquidated per 0.1% of price: longs left, shorts right (USD)" in seen


def test_what_is_not_in_the_picture_is_said() -> None:
    text = said(draw_heatmap(wide_heat(), ()))
    assert "Further below: 254 accounts" in text
    assert "Liquidatable already: 2 accounts, long 1.20M, short 30.00k." in text


@pytest.mark.parametrize("heat", [wide_heat(), seeds_heat(), heat_of(EQUAL), wide_heat(60, 9)])
def test_no_words_are_cut_and_none_lie_on_others(heat: Heat) -> None:
    for figure in (draw_heatmap(heat, find_clusters(heat)), draw_ladder(heat)):
        assert clipped(figure) == []
        assert touching(figure) == []


def test_names_stay_on_their_side_of_spot() -> None:
    levels: list[Level] = [(10.0, 1e5, "long"), *((2990.0 - 25 * k, 1e6 + k, "long") for k in range(5))]
    levels += [(3010.0 + 25 * k, 1e6 + k, "short") for k in range(3)]
    heat = heat_of(levels)
    figure = draw_heatmap(heat, find_clusters(heat, within_pct=100), within_pct=100)
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    spot = math.log(3000 / low) / math.log(high / low)
    named = [text for text in axes.texts if "account" in text.get_text()]
    places = {text.get_text(): text.xyann for text in named if isinstance(text, Annotation)}
    assert len(places) >= 5
    for across, height in places.values():
        assert (height < spot) == (across > 0.5)
    assert touching(figure) == []


def test_a_giant_is_cut_and_has_its_size_beside_it() -> None:
    small: list[Level] = [(2000.0 + 100 * k, 1e6, "long") for k in range(6)]
    heat = heat_of([*small, (2800.0, 1e9, "long"), (3300.0, 1e9, "short")])
    figure = draw_heatmap(heat, find_clusters(heat))
    assert said(figure).count("» 1.00B") == 2
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert max(abs(bar.get_width()) for bar in bars) == 1e6
    assert clipped(figure) == []
    left, right = figure.axes[0].get_window_extent().intervalx
    for text in (text for text in texts(figure) if "»" in text.get_text()):
        box = text.get_window_extent()
        assert left < box.x0 < box.x1 < right
    (mesh,) = [part for part in figure.axes[1].collections if isinstance(part, QuadMesh)]
    values, colours = np.asarray(mesh.get_array()).ravel(), np.asarray(mesh.get_facecolor())
    assert {tuple(colour) for colour in colours[values > 0]} == {tuple(colours[values.argmax()])}
    (ladder,) = draw_ladder(heat).axes
    assert ladder.get_yscale() == "log"
    assert ladder.get_ylabel() == "liquidated on the way, logarithmic (USD)"


def test_spot_is_marked_in_bars_and_strip() -> None:
    figure = draw_heatmap(heat_of(EQUAL), ())
    for axes in figure.axes[:2]:
        flat = [line for line in axes.lines if len(set(np.asarray(line.get_ydata()).tolist())) == 1]
        assert [np.asarray(line.get_ydata()).tolist() for line in flat] == [[3000.0, 3000.0]]


def test_the_ladder_is_the_sum_from_spot_outward() -> None:
    heat = heat_of([(2000.0, 3.0, "long"), (2500.0, 4.0, "long"), (3500.0, 5.0, "short")])
    assert piled_up(heat, "long", 1900.0, 3600.0) == ([3000.0, 2500.0, 2000.0, 1900.0], [0.0, 4.0, 7.0, 7.0])
    assert piled_up(heat, "short", 1900.0, 3600.0) == ([3000.0, 3500.0, 3600.0], [0.0, 5.0, 5.0])
    (axes,) = draw_ladder(heat).axes
    assert [line.get_label() for line in axes.lines] == ["long: $7.00", "short: $5.00", "spot"]
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize("levels", [[], [(1000.0, 5.0, "long")], [(2500.0, math.nan, "long")]])
def test_nothing_within_the_window(levels: list[Level]) -> None:
    heat = heat_of(levels) if levels else build_heat([], "ETH/USD")
    for figure in (draw_heatmap(heat, ()), draw_ladder(heat)):
        assert NOTHING in said(figure)
        assert "Not investment advice." in said(figure)


@pytest.mark.parametrize("spot", [8.5e-5, 1.2e6, 4.1e9])
def test_prices_of_any_length_leave_room_for_the_axis_s_name(spot: float) -> None:
    levels: list[Level] = [(0.6 * spot, 2e6, "long"), (1.3 * spot, 1e6, "short")]
    figure = draw_heatmap(heat_of(levels, spot), ())
    assert clipped(figure) == []
    assert touching(figure) == []


def test_amounts_are_named_at_the_foot_of_the_scale_too() -> None:
    figure = draw_heatmap(heat_of([(2500.0, 1e6, "long")]), ())
    heights = [label.get_window_extent().y0 for label in figure.axes[2].get_yticklabels()]
    low, high = figure.axes[2].get_window_extent().intervaly
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == [
        *("0", "150k", "600k", "1M", "2M", "4M")
    ]
    assert max(np.diff(heights)) < 0.3 * (high - low)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_heat_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    heat = wide_heat(100)
    files = []
    for name in ("a", "b"):
        drawn = [draw_heatmap(heat, find_clusters(heat)), draw_ladder(heat)]
        files.append(
            [
                write_picture(figure, tmp_path / f"{name}{k}.{suffix}").read_bytes()
                for k, figure in enumerate(drawn)
            ]
        )
    assert files[0] == files[1]


def test_names_from_a_chain_are_only_text(tmp_path: Path) -> None:
    driver = "$\\frac{1}$</script>\x1b[31m\U0001f680/USD"
    heat = build_heat([ladder_of([(2000.0, 1.0, "long")], 3000.0, driver, market="</svg><script>")], driver)
    path = write_picture(draw_heatmap(heat, ()), tmp_path / "odd.svg")
    assert "<script" not in path.read_text()
    assert boxes(path)


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.view.charts.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="matplotlib"):
        draw_heatmap(seeds_heat(), ())


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (2000.0, 4000.0, [2000, 2250, 2500, 2750, 3000, 3250, 3500, 3750, 4000]),
        (1530.0, 4800.0, [1600, 1800, 2000, 2500, 3000, 3500, 4000, 4500]),
        (2000.0, 9000.0, [2000, 2500, 3000, 4000, 5000, 6000, 8000]),
        (55_980.0, 57_100.0, [56_000, 56_200, 56_400, 56_600, 56_800, 57_000]),
        (1.0, 1000.0, [1, 3, 10, 30, 100, 300, 1000]),
        (0.98, 1.02, [0.98, 0.985, 0.99, 0.995, 1, 1.005, 1.01, 1.015, 1.02]),
        (1e-9, 1e9, [10.0**k for k in range(-9, 10, 3)]),
    ],
)
def test_ticks_are_round_prices(low: float, high: float, ticks: list[float]) -> None:
    assert price_ticks(low, high) == pytest.approx(ticks)
    assert SEED_LEVELS[0][0] in price_ticks(56_000.0, 57_000.0)


@pytest.mark.parametrize("most", [1.0, 9.99, 3.7e6, 1e11, 2.5e-3])
def test_amounts_on_the_scale_of_colours_are_well_apart(most: float) -> None:
    ticks = scale_ticks(most)
    assert ticks[0] == 0
    assert len(ticks) == 4
    roots = [math.sqrt(tick / most) for tick in ticks]
    assert all(high - low > 0.1 for low, high in pairwise(roots))
    assert 0.8 < roots[-1] <= 1.000001
