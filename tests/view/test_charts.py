"""What the picture of a curve is drawn from: data, labels and files, not pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from defiliq.book import Book
from defiliq.errors import InputError, MissingExtra
from defiliq.pipeline.stress import stress_curve
from defiliq.pipeline.stressed import Curve
from defiliq.view.charts import (
    BANDS,
    REST,
    Band,
    CurvePicture,
    compact,
    curve_picture,
    draw_curve,
    spread,
    write_picture,
)
from tests.builders import account_in, graph_market
from tests.test_stress import random_book


@pytest.fixture(scope="module")
def curve() -> Curve:
    at = graph_market()
    accounts = [
        account_in(at, 1, {"WETH": (1, 0), "USDC": (0, 2300)}),
        account_in(at, 2, {"WETH": (100, 0), "USDT": (0, 220_000)}),
        account_in(at, 3, {"wstETH": (10, 0), "WETH": (0, 9.5)}),
        account_in(at, 4, {"WETH": (2, 0), "GHO": (0, 4700), "WBTC": (0, 0.001)}),
    ]
    return stress_curve(Book.build(at, accounts), ["ETH/USD=-30%", "wstETH/ETH=-5%"], steps=10)


def pictured(curve: Curve) -> CurvePicture:
    return curve_picture(curve.totals, curve.reserves, curve.moved, curve.market.base_symbol)


def only_axes(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def heights(line: Line2D) -> list[float]:
    """What a line is drawn through; gaps are zeros."""
    return [0.0 if math.isnan(value) else float(value) for value in np.asarray(line.get_ydata()).tolist()]


def drawn_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in (*figure.texts, *only_axes(figure).texts)]


def test_the_bands_are_the_debts_and_their_top_is_the_total(curve: Curve) -> None:
    picture = pictured(curve)
    assert [band.name for band in picture.bands] == ["USDT", "WETH", "GHO", "USDC", "WBTC"]
    assert list(picture.tops[-1]) == pytest.approx(curve.totals["debt_usd"].tolist())
    assert picture.bad_debt == tuple(curve.totals["bad_debt_usd"])
    assert max(picture.bad_debt) > 0
    assert picture.across == tuple(10.0 * k for k in range(11))
    assert picture.across_label == "share of the whole move (%)"
    assert "ETH/USD -30%, wstETH/ETH ratio -5%" in picture.subtitle
    assert picture.subtitle.startswith("Block 120, 2025-11-24 16:00 UTC. ")
    assert picture.title == "Liquidatable debt by asset owed, aave-v3 Local"


def test_one_driver_is_the_axis_itself(curve: Curve) -> None:
    at = curve.market
    held = Book.build(graph_market(), [account_in(graph_market(), 1, {"USDC": (1000, 0), "WETH": (0, 0.25)})])
    rising = pictured(stress_curve(held, "ETH/USD=+10%", steps=4))
    assert rising.across == pytest.approx((0.0, 2.5, 5.0, 7.5, 10.0))
    assert rising.across_label == "ETH/USD, change (%)"
    assert at.base_symbol == rising.currency == "USD"


def test_a_cap_is_measured_by_what_it_limits() -> None:
    at = graph_market()
    held = Book.build(at, [account_in(at, 1, {"wstETH": (1, 0), "USDC": (0, 2800)})])
    capped = pictured(stress_curve(held, "cap:wstETH=-2.85%", steps=2))
    assert capped.across == pytest.approx((0.0, -1.425, -2.85))
    assert capped.subtitle.endswith("cap:wstETH/ETH ratio 2.85% below what it limits")
    assert capped.bands[0].values[0] == 0 < capped.bands[0].values[-1]


def test_a_move_that_moves_nothing_can_be_drawn(tmp_path: Path) -> None:
    at = graph_market()
    held = Book.build(at, [account_in(at, 1, {"wstETH": (1, 0), "USDC": (0, 3000)})])
    still = pictured(stress_curve(held, "ETH/USD=+0%", steps=2))
    assert write_picture(draw_curve(still), tmp_path / "still.png").is_file()


def test_small_assets_share_one_band(curve: Curve) -> None:
    reserves = curve.reserves
    extra = [reserves.assign(asset=f"0x{k}", reserve=f"T{k}", debt_usd=float(k)) for k in range(1, 8)]
    table = pd.concat([part[part["reserve"].str.startswith("T")] for part in extra])
    table = table.drop_duplicates(["step", "asset"])
    picture = curve_picture(curve.totals, table, curve.moved, "USD")
    assert [band.name for band in picture.bands] == ["T7", "T6", "T5", "T4", "T3", "T2", REST]
    assert len(picture.bands) == BANDS + 1
    assert picture.bands[-1].values == (1.0,) * 11


def test_two_assets_of_one_symbol_are_two_bands(curve: Curve) -> None:
    table = curve.reserves.assign(reserve="same")
    assert [band.name for band in curve_picture(curve.totals, table, curve.moved, "USD").bands] == [
        "same"
    ] * 5


def test_the_stack_is_drawn_from_the_bands(curve: Curve) -> None:
    picture = pictured(curve)
    axes = only_axes(draw_curve(picture))
    areas = [area for area in axes.collections if isinstance(area, PolyCollection)]
    assert [area.get_label() for area in areas] == [band.name for band in picture.bands]
    for area, top in zip(areas, picture.tops, strict=True):
        (path,) = area.get_paths()
        assert max(height for _, height in np.asarray(path.vertices).tolist()) == pytest.approx(max(top))
    (line,) = [line for line in axes.lines if line.get_label() == "bad debt"]
    assert heights(line) == list(picture.bad_debt)
    assert axes.get_xlim() == (0.0, 100.0)
    assert axes.get_ylim()[0] == 0


def test_the_words_are_there(curve: Curve) -> None:
    picture = pictured(curve)
    figure = draw_curve(picture)
    axes = only_axes(figure)
    words = drawn_texts(figure)
    assert {picture.title, picture.subtitle} <= set(words)
    assert any("Not investment advice" in word and "Exact at 11 points" in word for word in words)
    assert axes.get_ylabel() == "debt of liquidatable accounts (USD)"
    assert axes.get_xlabel() == "share of the whole move (%)"
    for band in picture.bands:
        assert f"{band.name} {compact(band.values[-1])}" in words
    assert f"bad debt {compact(picture.bad_debt[-1])}" in words
    assert f"all debt {compact(picture.tops[-1][-1])}" in words
    assert axes.get_legend() is None


def test_labels_do_not_touch(curve: Curve) -> None:
    figure = draw_curve(pictured(curve))
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in only_axes(figure).texts]
    spans = sorted((box.y0, box.y1) for box in boxes)
    assert len(spans) == 7
    assert all(below[1] <= above[0] + 1 for below, above in pairwise(spans))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_a_logarithmic_scale_has_lines_and_gaps_at_zero(curve: Curve) -> None:
    picture = pictured(curve)
    axes = only_axes(draw_curve(picture, log=True))
    assert axes.get_yscale() == "log"
    assert not axes.collections
    lines = {line.get_label(): heights(line) for line in axes.lines}
    for band in picture.bands:
        assert lines[band.name] == list(band.values)
    assert lines["all debt"] == list(picture.tops[-1])


@pytest.mark.parametrize("log", [False, True])
def test_nobody_breaks(curve: Curve, log: bool, tmp_path: Path) -> None:
    empty = replace(pictured(curve), bands=(), bad_debt=(0.0,) * 11)
    figure = draw_curve(empty, log=log)
    assert write_picture(figure, tmp_path / "empty.png").stat().st_size > 0
    assert "nobody breaks on the way" in drawn_texts(figure)


def test_symbols_that_are_no_plain_text_are_drawn_as_they_are(curve: Curve, tmp_path: Path) -> None:
    names = ("$x^$", "USD₮0", "\U0001f680", "a_{b}", "\\frac{")
    bands = tuple(Band(name, (1.0,) * 11) for name in names)
    figure = draw_curve(replace(pictured(curve), bands=bands, title="$\\alpha$ _ ^"))
    write_picture(figure, tmp_path / "odd.svg")
    words = drawn_texts(figure)
    assert {"$x^$ 1", "USD₮0 1", "? 1", "a_{b} 1", "\\frac{ 1"} <= set(words)


def test_a_long_list_of_moves_is_cut(curve: Curve) -> None:
    figure = draw_curve(replace(pictured(curve), subtitle="Block 1. " + "x" * 500))
    (cut,) = [text for text in drawn_texts(figure) if text.startswith("Block 1")]
    assert cut.endswith("…")
    assert len(cut) == 120


@pytest.mark.parametrize(
    ("suffix", "begins"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")]
)
def test_files_are_what_their_suffix_says_and_the_same_twice(
    curve: Curve, tmp_path: Path, suffix: str, begins: bytes
) -> None:
    first = write_picture(draw_curve(pictured(curve)), tmp_path / f"a.{suffix}").read_bytes()
    again = write_picture(draw_curve(pictured(curve)), tmp_path / f"b.{suffix}").read_bytes()
    assert first.startswith(begins)
    assert first == again


def test_a_folder_that_is_none_is_refused(curve: Curve, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_picture(draw_curve(pictured(curve)), tmp_path / "no" / "a.png")


def test_without_matplotlib_it_says_what_to_install(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.view.charts.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"a picture needs matplotlib.*pip install 'defiliq\[plots\]'"):
        draw_curve(pictured(curve))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (999.4, "999"),
        (999.6, "1k"),
        (12_345, "12.3k"),
        (999_600, "1M"),
        (1.5e9, "1.5B"),
        (2e12, "2T"),
        (-12_345, "-12.3k"),
    ],
)
def test_amounts_in_three_digits(value: float, shown: str) -> None:
    assert compact(value) == shown


def test_heights_are_moved_apart_in_order() -> None:
    assert spread([0.1, 0.5, 0.9], 0.05) == [0.1, 0.5, 0.9]
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.5, 0.6, 0.7])
    assert spread([1.0, 0.99, 0.2], 0.1) == pytest.approx([1.0, 0.9, 0.2])
    assert spread([-0.3, 0.0], 0.1) == pytest.approx([0.0, 0.1])
    assert spread([], 0.1) == []


def test_a_move_of_nothing_is_drawn_by_its_share() -> None:
    still = pictured(stress_curve(random_book(graph_market(), 60), "ETH/USD=+0%", steps=2))
    assert still.across == (0.0, 50.0, 100.0)
    assert still.across_label == "share of the whole move (%)"


def test_a_later_instant_is_said() -> None:
    at = graph_market()
    later = random_book(at.at_time(at.block.timestamp + 3600), 20)
    picture = pictured(stress_curve(later, "ETH/USD=-20%", steps=1))
    assert "2025-11-24 16:00 UTC, interest to 2025-11-24 17:00 UTC. ETH/USD -20%" in picture.subtitle
    far = replace(at, block=replace(at.block, timestamp=2**47), timestamp=2**47)
    assert (
        f"unix time {2**47}" in pictured(stress_curve(random_book(far, 5), "ETH/USD=-20%", steps=1)).subtitle
    )
