"""`defiliq feeds`: what the prices of a market hang on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from defiliq.cli.options import Source, format_option, market_options, output_option
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
    import pandas as pd

    from defiliq.types import Market


@click.command(short_help="What every price hangs on.")
@market_options
@click.option("--tree", is_flag=True, help="Take every price apart, down to what no contract computes.")
@click.option(
    "--driver", "drivers", multiple=True, metavar="D", help="Only what hangs on this driver: ETH/USD."
)
@click.option(
    "--by",
    type=click.Choice(["reserve", "driver"]),
    default="reserve",
    show_default=True,
    help="Rows as data: one per reserve and driver, or one per driver.",
)
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def feeds(
    ctx: click.Context,
    source: Source,
    tree: bool,
    drivers: tuple[str, ...],
    by: str,
    output: str | None,
    shape: str | None,
) -> None:
    """Every reserve's price source resolved to drivers: what really moves it.

    Says where each driver stands, when it answered, whether a cap holds the price down and how far it is
    from doing so. What could not be resolved is a driver of its own. No account is read.
    """
    require_format(output, TABLES)
    if tree and shape in ("csv", "json"):
        raise click.UsageError("A tree is for reading. Leave out --format, or leave out --tree.")
    from defiliq.cli.sources import opened_markets

    talk = Talk(quiet=source.quiet)
    with opened_markets(source, talk) as opened:
        markets = [market.book.market for market in opened]
        incomplete = any(market.book.failed or market.unpriced for market in opened)
    if output is not None:
        write_output(_rows(markets, drivers, by), output, talk)
    if tree or (default_shape(shape) == "table" and (output is None or shape is not None)):
        for market in markets:
            _show(market, drivers, tree)
    elif output is None or shape is not None:
        for market in markets:
            _headline(market, talk)
        print_table(_rows(markets, drivers, by), default_shape(shape))
    if incomplete:
        ctx.exit(INCOMPLETE)


def _headline(market: Market, talk: Talk) -> None:
    from defiliq.cli.sources import headline

    talk.say(headline(market))


def _rows(markets: Sequence[Market], drivers: Sequence[str], by: str) -> pd.DataFrame:
    """The rows of all markets that hang on the asked drivers."""
    from defiliq.ladder import joined
    from defiliq.pipeline.feeds import feeds as find
    from defiliq.pipeline.feeds import feeds_by_driver

    build = find if by == "reserve" else feeds_by_driver
    return joined([build(market, drivers) for market in markets])


def _show(market: Market, drivers: Sequence[str], tree: bool) -> None:
    """One market for people."""
    from defiliq.cli.sources import headline
    from defiliq.pipeline.feeds import feeds as find
    from defiliq.pipeline.feeds import feeds_by_driver, price_trees
    from defiliq.view.feeds import print_feeds, print_tree
    from defiliq.view.terminal import print_lines

    print_lines([headline(market), ""])
    if not tree:
        print_feeds(find(market, drivers), feeds_by_driver(market, drivers))
    for priced in price_trees(market, drivers) if tree else ():
        print_tree(priced.reserve, priced.source, priced.price, market.block.timestamp)
