"""`defiliq scan` and `defiliq snapshot`: a whole market read and judged, or kept."""

from __future__ import annotations

import click

from defiliq.cli.options import Source, format_option, output_option, source_options
from defiliq.cli.printing import INCOMPLETE, TABLES, print_table, require_format, write_output
from defiliq.cli.talk import Talk


@click.command(short_help="Read and judge a whole market.")
@source_options
@click.option(
    "--top", type=click.IntRange(0), default=10, show_default=True, help="Accounts at risk to show."
)
@output_option(TABLES)
@format_option(("text", "csv", "json"))
@click.pass_context
def scan(ctx: click.Context, source: Source, top: int, output: str | None, shape: str | None) -> None:
    """Discover, read and judge every account of a market.

    Prints what was found, totals, a histogram of health factors and the accounts closest to liquidation.
    The table of all accounts goes to --output, or to stdout with --format csv or json.
    """
    require_format(output, TABLES)
    from defiliq.cli.sources import coverage, describe, headline, opened_one
    from defiliq.pipeline.judge import health
    from defiliq.view.terminal import print_scan

    talk = Talk(quiet=source.quiet)
    with opened_one(source, talk) as market:
        table = health(market.book)
        if output is not None:
            write_output(table, output, talk)
        if shape in ("csv", "json"):
            describe(market.book, talk)
            print_table(table, shape)
        else:
            print_scan(table, headline(market.book.market), coverage(market.book), top)
        if market.book.failed:
            ctx.exit(INCOMPLETE)


@click.command(short_help="Keep a whole market as a file.")
@source_options
@output_option(".parquet")
@click.pass_context
def snapshot(ctx: click.Context, source: Source, output: str | None) -> None:
    """Keep a whole market at one block as a file, for --from of the other commands."""
    if output is None:
        raise click.UsageError("Name the file with -o FILE.parquet.")
    require_format(output, ".parquet")
    if source.at is not None:
        raise click.UsageError("A snapshot is of its block. Use --at when you read it with --from.")
    from defiliq.cli.sources import describe, opened_one
    from defiliq.pipeline.snapshot import save_snapshot

    talk = Talk(quiet=source.quiet)
    with opened_one(source, talk) as market:
        describe(market.book, talk)
        path = save_snapshot(market.book, output)
        talk.say(f"Wrote {len(market.book)} accounts with {market.book.legs} legs to {path}")
        if market.book.failed:
            ctx.exit(INCOMPLETE)
