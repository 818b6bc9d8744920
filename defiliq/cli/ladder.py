"""`defiliq ladder`: who breaks where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from defiliq.cli.horizon import horizon_option
from defiliq.cli.options import Axes, Source, axes_options, format_option, output_option, source_options
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

    from defiliq.book import Book


@click.command(short_help="Every account at its liquidation price.")
@source_options
@axes_options
@click.option("--bin", "step", metavar="PCT", help="Sum the rungs in price buckets this wide, such as 1%.")
@click.option("--all", "include_never", is_flag=True, help="List accounts that no price breaks, too.")
@click.option(
    "--eta",
    "with_eta",
    is_flag=True,
    help="Say when interest alone breaks each account, too; not with --bin.",
)
@horizon_option
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def ladder(
    ctx: click.Context,
    source: Source,
    axes: Axes,
    step: str | None,
    include_never: bool,
    with_eta: bool,
    horizon_s: int,
    output: str | None,
    shape: str | None,
) -> None:
    """Every account at its exact liquidation price, along one driver or all of them."""
    require_format(output, TABLES)
    require_use(ctx, "horizon_s", is_used=with_eta, needed="--eta")
    require_use(ctx, "with_eta", is_used=step is None, needed="rungs: leave out --bin")
    step_pct = None if step is None else parse_percent(step)
    from defiliq.cli.sources import opened

    talk = Talk(quiet=source.quiet)
    with opened(source, talk) as markets:
        tables = [_rungs(market.book, axes, include_never, talk) for market in markets]
        if with_eta:
            tables = [
                _timed(table, m.book, horizon_s, talk) for table, m in zip(tables, markets, strict=True)
            ]
        incomplete = any(market.book.failed for market in markets)
        left_out = ("unresolved", "unresolved_eta", "unknown_eta")
        incomplete |= any(table.attrs.get(name) for table in tables for name in left_out)
    from defiliq.ladder import joined

    _show(joined(tables), step_pct, output, shape, talk)
    if incomplete:
        ctx.exit(INCOMPLETE)


def _rungs(book: Book[Any], axes: Axes, include_never: bool, talk: Talk) -> pd.DataFrame:
    """One market's ladder, and a line on what it holds."""
    from defiliq.cli.sources import describe
    from defiliq.pipeline.judge import ladder as find_rungs

    describe(book, talk)
    with talk.progress("Solving") as tell:
        table = find_rungs(
            book,
            axes.drivers,
            axes.side,
            axes.groups,
            include_never=include_never,
            on_progress=lambda done, total: tell(done, total, "accounts"),
        )
    already = int((table["outcome"] == "already").sum())
    priced = int((table["outcome"] == "price").sum())
    never = sum(table.attrs["never"].values())
    names = ", ".join(table.attrs["never"])
    per_driver = "; an account counts once per driver" if len(table.attrs["never"]) > 1 else ""
    talk.say(f"{priced} rungs, {already} already liquidatable, {never} never, along {names}{per_driver}")
    if table.attrs["idle"]:
        talk.say(f"no level for anyone on {', '.join(table.attrs['idle'])}")
    talk.warn_of_unresolved(table.attrs["unresolved"])
    return table


def _timed(rungs: pd.DataFrame, book: Book[Any], horizon_s: int, talk: Talk) -> pd.DataFrame:
    """A market's ladder with the instants at which interest alone breaks its accounts."""
    from defiliq.pipeline.eta import with_eta

    with talk.progress("Accruing") as tell:
        table = with_eta(
            rungs,
            book,
            horizon_s,
            on_progress=lambda done, total: tell(done, total, "accounts"),
        )
    talk.warn_of_unresolved_etas(table.attrs["unresolved_eta"])
    talk.warn_of_unknown_etas(table.attrs["unknown_eta"])
    return table


def _show(
    rungs: pd.DataFrame, step_pct: float | None, output: str | None, shape: str | None, talk: Talk
) -> None:
    """The rungs or their buckets, in a file or on stdout."""
    from defiliq.ladder import bin_ladder
    from defiliq.view.rungs import print_chart, print_rungs

    table = rungs if step_pct is None else bin_ladder(rungs, step_pct)
    if output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        print_chart(rungs, step_pct)
        print_rungs(table)
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))


def parse_percent(text: str, option: str = "--bin") -> float:
    """A width such as 1% or 0.5 as a number of percent."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 1000:
        raise click.BadParameter(
            f"{text!r} is no width. Write a percentage such as 1%.", param_hint=f"'{option}'"
        )
    return value
