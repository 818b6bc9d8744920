"""A report as one HTML file that needs nothing else: figures, their library and all, and no network.

What chains call their tokens and markets is never read as HTML or as a script: texts are escaped, figures
are data in which no tag can end, and the page's policy runs the two scripts written here and no other, and
lets nothing be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from defiliq.errors import MissingExtra
from defiliq.view.cex_compare_words import title_of_comparison, where_lines
from defiliq.view.cex_section import comparison_pictures, comparison_sections
from defiliq.view.files import replace_file
from defiliq.view.heat_rows import market_lines
from defiliq.view.report_figures import Picture, pictures_of
from defiliq.view.report_parts import Grid, Section
from defiliq.view.report_sections import DISCLAIMER, sections_of, title_of

if TYPE_CHECKING:
    import networkx as nx

    from defiliq.model.analysis import Analysis
    from defiliq.model.contagion import Place
    from defiliq.model.over_time import HeatOverTime
    from defiliq.view.cex_beside import Beside
    from defiliq.view.depth_curve import DepthSide

_WITHOUT_SCRIPTS = (
    "<noscript><p>Figures need JavaScript, which is off here. Tables and texts are whole.</p></noscript>\n"
)
_LONG = 40
"""A cell with more letters may be broken over lines."""
_UNSAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
"""What could end a script's element, or a line in it."""


def write_report_html(
    analysis: Analysis,
    path: str | Path,
    *,
    depth: Sequence[DepthSide] = (),
    contagion: nx.DiGraph[Place] | None = None,
    over_time: HeatOverTime | None = None,
    beside: Beside | None = None,
) -> Path:
    """Write the report, whole or not at all; the same analysis gives the same file.

    `beside` is the comparison with centralised exchanges, if one was made.
    """
    text = report_html(analysis, depth=depth, contagion=contagion, over_time=over_time, beside=beside)
    return _write(text, path)


def write_comparison_html(beside: Beside, path: str | Path) -> Path:
    """Write the comparison alone, whole or not at all."""
    return _write(comparison_html(beside), path)


def _write(text: str, path: str | Path) -> Path:
    target = Path(path)
    replace_file(target, lambda beside: beside.write_text(text, encoding="utf-8"))
    return target


def report_html(
    analysis: Analysis,
    *,
    depth: Sequence[DepthSide] = (),
    contagion: nx.DiGraph[Place] | None = None,
    over_time: HeatOverTime | None = None,
    beside: Beside | None = None,
) -> str:
    """The report as a page."""
    pictures = pictures_of(analysis, depth=depth, contagion=contagion, over_time=over_time)
    sections = sections_of(analysis, () if beside is None else comparison_sections(beside))
    pictures |= {} if beside is None else comparison_pictures(beside)
    return page_html(title_of(analysis), market_lines(analysis.heat.sources), sections, pictures)


def comparison_html(beside: Beside) -> str:
    """The comparison alone as a page."""
    lines = where_lines(beside.comparison, beside.estimates)
    title = title_of_comparison(beside.comparison, beside.estimates)
    return page_html(title, lines, comparison_sections(beside), comparison_pictures(beside))


def page_html(
    title: str, lines: Sequence[str], sections: Sequence[Section], pictures: Mapping[str, Picture]
) -> str:
    """Sections with their figures as a page of its own; `lines` stand below the title."""
    if find_spec("plotly") is None:
        raise MissingExtra("an HTML report", "plotly", "plots")
    from plotly.offline import get_plotlyjs

    scripts = (get_plotlyjs(), _own("report.js"))
    title = escape(title)
    where = "<br>".join(escape(line) for line in lines)
    body = "\n".join(_section(section, pictures) for section in sections)
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{title}</title>\n<link rel="icon" href="data:,">',
            f"<style>\n{_own('report.css')}</style>\n</head>\n<body>",
            f'<header>\n<h1>{title}</h1>\n<p class="where">{where}</p>\n{_WITHOUT_SCRIPTS}</header>',
            f"<main>\n{body}\n</main>",
            f'<footer><p class="disclaimer">{escape(DISCLAIMER)}</p></footer>',
            f'<script type="application/json" id="figures">{_data(pictures)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body>\n</html>\n",
        )
    )


def _own(name: str) -> str:
    return files("defiliq.view").joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded, and no script runs but these."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    rest = "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed}; {rest}"


def _data(pictures: Mapping[str, Picture]) -> str:
    """The figures as JSON that HTML finds no tag in."""
    import orjson

    figures = {f"figure-{name}": picture.figure for name, picture in pictures.items()}
    return orjson.dumps(figures).decode().translate(_UNSAFE)


def _section(section: Section, pictures: Mapping[str, Picture]) -> str:
    parts = [f"<section>\n<h2>{escape(section.heading)}</h2>"]
    if section.items:
        lines = (f"<li><strong>{escape(i.label)}</strong>: {escape(i.text)}</li>" for i in section.items)
        parts.append("<ul>\n" + "\n".join(lines) + "\n</ul>")
    if section.grid is not None:
        parts.append(_grid(section.grid, section.heading))
    parts += [_picture(name, pictures[name]) for name in section.pictures if name in pictures]
    if section.notes:
        lines = (f"<li>{escape(note)}</li>" for note in section.notes)
        parts.append('<ul class="notes">\n' + "\n".join(lines) + "\n</ul>")
    return "\n".join([*parts, "</section>"])


def _grid(grid: Grid, heading: str) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in grid.columns)
    rows = ("".join(_cell(cell) for cell in row) for row in grid.rows)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    # Who has no pointer scrolls with arrow keys once it has the focus.
    named = f'role="region" aria-label="{escape(heading)}, table" tabindex="0"'
    return f'<div class="scroll" {named}><table>\n{table}\n</table></div>'


def _cell(text: str) -> str:
    return f"<td{' class=long' if len(text) > _LONG else ''}>{escape(text)}</td>"


def _picture(name: str, picture: Picture) -> str:
    keys = "".join(
        f'<br><span class="key" style="background:{colour}"></span>{escape(words)}'
        for colour, words in picture.key
    )
    title = escape(picture.title)
    named = f'role="group" aria-label="{title}" aria-describedby="caption-{name}"'
    return (
        f'<figure>\n<h3>{title}</h3>\n<div class="plot" id="figure-{name}" {named}></div>\n'
        f'<figcaption id="caption-{name}">{escape(picture.caption)}{keys}</figcaption>\n</figure>'
    )
