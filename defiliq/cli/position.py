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
    from defiliq.types import Liquidation, Market, Reserve, Seizure, Untold


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
    from defiliq.view.terminal import clean, factor_shown, print_lines

    health = found.health
    verdict = "healthy"
    if health["liquidatable"]:
        verdict = "LIQUIDATABLE" if health["callable"] else f"liquidatable, but refused: {health['reason']}"
    mode = found.market.mode_name(health["mode"])
    print_lines(
        [
            headline(found.market),
            f"account {found.owner}{f'   {mode}' if mode else ''}",
            f"health factor {factor_shown(health['health_factor'])} ({verdict})"
            if health["health_factor"]
            else "no debt, so no health factor"
            if health["debt_raw"] == "0"
            else "no margin is asked of it, so no health factor",
            totals(found),
            *breaking_first(found),
        ]
    )
    print_legs(found.legs)
    print_lines([clean(f"note: {remark}") for remark in found.remarks])
    print_levels(found.levels)
    if found.taken is not None:
        tell = order_now if found.has_positions else best_call
        print_lines([clean(tell(found.taken, found.market))])


def totals(found: Position) -> str:
    """What it holds and owes in one line; of perpetuals, what is left of it."""
    from defiliq.view.terminal import in_words

    health, base = found.health, found.market.base_symbol
    held, owed = in_words(health["collateral_usd"], base), in_words(health["debt_usd"], base)
    if not found.has_positions:
        return f"collateral {held}   debt {owed}   threshold {health['threshold_bps']} bps"
    net = in_words(health["collateral_usd"] - health["debt_usd"], base)
    free = in_words(health["available_borrows_usd"], base)
    return f"long or owned {held}   short or owed {owed}   net collateral {net}   free {free}"


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
    from defiliq.types import Untold
    from defiliq.view.terminal import in_words

    if isinstance(taken, Untold):
        return f"a liquidation goes through now, but what it takes is not known: {taken.reason}"
    repay = market.reserves[taken.repay_reserve]
    seized = ", ".join(seizure_in_words(seizure, market) for seizure in taken.seizures)
    bonus = f"a bonus of {in_words(to_usd(taken.bonus_base, market), market.base_symbol)}"
    bonus += f" ({taken.remark})" if taken.remark else ""
    repaid = amount_in_words(taken.repaid, repay)
    if not taken.seizures:
        return f"nothing is left to seize: {repaid} of debt goes ({taken.remark})"
    if taken.debt_to_cover is None:
        return f"a liquidation now takes the whole account: {seized}; {repaid} of debt goes, {bonus}"
    return f"best call now: repay {repaid}, receive {seized}, {bonus}"


def order_now(taken: Liquidation | Untold, market: Market) -> str:
    """What the venue's own order for one position buys or sells, in whole tokens."""
    from defiliq.ladder import to_usd
    from defiliq.types import Untold
    from defiliq.view.terminal import in_words

    if isinstance(taken, Untold):
        return best_call(taken, market)
    sold = ", ".join(seizure_in_words(seizure, market) for seizure in taken.seizures)
    paid = amount_in_words(taken.repaid, market.reserves[taken.repay_reserve])
    is_buy = market.reserves[taken.repay_reserve] != market.reserves[0]
    deal = f"buy {paid} for {sold}" if is_buy else f"sell {sold} for {paid}"
    gain = in_words(to_usd(taken.bonus_base, market), market.base_symbol)
    return f"the order now: {deal}, {gain} in favour of who fills it ({taken.remark})"


def amount_in_words(raw: int, reserve: Reserve) -> str:
    """Whole tokens and what they are called."""
    from defiliq.pipeline.position import amount_text

    return f"{amount_text(raw, reserve.decimals)} {reserve.symbol}"


def seizure_in_words(seizure: Seizure, market: Market) -> str:
    """What is seized in whole tokens, and the protocol's own token that is handed over for it."""
    reserve = market.reserves[seizure.reserve]
    worth = amount_in_words(seizure.amount, reserve)
    if seizure.received is None or reserve.receipt is None:
        return worth
    return f"{worth} as {seizure.received} base units of {reserve.receipt[1]}"
