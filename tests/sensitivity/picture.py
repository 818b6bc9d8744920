"""docs/pictures/sensitivity.svg: the curves of all books in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defiliq.view.chart_frame import Caption, add_axes, framed
from defiliq.view.palette import DRIVERS, GREY, INK, RULE
from tests.sensitivity.study import DEEPEST, PUBLISHED_FALL, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHED = (0, (4, 2))
CAPTION = Caption(
    "Liquidatable after a fall of ETH/USD",
    (
        "Seeded accounts on real parameters: Aave of 2025-12, Compound of 2022-08, dYdX of 2023 and later.",
        "Left: their debt, right: their collateral; both as a share of all debt of the book at spot.",
    ),
    ("Dashed: the fall of 43% of Qin et al. (IMC 2021).",),
)


def draw(found: Study) -> Figure:
    """Debt of liquidatable accounts on the left, their collateral on the right."""
    with framed(CAPTION, (10, 5.5)) as figure:
        bottom, top = CAPTION.bottom + 0.55, CAPTION.top + 0.35
        debt = add_axes(figure, (0.85, bottom, 5.2, top))
        collateral = add_axes(figure, (5.55, bottom, 0.4, top))
        _fill(debt, found, "debt", "debt liquidatable (% of all debt)")
        _fill(collateral, found, "collateral", "collateral at stake (% of all debt)")
        debt.legend(loc="upper left", frameon=False, labelcolor=INK)
    return figure


def shares(found: Study, name: str, what: str) -> list[float]:
    """One book's curve in percent of its debt at spot, from no fall to the deepest."""
    whole = found.owed_base[name]
    sums = [point.sums for point in found.curves[name].points]
    parts = [each.debt_base if what == "debt" else each.collateral_base for each in sums]
    return [100 * part / whole for part in parts]


def _fill(axes: Axes, found: Study, what: str, label: str) -> None:
    across = [-fall for fall in range(DEEPEST + 1)]
    for name, colour in zip(found.curves, DRIVERS, strict=False):
        axes.plot(across, shares(found, name, what), color=colour, linewidth=2, label=name)
    axes.axvline(-PUBLISHED_FALL, color=GREY, linewidth=1.2, linestyle=_DASHED)
    axes.set_xlim(0, -DEEPEST)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("change of ETH/USD (%)", color=INK)
    axes.set_ylabel(label, color=INK)
    axes.grid(visible=True, color=RULE, linewidth=0.8)
