"""What an SVG file shows, read from the file: boxes, colours and words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import BboxBase

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_FILL = re.compile(r"fill: (#[0-9a-f]{6})")


@dataclass(frozen=True, slots=True)
class Box:
    """A filled shape's extent, in points."""

    fill: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, to a thousandth of a point."""
        return round(self.right - self.left, 3), round(self.bottom - self.top, 3)


def boxes(path: Path) -> list[Box]:
    """All filled shapes of an SVG file, in the order in which they are drawn."""
    found = []
    for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}path"):
        fill = _FILL.search(element.get("style", ""))
        numbers = [float(number) for number in _NUMBER.findall(element.get("d", ""))]
        if fill and len(numbers) >= 8:
            across, down = numbers[0::2], numbers[1::2]
            found.append(Box(fill[1], min(across), min(down), max(across), max(down)))
    return found


def words(path: Path) -> list[str]:
    """All texts of an SVG file, which are drawn as shapes and named in comments."""
    text = path.read_text(encoding="utf-8")
    return [word.strip() for word in re.findall(r"<!--(.*?)-->", text, re.DOTALL)]


def texts(figure: Figure) -> list[Text]:
    """All texts of a figure that are seen."""
    figure.draw_without_rendering()
    found = [*figure.texts]
    for axes in figure.axes:
        found += [text for text in axes.findobj(Text) if isinstance(text, Text)]
    return [text for text in dict.fromkeys(found) if text.get_visible() and text.get_text().strip()]


def clipped(figure: Figure) -> list[str]:
    """Texts that stick out of a figure."""
    box = figure.bbox
    return [
        word
        for word, around in _placed(figure)
        if around.x0 < box.x0 or around.x1 > box.x1 or around.y0 < box.y0 or around.y1 > box.y1
    ]


def touching(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other."""
    placed = _placed(figure)
    return [
        (one, other)
        for k, (one, box) in enumerate(placed)
        for other, beside in placed[:k]
        if min(box.x1, beside.x1) - max(box.x0, beside.x0) > 1
        and min(box.y1, beside.y1) - max(box.y0, beside.y0) > 1
    ]


def _placed(figure: Figure) -> list[tuple[str, BboxBase]]:
    """Texts with where they stand, arrows left out; ticks beyond an axis's ends are not drawn."""
    found = texts(figure)
    hidden: set[int] = set()
    for axes in figure.axes:
        for axis, at in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            labels = axis.get_ticklabels(which="both")
            hidden |= {id(label) for label in labels if not low <= label.get_position()[at] <= high}
    return [(text.get_text(), Text.get_window_extent(text)) for text in found if id(text) not in hidden]
