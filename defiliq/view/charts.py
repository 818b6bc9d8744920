"""Pictures of curves. matplotlib is an extra: it is imported when a picture is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from defiliq.errors import MissingExtra
from defiliq.view.feeds import END_OF_CALENDAR
from defiliq.view.files import replace_file
from defiliq.view.stress import change_shown
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

PICTURES = (".png", ".svg")
BANDS = 6
"""So many assets have a band of their own; the rest is one."""
REST = "other assets"
_INK, _FAINT, _ALARM, _GREY = "#222222", "#777777", "#b00020", "#b5b5b5"
_COLOURS = ("#3b6fb6", "#e08214", "#4d9a57", "#8e63a8", "#c9b037", "#56b4c9")
_GAP = 0.05
"""The least distance of two labels, as a share of the picture's height."""
SETTINGS: dict[RcKeyType, Any] = {
    "text.parse_math": False,
    "svg.hashsalt": "defiliq",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": _GREY,
}
"""A dollar sign in a symbol is no formula, the same figure is the same file, and the font comes along."""
_LEAST_SHOWN = 1e-9
"""Where a logarithmic scale ends, as a share of its top."""
MAGNITUDES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Band:
    """One asset of the stack, from spot to the whole move."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CurvePicture:
    """What is drawn: a share of the whole move across, money up."""

    across: tuple[float, ...]
    """The driver's change in percent; the share of the whole move where several drivers move."""
    across_label: str
    bands: tuple[Band, ...]
    """Debt by asset, from the bottom of the stack."""
    bad_debt: tuple[float, ...]
    title: str
    subtitle: str
    currency: str

    @property
    def tops(self) -> list[tuple[float, ...]]:
        """The upper edge of each band."""
        edges: list[tuple[float, ...]] = []
        below = tuple(0.0 for _ in self.across)
        for band in self.bands:
            below = tuple(low + value for low, value in zip(below, band.values, strict=True))
            edges.append(below)
        return edges


def curve_picture(
    totals: pd.DataFrame, reserves: pd.DataFrame, moved: pd.DataFrame, currency: str
) -> CurvePicture:
    """A curve's tables as what is drawn of them: the assets with most debt, the rest as one band."""
    debts = reserves.pivot_table(index="step", columns="asset", values="debt_usd", sort=False)
    symbols = dict(zip(reserves["asset"], reserves["reserve"], strict=True))
    largest = debts.max().sort_values(ascending=False, kind="stable")
    named = [asset for asset in largest.index if largest[asset] > 0]
    bands = [Band(clean(symbols[asset]), tuple(debts[asset])) for asset in named[:BANDS]]
    if len(named) > BANDS:
        bands.append(Band(REST, tuple(debts[named[BANDS:]].sum(axis=1))))
    first = totals.iloc[0]
    whole = ", ".join(f"{clean(row['driver'])} {change_shown(row)}" for _, row in moved.iterrows())
    alone = len(moved) == 1 and totals["change_pct"].nunique() > 1
    when = minute(first["block_timestamp"])
    if first["evaluated_at"] != first["block_timestamp"]:
        when += f", interest to {minute(first['evaluated_at'])}"
    return CurvePicture(
        across=tuple(totals["change_pct" if alone else "share_pct"]),
        across_label=f"{clean(moved['driver'].iloc[0])}, change (%)"
        if alone
        else "share of the whole move (%)",
        bands=tuple(bands),
        bad_debt=tuple(totals["bad_debt_usd"]),
        title=f"Liquidatable debt by asset owed, {clean(first['protocol'])} {clean(first['market'])}",
        subtitle=f"Block {first['block_number']}, {when}. {whole}",
        currency=currency,
    )


def minute(timestamp: int) -> str:
    """A unix time as UTC to the minute; the number itself beyond what a calendar holds."""
    if timestamp >= END_OF_CALENDAR:
        return f"unix time {timestamp}"
    return f"{datetime.fromtimestamp(int(timestamp), UTC):%Y-%m-%d %H:%M} UTC"


def require_matplotlib() -> None:
    """Say what to install where it is missing."""
    if find_spec("matplotlib") is None:
        raise MissingExtra("a picture", "matplotlib", "plots")


def draw_curve(picture: CurvePicture, *, log: bool = False) -> Figure:
    """Debt by asset as a stack, or as lines on a logarithmic scale; bad debt as a line of its own."""
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=(10, 6), dpi=150, facecolor="white")
        axes = figure.add_axes((0.085, 0.13, 0.72, 0.7))
        _draw_lines(axes, picture) if log else _draw_stack(axes, picture)
        _dress(axes, picture)
        figure.text(0.085, 0.93, picture.title, fontsize=15, fontweight="bold", color=_INK)
        figure.text(0.085, 0.88, cut(picture.subtitle), fontsize=10, color=_FAINT)
        note = f"Exact at {len(picture.across)} points, straight between them. Not investment advice."
        figure.text(0.085, 0.02, note, fontsize=7.5, color=_FAINT)
    return figure


def write_picture(figure: Figure, path: str | Path) -> Path:
    """Write a figure as its path's suffix says, whole or not at all; the same figure gives the same file."""
    from matplotlib import rc_context

    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with rc_context(SETTINGS):
        replace_file(target, lambda beside: figure.savefig(beside, format=kind, metadata=metadata))
    return target


