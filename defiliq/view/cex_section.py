"""What a report says beside the chain: the comparison with centralised exchanges, and what of it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defiliq.view.cex_backtest import backtest_figure, backtest_grid
from defiliq.view.cex_beside import Beside
from defiliq.view.cex_compare_figures import comparison_figure, strips_figure
from defiliq.view.cex_compare_words import in_order, where_lines
from defiliq.view.cex_figures import estimate_figure
from defiliq.view.cex_over_time import estimate_over_time_figure, moments_words
from defiliq.view.cex_signals import (
    CONFIRMATION_NOTES,
    PHASE_NOTES,
    confirmation_grid,
    difference_grid,
    phase_grid,
    source_notes,
)
from defiliq.view.cex_tables import HAS, chain_grid, level_grid, pair_grid, party_grid
from defiliq.view.cex_words import contract_words, coverage_words, fault_words, kind_of, priors_words
from defiliq.view.palette import LONG, SHORT
from defiliq.view.report_figures import Picture
from defiliq.view.report_parts import Item, Section
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.cex.compare import Comparison

HEADING = "Beside Centralised Exchanges"
EXACT = (
    "the chain's figures. Every dollar is of an account that was read, and its level is an integer of the "
    "market's oracle."
)
ESTIMATED = (
    "all figures of exchanges. They hide positions. What is shown is what assumptions on leverage make of "
    "the open interest and the candles that they report: low, middle and high are three such assumptions."
)
NEVER = "An estimate knows of no account, and is in no figure of the other sections."


def comparison_sections(beside: Beside) -> tuple[Section, ...]:
    """All that a report says of it, in its order."""
    comparison = beside.comparison
    sections = [_parties(beside), _levels(comparison)]
    at_levels = chain_grid(comparison)
    if at_levels is not None:
        note = "Dollars of the side, and accounts. Chain per $: exact dollars on chain per estimated one."
        sections.append(Section("What the Chain Does at Their Levels", (), at_levels, (note,)))
    if comparison.pairs:
        sections.append(_pairs(comparison))
    if beside.estimates:
        sections.append(_estimates(beside))
    if beside.confirmations:
        grid = confirmation_grid(beside.confirmations, comparison.axis.driver)
        sections.append(Section("What Else Speaks for It", (), grid, CONFIRMATION_NOTES))
    if beside.phases:
        sections.append(Section("Phase of the Cascade", (), phase_grid(beside.phases), PHASE_NOTES))
    if beside.differences:
        notes = ("What stands here was published, and is no estimate.", *source_notes(beside.differences))
        sections.append(Section("How Venues Differ", (), difference_grid(beside.differences), notes))
    if beside.backtest is not None:
        note = "A lift of 1 is no better than the baseline, and is shown where it is so."
        grid = backtest_grid(beside.backtest)
        sections.append(Section("Backtest of the Estimates", (), grid, (note,), ("backtest",)))
    return tuple(sections)


def _parties(beside: Beside) -> Section:
    comparison = beside.comparison
    items = [Item("Exact", EXACT)] if comparison.chain is not None else []
    if comparison.venues:
        items.append(Item("Estimated", ESTIMATED))
    if any("simulated" in one.source.lower() for one in beside.estimates):
        items.append(Item("Simulated", "the venues' data are a simulated sample, not what any market did."))
    notes = [f"{line.rstrip('.')}." for line in where_lines(comparison, beside.estimates)]
    notes += [NEVER, *fault_words(comparison.faults)]
    grid = party_grid(comparison, beside.estimates)
    return Section(HEADING, tuple(items), grid, tuple(notes), ("beside-curves", "beside-strips"))


def _levels(comparison: Comparison) -> Section:
    grid = level_grid(comparison)
    notes = ["Nobody has a cluster within the window."]
    if grid.rows:
        near = f"Dollars of the level's side within {comparison.tolerance_pct:g}% of it"
        notes = [
            f"{near}; {HAS} has a cluster there. Of estimates the middle of the band.",
            "Consensus: how many have a cluster there, of the chain and all venues that hold anything. "
            "A level that one alone sees lacks consensus.",
        ]
    return Section("Levels Side by Side", (), grid if grid.rows else None, tuple(notes))


def _pairs(comparison: Comparison) -> Section:
    notes = (
        "Apart: how far a dollar of one has to be moved on average to lie as the other's do (earth mover's "
        "distance along the logarithm of price). Only shapes count in it, not sums.",
        "Per spread: the same over how wide the first one's dollars lie. At 1, one single price would have "
        "said as much.",
        f"Clusters matched: of the {comparison.k} largest of each, and in brackets their Jaccard overlap.",
        "Widest gap: where the curves from spot out are furthest apart; + where the second one has more.",
    )
    return Section("How Much They Are Alike", (), pair_grid(comparison), notes)


def _estimates(beside: Beside) -> Section:
    items = [
        Item(contract_words(one.instrument), f"{coverage_words(one)} {priors_words(one)}")
        for one in in_order(beside.estimates)
    ]
    return Section("The Estimates", tuple(items), pictures=tuple(estimate_pictures(beside)))


def comparison_pictures(beside: Beside) -> dict[str, Picture]:
    """Name to figure, of all that there is something to show for."""
    comparison = beside.comparison
    curves = "What is liquidated on the way from spot."
    if comparison.chain is not None:
        curves += " Drawn through: exact, on chain."
    if comparison.venues:
        curves += (
            " Dashed: estimated. In a band that sums every bucket's least and most under the assumptions on "
            "leverage, and so is wider than any one of them."
        )
    strips = (
        "Where it lies, from black (nothing) to yellow (most), one scale for all. Circles are the "
        f"{comparison.k} largest clusters of each: full where all others have one there, with a dot where "
        "some have, empty where none has."
    )
    pictures = {
        "beside-curves": Picture(comparison_figure(comparison), "On chain and estimated", curves),
        "beside-strips": Picture(strips_figure(comparison), "Who has what where", strips),
    }
    pictures |= estimate_pictures(beside)
    if beside.backtest is not None:
        told = (
            "Dots: lift over a baseline, with 95% intervals. Hollow: the interval holds 1, which is chance."
        )
        pictures["backtest"] = Picture(backtest_figure(beside.backtest), "Lift", told)
    return pictures


def estimate_pictures(beside: Beside) -> dict[str, Picture]:
    """Every estimate at its moment, and over time as far as that was given."""
    pictures = {}
    key = ((LONG, "long: sold off as the price falls"), (SHORT, "short: bought back as the price rises"))
    for place, one in enumerate(in_order(beside.estimates)):
        where = contract_words(one.instrument)
        told = (
            f"{kind_of(one.source)} of {where}, source: {clean(one.source)}. {coverage_words(one)} "
            "Full colour: under every prior. Paler: up to the middle one. Palest: up to the largest."
        )
        found = beside.clusters.get(where, ())
        pictures[f"estimate-{place}"] = Picture(estimate_figure(one, found), where, told, key)
    for place, history in enumerate(beside.over_time):
        where = contract_words(history.instrument)
        for by_side, name in ((False, "heat"), (True, "sides")):
            told = f"ESTIMATE of {where}, middle prior, {moments_words(history)}. The line is spot. " + (
                "Blue: longs. Red: shorts. The paler, the more." if by_side else "From black to yellow."
            )
            figure = estimate_over_time_figure(history, by_side=by_side)
            title = f"{where} over time{', by side' if by_side else ''}"
            pictures[f"{name}-over-time-{place}"] = Picture(figure, title, told, key if by_side else ())
    return pictures
