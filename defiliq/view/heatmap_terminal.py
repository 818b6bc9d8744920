"""The heatmap in plain characters: one row per price level, with bars for longs and shorts and words."""

from __future__ import annotations

import math
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from rich.text import Text

from defiliq.view.heat_rows import (
    WITHIN_PCT,
    HeatRow,
    HeatRows,
    amount_shown,
    cluster_rows,
    counted,
    heading_of,
    heat_rows,
    market_lines,
    money_shown,
    near_words,
    outside_words,
    price_shown,
)
from defiliq.view.rungs import OFF_SCALE
from defiliq.view.terminal import clean, console, print_lines

if TYPE_CHECKING:
    from defiliq.model.clusters import Cluster
    from defiliq.model.heat import Heat

WIDTH = 80
"""Where there is no terminal; on a narrower one words are short."""
NARROWEST, WIDEST = 60, 120
ROWS = 40
"""At most so many lines of levels; buckets are joined until they fit."""
FOLDED = 3
"""So many empty rows in a run are one line."""
LONG_BAR, SHORT_BAR = "█", "▒"
LONG_STYLE, SHORT_STYLE = "blue", "red"
_PRICE, _SIZE, _WORDS, _SHORT_WORDS = 10, 9, 29, 15
PEAK, REACH = "◆", "│"


@dataclass(frozen=True, slots=True)
class _Columns:
    """How many characters the columns have."""

    price: int
    bars: int
    is_narrow: bool

    def words(self, said: str) -> str:
        """An interpretation, or what matters of it: Heavy long liquidation zone, or Heavy long."""
        return re.split(r" liquidation| \(", said)[0] if self.is_narrow else said


def print_heatmap(heat: Heat, clusters: Sequence[Cluster], within_pct: float = WITHIN_PCT) -> None:
    """The heatmap on stdout: as wide as the terminal from 60 to 120 columns, 80 where it is none."""
    width = min(WIDEST, max(NARROWEST, console().width)) if sys.stdout.isatty() else WIDTH
    print_lines(heatmap_lines(heat, clusters, width=width, within_pct=within_pct))


def heatmap_lines(
    heat: Heat, clusters: Sequence[Cluster], *, width: int = WIDTH, within_pct: float = WITHIN_PCT
) -> list[Text]:
    """The lines of a heatmap, none longer than `width`: headline, levels from the highest down, legend."""
    shown = heat_rows(heat, within_pct=within_pct, fits=fits_a_screen)
    kind = heading_of(heat).replace("Liq", "liq")
    price = f"{clean(heat.driver)} {kind} heatmap, spot {price_shown(heat.spot_usd, heat.driver)}"
    head = [Text(price, style="bold"), *map(Text, market_lines(heat.sources))]
    columns = _columns(heat, shown, width)
    levels = [Text(_headline(columns), style="bold"), *_level_lines(heat, shown, clusters, columns)]
    parts = (_folded(head, width), levels, _folded(_legend(heat, shown, clusters), width))
    return [cut_to(line, width) for part in parts for line in (*part, Text())][:-1]


