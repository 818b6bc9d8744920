"""`defiliq verify`: ask the contract itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from defiliq.cli.options import Source, output_option, source_options
from defiliq.cli.printing import INCOMPLETE, TABLES, require_format, write_output
from defiliq.cli.talk import Talk

if TYPE_CHECKING:
    from defiliq.pipeline.verify import Verification

DISAGREED = 1


@click.command(short_help="Ask the contract itself.")
@source_options
@click.option(
    "--sample", type=click.IntRange(1), default=300, show_default=True, help="Accounts to ask about."
)
@click.option(
    "--levels", is_flag=True, help="Also ask at each level of theirs, and one integer nearer to spot."
)
@click.option("--driver", "drivers", multiple=True, metavar="D", help="Levels on this driver only.")
@click.option("--group", "groups", multiple=True, metavar="SPEC", help="Feeds that move together.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which random sample.")
@output_option(TABLES)
@click.pass_context
def verify(
    ctx: click.Context,
    source: Source,
    sample: int,
    levels: bool,
    drivers: tuple[str, ...],
    groups: tuple[str, ...],
    seed: int,
    output: str | None,
) -> None:
    """Ask the contract about a random sample of accounts and report agreement.

    Every number must be equal, not only the verdict. Exit code 1 on any disagreement; its rows are printed,
    or written with -o.
    """
    require_format(output, TABLES)
    from defiliq.cli.sources import describe, opened_one
    from defiliq.pipeline.verify import verify as ask

    talk = Talk(quiet=source.quiet)
    with opened_one(source, talk, need_node=True) as market, talk.progress("Asking") as tell:
        describe(market.book, talk)
        if market.node is None:
            raise click.UsageError("A snapshot is verified against a node: give its URL with -r.")
        result = ask(
            market.node,
            market.book,
            sample=sample,
            levels=levels,
            seed=seed,
            drivers=drivers,
            groups=groups,
            on_progress=lambda done, total: tell(done, total, "levels"),
        )
        incomplete = bool(market.book.failed or result.unresolved)
        talk.warn_of_unresolved(result.unresolved)
    _report(result, levels, output, talk)
    if not result.agrees:
        ctx.exit(DISAGREED)
    if incomplete:
        ctx.exit(INCOMPLETE)


def _report(result: Verification, levels: bool, output: str | None, talk: Talk) -> None:
    """Agreement on stdout, and the rows that disagree."""
    talk.say(f"Compared with {result.against}")
    click.echo(
        f"accounts asked {result.asked} of {result.accounts} (seed {result.seed}), "
        f"agreed {result.agreed} ({share(result.agreed, result.asked)})"
    )
    if levels:
        asked = result.levels_asked
        click.echo(
            f"levels asked {asked}, p* agreed {result.price_agreed} ({share(result.price_agreed, asked)}), "
            f"neighbour agreed {result.neighbour_agreed} ({share(result.neighbour_agreed, asked)})"
        )
    if levels and result.levels_at_source is not None:
        click.echo(
            f"{result.levels_at_source} of them by moving the driver's own price aggregators, "
            f"{asked - result.levels_at_source} by pinning the reserves' price sources"
        )
    if output is not None:
        write_output(result.disagreements, output, talk)
    elif not result.agrees:
        from defiliq.view.terminal import print_rows

        print_rows(result.disagreements.drop(columns=["block_hash", "block_timestamp"]), "disagreements")


def share(part: int, whole: int) -> str:
    """A share in percent that reads 100% only when nothing is missing."""
    if whole == 0:
        return "nothing to ask"
    if part == whole:
        return "100%"
    return f"{min(100 * part / whole, 99.99):.2f}%"
