"""`defiliq report`: the whole model over one driver, as Markdown or as one interactive page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from defiliq.cli.cascade import check_shocks, named_shocks, oracle_rule
from defiliq.cli.clusters import Threshold, contagion_of, require_depth, say_untold, threshold_options
from defiliq.cli.compare import Others, exchanges_beside, require_exchanges
from defiliq.cli.depth_options import Depths, depth_options
from defiliq.cli.events import Blocks, parse_blocks
from defiliq.cli.exchange_options import Guess, VenueSource, guess_options, venue_options
from defiliq.cli.heatmap import read_history
from defiliq.cli.ladders import Ladders, Lens, lens_options, opened_ladders
from defiliq.cli.options import Source, collected, output_option, source_options
from defiliq.cli.printing import INCOMPLETE, require_format, require_use, write_text
from defiliq.cli.talk import Talk

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from defiliq.depth.venue import Depth
    from defiliq.model.analysis import Analysis
    from defiliq.model.cascade import Cascade, OracleRule
    from defiliq.model.contagion import Place
    from defiliq.model.over_time import HeatOverTime
    from defiliq.types import Listing
    from defiliq.view.cex_beside import Beside

F = TypeVar("F", bound=Callable[..., Any])
PAGES = ".md .html"
SWEPT_PCT = (*range(-50, 0, 2), *range(2, 52, 2))
"""The shocks of a report's sweep."""


@dataclass(frozen=True, slots=True)
class Past:
    """Liquidations that happened: where they are from, and which count as large."""

    event_files: tuple[str, ...]
    blocks: str | None
    large_usd: float


_PAST = (
    click.option(
        "--events",
        "event_files",
        multiple=True,
        metavar="FILE",
        help="Liquidations that happened, as `defiliq events -o` writes them.",
    ),
    click.option(
        "--blocks", metavar="A:B", help="Read them from the node instead, as `defiliq events` does."
    ),
    click.option(
        "--large-usd",
        type=click.FloatRange(0),
        default=100e6,
        show_default="100 million",
        metavar="X",
        help="From which liquidation on a price becomes support or resistance.",
    ),
)


def past_options(command: F) -> F:
    """Liquidations that happened, handed over as `past`."""
    return collected(command, "past", Past, _PAST)


@dataclass(frozen=True, slots=True)
class Trial:
    """Which shocks are simulated, and how oracles follow."""

    shocks: tuple[str, ...]
    sweep: bool
    deviation: str | None

    def check(self, ctx: click.Context, source: Source, lens: Lens, depths: Depths) -> OracleRule | None:
        """The oracles' rule; refuses what contradicts itself before anything is read."""
        is_asked = bool(self.shocks) or self.sweep
        require_use(ctx, "deviation", is_used=is_asked, needed="--shock or --sweep")
        if lens.groups and is_asked:
            raise click.UsageError("--group is a view along several feeds: no cascade runs along it.")
        check_shocks(self.shocks)
        depths.check(source, needed="--shock" if self.shocks else "--sweep" if self.sweep else None)
        return oracle_rule(self.deviation, None)


_TRIAL = (
    click.option(
        "--shock",
        "shocks",
        multiple=True,
        metavar="MOVE",
        help="Simulate a cascade, too: -10% of the driver, or DRIVER=-10%. It needs a depth.",
    ),
    click.option("--sweep", is_flag=True, help="Simulate shocks from -50% to +50%, too. It needs a depth."),
    click.option("--deviation", metavar="PCT", help="Oracles follow once they are so far off, such as 0.5%."),
)


def trial_options(command: F) -> F:
    """Shocks that are simulated, handed over as `trial`."""
    return collected(command, "trial", Trial, _TRIAL)


