"""`defiliq events`: liquidations that happened."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import click

from defiliq.cli.options import Source, format_option, log_options, output_option
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
    from collections.abc import Sequence

    import pandas as pd

    from defiliq.types import Listing

_BLOCKS = re.compile(r"(?P<first>-?[0-9]{1,18})?:(?P<last>[0-9]{1,18}|latest|safe|finalized)?")


class Blocks(NamedTuple):
    """A range of blocks, both ends included."""

    first: int
    """Below zero: so many up to the last."""
    last: int | str


@click.command(short_help="Liquidations that happened.")
@log_options
@click.option(
    "--blocks",
    required=True,
    metavar="A:B",
    help="Both included. 21000000:21010000, 21000000: up to the newest, -50000: for the last 50,000.",
)
@click.option(
    "--by",
    type=click.Choice(["event", "day"]),
    default="event",
    show_default=True,
    help="Rows as data: one per liquidation, or one per 24 hours back from the end.",
)
@click.option(
    "--top",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="How many of the largest to show on a terminal.",
)
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def events(
    ctx: click.Context,
    source: Source,
    blocks: str,
    by: str,
    top: int,
    output: str | None,
    shape: str | None,
) -> None:
    """Every liquidation that happened in some blocks, from the logs, with exact amounts.

    Money is at the oracle's prices after the block of each liquidation, so a node that has no state of old
    blocks leaves it out. dYdX v4 needs a CometBFT endpoint, http://host:port. What a search found before it
    failed is kept, with exit code 3.
    """
    require_format(output, TABLES)
    span = parse_blocks(blocks)
    from defiliq.cli.sources import listings
    from defiliq.ladder import joined

    talk = Talk(quiet=source.quiet)
    markets = listings(source)
    tables = [happened(listing, source, span, talk) for listing in markets]
    table = joined(tables)
    since = min(one.attrs["first_at"] for one in tables) - 1
    until = max(one.attrs["covered_at"] for one in tables)
    data = table if by == "event" else _by_day(table, since, until, _searched(markets, tables))
    if output is not None:
        write_output(data, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        _show(table, data, since, until, top)
    elif output is None or shape is not None:
        print_table(data, default_shape(shape))
    if any(one.attrs["stopped"] or one.attrs["unpriced"] for one in tables):
        ctx.exit(INCOMPLETE)


def parse_blocks(text: str) -> Blocks:
    """--blocks as two ends."""
    found = _BLOCKS.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(
            f"{text!r} is no range of blocks. Write A:B, such as 21000000:21010000 or -50000:latest.",
            param_hint="'--blocks'",
        )
    first = int(found["first"]) if found["first"] else 0
    last = found["last"] or "latest"
    ends = Blocks(first, int(last) if last.isdecimal() else last)
    if isinstance(ends.last, int) and first > ends.last:
        raise click.BadParameter(f"{text!r} ends before it begins.", param_hint="'--blocks'")
    return ends


def happened(listing: Listing, source: Source, span: Blocks, talk: Talk) -> pd.DataFrame:
    """One market's liquidations, and a line on what was searched."""
    from defiliq.cli.sources import node_for
    from defiliq.pipeline.events import events as find

    with ExitStack() as stack:
        node = node_for(listing.protocol, listing.chain_id, listing.endpoint, source, stack)
        talk.say(f"Searching {listing.protocol} {listing.name} on {node.label}")
        with talk.progress("Searching") as tell:

            def told(done: int, total: int, found: int) -> None:
                tell(done, total, f"blocks, {found} liquidations")

            table = find(node, listing, *span, concurrency=source.concurrency, on_progress=told)
    _say(table, talk)
    return table


def _say(table: pd.DataFrame, talk: Talk) -> None:
    about = table.attrs
    if about["first"] > about["last"]:
        talk.say(f"the market begins at block {about['first']}, after all of these")
        return
    talk.say(f"liquidations in blocks {about['first']} to {about['covered']}: {len(table)}")
    if about["stopped"]:
        talk.warn(
            f"INCOMPLETE: the search stopped after block {about['covered']} of {about['last']}: "
            f"{about['stopped']} What was found is kept."
        )
    if about["unpriced"]:
        talk.warn(
            f"INCOMPLETE: {about['unpriced']} of {len(table)} liquidations are without money, "
            f"such as for this reason: {about['unpriced_because']}"
        )


def _by_day(table: pd.DataFrame, since: int, until: int, searched: pd.DataFrame) -> pd.DataFrame:
    from defiliq.ladder import headed
    from defiliq.model.days import daily_metrics, day_table
    from defiliq.view.events import base_symbol_of

    return headed(day_table(daily_metrics(table, since, until), base_symbol_of(table)), searched)


def _searched(markets: Sequence[Listing], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Which markets were searched, up to which block; their versions as the liquidations have them."""
    import pandas as pd

    rows = [
        {
            "chain_id": market.chain_id,
            "block_number": table.attrs["covered"],
            "block_hash": table.attrs["covered_hash"],
            "protocol": market.protocol,
            "market": market.name,
            "version": version,
        }
        for market, table in zip(markets, tables, strict=True)
        for version in (table["version"].unique() if len(table) else [market.version])
    ]
    return pd.DataFrame(rows)


def _show(table: pd.DataFrame, data: pd.DataFrame, since: int, until: int, top: int) -> None:
    from defiliq.model.days import last_day
    from defiliq.model.metrics import liquidation_metrics
    from defiliq.view.events import print_days, print_events

    is_by_day = data is not table
    whole = liquidation_metrics(table, since, until)
    print_events(table, whole, last_day(table, since, until), 0 if is_by_day else top)
    if is_by_day:
        print_days(data)