def compact(value: float) -> str:
    """An amount in three digits and a letter: 1.25M."""
    for size, letter in MAGNITUDES:
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights in the same order, moved apart to `gap` and kept between 0 and 1 as far as there is room."""
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    placed = [0.0] * len(heights)
    floor = 0.0
    for k in order:
        placed[k] = max(heights[k], floor)
        floor = placed[k] + gap
    ceiling = 1.0
    for k in reversed(order):
        placed[k] = min(placed[k], ceiling)
        ceiling = placed[k] - gap
    return placed


def _dress(axes: Axes, picture: CurvePicture) -> None:
    """What stands around the data."""
    from matplotlib.ticker import FuncFormatter

    if not picture.bands:
        axes.set_yticks([])
        axes.set_yticks([], minor=True)
        nobody = "nobody breaks on the way"
        axes.text(0.5, 0.5, nobody, ha="center", color=_FAINT, transform=axes.transAxes)
    first, last = picture.across[0], picture.across[-1]
    axes.set_xlim(first, last if last != first else first + 1)
    axes.set_xlabel(picture.across_label, color=_INK)
    axes.set_ylabel(f"debt of liquidatable accounts ({picture.currency})", color=_INK)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)


def _draw_stack(axes: Axes, picture: CurvePicture) -> None:
    below = tuple(0.0 for _ in picture.across)
    labels: list[tuple[float, str, str]] = []
    for k, (band, top) in enumerate(zip(picture.bands, picture.tops, strict=True)):
        colour = _GREY if band.name == REST else _COLOURS[k % len(_COLOURS)]
        axes.fill_between(
            picture.across, below, top, color=colour, linewidth=0.6, edgecolor="white", label=band.name
        )
        labels.append(
            ((below[-1] + top[-1]) / 2, f"{drawable(band.name)} {compact(band.values[-1])}", colour)
        )
        below = top
    if len(picture.bands) > 1:
        labels.append((below[-1], f"all debt {compact(below[-1])}", _INK))
    most = max(max(below, default=0.0), max(picture.bad_debt))
    axes.set_ylim(0, most * 1.06 if most else 1)
    _draw_bad_debt(axes, picture, labels)
    _label(axes, labels)


def _draw_lines(axes: Axes, picture: CurvePicture) -> None:
    """On a logarithmic scale a stack would mislead, so each asset is a line; zeros are gaps."""
    axes.set_yscale("log")
    labels: list[tuple[float, str, str]] = []
    total = picture.tops[-1] if picture.bands else tuple(0.0 for _ in picture.across)
    lines = [(band.name, band.values, 1.6) for band in picture.bands]
    for k, (name, values, width) in enumerate([*lines, ("all debt", total, 2.4)]):
        colour = _INK if name == "all debt" else _GREY if name == REST else _COLOURS[k % len(_COLOURS)]
        axes.plot(picture.across, _gapped(values), color=colour, linewidth=width, label=name)
        if values[-1]:
            labels.append((values[-1], f"{drawable(name)} {compact(values[-1])}", colour))
    _draw_bad_debt(axes, picture, labels)
    seen = [
        value for values in (*(band.values for band in picture.bands), picture.bad_debt) for value in values
    ]
    positive = [value for value in seen if value > 0]
    if positive:
        axes.set_ylim(max(min(positive), max(total) * _LEAST_SHOWN) / 2, max(total) * 2)
    _label(axes, labels)


def _draw_bad_debt(axes: Axes, picture: CurvePicture, labels: list[tuple[float, str, str]]) -> None:
    values, shown = picture.bad_debt, _gapped(picture.bad_debt)
    axes.plot(picture.across, shown, color="white", linewidth=4.4)
    axes.plot(picture.across, shown, color=_ALARM, linewidth=2, linestyle=(0, (4, 1.5)), label="bad debt")
    if values[-1] or axes.get_yscale() != "log":
        labels.append((values[-1], f"bad debt {compact(values[-1])}", _ALARM))


def _label(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Names and last values beside the last point, moved apart where they would touch."""
    from matplotlib.lines import Line2D

    to_share = axes.transData + axes.transAxes.inverted()
    heights = [float(to_share.transform((axes.get_xlim()[1], height))[1]) for height, _, _ in labels]
    for height, placed, (_, text, colour) in zip(heights, spread(heights, _GAP), labels, strict=True):
        bold = "bold" if colour in (_ALARM, _INK) else "normal"
        near = min(max(height, 0.0), 1.0)
        lead = Line2D((1.003, 1.03), (near, placed), color=colour, linewidth=0.7)
        lead.set(transform=axes.transAxes, clip_on=False)
        axes.add_artist(lead)
        axes.text(1.035, placed, text, va="center", color=colour, fontweight=bold, transform=axes.transAxes)


def _gapped(values: Sequence[float]) -> list[float]:
    return [value if value > 0 else math.nan for value in values]


def drawable(text: str) -> str:
    """A symbol without characters that the picture's font does not have."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont("DejaVu Sans"))
    return "".join(char if font.get_char_index(ord(char)) else "?" for char in text)


def cut(text: str, most: int = 120) -> str:
    """A line that fits."""
    shown = drawable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
