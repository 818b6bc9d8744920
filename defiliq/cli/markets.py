"""`defiliq markets`: what it knows without being told."""

from __future__ import annotations

import click

from defiliq.cli.options import format_option, output_option
from defiliq.cli.printing import SHAPES, TABLES, default_shape, print_table, require_format, write_output
from defiliq.cli.talk import Talk


@click.command(short_help="List the bundled markets.")
@click.option("--protocol", metavar="P", help="Only markets of this protocol.")
@click.option("--chain", metavar="C", help="Only markets on this chain, by name or id.")
@output_option(TABLES)
@format_option(SHAPES)
def markets(protocol: str | None, chain: str | None, output: str | None, shape: str | None) -> None:
    """List the bundled markets: protocol, chain, name, version and addresses."""
    require_format(output, TABLES)
    from defiliq.pipeline.listings import markets as find
    from defiliq.pipeline.listings import markets_table

    table = markets_table(find(protocol, chain))
    if output is not None:
        write_output(table, output, Talk(quiet=False))
    elif default_shape(shape) == "table":
        from defiliq.view.terminal import print_rows

        print_rows(table, "markets")
    else:
        print_table(table, default_shape(shape))
