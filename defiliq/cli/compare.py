"""`defiliq compare`: exact ladders of the chain beside what is estimated of centralised exchanges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from defiliq.cli.clusters import Threshold, share_options
from defiliq.cli.exchange_options import (
    Guess,
    VenueSource,
    assumptions_of,
    estimates_of,
    guess_options,
    live_urls,
    read_venues,
    venue_options,
)
from defiliq.cli.ladder import parse_percent
from defiliq.cli.ladders import Lens, lens_options, opened_ladders
from defiliq.cli.options import Source, format_option, output_option, source_options
from defiliq.cli.printing import (
    INCOMPLETE,
    SHAPES,
    default_shape,
    print_table,
    require_format,
    require_use,
    write_output,
    write_text,
)
from defiliq.cli.talk import Talk

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.cex.compare import Comparison
    from defiliq.cex.levels import Estimate
    from defiliq.model.heat import Heat
    from defiliq.view.cex_beside import Beside

ROWS, PAGES, PICTURES = ".csv .parquet .json", ".md .html", ".png .svg"
TOP, TOLERANCE = 5, "0.5%"
Rows = Literal["levels", "pairs", "axis", "signals", "phases", "venues"]


@click.command(short_help="The chain beside centralised exchanges.")
@click.argument("asset")
@source_options
@lens_options
@share_options
@venue_options("--venue-file")
@guess_options
@click.option(
    "--by",
    type=click.Choice(["price", "distance"]),
    default="price",
    show_default=True,
    help="One price axis; or distance from each one's own spot, where prices are of different times.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=TOP,
    show_default=True,
    metavar="K",
    help="So many clusters each.",
)
@click.option(
    "--tolerance",
    default=TOLERANCE,
    show_default=True,
    metavar="PCT",
    help="So near, two clusters are one level.",
)
@click.option(
    "--rows",
    type=click.Choice(["levels", "pairs", "axis", "signals", "phases", "venues"]),
    default="levels",
    show_default=True,
    help="What to write as data: levels with consensus, distances of pairs, dollars by price, what speaks "
    "for levels, phases of a cascade, or how venues liquidate.",
)
@output_option(f"{ROWS}, a page: {PAGES}, or a picture: {PICTURES}")
@format_option(SHAPES)
@click.pass_context
def compare(
    ctx: click.Context,
    asset: str,
    source: Source,
    lens: Lens,
    threshold: Threshold,
    venue_source: VenueSource,
    guess: Guess,
    by: Literal["price", "distance"],
    top: int,
    tolerance: str,
    rows: Rows,
    output: str | None,
    shape: str | None,
) -> None:
    """The exact ladder of ASSET beside each exchange's estimate and their sum, on one price axis.

    PROTOCOL and the options after it say which ladders, as for `defiliq ladder`; --from takes snapshots and
    ladder files. Without any of them the exchanges stand alone. Their data are from --live, --sample or
    --venue-file, as for `defiliq cex`.

    Says how far the two are apart (earth mover's distance), which levels are seen by whom, what the chain
    does at the levels that exchanges name, and how many exact dollars stand behind an estimated one.
    """
    require_format(output, f"{ROWS} {PAGES} {PICTURES}")
    from defiliq.pipeline.beside import beside

    live_urls(venue_source)
    assumptions_of(guess)
    tolerance_pct = parse_percent(tolerance, "--tolerance")
    talk = Talk(quiet=source.quiet)
    heat, is_short = on_chain(asset, source, lens, talk)
    found = read_venues(asset, venue_source, talk)
    made, is_missing = estimates_of(found, guess, talk)
    comparison = compared(heat, made, lens, threshold, by, top, tolerance_pct)
    tell_faults(comparison, made, talk)
    is_page = output is not None and Path(output).suffix.lower() == ".html"
    shown = beside(comparison, made, found.data, assumptions_of(guess, found), with_over_time=is_page)
    _show(shown, rows, output, shape, talk)
    if is_short or is_missing or comparison.faults:
        ctx.exit(INCOMPLETE)


def on_chain(asset: str, source: Source, lens: Lens, talk: Talk) -> tuple[Heat | None, bool]:
    """The heat of the ladders that the options name, and whether it lacks anything; None where none are."""
    named = (source.protocol, source.snapshot, source.market_file, source.rpc_url, source.chain)
    if not any((*named, source.replay)):
        talk.say("No market is named, so the exchanges stand alone (PROTOCOL or --from adds the chain)")
        return None, False
    driver = lens.driver if lens.driver is not None else f"{asset.upper()}/USD"
    with opened_ladders(source, replace(lens, driver=driver), talk) as ladders:
        heat = ladders.heat()
        return heat, ladders.incomplete or bool(heat.untold)


def compared(
    heat: Heat | None,
    made: list[Estimate],
    lens: Lens,
    threshold: Threshold,
    by: Literal["price", "distance"],
    top: int,
    tolerance_pct: float,
) -> Comparison:
    """The comparison as the options ask for it."""
    from defiliq.cex.compare import compare as beside

    return beside(
        heat,
        made,
        step_pct=parse_percent(lens.step),
        within_pct=threshold.within_pct,
        k=top,
        tolerance_pct=tolerance_pct,
        by=by,
        min_share_pct=threshold.min_share_pct,
    )


class Others(NamedTuple):
    """Exchanges beside a ladder, as far as they were asked for."""

    shown: Beside | None = None
    is_missing_some: bool = False


def require_exchanges(ctx: click.Context, venue_source: VenueSource) -> bool:
    """Whether --live, --sample or --venue-file asks for exchanges; no other of their options is without."""
    is_asked = venue_source.live or venue_source.sample or bool(venue_source.venue_file)
    for option in (*VenueSource.__slots__, *Guess.__slots__):
        if option not in ("live", "sample", "venue_file"):
            require_use(ctx, option, is_used=is_asked, needed="--live, --sample or --venue-file")
    if is_asked:
        live_urls(venue_source)
    return is_asked


def exchanges_beside(
    heat: Heat,
    venue_source: VenueSource,
    guess: Guess,
    lens: Lens,
    threshold: Threshold,
    talk: Talk,
    *,
    is_page: bool,
) -> Others:
    """A report's part on exchanges."""
    from defiliq.pipeline.beside import beside

    found = read_venues(heat.driver.partition("/")[0], venue_source, talk)
    made, is_missing = estimates_of(found, guess, talk)
    by = axis_for(heat, made, talk)
    comparison = compared(heat, made, lens, threshold, by, TOP, parse_percent(TOLERANCE))
    tell_faults(comparison, made, talk)
    shown = beside(comparison, made, found.data, assumptions_of(guess, found), with_over_time=is_page)
    return Others(shown, is_missing or bool(comparison.faults))


def axis_for(heat: Heat, made: list[Estimate], talk: Talk) -> Literal["price", "distance"]:
    """One price axis, or distance from spot where the spots are too far apart for one, which is said."""
    from defiliq.cex.compare import MOST_SPOTS_APART_PCT

    spots = [heat.spot_usd, *(one.spot_usd for one in made)]
    if 100 * (max(spots) - min(spots)) / min(spots) <= MOST_SPOTS_APART_PCT:
        return "price"
    talk.warn(
        f"{heat.driver} stands at {min(spots):.6g} and at {max(spots):.6g}: exchanges are set beside the "
        "chain by distance from spot."
    )
    return "distance"


def tell_faults(comparison: Comparison, made: list[Estimate], talk: Talk) -> None:
    """What the comparison lacks, but for what was said of the estimates already."""
    known = {fault for one in made for fault in one.faults}
    for fault in comparison.faults:
        if not any(fault.endswith(said) for said in known):
            talk.warn(f"INCOMPLETE: {fault}")


def _show(shown: Beside, rows: Rows, output: str | None, shape: str | None, talk: Talk) -> None:
    """A page, a picture, rows in a file, tables on a terminal, or rows on stdout."""
    if output is not None:
        _write(shown, rows, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        from defiliq.view.cex_compare import print_comparison

        print_comparison(shown)
    elif output is None or shape is not None:
        print_table(_table(shown, rows), default_shape(shape))


def _write(shown: Beside, rows: Rows, output: str, talk: Talk) -> None:
    suffix = Path(output).suffix.lower()
    if suffix in PICTURES.split():
        from defiliq.view.cex_compare_charts import draw_comparison
        from defiliq.view.charts import write_picture

        figure = draw_comparison(shown.comparison, shown.estimates)
        talk.say(f"Wrote {write_picture(figure, output)}")
    elif suffix == ".html":
        from defiliq.view.report_html import write_comparison_html

        talk.say(f"Wrote {write_comparison_html(shown, output)}")
    elif suffix == ".md":
        from defiliq.view.report_markdown import comparison_markdown

        write_text(comparison_markdown(shown), output, talk)
    else:
        write_output(_table(shown, rows), output, talk)


def _table(shown: Beside, rows: Rows) -> pd.DataFrame:
    """The rows that were asked for."""
    from defiliq.cex.compare_tables import axis_table, level_table, pair_table
    from defiliq.cex.confirm import confirmation_table
    from defiliq.cex.differences import difference_table
    from defiliq.cex.phase import phase_table

    match rows:
        case "signals":
            return confirmation_table(shown.confirmations)
        case "phases":
            return phase_table(shown.phases)
        case "venues":
            return difference_table(shown.differences)
    return {"levels": level_table, "pairs": pair_table, "axis": axis_table}[rows](shown.comparison)
