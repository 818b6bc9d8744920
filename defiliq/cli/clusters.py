"""`defiliq clusters` and `defiliq magnet`: where much breaks at once, and what that says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from defiliq.cli.depth_options import Depths, depth_options
from defiliq.cli.ladders import Ladders, Lens, lens_options, opened_ladders
from defiliq.cli.options import Source, collected, format_option, output_option, source_options
from defiliq.cli.printing import (
    INCOMPLETE,
    SHAPES,
    TABLES,
    default_shape,
    print_table,
    require_format,
    write_output,
)
from defiliq.cli.talk import Talk
from defiliq.errors import InputError

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from defiliq.model.clusters import Cluster
    from defiliq.model.contagion import Place
    from defiliq.model.heat import Heat

PICTURES = ".png .svg"
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Threshold:
    """What counts as a cluster."""

    within_pct: float
    min_share_pct: float
    min_impact_pct: float = 0.1


_THRESHOLD = (
    click.option(
        "--within",
        "within_pct",
        type=click.FloatRange(0, min_open=True),
        default=50.0,
        show_default=True,
        metavar="PCT",
        help="How far from spot to look.",
    ),
    click.option(
        "--min-share",
        "min_share_pct",
        type=click.FloatRange(0, 100),
        default=1.0,
        show_default=True,
        metavar="PCT",
        help="A bucket is heavy with so much of what its side holds there.",
    ),
    click.option(
        "--min-impact",
        "min_impact_pct",
        type=click.FloatRange(0),
        default=0.1,
        show_default=True,
        metavar="PCT",
        help="A cluster moves the market by so much, where its depth is known.",
    ),
)


def threshold_options(command: F) -> F:
    """What counts as a cluster, handed over as `threshold`."""
    return collected(command, "threshold", Threshold, _THRESHOLD)


def share_options(command: F) -> F:
    """The same where no depth is known that would say what a cluster does to the market."""
    return collected(command, "threshold", Threshold, _THRESHOLD[:2])


def clusters_of(ladders: Ladders, heat: Heat, threshold: Threshold, depths: Depths) -> tuple[Cluster, ...]:
    """The clusters of a heat, with what each does to the market where a depth is given for the driver."""
    from defiliq.model.clusters import find_clusters
    from defiliq.model.impact import impact
    from defiliq.pipeline.cascade import quote_usd

    depth = depths.of(ladders).get(heat.driver)
    return find_clusters(
        heat,
        within_pct=threshold.within_pct,
        min_share_pct=threshold.min_share_pct,
        min_impact_pct=threshold.min_impact_pct,
        impact=None if depth is None else impact(depth, heat.spot_usd, quote_usd(ladders.of, heat.driver)),
    )


def contagion_of(
    ladders: Ladders, heat: Heat, found: tuple[Cluster, ...], threshold: Threshold, depths: Depths
) -> nx.DiGraph[Place]:
    """Which clusters push the price into which others."""
    from defiliq.pipeline.contagion import contagion

    def look(tables: Sequence[pd.DataFrame], driver: str) -> tuple[Heat, Sequence[Cluster]]:
        other = replace(ladders, tables=tables, driver=driver)
        heat = other.heat()
        # What depths are of has been read for the ladders that the options name.
        return heat, clusters_of(ladders, heat, threshold, depths)

    return contagion(
        heat,
        found,
        ladders.seen,
        ladders.books,
        depths.of(ladders),
        look,
        files=ladders.files,
        mixed_blocks=ladders.lens.mixed_blocks,
    )


@click.command(short_help="Prices at which much breaks at once.")
@source_options
@lens_options
@threshold_options
@depth_options
@click.option(
    "--contagion",
    is_flag=True,
    help="Which clusters push the price into which others instead; it needs a depth.",
)
@output_option(f"{TABLES}, or a picture of the contagion: {PICTURES}")
@format_option(SHAPES)
@click.pass_context
def clusters(
    ctx: click.Context,
    source: Source,
    lens: Lens,
    threshold: Threshold,
    depths: Depths,
    contagion: bool,
    output: str | None,
    shape: str | None,
) -> None:
    """The prices of one driver at which much is liquidated at once, largest first.

    Neighbouring price buckets that are heavy are one cluster, divided where there is a dip between two peaks.
    With a depth, each says what trading all of it does to the price. --contagion tells how far the trades of
    one take the price into others, on every driver with a depth.

    --from takes snapshots, or ladders as `defiliq ladder -o` writes them.
    """
    is_picture = output is not None and Path(output).suffix.lower() in PICTURES.split()
    require_format(output, f"{TABLES} {PICTURES}" if contagion else TABLES)
    depths.check(source, needed="--contagion" if contagion else None)
    talk = Talk(quiet=source.quiet)
    with opened_ladders(source, lens, talk) as ladders:
        from defiliq.model.tables import cluster_table, contagion_table
        from defiliq.view.model import print_clusters, print_contagion

        heat = ladders.heat()
        found = clusters_of(ladders, heat, threshold, depths)
        say_untold(heat.untold, talk)
        if contagion:
            require_depth(ladders, depths)
            graph = contagion_of(ladders, heat, found, threshold, depths)
            if is_picture:
                _draw(graph, heat, str(output), talk)
            table, show = contagion_table(heat, graph), partial(print_contagion, graph, heat)
        else:
            table, show = cluster_table(heat, found), partial(print_clusters)
        if not is_picture or shape is not None:
            _show(table, show, None if is_picture else output, shape, talk)
        if ladders.incomplete or heat.untold:
            ctx.exit(INCOMPLETE)


def _draw(graph: nx.DiGraph[Place], heat: Heat, output: str, talk: Talk) -> None:
    from defiliq.view.chart_frame import caption_of
    from defiliq.view.charts import write_picture
    from defiliq.view.contagion import draw_contagion

    caption = caption_of(f"Contagion along {heat.driver}", heat.sources)
    talk.say(f"Wrote {write_picture(draw_contagion(graph, caption, heat.base_symbol), output)}")


def require_depth(ladders: Ladders, depths: Depths) -> None:
    """Refuse to go on without knowing what a sale does."""
    if ladders.driver not in depths.of(ladders):
        raise InputError(
            f"no depth is known for {ladders.driver}. Name a pool or a curve with --depth, or --impact."
        )


@click.command(short_help="Which side of spot pulls, and how much.")
@source_options
@lens_options
@threshold_options
@depth_options
@click.option(
    "--reach",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="PCT",
    help="How far away a dollar's pull has fallen to 1/e.",
)
@click.option("--vacuums", is_flag=True, help="List the stretches between clusters where little breaks.")
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def magnet(
    ctx: click.Context,
    source: Source,
    lens: Lens,
    threshold: Threshold,
    depths: Depths,
    reach: float,
    vacuums: bool,
    output: str | None,
    shape: str | None,
) -> None:
    """Which side's liquidations pull on the price, what lies between, and how closely clusters are stacked.

    A description of what lies there, never a probability of where the price goes.

    --from takes snapshots, or ladders as `defiliq ladder -o` writes them.
    """
    require_format(output, TABLES)
    depths.check(source)
    talk = Talk(quiet=source.quiet)
    with opened_ladders(source, lens, talk) as ladders:
        from defiliq.model.magnet import find_magnet, find_vacuums
        from defiliq.model.risk import cascade_risk
        from defiliq.model.tables import magnet_table, vacuum_table
        from defiliq.view.model import print_magnet, print_vacuums

        heat = ladders.heat()
        found = clusters_of(ladders, heat, threshold, depths)
        say_untold(heat.untold, talk)
        if vacuums:
            table, show = vacuum_table(heat, find_vacuums(heat, found)), print_vacuums
        else:
            down, up = (cascade_risk(heat.spot_usd, found, side) for side in ("down", "up"))
            table, show = magnet_table(heat, find_magnet(heat, found, reach / 100), down, up), print_magnet
        _show(table, show, output, shape, talk)
        if ladders.incomplete or heat.untold:
            ctx.exit(INCOMPLETE)


def say_untold(untold: int, talk: Talk) -> None:
    """Count the rungs that say no size, if there are any."""
    if untold:
        some, are = ("1 rung does", "is") if untold == 1 else (f"{untold} rungs do", "are")
        talk.warn(f"INCOMPLETE: {some} not say how much is liquidated, and {are} in no sum")


def _show(
    table: pd.DataFrame,
    show: Callable[[pd.DataFrame], None],
    output: str | None,
    shape: str | None,
    talk: Talk,
) -> None:
    """Rows in a file, shown to people, or as data on stdout."""
    if output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        show(table)
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))
