"""`defiliq positions`: the longs and shorts of a market of perpetuals."""

from __future__ import annotations

import click

from defiliq.cli.options import Source, format_option, output_option, source_options
from defiliq.cli.printing import INCOMPLETE, TABLES, print_table, require_format, write_output
from defiliq.cli.talk import Talk


@click.command(short_help="Longs and shorts of perpetuals.")
@source_options
@click.option("--top", type=click.IntRange(0), default=10, show_default=True, help="Perpetuals to show.")
@output_option(TABLES)
@format_option(("text", "csv", "json"))
@click.pass_context
def positions(ctx: click.Context, source: Source, top: int, output: str | None, shape: str | None) -> None:
    """Every open position of a market of perpetuals, with what is known of it on the chain.

    Prints open interest per perpetual and how leverage is distributed. All positions, one row each, go to
    --output, or to stdout with --format csv or json. What a position was opened at is not among it: the chain
    does not keep it.
    """
    require_format(output, TABLES)
    from defiliq.cli.sources import coverage, describe, headline, opened_one
    from defiliq.pipeline.positions import leverage_distribution, open_interest
    from defiliq.pipeline.positions import positions as positions_of
    from defiliq.view.positions import print_interest, print_leverage
    from defiliq.view.terminal import print_lines

    talk = Talk(quiet=source.quiet)
    with opened_one(source, talk) as market:
        book = market.book
        held = positions_of(book)
        if output is not None:
            write_output(held, output, talk)
        if shape in ("csv", "json"):
            describe(book, talk)
            print_table(held, shape)
        elif output is None or shape is not None:
            print_lines([headline(book.market), coverage(book), ""])
            print_interest(open_interest(book, held), top)
            print_leverage(leverage_distribution(book, held))
        if book.failed:
            ctx.exit(INCOMPLETE)
