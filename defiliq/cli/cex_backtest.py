"""`defiliq cex backtest`: estimates of before, held against what was liquidated after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from defiliq.cli.exchange_options import (
    Guess,
    VenueSource,
    assumptions_of,
    guess_options,
    read_venues,
    venue_options,
)
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
from defiliq.errors import InputError

if TYPE_CHECKING:
    from defiliq.cex.backtest import Backtest, BacktestSettings

PICTURES = ".png .svg"
On = Literal["days", "prices", "both"]
ASSET_AT_PRICES = "BTC"
"""What is looked at where liquidations have prices and no asset is named."""


@click.command(short_help="How much better than chance estimates are.")
@click.argument("assets", nargs=-1)
@click.option(
    "--on",
    type=click.Choice(["days", "prices", "both"]),
    default="both",
    show_default=True,
    help="The bundled real days of 2022 and 2023, or liquidations with prices: the sample's, a file's, "
    "or those of --live.",
)
@click.option("--horizon", "horizons", multiple=True, metavar="T", help="How long after.  [default: 1d]")
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Levels named per side.")
@click.option(
    "--tolerance-pct",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    default=0.25,
    show_default=True,
    metavar="PCT",
    help="How near a level a liquidation is one of it.",
)
@click.option("--peers", is_flag=True, help="Hold what public heatmap projects do against the same.")
@venue_options("--from")
@guess_options
@output_option(f"{TABLES} (every score), or a picture: {PICTURES}")
@format_option(SHAPES)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.pass_context
def backtest(
    ctx: click.Context,
    assets: tuple[str, ...],
    on: On,
    horizons: tuple[str, ...],
    top: int,
    tolerance_pct: float,
    peers: bool,
    venue_source: VenueSource,
    guess: Guess,
    output: str | None,
    shape: str | None,
    quiet: bool,
) -> None:
    """What estimates of ASSETS named beforehand, against what was liquidated after; no look ahead.

    The baseline that counts is `elsewhen`: the same estimator's levels of other times, laid at the same
    distances from spot. A lift of 1, or a gain of 0, is no better. Brackets hold 95% of resampled histories.
    """
    require_format(output, f"{TABLES} {PICTURES}")
    from defiliq.cex.backtest import BacktestSettings, joined

    settings = BacktestSettings(
        horizons_s=tuple(seconds_of(text, "--horizon") for text in horizons or ("1d",)),
        ks=(top,),
        tolerances_pct=(tolerance_pct,),
    )
    talk = Talk(quiet=quiet)
    parts = []
    if on != "prices":
        parts.append(_on_days(assets, guess, settings, talk, is_strict=on == "days", peers=peers))
    if on != "days":
        named = assets or (ASSET_AT_PRICES,)
        is_strict = on == "prices" or not any(part.scores for part in parts)
        parts += _at_prices(named, venue_source, guess, settings, talk, is_strict=is_strict, peers=peers)
    found = joined(parts)
    for fault in found.faults:
        talk.warn(f"INCOMPLETE: {fault}")
    _show(found, output, shape, talk)
    if found.faults:
        ctx.exit(INCOMPLETE)


def _on_days(
    assets: tuple[str, ...],
    guess: Guess,
    settings: BacktestSettings,
    talk: Talk,
    *,
    is_strict: bool,
    peers: bool,
) -> Backtest:
    """The bundled real days; where both tests run, assets that have none are named and left to the other."""
    from defiliq.cex.backtest import Backtest
    from defiliq.cex.daily import daily_assets
    from defiliq.pipeline.backtesting import PEERS, backtest_on_days
    from defiliq.pipeline.exchanges import Exchanges

    known = daily_assets()
    wanted = [asset for asset in assets if is_strict or asset.upper() in known]
    for asset in assets:
        if asset not in wanted:
            talk.say(f"No real days of {asset} are bundled: left to the other test")
    if assets and not wanted:
        return Backtest((), ())
    assumptions = assumptions_of(guess, Exchanges((), ()))
    return backtest_on_days(wanted, assumptions, settings, PEERS if peers else ())


def _at_prices(
    assets: tuple[str, ...],
    venue_source: VenueSource,
    guess: Guess,
    settings: BacktestSettings,
    talk: Talk,
    *,
    is_strict: bool,
    peers: bool,
) -> list[Backtest]:
    """Liquidations with prices, asset by asset; where both tests run, one without is named and left out."""
    from defiliq.cex.backtest import Backtest
    from defiliq.pipeline.backtesting import PEERS, backtest_at_prices

    found = []
    for asset in assets:
        try:
            read = read_venues(asset, venue_source, talk)
        except InputError as error:
            if is_strict:
                raise
            talk.say(f"Left to the other test: {error}")
            continue
        histories = [one.history for one in read.data]
        one = backtest_at_prices(
            histories,
            assumptions_of(guess, read),
            settings,
            PEERS if peers else (),
            dataset=", ".join(dict.fromkeys(history.source for history in histories)),
        )
        lacking = tuple(f"without {each.name}: {each.error}" for each in read.missing)
        found.append(Backtest(one.scores, (*one.faults, *lacking)))
    return found


def _show(found: Backtest, output: str | None, shape: str | None, talk: Talk) -> None:
    """A picture, rows in a file, tables on a terminal, or rows on stdout."""
    table = found.table()
    if output is not None and Path(output).suffix.lower() in PICTURES.split():
        from defiliq.view.cex_backtest import draw_backtest
        from defiliq.view.cex_backtest_tables import primary
        from defiliq.view.charts import write_picture

        talk.say(f"Wrote {write_picture(draw_backtest(primary(table)), output)}")
    elif output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        from defiliq.view.cex_backtest_tables import print_backtest

        print_backtest(table)
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))
