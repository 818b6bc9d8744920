"""What stands around every picture of the model: title, where and when, axes of price and of money."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from defiliq.view.charts import SETTINGS, compact, cut, drawable, require_matplotlib
from defiliq.view.heat_rows import market_lines, price_shown
from defiliq.view.palette import FAINT, GREY, INK, RULE, price_ticks, scale_ticks
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

DISCLAIMER = "Not investment advice."
_PADDING = 0.03
"""What a picture shows around the outermost levels, as a share of its logarithmic height."""
_NARROWEST = 0.002
_MARKETS_NAMED = 2
_NARROW_TITLE = 66
_USUAL_ROOM = 1.0
_AMOUNTS = 5
"""Beside a scale of colours, without the 0."""
_NAME = 40
"""Letters of an axis's name."""


@dataclass(frozen=True, slots=True)
class Caption:
    """The words around a picture."""

    title: str
    subtitle: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    wide: float = 10.0
    """Inches of the picture, which say how much fits a line."""

    @property
    def letters(self) -> float:
        """Lines grow no longer in pictures that are wider than usual."""
        return min(1.0, self.wide / 10)

    @property
    def top(self) -> float:
        """How many inches its first lines take."""
        return 0.62 + 0.21 * len(self.subtitle)

    @property
    def bottom(self) -> float:
        """How many inches its last lines take."""
        return 0.2 + 0.18 * (1 + len(_wrapped(self.notes, self.letters)))


def caption_of(title: str, sources: pd.DataFrame, notes: Sequence[str] = ()) -> Caption:
    """A title with the markets it speaks of, each with its block and time."""
    return Caption(clean(title), tuple(market_lines(sources, _MARKETS_NAMED)), tuple(notes))


@contextmanager
def framed(caption: Caption, size: tuple[float, float]) -> Iterator[Figure]:
    """A new figure with its words, to be filled; sizes are in inches."""
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=size, dpi=150, facecolor="white")
        top = size[1] - 0.38
        letters, most = (15, 80) if caption.letters == 1 else (13, _NARROW_TITLE)
        room = 72 * (size[0] - 0.55)
        title = _fitted(cut(caption.title, most), room, letters, "bold")
        figure.text(0.45 / size[0], top / size[1], title, fontsize=letters, fontweight="bold", color=INK)
        for k, line in enumerate(caption.subtitle):
            height = (top - 0.28 - 0.21 * k) / size[1]
            shown = _fitted(cut(line, int(120 * caption.letters)), room, 10)
            figure.text(0.45 / size[0], height, shown, fontsize=10, color=FAINT)
        for k, line in enumerate(reversed([*_wrapped(caption.notes, caption.letters), DISCLAIMER])):
            shown = _fitted(line, room, 9)
            figure.text(0.45 / size[0], (0.1 + 0.18 * k) / size[1], shown, fontsize=9, color=FAINT)
        yield figure


def add_axes(figure: Figure, box: tuple[float, float, float, float], **shared: Any) -> Axes:
    """Axes whose distances from left, bottom, right and top are given in inches."""
    left, bottom, right, top = box
    wide, high = figure.get_size_inches()
    axes = figure.add_axes(
        (left / wide, bottom / high, 1 - (left + right) / wide, 1 - (bottom + top) / high), **shared
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.set_axisbelow(True)
    return axes


def window(low: float, high: float) -> tuple[float, float]:
    """The prices at a picture's edges: a little beyond what it shows, so that nothing sticks to them."""
    spread = max(_PADDING * math.log(high / low), _NARROWEST)
    return low * math.exp(-spread), high * math.exp(spread)


def price_room(low: float, high: float, driver: str) -> float:
    """How many inches an upright axis of prices needs at its left, for its name and its longest label."""
    labels = (price_shown(tick, driver) for tick in price_ticks(low, high))
    longest = max((_points(label, SETTINGS["font.size"]) for label in labels), default=0.0)
    return max(_USUAL_ROOM, 0.5 + longest / 72)


def price_axis(axis: Axis, low: float, high: float, driver: str) -> None:
    """A logarithmic axis from `low` to `high` with round prices: the same percentage is the same length."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    ticks = price_ticks(low, high)
    name = "x" if axis is axis.axes.xaxis else "y"
    axis.axes.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([price_shown(tick, driver) for tick in ticks]))
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(f"{cut(clean(driver), _NAME)}, logarithmic", color=INK)
    axis.grid(visible=True, color=RULE, linewidth=0.8)


def money_axis(axis: Axis, label: str, base_symbol: str, *, absolute: bool = False) -> None:
    """An axis of money in three digits and a letter; `absolute` where both ways are up."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: compact(abs(value) if absolute else value)))
    axis.set_label_text(f"{label} ({spelled(base_symbol)})", color=INK)


def name_amounts(bar: Colorbar, full: float) -> None:
    """Round amounts beside a scale whose colours go with the square root, at its foot as close as above."""
    ticks = scale_ticks(full, _AMOUNTS)
    bar.set_ticks(ticks, labels=[compact(tick) for tick in ticks])
    bar.minorticks_off()


def spelled(text: object) -> str:
    """Text from a chain as far as the picture's font has it."""
    return drawable(clean(text))


def say_nothing(axes: Axes, words: str) -> None:
    """Words in the middle of axes that have nothing to show."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, ha="center", va="center", color=FAINT, fontsize=12, transform=axes.transAxes)
    for spine in axes.spines.values():
        spine.set_edgecolor(GREY)


def _fitted(text: str, room: float, size: float, weight: str = "normal") -> str:
    """As much of a line as `room` points hold: letters are not equally wide."""
    shown = text
    while len(shown) > 1 and (wide := _points(shown, size, weight)) > room:
        kept = min(len(shown) - 2, int(len(shown) * room / wide))
        shown = f"{shown[: max(kept, 0)].rstrip('…')}…"
    return shown


def _points(text: str, size: float, weight: str = "normal") -> float:
    """How wide a line is."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight=weight, size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _wrapped(notes: Sequence[str], letters: float) -> list[str]:
    """Sentences joined to lines that fit; only a picture that is narrower than usual breaks one."""
    most = int(125 * letters)
    lines: list[str] = []
    for note in notes:
        for shown in [cut(note, most)] if letters == 1 else textwrap.wrap(drawable(note), most):
            if lines and len(lines[-1]) + 1 + len(shown) <= most:
                lines[-1] += f" {shown}"
            else:
                lines.append(shown)
    return lines
