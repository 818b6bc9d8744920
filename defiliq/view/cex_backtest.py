"""The picture of a backtest: how much better than chance, as dots with the intervals that hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd

from defiliq.view.cex_charts import WIDE, cex_caption
from defiliq.view.chart_frame import add_axes, framed, say_nothing, spelled
from defiliq.view.charts import cut
from defiliq.view.figure_frame import MARGIN, Figure, empty_figure, named
from defiliq.view.heat_rows import counted
from defiliq.view.palette import CHAIN, INK, MIDDLE, RULE
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

Of: TypeAlias = Literal["lift", "recall_lift", "gain"]
NO_BETTER: Mapping[str, float] = {"lift": 1.0, "recall_lift": 1.0, "gain": 0.0}
"""What chance would have."""
_SAID: Mapping[str, str] = {
    "lift": "lift: precision per that of the baseline",
    "recall_lift": "recall per that of the baseline",
    "gain": "rank correlation, less that of the baseline",
}
NOTHING = "no score is defined"
MOST = 30
"""So many scores are shown; the rest is counted."""
_ROW = 0.44
_LONGEST = 3.0
"""Whiskers that are so many times longer than the furthest dot are cut."""
_HOURS = 3600
_PAPER = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
"""Words lie on lines."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One score."""

    label: str
    value: float
    low: float
    high: float
    n: int | None

    @property
    def words(self) -> str:
        """The score with its interval: 1.24 (0.98 to 1.51), n 240."""
        if math.isnan(self.value):
            return "not defined"
        between = f" ({self.low:.2f} to {self.high:.2f})" if math.isfinite(self.low + self.high) else ""
        return f"{self.value:.2f}{between}{'' if self.n is None else f', n {self.n:,}'}"

    def is_apart(self, from_value: float) -> bool:
        """Whether the interval leaves chance out."""
        return self.low > from_value or self.high < from_value


def dots_of(table: pd.DataFrame, of: Of = "lift") -> list[Dot]:
    """A table's scores in its order. It has the columns `lift`, `lift_low` and `lift_high` (or those of
    another measure), and `label`, or what the columns of a backtest tell instead; `n` if it is known.
    """
    found = []
    for row in table.to_dict("records"):
        value, low, high = (float(row[f"{of}{end}"]) for end in ("", "_low", "_high"))
        n = None if "n" not in row or pd.isna(row["n"]) else int(row["n"])
        found.append(Dot(clean(row["label"]) if "label" in row else _label(row), value, low, high, n))
    return found


def _label(row: Mapping[Any, Any]) -> str:
    """What was predicted where, and against what."""
    hours = f"{float(row['horizon_s']) / _HOURS:g} h"
    what = f"{row['predictor']}, {row['venue']} {row['asset']} {row['side']}, {row['test']} in {hours}"
    named = "" if row["condition"] == "all" else f", of those {row['condition']}"
    return clean(f"{what}, against {row['baseline']}{named}")


def draw_backtest(
    table: pd.DataFrame,
    *,
    of: Of = "lift",
    title: str = "Backtest of the estimate",
    lines: Sequence[str] = (),
) -> Drawn:
    """A dot per score with its interval as a whisker; hollow where chance is within the interval."""
    dots = dots_of(table, of)
    shown = dots[:MOST]
    notes = ["Whiskers: 95% intervals. Hollow: the interval holds what chance would have (dashed)."]
    if len(dots) > len(shown):
        notes.append(f"Not shown: {counted(len(dots) - len(shown), 'further score')}.")
    caption = cex_caption(title, lines, notes)
    high = caption.bottom + 0.6 + max(3, len(shown)) * _ROW + caption.top + 0.15
    with framed(caption, (WIDE, high)) as figure:
        axes = add_axes(figure, (0.45, caption.bottom + 0.55, 0.45, caption.top + 0.1))
        if not any(math.isfinite(dot.value) for dot in shown):
            say_nothing(axes, NOTHING)
            return figure
        _draw_dots(axes, shown, of)
    return figure


def reach_of(dots: Sequence[Dot], of: Of) -> tuple[float, float]:
    """From where to where the axis goes: all dots and chance, and whiskers that are not endless."""
    chance = NO_BETTER[of]
    values = [dot.value for dot in dots if math.isfinite(dot.value)]
    furthest = max([abs(value - chance) for value in values] + [0.25])
    ends = [end for dot in dots for end in (dot.low, dot.high) if math.isfinite(end)]
    near = [end for end in ends if abs(end - chance) <= _LONGEST * furthest]
    low, high = min([chance - 0.1, *values, *near]), max([chance + 0.1, *values, *near])
    spread = 0.05 * (high - low)
    return low - spread, high + spread


