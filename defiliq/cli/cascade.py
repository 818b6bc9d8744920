"""`defiliq cascade`: what a shock leads to, round by round."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from defiliq.cli.clusters import say_untold
from defiliq.cli.depth_options import Depths, depth_options
from defiliq.cli.ladders import Ladders, Lens, along_shocks, driver_options, opened_ladders
from defiliq.cli.options import Source, format_option, output_option, source_options
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
from defiliq.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.model.cascade import Cascade, OracleRule

PICTURES = ".png .svg"
STEPS = 50
_DEVIATION = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%?")
_DOLLARS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,6})?")
_PERCENT = re.compile(r"[+-][0-9]{1,6}(?:\.[0-9]{1,9})?%")


@click.command(short_help="What a shock leads to, round by round.")
@source_options
@driver_options
@depth_options
@click.option(
    "--shock",
    "shocks",
    multiple=True,
    metavar="MOVE",
    help="-10% of the driver, or DRIVER=-10%, DRIVER=2400. Repeatable for several drivers.",
)
@click.option("--sweep", is_flag=True, help="Many shocks instead: -1% to -50% and +1% to +50%.")
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    default=STEPS,
    show_default=True,
    metavar="N",
    help="Shocks of the sweep in each direction.",
)
@click.option(
    "--deviation",
    metavar="PCT",
    help="Oracles follow once they are so far off, such as 0.5%.  [default: each its own; else every move]",
)
@click.option(
    "--heartbeat",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Oracles follow at the latest after so long; with --deviation.",
)
@click.option(
    "--round-time",
    "round_s",
    type=click.IntRange(0),
    default=12,
    show_default=True,
    metavar="SECONDS",
    help="From one round to the next, for heartbeats.",
)
@click.option(
    "--insurance-fund",
    metavar="USD",
    help="Dollars in dYdX v4's common insurance fund, or unlimited.  [default: as read; else unlimited]",
)
@click.option("--by", type=click.Choice(["round", "market"]), help="Rows as data.  [default: round]")
@output_option(f"{TABLES}, or a picture: {PICTURES}")
@format_option(SHAPES)
@click.pass_context
def cascade(
    ctx: click.Context,
    source: Source,
    lens: Lens,
    depths: Depths,
    shocks: tuple[str, ...],
    sweep: bool,
    steps: int,
    deviation: str | None,
    heartbeat: int | None,
    round_s: int,
    insurance_fund: str | None,
    by: str | None,
    output: str | None,
    shape: str | None,
) -> None:
    """What a shock leads to: liquidations are sold, the price falls, oracles follow, more accounts break.

    Every account is liquidated by its protocol's own law, to the wei, as often as that allows; of a ladder
    file (--from) each rung gives its first call only. What is seized less what is repaid is traded along the
    driver into the depth that is given. Nobody reacts, refills the depth, or pays interest.

    A depth that runs dry ends a cascade: what could not be traded is told, and the exit code is 0. It is 3
    where accounts or sizes are missing, or more rounds may follow.
    """
    require_format(output, f"{TABLES} {PICTURES}")
    _require_uses(ctx, is_sweep=sweep, has_deviation=deviation is not None)
    require_one_kind(shocks, sweep=sweep)
    check_shocks(shocks)
    depths.check(source, needed="a cascade")
    rule, fund = oracle_rule(deviation, heartbeat), fund_dollars(insurance_fund)
    talk = Talk(quiet=source.quiet)
    with opened_ladders(source, along_shocks(lens, shocks), talk) as ladders:
        untold = ladders.untold()
        say_untold(untold, talk)
        incomplete = ladders.incomplete or bool(untold)
        if sweep:
            _sweep(ladders, depths, steps, rule, round_s, output, shape, talk)
        else:
            told = funded(ladders, fund) if insurance_fund else ladders
            found = _simulated(told, depths, shocks, rule, round_s)
            _show(ladders, found, by, output, shape, talk)
            incomplete |= found.ended == "round limit"
    if incomplete:
        ctx.exit(INCOMPLETE)


def _require_uses(ctx: click.Context, *, is_sweep: bool, has_deviation: bool) -> None:
    """Refuse options that would do nothing."""
    require_use(ctx, "steps", is_used=is_sweep, needed="--sweep")
    require_use(ctx, "heartbeat", is_used=has_deviation, needed="--deviation")
    for option in ("insurance_fund", "by"):
        require_use(ctx, option, is_used=not is_sweep, needed="--shock")


def require_one_kind(shocks: tuple[str, ...], *, sweep: bool) -> None:
    """Refuse both a shock and a sweep, and neither."""
    if sweep == bool(shocks):
        raise click.UsageError("Give either a --shock such as -10%, or --sweep.")


def check_shocks(texts: tuple[str, ...]) -> None:
    """Refuse moves that nobody can read, or that leave no price, before any market is read."""
    from defiliq.pipeline.shocks import parse_shock

    for text in texts:
        if _PERCENT.fullmatch(text.strip()) is None:
            parse_shock(text)
        elif Fraction(text.strip().removesuffix("%")) <= -100:
            raise InputError(f"{text!r} leaves no price. A driver falls by less than 100%.")


def named_shocks(texts: tuple[str, ...], driver: str) -> list[str]:
    """Moves with the driver that those without a name are of."""
    return [f"{driver}={text}" if _PERCENT.fullmatch(text.strip()) else text for text in texts]


def oracle_rule(deviation: str | None, heartbeat: int | None) -> OracleRule | None:
    """The rule that all oracles are to keep; None where each keeps its own."""
    from defiliq.model.cascade import OracleRule

    if deviation is None:
        return None
    found = _DEVIATION.fullmatch(deviation.strip())
    bps = Fraction(-1) if found is None else Fraction(found[1]) * 100
    if not 0 <= bps <= 10_000 or bps.denominator != 1:
        raise click.BadParameter(
            f"{deviation!r} is no deviation. Write a percentage in hundredths, such as 0.5%.",
            param_hint="'--deviation'",
        )
    return OracleRule(int(bps), heartbeat)


def fund_dollars(text: str | None) -> Fraction | None:
    """Dollars in a fund; None where it is to pay always, or nothing is said of it."""
    if text is None or text.strip().lower() == "unlimited":
        return None
    if _DOLLARS.fullmatch(text.strip()) is None:
        raise click.BadParameter(
            f"{text!r} is no amount. Write dollars, such as 5000000, or unlimited.",
            param_hint="'--insurance-fund'",
        )
    return Fraction(text.strip())


def funded(ladders: Ladders, dollars: Fraction | None) -> Ladders:
    """The same with so much in the insurance funds of their books."""
    from defiliq.pipeline.cascade import with_insurance_fund

    return replace(ladders, books=with_insurance_fund(ladders.books, dollars))


def _simulated(
    ladders: Ladders,
    depths: Depths,
    shocks: tuple[str, ...],
    rule: OracleRule | None,
    round_s: int,
) -> Cascade:
    from defiliq.pipeline.cascade import cascade as run

    moves = named_shocks(shocks, ladders.driver)
    return run(ladders.of, moves, depths.of(ladders), round_s=round_s, rule=rule)


def _show(
    ladders: Ladders, found: Cascade, by: str | None, output: str | None, shape: str | None, talk: Talk
) -> None:
    from defiliq.view.cascade import print_cascade, summary_lines

    table = found.markets if by == "market" else found.rounds
    if output is not None and Path(output).suffix.lower() in PICTURES.split():
        from defiliq.view.cascade_charts import draw_cascade
        from defiliq.view.chart_frame import caption_of
        from defiliq.view.charts import write_picture

        heat = ladders.heat()
        caption = caption_of(f"Cascade along {heat.driver}", heat.sources, summary_lines(found)[:3])
        talk.say(f"Wrote {write_picture(draw_cascade(found, caption, heat.base_symbol), output)}")
    elif output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        print_cascade(found)
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))


def _sweep(
    ladders: Ladders,
    depths: Depths,
    steps: int,
    rule: OracleRule | None,
    round_s: int,
    output: str | None,
    shape: str | None,
    talk: Talk,
) -> None:
    from defiliq.model.cascade import frontier
    from defiliq.pipeline.cascade import sweep

    far = [Fraction(50 * k, steps) for k in range(1, steps + 1)]
    with talk.progress("Sweeping") as tell:
        table = sweep(
            ladders.of,
            ladders.driver,
            [*(-pct for pct in reversed(far)), *far],
            depths.of(ladders),
            round_s=round_s,
            rule=rule,
            on_progress=lambda done, total: tell(done, total, "shocks"),
        )
    _show_sweep(ladders, table, frontier(table), output, shape, talk)


def _show_sweep(
    ladders: Ladders,
    table: pd.DataFrame,
    beyond: tuple[float | None, float | None],
    output: str | None,
    shape: str | None,
    talk: Talk,
) -> None:
    if output is not None and Path(output).suffix.lower() in PICTURES.split():
        from defiliq.view.cascade_charts import draw_sweep
        from defiliq.view.chart_frame import caption_of
        from defiliq.view.charts import write_picture

        heat = ladders.heat()
        caption = caption_of(f"Shocks of {heat.driver}", heat.sources)
        talk.say(f"Wrote {write_picture(draw_sweep(table, caption, heat.driver, heat.base_symbol), output)}")
    elif output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        from defiliq.view.cascade import print_sweep

        print_sweep(table, *beyond, ladders.driver)
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))
