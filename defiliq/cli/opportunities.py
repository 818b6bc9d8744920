"""`defiliq opportunities`: what liquidations near spot leave to whoever does them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from defiliq.cli.cost_options import CostOptions, cost_options
from defiliq.cli.options import Axes, Source, axes_options, format_option, output_option, source_options
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

    from defiliq.cli.sources import Opened
    from defiliq.pipeline.cost_terms import CostTerms


SEARCHED = 10
"""Rows whose break-even and peak are searched without --all-prices."""


@click.command(short_help="What liquidations net, the best first.")
@source_options
@axes_options
@click.option(
    "--within",
    default="10%",
    show_default=True,
    metavar="PCT",
    help="Levels so near to spot; who is liquidatable already is always in.",
)
@click.option(
    "--min-profit-usd", type=float, metavar="X", help="Leave out what nets less, or is not known to net it."
)
@click.option(
    "--all-prices", is_flag=True, help="Search the break-even and the peak of every row, not of 10."
)
@cost_options
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def opportunities(
    ctx: click.Context,
    source: Source,
    axes: Axes,
    cost: CostOptions,
    within: str,
    min_profit_usd: float | None,
    all_prices: bool,
    output: str | None,
    shape: str | None,
) -> None:
    """What each liquidation near spot leaves to whoever does it, ranked by net profit.

    At each account's level: the pair of legs that pays best, the largest repayment, the bonus after the
    protocol's fee, less gas (as measured, at the next block's base fee), flash loan and what selling the
    collateral into real pools costs. For the best rows also the price at which it begins to pay (break-even)
    and at which it pays most (peak). Compound III: absorb, then the storefront. dYdX v4: what the insurance
    fund gains or pays, for nobody else earns.

    Where something is not known, neither is the net, and `lacks` says why. From a snapshot, give pools as
    --exit WETH/USDC=file:PATH (see `defiliq depth --save`), --gas-gwei and --flash.
    """
    require_format(output, TABLES)
    from defiliq.cli.ladder import parse_percent
    from defiliq.cli.sources import opened

    within_pct, terms = parse_percent(within, "--within"), cost.terms()
    talk, top = Talk(quiet=source.quiet), None if all_prices else SEARCHED
    with opened(source, talk) as markets:
        tables = [_valued(m, axes, terms, within_pct, min_profit_usd, top, talk) for m in markets]
        incomplete = any(market.book.failed for market in markets)
    incomplete |= any(table.attrs[name] for table in tables for name in ("unresolved", "unread_pools"))
    from defiliq.pipeline.opportunities import ranked

    _show(ranked(tables), output, shape, talk)
    if incomplete:
        ctx.exit(INCOMPLETE)


def _valued(
    market: Opened,
    axes: Axes,
    terms: CostTerms,
    within_pct: float,
    min_profit_usd: float | None,
    top: int | None,
    talk: Talk,
) -> pd.DataFrame:
    """One market's opportunities, and what should be said of them."""
    from defiliq.cli.sources import describe
    from defiliq.pipeline.opportunities import opportunities as find

    describe(market.book, talk)
    with talk.progress("Solving") as tell:
        table = find(
            market.book,
            market.node,
            terms,
            within_pct=within_pct,
            driver=axes.drivers,
            side=axes.side,
            groups=axes.groups,
            min_profit_usd=min_profit_usd,
            searched=top,
            on_progress=lambda done, total: tell(done, total, "accounts"),
        )
    below, beyond = table.attrs["below"], table.attrs["beyond"]
    talk.say(f"{len(table) + below} levels within {within_pct:g}% of spot, {beyond} further away")
    if below:
        talk.say(f"{below} of them are left out: they net less than asked for, or are not known to net it")
    for remark in table.attrs["remarks"] if len(table) else ():
        talk.say(f"Note: {remark}")
    unknown = table[table["net_usd"].isna()]
    if len(unknown):
        talk.say(f"The net of {len(unknown)} is not known, such as: {unknown['lacks'].iloc[0]}")
    for address, reason in table.attrs["unread_pools"].items():
        talk.warn(f"INCOMPLETE: pool {address} is left out: {reason}")
    talk.warn_of_unresolved(table.attrs["unresolved"])
    return table


def _show(table: pd.DataFrame, output: str | None, shape: str | None, talk: Talk) -> None:
    if output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        from defiliq.view.opportunities import print_opportunities

        print_opportunities(table)
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))
