"""An estimate in plain characters: like the chain's heatmap, but every number is a band and says so."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from defiliq.view.cex_rows import Band, EstimateRow, EstimateRows, estimate_rows
from defiliq.view.cex_words import (
    NOTHING,
    coverage_words,
    driver_of,
    fault_words,
    headline,
    left_out,
    near_dollars,
    priors_words,
    source_words,
    sums_words,
)
from defiliq.view.charts import compact
from defiliq.view.heat_rows import NEAR_PCT, WITHIN_PCT, HeatRow, counted, near_words_of, price_shown
from defiliq.view.heatmap_terminal import (
    LONG_STYLE,
    PEAK,
    REACH,
    SHORT_STYLE,
    WIDEST,
    WIDTH,
    cut_to,
    fits_a_screen,
    folded_lines,
    mark_of,
)
from defiliq.view.rungs import OFF_SCALE
from defiliq.view.terminal import clean, console, print_lines

if TYPE_CHECKING:
    from defiliq.cex.levels import Estimate
    from defiliq.model.clusters import Cluster

SURE, MIDDLE, MOST = "█", "▓", "░"
"""Of a bar: what every prior estimates, what the middle one adds, what the largest adds."""
_PRICE, _AMOUNT, _SCORE, _WORDS = 10, 6, 5, 14


def print_estimate(
    estimate: Estimate, clusters: Sequence[Cluster] = (), within_pct: float = WITHIN_PCT
) -> None:
    """The estimate on stdout: as wide as the terminal from 80 to 120 columns, 80 where it is none."""
    width = min(WIDEST, max(WIDTH, console().width)) if sys.stdout.isatty() else WIDTH
    print_lines(estimate_lines(estimate, clusters, width=width, within_pct=within_pct))


def render_estimate(
    estimate: Estimate,
    clusters: Sequence[Cluster] = (),
    *,
    width: int = WIDTH,
    within_pct: float = WITHIN_PCT,
) -> str:
    """The same as text without colour."""
    lines = estimate_lines(estimate, clusters, width=width, within_pct=within_pct)
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


def estimate_lines(
    estimate: Estimate,
    clusters: Sequence[Cluster] = (),
    *,
    width: int = WIDTH,
    within_pct: float = WITHIN_PCT,
) -> list[Text]:
    """The lines of an estimate, none longer than `width`: what it is, levels from the highest down, legend.

    `clusters` are of the middle prior's heat.
    """
    shown = estimate_rows(estimate, within_pct=within_pct, fits=fits_a_screen)
    bars = (width - 2 - _PRICE - 3 * _AMOUNT - _SCORE - _WORDS - 7) // 2
    said = [source_words(estimate), coverage_words(estimate), priors_words(estimate)]
    lines = [Text(headline(estimate), style="bold"), *_wrapped(said, width), Text()]
    lines += [Text(_columns(bars), style="bold"), *_level_lines(estimate, shown, clusters, bars), Text()]
    lines += _legend(estimate, shown, clusters, width)
    return [cut_to(line, width) for line in lines]


def _columns(bars: int) -> str:
    amounts = " ".join(f"{name:>{_AMOUNT}}" for name in ("low $", "mid $", "high $"))
    sides = f"{'long':<{bars}} {'short':<{bars}}"
    return f"  {'price':>{_PRICE}} {sides} {amounts} {'score':>{_SCORE}} interpretation"


def _level_lines(
    estimate: Estimate, shown: EstimateRows, clusters: Sequence[Cluster], bars: int
) -> list[Text]:
    held = {row.mid.step: row for row in shown.rows}
    driver = driver_of(estimate.instrument)

    def line(step: int) -> Text:
        if step in held:
            return _row_line(held[step], shown, clusters, driver, bars)
        low, high = shown.edges_of(step)
        return Text(f"  {price_shown(math.sqrt(low * high), driver):>{_PRICE}}")

    price = price_shown(estimate.spot_usd, driver)
    rule = "─" * (2 * bars + 1 - len("── current price ") + 3 * (_AMOUNT + 1) - 1)
    spot = Text(f"► {price:>{_PRICE}} ── current price {rule} ", style="bold")
    near = near_words_of(*near_dollars(estimate, NEAR_PCT)).split(" (")[0]
    return folded_lines(held, shown.step_pct, line, spot.append(f"{near} within {NEAR_PCT:g}%"))


def _row_line(
    row: EstimateRow, shown: EstimateRows, clusters: Sequence[Cluster], driver: str, bars: int
) -> Text:
    line = Text(f"{mark_of(row.mid, clusters)} {price_shown(row.mid.price_usd, driver):>{_PRICE}} ")
    for band, style in ((row.long, LONG_STYLE), (row.short, SHORT_STYLE)):
        line.append(f"{_bar(band, shown.full_usd, bars):<{bars}}", style=style)
        line.append(" ")
    sizes = (row.both.low_usd, row.both.mid_usd, row.both.high_usd)
    line.append(" ".join(f"{compact(size):>{_AMOUNT}}" for size in sizes))
    return line.append(f" {row.score:>{_SCORE}.2f} {_words(row.mid, shown.full_mid_usd)}")


def _bar(band: Band, full: float, width: int) -> str:
    """A bar that pales where priors disagree; whatever is there under some prior shows."""
    if not band.high_usd > 0:
        return ""
    ends = [round(min(size / full, 1.0) * width) for size in (band.low_usd, band.mid_usd, band.high_usd)]
    sure, middle, most = ends
    drawn = SURE * sure + MIDDLE * (middle - sure) + MOST * (most - middle)
    if band.high_usd > full:
        return drawn[: width - 1] + OFF_SCALE
    return drawn or MOST


def _words(row: HeatRow, full: float) -> str:
    """Heavy long, where the chain's heatmap has room to say that it is a liquidation zone."""
    said = row.words(full).split(" liquidation")[0]
    return said or "Other priors"


def _legend(estimate: Estimate, shown: EstimateRows, clusters: Sequence[Cluster], width: int) -> list[Text]:
    asset = clean(estimate.instrument.asset)
    said = [
        f"long: sold off when {asset} falls to the price; short: bought back when it rises.",
        f"{SURE} under every prior, {MIDDLE} up to the middle one, {MOST} up to the largest.",
    ]
    if shown.rows:
        full = f"${compact(shown.full_usd)} within {shown.step_pct:.3g}% of price"
        said.append(f"A full bar is {full}; {OFF_SCALE} is beyond that.")
        said.append("low, mid, high: least, middle, most dollars there. score: what is old weighs less.")
    else:
        said.append(f"{NOTHING[0].upper()}{NOTHING[1:]}.")
    if clusters and shown.rows:
        number = counted(len(clusters), "cluster")
        said.append(f"{PEAK} the heaviest level of a cluster, {REACH} its reach ({number} in all).")
    said += [sums_words(estimate), *left_out(shown), *fault_words(estimate.faults)]
    unknown = "Venues hide positions: none of this is known, and no account was seen."
    return _wrapped([*said, unknown, "Not investment advice."], width)


def _wrapped(sentences: Sequence[str], width: int) -> list[Text]:
    """Each sentence on lines of its own."""
    return [Text(line) for sentence in sentences for line in textwrap.wrap(sentence, width) or [""]]