def _columns(heat: Heat, shown: HeatRows, width: int) -> _Columns:
    """Prices are never cut: where some are long, bars are shorter."""
    seen = {step + k for step in (0, *(row.step for row in shown.rows)) for k in range(-FOLDED, FOLDED)}
    prices = [heat.spot_usd, *(row.price_usd for row in shown.rows)]
    prices += [_empty_row(shown, step).price_usd for step in seen]
    price = max(_PRICE, *(len(price_shown(one, heat.driver)) for one in prices))
    is_narrow = width < WIDTH
    words = _SHORT_WORDS if is_narrow else _WORDS
    return _Columns(price, max(1, (width - 2 - price - _SIZE - words - 4) // 2), is_narrow)


def _folded(lines: Sequence[Text], width: int) -> list[Text]:
    """Lines of words, none longer than the terminal is wide, and nothing of them lost."""
    return [
        shown
        for line in lines
        for shown in ([line] if line.cell_len <= width else map(Text, textwrap.wrap(line.plain, width)))
    ]


def fits_a_screen(steps: Sequence[int]) -> bool:
    """Whether rows and what is said of the gaps between them are few enough lines."""
    shown = sorted({*steps, -1, 0})
    gaps = (high - low - 1 for low, high in pairwise(shown))
    return len(shown) + sum(1 if gap >= FOLDED else gap for gap in gaps) <= ROWS


def _level_lines(heat: Heat, shown: HeatRows, clusters: Sequence[Cluster], columns: _Columns) -> list[Text]:
    """From the highest price down, the current price between the two rows that touch it."""
    held = {row.step: row for row in shown.rows}

    def line(step: int) -> Text:
        return _row_line(held.get(step, _empty_row(shown, step)), shown, clusters, heat, columns)

    return folded_lines(held, shown.step_pct, line, _spot_line(heat, columns), columns.price)


def folded_lines(
    held: Collection[int], step_pct: float, line: Callable[[int], Text], spot: Text, indent: int = _PRICE
) -> list[Text]:
    """A line per row from the highest down, with that of spot between; runs of empty rows are one line.

    `indent` is how wide the column of prices is.
    """

    def segment(first: int, last: int) -> list[Text]:
        """The rows from one step down to another."""
        lines: list[Text] = []
        for has, run in groupby(range(first, last - 1, -1), key=held.__contains__):
            steps = list(run)
            if not has and len(steps) >= FOLDED:
                lines.append(_gap_line(step_pct, steps, indent))
                continue
            lines += [line(step) for step in steps]
        return lines

    return [*segment(max([-1, *held]), 0), spot, *segment(-1, min([0, *held]))]


def _headline(columns: _Columns) -> str:
    bars = columns.bars
    sides = f"{'long':<{bars}} {'short':<{bars}}"
    return f"  {'price':>{columns.price}} {sides} {'size':>{_SIZE}} interpretation"


def _empty_row(shown: HeatRows, step: int) -> HeatRow:
    width = math.log1p(shown.step_pct / 100)
    low, middle, high = (shown.spot_usd * math.exp(k * width) for k in (step, step + 0.5, step + 1))
    return HeatRow(step, low, high, price_usd=middle)


def _gap_line(step_pct: float, steps: Sequence[int], indent: int) -> Text:
    """How far the price goes without meeting a level, seen from spot."""
    width = len(steps) * math.log1p(step_pct / 100)
    pct = 100 * abs(math.expm1(width if steps[0] >= 0 else -width))
    return Text(f"{'⋮':>{indent + 2}} {pct:.3g}% without levels", style="dim")


def _spot_line(heat: Heat, columns: _Columns) -> Text:
    price = price_shown(heat.spot_usd, heat.driver)
    rule = f"── current price {'─' * 2 * columns.bars}"[: 2 * columns.bars + 1]
    line = Text(f"► {price:>{columns.price}} {rule} {'':>{_SIZE}} ", style="bold")
    return line.append(columns.words(near_words(heat)))


def _row_line(
    row: HeatRow, shown: HeatRows, clusters: Sequence[Cluster], heat: Heat, columns: _Columns
) -> Text:
    bars = columns.bars
    line = Text(f"{mark_of(row, clusters)} {price_shown(row.price_usd, heat.driver):>{columns.price}} ")
    for size, glyph, style in (
        (row.long_usd, LONG_BAR, LONG_STYLE),
        (row.short_usd, SHORT_BAR, SHORT_STYLE),
    ):
        line.append(f"{_bar(size, shown.full_usd, bars, glyph):<{bars}}", style=style)
        line.append(" ")
    is_told = row.untold < row.accounts or not row.accounts
    total = amount_shown(row.size_usd if is_told else math.nan) if row.accounts or row.size_usd > 0 else ""
    return line.append(f"{total:>{_SIZE}} {columns.words(row.words(shown.full_usd))}")


def _bar(size: float, full: float, width: int, glyph: str) -> str:
    """A bar in whole characters, since only one of the glyphs has halves; whatever is there shows."""
    if not size > 0:
        return ""
    return glyph * (width - 1) + OFF_SCALE if size > full else glyph * max(1, round(size / full * width))


def mark_of(row: HeatRow, clusters: Sequence[Cluster]) -> str:
    """What stands before a row: whether a cluster peaks in it, or reaches into it."""
    reaching = cluster_rows(clusters, row)
    if any(row.low_usd <= cluster.price_usd < row.high_usd for cluster in reaching):
        return PEAK
    return REACH if reaching else " "


def _legend(heat: Heat, shown: HeatRows, clusters: Sequence[Cluster]) -> list[Text]:
    """What the marks mean, how large a full bar is, and what no bar shows."""
    unit = heat.base_symbol
    asset = clean(heat.driver.split("/")[0])
    lines = [
        Text.assemble((LONG_BAR * 2, LONG_STYLE), f" long: sold off when {asset} falls to the price"),
        Text.assemble((SHORT_BAR * 2, SHORT_STYLE), f" short: bought back when {asset} rises to the price"),
    ]
    if shown.rows:
        full = money_shown(shown.full_usd, unit)
        step = f"{shown.step_pct:.3g}% of price"
        lines.append(Text(f"A full bar is {full} within {step}; {OFF_SCALE} is beyond that."))
    else:
        lines.append(Text("No level lies in this window."))
    if clusters and shown.rows:
        number = counted(len(clusters), "cluster")
        lines.append(Text(f"{PEAK} the heaviest level of a cluster, {REACH} its reach ({number} in all)."))
    lines += [Text(line) for line in outside_words(heat, shown)]
    return [*lines, Text("Not investment advice.")]


def cut_to(line: Text, width: int) -> Text:
    """A line that is no longer than the terminal is wide."""
    line.truncate(width, overflow="ellipsis")
    return line
