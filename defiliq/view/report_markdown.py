"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defiliq.view.cex_section import comparison_sections
from defiliq.view.report_parts import Grid, Section
from defiliq.view.report_sections import sections_of, title_of
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.model.analysis import Analysis
    from defiliq.view.cex_beside import Beside

_SPECIAL = re.compile(r"([\\`*_\[\]<|~&@]|(?<=:)/|(?<=[wW]{3})\.)")
"""What begins markup, an address that readers make a link of, or a mention."""


def report_markdown(analysis: Analysis, beside: Beside | None = None) -> str:
    """The whole report; the same analysis gives the same text.

    `beside` is the comparison with centralised exchanges, if one was made.
    """
    sections = sections_of(analysis, () if beside is None else comparison_sections(beside))
    return sections_markdown(title_of(analysis), sections)


def comparison_markdown(beside: Beside) -> str:
    """The comparison alone."""
    title = f"Liquidations beside centralised exchanges — {clean(beside.comparison.axis.driver)}"
    return sections_markdown(title, comparison_sections(beside))


def sections_markdown(title: str, sections: Sequence[Section]) -> str:
    """A heading with sections below it."""
    parts = [f"## {escaped(title)}", *(_section(section) for section in sections)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown reads as nothing but text, in a table too, whatever a chain calls its tokens."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _section(section: Section) -> str:
    parts = [f"### {escaped(section.heading)}"]
    if section.items:
        lines = (f"- **{escaped(item.label)}**: {escaped(item.text)}" for item in section.items)
        parts.append("\n".join(lines))
    if section.grid is not None:
        parts.append(_grid(section.grid))
    if section.notes:
        parts.append("\n".join(f"- {escaped(note)}" for note in section.notes))
    return "\n\n".join(parts)


def _grid(grid: Grid) -> str:
    rows = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in (grid.columns, *grid.rows)]
    return "\n".join([rows[0], "|" + " --- |" * len(grid.columns), *rows[1:]])
