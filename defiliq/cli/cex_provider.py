"""`defiliq cex providers` and `defiliq cex provider`: other people's data, with a key of your own."""

from __future__ import annotations

import time
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
from defiliq.cli.times import seconds_of

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.cex.history import History

KINDS = ("history", "liquidations", "levels", "heatmap", "funding")


@click.command(short_help="Other providers of such data.")
@format_option(SHAPES)
def providers(shape: str | None) -> None:
    """Who else publishes such data, what each offers, and the variables that hold your key. None is asked."""
    import os

    import pandas as pd

    from defiliq.cex.providers import providers as known

    table = pd.DataFrame(
        [
            {
                "provider": one.name,
                "offers": " ".join(one.offers),
                "keys": " ".join(one.variables),
                "keys_are_set": all(os.environ.get(name, "").strip() for name in one.variables),
                "docs": one.docs_url,
            }
            for one in known()
        ]
    )
    if default_shape(shape) == "table":
        click.echo(table.to_string(index=False))
    else:
        print_table(table, default_shape(shape))


@click.command(short_help="Ask one of them.")
@click.argument("name")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("asset")
@click.option("--venue", metavar="V", help="Of which exchange, where the provider has several.")
@click.option("--span", default="7d", show_default=True, metavar="T", help="How far back.")
@click.option("--candles", default="1h", show_default=True, metavar="T", help="How long an interval is.")
@click.option("--base-url", metavar="URL", help="Ask here instead, such as a proxy of your own.")
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def provider(
    ctx: click.Context,
    name: str,
    kind: str,
    asset: str,
    venue: str | None,
    span: str,
    candles: str,
    base_url: str | None,
    output: str | None,
    shape: str | None,
) -> None:
    """Rows of NAME, one of `defiliq cex providers`, on the columns of everything else here.

    Keys are read from the environment, and are neither printed nor kept. Their levels are their estimates.
    """
    require_format(output, TABLES)
    from defiliq.cex.history import History
    from defiliq.cex.providers import fetch

    until_at = int(time.time())
    found = fetch(
        name,
        kind,  # type: ignore[arg-type]
        asset.upper(),
        until_at - seconds_of(span, "--span"),
        until_at,
        seconds_of(candles, "--candles"),
        base_url=base_url,
        venue=venue,
    )
    talk = Talk(quiet=False)
    faults = found.faults if isinstance(found, History) else ()
    for fault in faults:
        talk.warn(f"INCOMPLETE: {name}: {fault}")
    table = _rows(found) if isinstance(found, History) else found
    if output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        click.echo(table.to_string(index=False))
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))
    if faults:
        ctx.exit(INCOMPLETE)


def _rows(history: History) -> pd.DataFrame:
    """One row per candle."""
    import pandas as pd

    columns = (
        *("at", "open_usd", "high_usd", "low_usd", "close_usd", "volume_usd", "open_interest"),
        *("taker_buy_share", "funding_rate", "long_short_ratio"),
    )
    return pd.DataFrame({name: getattr(history, name) for name in columns})
