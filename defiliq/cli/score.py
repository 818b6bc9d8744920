"""`defiliq score`: the report card of a watch, from the events that it told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from defiliq.cli.options import format_option, output_option
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

if TYPE_CHECKING:
    from defiliq.pipeline.scoring import Score


@click.command(short_help="Was it announced? The report card of a watch.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option(TABLES)
@format_option(SHAPES)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.pass_context
def score(
    ctx: click.Context, files: tuple[str, ...], output: str | None, shape: str | None, quiet: bool
) -> None:
    """Of the liquidations that FILES of events tell of, how many `watch` had announced the block before.

    With which price error in oracle units, how long before, and why each of the others was missed. FILES are
    lines of JSON as `watch` writes them, in order; - is stdin. What reorganisations took back does not count.
    Blocks that were passed over make the score incomplete.
    """
    require_format(output, TABLES)
    from defiliq.pipeline.scoring import score as score_files

    talk = Talk(quiet=quiet)
    found = score_files(files)
    _say(found, talk)
    if output is not None:
        write_output(found.table, output, talk)
    if output is None or shape is not None:
        if default_shape(shape) == "table":
            from defiliq.view.score import print_score

            print_score(found.table)
        else:
            print_table(found.table, default_shape(shape))
    if not found.is_complete:
        ctx.exit(INCOMPLETE)


def _say(found: Score, talk: Talk) -> None:
    talk.say(f"{found.events} events, {found.retracted} taken back by reorganisations")
    if found.duplicates:
        talk.warn(f"{found.duplicates} events were there more than once and count once")
    for fault in found.faults:
        talk.warn(f"INCOMPLETE: {fault}")
    if found.bad_lines > len(found.faults):
        talk.warn(f"INCOMPLETE: {found.bad_lines - len(found.faults)} more lines are no events")
    if found.unknown_retractions:
        talk.warn(f"INCOMPLETE: {found.unknown_retractions} events were taken back that these files lack")
    if found.gap_blocks:
        talk.warn(f"INCOMPLETE: {found.gap_blocks} blocks were not evaluated")
