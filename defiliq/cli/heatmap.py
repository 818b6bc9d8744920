"""`defiliq heatmap`: how much breaks at which price, now and over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from defiliq.cli.clusters import Threshold, clusters_of, say_untold, threshold_options
from defiliq.cli.depth_options import Depths, depth_options
from defiliq.cli.ladder import parse_percent
from defiliq.cli.ladders import Lens, lens_options, opened_ladders
from defiliq.cli.options import Source, format_option, output_option, source_options
from defiliq.cli.printing import (
    INCOMPLETE,
    SHAPES,
    TABLES,
    default_shape,
    print_table,
    require_format,
    require_use,
    write_output,
)
from defiliq.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defiliq.model.clusters import Cluster
    from defiliq.model.heat import Heat
    from defiliq.model.over_time import HeatOverTime

PICTURES = ".png .svg"
_OF_ONE_MOMENT = (
    *("side", "groups", "mixed_blocks", "min_share_pct", "min_impact_pct", "depth", "impact"),
    *("chain", "market", "block", "at", "stored", "min_debt_usd"),
)
"""Options that ask for accounts or clusters of one moment: over time there are sums alone."""


@click.command(short_help="How much breaks at which price.")
@source_options
@lens_options
@threshold_options
@depth_options
@click.option("--curve", is_flag=True, help="Draw what piles up from spot outward, instead of bars.")
@click.option(
    "--over-time",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Time by price, from all snapshots or ladder files in a folder.",
)
@click.option("--by-side", is_flag=True, help="With --over-time: longs in blue, shorts in red.")
@output_option(f"{TABLES}, or a picture: {PICTURES}")
@format_option(SHAPES)
@click.pass_context
def heatmap(
    ctx: click.Context,
    source: Source,
    lens: Lens,
    threshold: Threshold,
    depths: Depths,
    curve: bool,
    folder: str | None,
    by_side: bool,
    output: str | None,
    shape: str | None,
) -> None:
    """How much is liquidated at which price of one driver: longs below spot, shorts above.

    Bars on a terminal, price buckets as data, a picture with -o FILE.png or .svg. Nothing is smoothed.

    --from takes snapshots, or ladders as `defiliq ladder -o` writes them.
    """
    require_format(output, f"{TABLES} {PICTURES}")
    require_use(ctx, "curve", is_used=_is_picture(output) and folder is None, needed="a picture: -o FILE.png")
    is_time = _is_picture(output) and folder is not None
    require_use(ctx, "by_side", is_used=is_time, needed="--over-time DIR -o FILE.png")
    for option in _OF_ONE_MOMENT:
        require_use(ctx, option, is_used=folder is None, needed="a heatmap of one moment")
    is_cut = folder is None or is_time
    require_use(ctx, "within_pct", is_used=is_cut, needed="a picture: -o FILE.png")
    depths.check(source)
    talk = Talk(quiet=source.quiet)
    if folder is not None:
        incomplete = _over_time(folder, source, lens, threshold, output, shape, talk, by_side=by_side)
        ctx.exit(INCOMPLETE if incomplete else 0)
    with opened_ladders(source, lens, talk) as ladders:
        heat = ladders.heat()
        found = clusters_of(ladders, heat, threshold, depths)
        incomplete = ladders.incomplete or bool(heat.untold)
    say_untold(heat.untold, talk)
    _show(heat, found, threshold.within_pct, output, shape, talk, curve=curve)
    if incomplete:
        ctx.exit(INCOMPLETE)


def _is_picture(output: str | None) -> bool:
    return output is not None and Path(output).suffix.lower() in PICTURES.split()


def _show(
    heat: Heat,
    found: Sequence[Cluster],
    within_pct: float,
    output: str | None,
    shape: str | None,
    talk: Talk,
    *,
    curve: bool,
) -> None:
    """A picture, rows in a file, bars on a terminal, or rows on stdout."""
    from defiliq.model.tables import heat_table

    if output is not None and _is_picture(output):
        from defiliq.view.charts import write_picture
        from defiliq.view.model_charts import draw_heatmap, draw_ladder

        if curve:
            figure = draw_ladder(heat, within_pct=within_pct)
        else:
            figure = draw_heatmap(heat, found, within_pct=within_pct)
        talk.say(f"Wrote {write_picture(figure, output)}")
    elif output is not None:
        write_output(heat_table(heat), output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        from defiliq.view.heatmap_terminal import print_heatmap

        print_heatmap(heat, found, within_pct)
    elif output is None or shape is not None:
        print_table(heat_table(heat), default_shape(shape))


def _over_time(
    folder: str,
    source: Source,
    lens: Lens,
    threshold: Threshold,
    output: str | None,
    shape: str | None,
    talk: Talk,
    *,
    by_side: bool,
) -> bool:
    """Time by price: a picture, or a row per cell. Whether some sizes are not known."""
    if source.protocol is not None or source.snapshot or source.market_file:
        raise click.UsageError("--over-time reads the files of its folder. Leave the market out.")
    if lens.driver is None:
        raise click.UsageError("Name the --driver to look along.")
    from defiliq.model.tables import over_time_table

    found = read_history(folder, lens.driver, lens, talk)
    if output is not None and _is_picture(output):
        from defiliq.view.charts import write_picture
        from defiliq.view.over_time import draw_over_time

        figure = draw_over_time(found, within_pct=threshold.within_pct, by_side=by_side)
        talk.say(f"Wrote {write_picture(figure, output)}")
    elif output is not None:
        write_output(over_time_table(found), output, talk)
    if output is None or shape is not None:
        print_table(
            over_time_table(found), "csv" if default_shape(shape) == "table" else default_shape(shape)
        )
    return bool(found.times["untold"].any())


def read_history(folder: str, driver: str, lens: Lens, talk: Talk) -> HeatOverTime:
    """Time by price, from the files of a folder."""
    from defiliq.pipeline.over_time import read_over_time

    with talk.progress("Reading") as tell:
        found = read_over_time(
            folder,
            driver,
            step_pct=parse_percent(lens.step),
            on_progress=lambda done, total: tell(done, total, "files"),
        )
    talk.say(f"{len(found.times)} moments along {found.driver}")
    say_untold(int(found.times["untold"].sum()), talk)
    return found
