"""`defiliq cex`: what is estimated of centralised exchanges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from defiliq.cli.cex_backtest import backtest
from defiliq.cli.cex_follow import Draw, follow_levels
from defiliq.cli.cex_margin import price, tiers
from defiliq.cli.cex_provider import provider, providers
from defiliq.cli.clusters import Threshold, share_options
from defiliq.cli.exchange_options import (
    Guess,
    VenueSource,
    assumptions_of,
    estimates_of,
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
    require_use,
    write_output,
)
from defiliq.cli.talk import Talk

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.cex.compare import Comparison
    from defiliq.cex.levels import Estimate
    from defiliq.model.clusters import Cluster
    from defiliq.pipeline.exchanges import Exchanges

PICTURES = ".png .svg"
Way: TypeAlias = Literal["density", "by side"]
"""How an estimate over time is coloured."""


class _LevelsByDefault(click.Group):
    """A group whose first word may be an asset: `cex BTC` is `cex levels BTC`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in where none is named."""
        is_plain = bool(args) and args[0] not in self.commands and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["levels", *args] if is_plain else args)


@click.group(cls=_LevelsByDefault, short_help="Estimates for centralised exchanges.")
def cex() -> None:
    """What centralised exchanges would liquidate at which price, estimated: they publish no positions.

    `defiliq cex BTC` is short for `defiliq cex levels BTC`. docs/cex.md says what is known of an estimate and
    what is assumed, and how well it did where the truth is known.
    """


@click.command(short_help="Estimated liquidation levels of an asset.")
@click.argument("asset")
@venue_options("--from")
@guess_options
@share_options
@click.option(
    "--over-time", is_flag=True, help="With -o FILE.png: how the estimate came about, time by price."
)
@click.option("--by-side", is_flag=True, help="With --over-time: longs in blue, shorts in red.")
@click.option(
    "--follow",
    is_flag=True,
    help="With --live: again every minute, every 15 s while the price moves more than 2.5% a minute. Redraws "
    "a terminal; else each round's rows are JSON lines.",
)
@click.option("--rounds", type=click.IntRange(1), metavar="N", help="With --follow: end after so many.")
@output_option(f"{TABLES}, or a picture: {PICTURES}")
@format_option(SHAPES)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.pass_context
def levels(
    ctx: click.Context,
    asset: str,
    venue_source: VenueSource,
    guess: Guess,
    threshold: Threshold,
    over_time: bool,
    by_side: bool,
    follow: bool,
    rounds: int | None,
    output: str | None,
    shape: str | None,
    quiet: bool,
) -> None:
    """Estimated liquidation levels of ASSET, such as BTC, per exchange: dollars as a band, and a score.

    Longs and shorts are opened as open interest grows, at the leverages of each prior, and die when the price
    trades through. What is not explained of the open interest is told as coverage.
    """
    require_format(output, f"{TABLES} {PICTURES}")
    is_picture = output is not None and Path(output).suffix.lower() in PICTURES.split()
    require_use(ctx, "over_time", is_used=is_picture, needed="-o FILE.png")
    require_use(ctx, "by_side", is_used=over_time, needed="--over-time")
    require_use(ctx, "rounds", is_used=follow, needed="--follow")
    assumptions_of(guess)
    talk = Talk(quiet=quiet)
    if follow:
        draw = _drawing(output, shape, venue_source, threshold)
        ctx.exit(follow_levels(asset, venue_source, guess, rounds, draw, talk))
    found = read_venues(asset, venue_source, talk)
    made, is_incomplete = estimates_of(found, guess, talk)
    way: Way | None = ("by side" if by_side else "density") if over_time else None
    _show(found, made, guess, threshold, output, shape, talk, way)
    if is_incomplete:
        ctx.exit(INCOMPLETE)


def _drawing(
    output: str | None, shape: str | None, venue_source: VenueSource, threshold: Threshold
) -> Draw | None:
    """How rounds are shown on a screen; None where they are rows. Files hold no rounds."""
    if output is not None or venue_source.save is not None or shape == "csv":
        raise click.UsageError(
            "--follow writes to a terminal, or JSON lines to stdout: no -o, --save or CSV."
        )
    if default_shape(shape) != "table":
        return None
    return lambda found, made: _print(found, list(made), threshold)


def _show(
    found: Exchanges,
    made: list[Estimate],
    guess: Guess,
    threshold: Threshold,
    output: str | None,
    shape: str | None,
    talk: Talk,
    way: Way | None,
) -> None:
    """A picture, rows in a file, bars on a terminal, or rows on stdout."""
    rows = _rows(made)
    if output is not None and Path(output).suffix.lower() in PICTURES.split():
        _draw(found, made, guess, threshold, output, talk, way)
    elif output is not None:
        write_output(rows, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        _print(found, made, threshold)
    elif output is None or shape is not None:
        print_table(rows, default_shape(shape))


def _draw(
    found: Exchanges,
    made: list[Estimate],
    guess: Guess,
    threshold: Threshold,
    output: str,
    talk: Talk,
    way: Way | None,
) -> None:
    """One moment with its band, all contracts added up; or one contract's way there."""
    from defiliq.cex.together import together
    from defiliq.view.cex_charts import draw_estimate
    from defiliq.view.cex_over_time import draw_estimate_over_time
    from defiliq.view.charts import write_picture

    whole = together(made)
    if way is not None:
        from defiliq.pipeline.exchanges import over_time_of

        if len(made) > 1:
            names = ", ".join(f"{one.instrument.venue} {one.instrument.symbol}" for one in made)
            raise click.UsageError(
                f"--over-time shows one contract, and here are {names}. Choose with --venue and --contracts."
            )
        history = next(one.history for one in found.data if one.history.instrument == made[0].instrument)
        moments = over_time_of(history, assumptions_of(guess, found))
        figure = draw_estimate_over_time(
            moments, whole, within_pct=threshold.within_pct, by_side=way == "by side"
        )
    else:
        figure = draw_estimate(whole, _clusters(whole, threshold), within_pct=threshold.within_pct)
    talk.say(f"Wrote {write_picture(figure, output)}")


def _print(found: Exchanges, made: list[Estimate], threshold: Threshold) -> None:
    """All contracts added up, and beside them what else is known of each."""
    from defiliq.cex.together import together
    from defiliq.pipeline.beside import beside
    from defiliq.view.cex_compare import print_signals
    from defiliq.view.cex_terminal import print_estimate

    whole = together(made)
    print_estimate(whole, _clusters(whole, threshold), threshold.within_pct)
    print_signals(beside(venues_alone(made, threshold), made, found.data))


def venues_alone(made: list[Estimate], threshold: Threshold) -> Comparison:
    """The exchanges beside each other, without the chain."""
    from defiliq.cex.compare import compare

    return compare(
        None, made, within_pct=threshold.within_pct, min_share_pct=threshold.min_share_pct, by="distance"
    )


def _clusters(estimate: Estimate, threshold: Threshold) -> tuple[Cluster, ...]:
    """The clusters of the middle prior."""
    from defiliq.model.clusters import find_clusters

    return find_clusters(
        estimate.heat(), within_pct=threshold.within_pct, min_share_pct=threshold.min_share_pct
    )


def _rows(made: list[Estimate]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([one.table() for one in made], ignore_index=True)


for _command in (levels, backtest, price, tiers, providers, provider):
    cex.add_command(_command)