@click.command(short_help="The whole model over one driver, for reading.")
@source_options
@lens_options
@threshold_options
@depth_options
@trial_options
@click.option(
    "--over-time",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Tell how debt or open interest changed in 24 hours, from a folder of snapshots, and in .html show "
    "time by price.",
)
@past_options
@venue_options("--venue-file")
@guess_options
@output_option(PAGES)
@click.pass_context
def report(
    ctx: click.Context,
    source: Source,
    lens: Lens,
    threshold: Threshold,
    depths: Depths,
    trial: Trial,
    folder: str | None,
    past: Past,
    venue_source: VenueSource,
    guess: Guess,
    output: str | None,
) -> None:
    """Key levels, magnets, cascade risk, support and resistance of one driver, with coverage and provenance.

    Markdown on stdout or in a .md file; with -o FILE.html one self-contained page with interactive figures.
    With --live, --sample or --venue-file it has what `defiliq compare` says of centralised exchanges, too.

    --from takes snapshots, or ladders as `defiliq ladder -o` writes them.
    """
    require_format(output, PAGES)
    is_page = output is not None and Path(output).suffix.lower() == ".html"
    require_past(ctx, past, source)
    is_beside = require_exchanges(ctx, venue_source)
    rule = trial.check(ctx, source, lens, depths)
    talk = Talk(quiet=source.quiet)
    with opened_ladders(source, lens, talk) as ladders:
        happened = _events(source, past, talk)
        cascade = _cascade(ladders, depths, trial.shocks, rule) if trial.shocks else None
        swept = _sweep(ladders, depths, rule, talk) if trial.sweep else None
        history = None if folder is None else read_history(folder, ladders.driver, lens, talk)
        found = _analysis(ladders, threshold, depths, past.large_usd, happened, cascade, swept, history)
        depth = depths.of(ladders).get(ladders.driver)
        graph = None
        if depth is not None:
            graph = contagion_of(ladders, found.heat, found.clusters, threshold, depths)
    say_untold(found.heat.untold, talk)
    others = Others()
    if is_beside:
        others = exchanges_beside(found.heat, venue_source, guess, lens, threshold, talk, is_page=is_page)
    _show(found, graph, depth, history, others.shown, output, talk)
    missing = (ladders.incomplete, found.heat.untold, happened.is_missing_some, others.is_missing_some)
    if any(missing) or (history is not None and history.times["untold"].any()):
        ctx.exit(INCOMPLETE)


def require_past(ctx: click.Context, past: Past, source: Source) -> None:
    """Refuse what contradicts itself in where events come from."""
    asked = bool(past.event_files) or past.blocks is not None
    require_use(ctx, "large_usd", is_used=asked, needed="--events")
    if past.event_files and past.blocks is not None:
        raise click.UsageError("Events come from --events or from --blocks, not from both.")
    if past.blocks is not None and source.snapshot:
        raise click.UsageError("--blocks asks a node, and --from needs none. Use --events FILE.")


class _Happened(NamedTuple):
    """Liquidations that happened, as far as somebody looked."""

    events: pd.DataFrame | None = None
    coverage: str = ""
    searched: tuple[int, int] | None = None
    """After which second and up to which one; None where no file tells."""
    is_missing_some: bool = False


def _events(source: Source, past: Past, talk: Talk) -> _Happened:
    """Liquidations that happened, where somebody asks for them."""
    from defiliq.ladder import joined

    if past.event_files:
        from defiliq.pipeline.table_files import load_events

        table = joined([load_events(path) for path in past.event_files])
        once = table.drop_duplicates(ignore_index=True)
        if len(once) < len(table):
            talk.say(f"{len(table) - len(once)} events are in these files again, and count once")
        names = dict.fromkeys(Path(path).name for path in past.event_files)
        told = f"from {', '.join(names)}, which does not tell what was searched"
        unpriced = bool((once["seized_usd"].isna() | once["repaid_usd"].isna()).any())
        return _Happened(once, told, is_missing_some=unpriced)
    if past.blocks is None:
        return _Happened()
    from defiliq.cli.events import happened
    from defiliq.cli.sources import listings

    span = parse_blocks(past.blocks)
    found = listings(source)
    tables = [happened(listing, source, span, talk) for listing in found]
    told = "; ".join(
        f"{listing.name} {_searched(table)}" for listing, table in zip(found, tables, strict=True)
    )
    missing = any(table.attrs["stopped"] or table.attrs["unpriced"] for table in tables)
    searched = _time_searched(found, tables, span)
    return _Happened(joined(tables), told, searched, missing)


