"""The comparison on a terminal: who is exact, who is estimated, where they agree and where they do not."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from defiliq.view.cex_compare_words import title_of_comparison, where_lines
from defiliq.view.cex_signals import CONFIRMATION_NOTES, PHASE_NOTES, confirmation_grid, phase_grid
from defiliq.view.cex_tables import HAS, NONE, chain_grid, level_grid, pair_grid, party_grid
from defiliq.view.heat_rows import counted
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean, console, print_lines

if TYPE_CHECKING:
    from defiliq.view.cex_beside import Beside

WIDTH = 80
_LEFT = frozenset(
    (
        "Party",
        "Known",
        "Pair",
        "Level",
        "Side",
        "Venues' level",
        "Time",
        "Consensus",
        "Contract",
        "Phase",
        "Signal",
        "Open interest",
        "Funding",
        "Order book",
        "Predictor",
        "Asset",
        "Venue",
    )
)
EXACT_WORDS = "chain: exact. Every dollar is of an account whose level is an integer of the market's oracle."
ESTIMATED_WORDS = (
    "venues: estimated. They hide positions; low, middle and high are what three assumptions on leverage "
    "make of the open interest that they report."
)

LEVEL_WORDS = (
    "Consensus: how many have a cluster there, of the chain and all venues. A level that one alone sees may "
    "misfire."
)
CHAIN_WORDS = "Chain per $: exact dollars on chain per estimated one. Before: between spot and the level."
PAIR_WORDS = (
    "$ per $: the first one's dollars per dollar of the second. Apart: how far a dollar of one has to be "
    "moved on average to lie as the other's do; sums do not count in it. Per spread: the same over how wide "
    "the first one's dollars lie; at 1, one single price would have said as much.",
    "Clusters matched: of the largest of each. Widest gap: where the curves from spot out are furthest "
    "apart; + where the second has more.",
)


def print_comparison(beside: Beside) -> None:
    """The comparison on stdout."""
    width = console().width if sys.stdout.isatty() else None
    print_lines(comparison_lines(beside, width=width))


def print_signals(beside: Beside) -> None:
    """Only what else speaks for levels, and the phases, on stdout."""
    width = console().width if sys.stdout.isatty() else None
    for heading, notes, grid in _signal_tables(beside):
        print_lines(["", heading, *wrapped(notes), *grid_lines(grid, width)])


def render_comparison(beside: Beside) -> str:
    """The same as text."""
    return "".join(f"{line}\n" for line in comparison_lines(beside))


def comparison_lines(beside: Beside, *, width: int | None = None) -> list[str]:
    """What is compared, then its tables; what is missing comes last.

    Tables are as wide as they have to be, or lose columns from the right where there is a `width`.
    """
    comparison, estimates = beside.comparison, beside.estimates
    lines = wrapped([title_of_comparison(comparison, estimates), *where_lines(comparison, estimates)])
    lines += wrapped([EXACT_WORDS] if comparison.chain is not None else [])
    lines += wrapped([ESTIMATED_WORDS] if comparison.venues else [])
    for heading, notes, grid in _tables(beside):
        lines += ["", heading, *(wrapped(notes) + grid_lines(grid, width) if grid.rows else [NONE])]
    for one in beside.differences:
        partial = f"partial: {one.partial_rule}" if one.is_partial else "never partial"
        said = f"{one.venue} ({one.trigger_price} price): {one.engine}. {partial}. {one.key_feature}."
        lines += ["", *wrapped([clean(said)])]
    if comparison.faults:
        lines += ["", *wrapped([f"incomplete: {clean(fault)}" for fault in comparison.faults])]
    return [*lines, "", "Not investment advice."]


def _tables(beside: Beside) -> Iterator[tuple[str, Sequence[str], Grid]]:
    """Headings, what a reader needs to know, and grids, in their order."""
    comparison = beside.comparison
    yield f"within {comparison.axis.within_pct:g}% of spot", (), party_grid(comparison, beside.estimates)
    near = f"dollars within {comparison.tolerance_pct:g}%"
    yield f"levels: {near}, {HAS} has a cluster there", (LEVEL_WORDS,), level_grid(comparison)
    at_levels = chain_grid(comparison)
    if at_levels is not None:
        yield "what the chain does at the venues' levels (accounts)", (CHAIN_WORDS,), at_levels
    if comparison.pairs:
        yield "pairs: how far a dollar is moved on average", PAIR_WORDS, pair_grid(comparison)
    yield from _signal_tables(beside)


def _signal_tables(beside: Beside) -> Iterator[tuple[str, Sequence[str], Grid]]:
    if beside.confirmations:
        grid = confirmation_grid(beside.confirmations, beside.comparison.axis.driver)
        yield "what else speaks for levels, or against them", CONFIRMATION_NOTES, grid
    if beside.phases:
        yield "phase of the cascade", PHASE_NOTES, phase_grid(beside.phases)


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
