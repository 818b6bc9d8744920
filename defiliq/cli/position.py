"""`defiliq position`: one owner explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from defiliq.cli.horizon import horizon_option
from defiliq.cli.options import Axes, Source, axes_options, format_option, output_option, source_options
from defiliq.cli.printing import INCOMPLETE, TABLES, print_table, require_format, write_output, write_text
from defiliq.cli.talk import Talk
from defiliq.errors import ReadError

if TYPE_CHECKING:
    from defiliq.pipeline.position import Position
    from defiliq.types import Liquidation, Market, Seizure, Untold


@click.command(short_help="Explain one account.")
@click.argument("address")
@source_options
@axes_options
@horizon_option
@output_option(TABLES)
@format_option(("text", "csv", "json"))
@click.pass_context
def position(
    ctx: click.Context,
    address: str,
    source: Source,
    axes: Axes,
    horizon_s: int,
    output: str | None,
    shape: str | None,
) -> None:
    """Explain one account: legs, health, what breaks it first, and what a liquidator could take.

    Its level on every driver is listed, the nearest first, and the instant at which interest alone breaks it.

    JSON holds all of it; the other formats hold the levels.
    """
    require_format(output, TABLES)
    from defiliq.cli.sources import opened_one
    from defiliq.pipeline.position import position as explain
    from defiliq.pipeline.position import position_json

    talk = Talk(quiet=source.quiet)
    with opened_one(source, talk, address) as market:
        if market.book.failed:
            raise ReadError(f"{address} could not be read: {next(iter(market.book.failed.values()))}")
        found = explain(market.book, address, axes.drivers, axes.groups, axes.side, horizon_s)
        talk.warn_of_unresolved(found.unresolved)
        if found.eta is None:
            warn = talk.warn_of_unknown_etas if found.is_eta_unknown else talk.warn_of_unresolved_etas
            warn([found.owner])
    if output is not None and output.lower().endswith(".json"):
        write_text(position_json(found), output, talk)
    elif output is not None:
        write_output(found.levels, output, talk)
    if shape == "json":
        click.echo(position_json(found), nl=False)
    elif shape == "csv":
        print_table(found.levels, shape)
    elif output is None or shape is not None:
        _print(found)
    if found.unresolved or found.eta is None:
        ctx.exit(INCOMPLETE)


def _print(found: Position) -> None:
    """One screen: what it holds and owes, where it breaks, what a call would take now."""
    from defiliq.cli.sources import headline
    from defiliq.view.position import print_legs, print_levels
    from defiliq.view.terminal import clean, factor_shown, in_words, print_lines

    health, base = found.health, found.market.base_symbol
    verdict = "healthy"
    if health["liquidatable"]:
        verdict = "LIQUIDATABLE" if health["callable"] else f"liquidatable, but refused: {health['reason']}"
    mode = f"   eMode {health['mode']}" if health["mode"] else ""
    print_lines(
        [
            headline(found.market),
            f"account {found.owner}{mode}",
            f"health factor {factor_shown(health['health_factor'])} ({verdict})"
            if health["health_factor"]
            else "no debt, so no health factor",
            f"collateral {in_words(health['collateral_usd'], base)}   "
            f"debt {in_words(health['debt_usd'], base)}   threshold {health['threshold_bps']} bps",
            *breaking_first(found),
        ]
    )
    print_legs(found.legs)
    print_lines([clean(f"note: {remark}") for remark in found.remarks])
    print_levels(found.levels)
    if found.taken is not None:
        print_lines([clean(best_call(found.taken, found.market))])


def breaking_first(found: Position) -> list[str]:
    """The nearest level of all drivers, and when interest alone breaks the account."""
    from defiliq.cli.horizon import horizon_in_words, lasting
    from defiliq.cli.sources import moment
    from defiliq.view.terminal import clean

    lines, nearest, eta = [], found.nearest, found.eta
    if nearest is not None and nearest["outcome"] == "price":
        lines.append(
            f"breaks first: {clean(nearest['driver'])} {nearest['distance_pct']:+.2f}% ({nearest['side']})"
        )
    if eta is not None and eta.outcome == "never":
        but = (
            f", but for {found.market.unforeseen}, which is not known ahead"
            if found.market.unforeseen
            else ""
        )
        lines.append(f"at constant prices: never within {horizon_in_words(found.horizon_s)}{but}")
    elif eta is not None and eta.outcome == "time" and eta.at is not None:
        ahead = lasting(eta.at - found.market.timestamp)
        lines.append(f"at constant prices: liquidatable in {ahead} ({moment(eta.at)}) by interest alone")
    return lines


def best_call(taken: Liquidation | Untold, market: Market) -> str:
    """What a liquidation takes at best, in whole tokens."""
    from defiliq.ladder import to_usd
    from defiliq.pipeline.position import amount_text
    from defiliq.types import Untold
    from defiliq.view.terminal import in_words

    if isinstance(taken, Untold):
        return f"a liquidation goes through now, but what it takes is not known: {taken.reason}"
    repay = market.reserves[taken.repay_reserve]
    seized = ", ".join(seizure_in_words(seizure, market) for seizure in taken.seizures)
    bonus = f"a bonus of {in_words(to_usd(taken.bonus_base, market), market.base_symbol)}"
    bonus += f" ({taken.remark})" if taken.remark else ""
    repaid = f"{amount_text(taken.repaid, repay.decimals)} {repay.symbol}"
    if taken.debt_to_cover is None:
        return f"a liquidation now takes the whole account: {seized}; {repaid} of debt goes, {bonus}"
    return f"best call now: repay {repaid}, receive {seized}, {bonus}"


def seizure_in_words(seizure: Seizure, market: Market) -> str:
    """What is seized in whole tokens, and the protocol's own token that is handed over for it."""
    from defiliq.pipeline.position import amount_text

    reserve = market.reserves[seizure.reserve]
    worth = f"{amount_text(seizure.amount, reserve.decimals)} {reserve.symbol}"
    if seizure.received is None or reserve.receipt is None:
        return worth
    return f"{worth} as {seizure.received} base units of {reserve.receipt[1]}"