def _time_searched(found: Sequence[Listing], tables: Sequence[pd.DataFrame], span: Blocks) -> tuple[int, int]:
    """After which second and up to which one all markets were searched.

    Nothing happened before a market's first block. A search up to the newest block ends after the blocks of
    the ladders, which were read before it.
    """
    abouts = [table.attrs for table in tables]
    begins = [
        0 if about["first"] <= max(listing.from_block, 1) else about["first_at"] - 1
        for listing, about in zip(found, abouts, strict=True)
    ]
    ends = [about["covered_at"] for about in abouts if about["stopped"] or span.last != "latest"]
    return max(begins), min(ends, default=sys.maxsize)


def _searched(table: pd.DataFrame) -> str:
    """Which blocks a search of events covered, in words."""
    about = table.attrs
    if about["first"] > about["last"]:
        return f"begins at block {about['first']}, after all of these"
    whole = "" if about["covered"] == about["last"] else f" of {about['last']}, where the search stopped"
    return f"blocks {about['first']} to {about['covered']}{whole}"


def _cascade(ladders: Ladders, depths: Depths, shocks: tuple[str, ...], rule: OracleRule | None) -> Cascade:
    from defiliq.pipeline.cascade import cascade

    require_depth(ladders, depths)
    return cascade(ladders.of, named_shocks(shocks, ladders.driver), depths.of(ladders), rule=rule)


def _sweep(ladders: Ladders, depths: Depths, rule: OracleRule | None, talk: Talk) -> pd.DataFrame:
    from defiliq.pipeline.cascade import sweep

    require_depth(ladders, depths)
    with talk.progress("Sweeping") as tell:
        return sweep(
            ladders.of,
            ladders.driver,
            [Fraction(pct) for pct in SWEPT_PCT],
            depths.of(ladders),
            rule=rule,
            on_progress=lambda done, total: tell(done, total, "shocks"),
        )


def _analysis(
    ladders: Ladders,
    threshold: Threshold,
    depths: Depths,
    large_usd: float,
    happened: _Happened,
    cascade: Cascade | None,
    swept: pd.DataFrame | None,
    history: HeatOverTime | None,
) -> Analysis:
    from defiliq.model.analysis import Settings, analyse_heat
    from defiliq.model.impact import impact
    from defiliq.pipeline.cascade import quote_usd

    heat, depth = ladders.heat(), depths.of(ladders).get(ladders.driver)
    return analyse_heat(
        heat,
        Settings(
            step_pct=heat.step_pct,
            within_pct=threshold.within_pct,
            min_share_pct=threshold.min_share_pct,
            min_impact_pct=threshold.min_impact_pct,
            large_usd=large_usd,
        ),
        impact=None if depth is None else impact(depth, heat.spot_usd, quote_usd(ladders.of, heat.driver)),
        depth="" if depth is None else depth.name,
        events=happened.events,
        events_coverage=happened.coverage,
        events_searched=happened.searched,
        cascade=cascade,
        sweep=swept,
        unresolved=ladders.unresolved,
        over_time=history,
    )


def _show(
    found: Analysis,
    contagion: nx.DiGraph[Place] | None,
    depth: Depth | None,
    history: HeatOverTime | None,
    others: Beside | None,
    output: str | None,
    talk: Talk,
) -> None:
    if output is None or Path(output).suffix.lower() == ".md":
        from defiliq.view.report_markdown import report_markdown

        text = report_markdown(found, others)
        if output is None:
            click.echo(text, nl=False)
        else:
            write_text(text, output, talk)
        return
    from defiliq.view.depth_curve import depth_curve
    from defiliq.view.report_html import write_report_html

    sides = () if depth is None else depth_curve(depth, found.heat.spot_usd)
    path = write_report_html(
        found, output, depth=sides, contagion=contagion, over_time=history, beside=others
    )
    talk.say(f"Wrote {path}")