def _draw_dots(axes: Axes, dots: Sequence[Dot], of: Of) -> None:
    left, right = reach_of(dots, of)
    chance = NO_BETTER[of]
    axes.set_xlim(left, right)
    axes.set_ylim(len(dots), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=RULE, linewidth=0.8)
    axes.axvline(chance, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    for place, dot in enumerate(dots):
        height = place + 0.7
        across = axes.get_yaxis_transform()
        axes.text(0, place + 0.28, cut(dot.label, 68), transform=across, va="center", bbox=_PAPER)
        axes.text(
            *(1, place + 0.28, dot.words), transform=across, va="center", ha="right", fontsize=9, bbox=_PAPER
        )
        if math.isnan(dot.value):
            continue
        if math.isfinite(dot.low + dot.high):
            axes.plot([max(dot.low, left), min(dot.high, right)], [height] * 2, color=CHAIN, linewidth=2)
            for end, is_cut in ((left, dot.low < left), (right, dot.high > right)):
                if is_cut:
                    axes.plot([end], [height], marker="<" if end == left else ">", color=CHAIN, clip_on=False)
        fill = CHAIN if dot.is_apart(chance) else "white"
        axes.plot(
            [dot.value], [height], "o", color=CHAIN, markerfacecolor=fill, markersize=7, markeredgewidth=1.8
        )
    axes.set_xlabel(spelled(_SAID[of]), color=INK)


def backtest_figure(table: pd.DataFrame, *, of: Of = "lift") -> Figure:
    """The same for plotly."""
    dots = [dot for dot in dots_of(table, of)[:MOST] if math.isfinite(dot.value)]
    if not dots:
        return empty_figure(NOTHING)
    left, right = reach_of(dots, of)
    chance = NO_BETTER[of]
    dashed = {"color": MIDDLE, "width": 1.5, "dash": "dash"}
    line = {"type": "line", "x0": chance, "x1": chance, "yref": "paper", "y0": 0, "y1": 1, "line": dashed}
    layout = {
        "height": 120 + 44 * len(dots),
        "margin": MARGIN,
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {"range": [left, right], "title": {"text": _SAID[of]}},
        "yaxis": {"range": [len(dots) - 0.5, -0.75], "visible": False},
        "annotations": [_name(dot, place) for place, dot in enumerate(dots)],
        "shapes": [line],
    }
    return {"data": [_whiskers(dots, of)], "layout": layout}


def _whiskers(dots: Sequence[Dot], of: Of) -> dict[str, Any]:
    """All dots, from the top down."""
    ends = [(dot.low, dot.high) if math.isfinite(dot.low + dot.high) else (dot.value,) * 2 for dot in dots]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": of.replace("_", " "),
        "x": [dot.value for dot in dots],
        "y": [*range(len(dots))],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - dot.value for dot, (_, high) in zip(dots, ends, strict=True)],
            "arrayminus": [dot.value - low for dot, (low, _) in zip(dots, ends, strict=True)],
            "color": CHAIN,
            "thickness": 2,
        },
        "marker": {
            "color": CHAIN,
            "size": 10,
            "symbol": ["circle" if dot.is_apart(NO_BETTER[of]) else "circle-open" for dot in dots],
            "line": {"width": 2, "color": CHAIN},
        },
        "text": [named(f"{dot.label}: {dot.words}") for dot in dots],
        "hoverinfo": "text",
    }


def _name(dot: Dot, place: int) -> dict[str, Any]:
    """A dot's label, above its whisker."""
    return {
        "text": named(cut_label(dot.label)),
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": place - 0.36,
        "yref": "y",
        "showarrow": False,
        "align": "left",
    }


def backtest_grid(table: pd.DataFrame, *, of: Of = "lift") -> Grid:
    """The scores as texts."""
    rows = ((dot.label, dot.words) for dot in dots_of(table, of))
    return Grid(("Score", f"{of.replace('_', ' ').capitalize()} (95% interval)"), tuple(rows))


def cut_label(label: str, most: int = 52) -> str:
    """A label that a phone has room for; a pointer is told all of it."""
    return label if len(label) <= most else f"{label[: most - 1]}…"
