"""The comparison on a terminal: who is exact, who is estimated, where they agree and where they do not."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defiliq.view.cex_compare_words import title_of_comparison, where_lines
from defiliq.view.cex_tables import HAS, chain_grid, level_grid, pair_grid, party_grid
from defiliq.view.heat_rows import counted
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean, console, print_lines

if TYPE_CHECKING:
    from defiliq.cex.compare import Comparison
    from defiliq.cex.levels import Estimate

WIDTH = 80
_LEFT = frozenset(
    ("Party", "Known", "Pair", "Level", "Side", "Venues' level", "Time", "Widest gap", "Consensus")
)
EXACT_WORDS = "chain: exact. Every dollar is of an account whose level is an integer of the market's oracle."
ESTIMATED_WORDS = (
    "venues: estimated. They hide positions; low, middle and high are what three assumptions on leverage "
    "make of the open interest that they report."
)


def print_comparison(comparison: Comparison, estimates: Sequence[Estimate] = ()) -> None:
    """The comparison on stdout."""
    width = console().width if sys.stdout.isatty() else None
    print_lines(comparison_lines(comparison, estimates, width=width))


def render_comparison(comparison: Comparison, estimates: Sequence[Estimate] = ()) -> str:
    """The same as text."""
    return "".join(f"{line}\n" for line in comparison_lines(comparison, estimates))


def comparison_lines(
    comparison: Comparison, estimates: Sequence[Estimate] = (), *, width: int | None = None
) -> list[str]:
    """What is compared, then its tables; what is missing comes last.

    Tables are as wide as they have to be, or lose columns from the right where there is a `width`.
    """
    within, near = comparison.axis.within_pct, comparison.tolerance_pct
    lines = [title_of_comparison(comparison, estimates), *where_lines(comparison, estimates)]
    lines += wrapped([EXACT_WORDS] if comparison.chain is not None else [])
    lines += wrapped([ESTIMATED_WORDS] if comparison.venues else [])
    lines += ["", f"within {within:g}% of spot", *grid_lines(party_grid(comparison, estimates), width)]
    levels = level_grid(comparison)
    lines += ["", f"levels: dollars within {near:g}%, {HAS} has a cluster there", *grid_lines(levels, width)]
    if not levels.rows:
        lines.append("nobody has a cluster")
    at_levels = chain_grid(comparison)
    if at_levels is not None:
        lines += ["", "what the chain does at the venues' levels (accounts)", *grid_lines(at_levels, width)]
    if comparison.pairs:
        lines += [
            "",
            "pairs: how far a dollar is moved on average",
            *grid_lines(pair_grid(comparison), width),
        ]
    if comparison.faults:
        lines += ["", *wrapped([f"incomplete: {clean(fault)}" for fault in comparison.faults])]
    return [*lines, "", "Not investment advice."]


def grid_lines(grid: Grid, width: int | None = None) -> list[str]:
    """A grid in columns: words from the left, numbers from the right.

    Columns from the right that have no room are left out, which is said.
    """
    lines = _columns(grid)
    for kept in range(len(grid.columns) - 1, 0, -1):
        if width is None or max(map(len, lines)) <= width:
            break
        left_out = f"({counted(len(grid.columns) - kept, 'more column')} on a wider terminal)"
        lines = [*_columns(Grid(grid.columns[:kept], tuple(row[:kept] for row in grid.rows))), left_out]
    return lines


def _columns(grid: Grid) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(grid.columns, *grid.rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        placed = (
            cell.ljust(width) if name in _LEFT else cell.rjust(width)
            for cell, width, name in zip(cells, widths, grid.columns, strict=True)
        )
        return "  ".join(placed).rstrip()

    return [line(grid.columns), *(line(row) for row in grid.rows)]


def wrapped(sentences: Sequence[str], width: int = WIDTH) -> list[str]:
    """Each sentence on lines of its own."""
    return [line for sentence in sentences for line in textwrap.wrap(sentence, width)]
