"""`defiliq triggers`: which oracle update makes whom liquidatable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from defiliq.cli.exchange_options import KNOWN
from defiliq.cli.horizon import horizon_in_words, parse_horizon, seconds_in
from defiliq.cli.options import Source, collected, format_option, output_option, source_options
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
from defiliq.cli.venue_config import LIVE, venue_settings

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.cli.depth_options import Spec
    from defiliq.cli.sources import Opened
    from defiliq.mev.triggers import Offchain
    from defiliq.oracle.heartbeats import Promise

BPS_PER_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is said of drivers besides their feeds' own answers."""

    price: tuple[str, ...]
    pool: tuple[str, ...]
    venue: str | None
    live: bool
    heartbeat: tuple[str, ...]
    deviation: tuple[str, ...]


_ELSEWHERE = (
    click.option(
        "--price", multiple=True, metavar="D=X", help="Where a driver's market stands now: ETH/USD=2500.5."
    ),
    click.option(
        "--pool",
        multiple=True,
        metavar="D=SPEC",
        help="The same from pools on the chain: ETH/USD=pool:0x..[+0x..], pair:WETH/USDC or file:PATH; "
        "SPEC@WETH says which token is meant.",
    ),
    click.option(
        "--venue",
        type=click.Choice(KNOWN),
        help="The same of all drivers in dollars but pegs, from an exchange's perpetuals; needs --live.",
    ),
    click.option(
        "--live", is_flag=True, help="Ask the exchange. DEFILIQ_CEX=live or the config file do the same."
    ),
    click.option(
        "--heartbeat",
        multiple=True,
        metavar="D=T",
        help="A feed's heartbeat, where it is not known: 1h, 86400s.",
    ),
    click.option(
        "--deviation",
        multiple=True,
        metavar="D=PCT",
        help="The move that makes a feed answer, where it is not known: ETH/USD=0.5%.",
    ),
)


def _elsewhere_options(command: Any) -> Any:
    return collected(command, "elsewhere", Elsewhere, _ELSEWHERE)


@click.command(short_help="Which oracle update makes whom liquidatable.")
@source_options
@click.option(
    "--driver",
    "drivers",
    multiple=True,
    metavar="D",
    help="Only this driver: ETH/USD. Every one that breaks someone if left out.",
)
@_elsewhere_options
@click.option(
    "--horizon",
    "horizon_s",
    default="1d",
    show_default=True,
    metavar="T",
    callback=lambda _ctx, _param, text: parse_horizon(text),
    help="How far ahead to look for whom time alone breaks: 12h, 7d.",
)
@click.option(
    "--rows",
    type=click.Choice(["drivers", "time"]),
    default="drivers",
    show_default=True,
    help="Rows as data: one per driver, or one per account that time alone breaks.",
)
@output_option(TABLES)
@format_option(SHAPES)
@click.pass_context
def triggers(
    ctx: click.Context,
    source: Source,
    drivers: tuple[str, ...],
    elsewhere: Elsewhere,
    horizon_s: int,
    rows: str,
    output: str | None,
    shape: str | None,
) -> None:
    """Every driver with its feed, the nearest levels, and what the next answer would set off.

    Says when the feed answered, when it must answer again (heartbeat) and which move makes it answer sooner
    (deviation), how far the nearest levels lie in the feed's own units, and who captures the value of an
    update (SVR). With --price, --pool or --venue also who would be liquidatable if the feed answered that
    price, judged by the protocol's law. Then the accounts that only interest, a growing cap or a discount
    breaks, each with its second.
    """
    require_format(output, TABLES)
    require_use(ctx, "live", is_used=elsewhere.venue is not None, needed="--venue")
    urls = _venue_urls(elsewhere)
    promises, pools = _promises(elsewhere), _pools(elsewhere.pool)
    given = _given(elsewhere.price)
    from defiliq.cli.sources import opened

    talk = Talk(quiet=source.quiet)
    need_node = any(spec.kind != "file" for spec in pools.values())
    with opened(source, talk, need_node=need_node) as markets:
        found = []
        for market in markets:
            prices = _venue_prices(market, elsewhere.venue, urls, drivers, talk)
            prices |= {name: _pool_price(market, name, spec) for name, spec in pools.items()} | given
            found.append(_found(market, drivers, prices, promises, horizon_s, talk))
        incomplete = any(market.book.failed for market in markets)
    left_out = ("unresolved", "unknown", "missing")
    incomplete |= any(table.attrs.get(name) for pair in found for table in pair for name in left_out)
    _show(found, rows, horizon_s, output, shape, talk)
    if incomplete:
        ctx.exit(INCOMPLETE)


def _found(
    market: Opened,
    drivers: tuple[str, ...],
    prices: Mapping[str, Offchain],
    promises: Mapping[str, Promise],
    horizon_s: int,
    talk: Talk,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One market's two tables, and what is missing in them."""
    from defiliq.cli.sources import describe
    from defiliq.pipeline.by_time import time_triggers
    from defiliq.pipeline.triggers import captures_of
    from defiliq.pipeline.triggers import triggers as find

    book = market.book
    describe(book, talk)
    captures = captures_of(book.market, market.node)
    with talk.progress("Solving") as tell:
        by_driver = find(
            book,
            drivers,
            offchain=prices,
            promises=promises,
            captures=captures,
            on_progress=lambda done, total: tell(done, total, "accounts"),
        )
    talk.warn_of_unresolved(by_driver.attrs["unresolved"])
    with talk.progress("Accruing") as tell:
        by_time = time_triggers(
            book, horizon_s, on_progress=lambda done, total: tell(done, total, "accounts")
        )
    talk.warn_of_unresolved_etas(by_time.attrs["unresolved"])
    talk.warn_of_unknown_etas(by_time.attrs["unknown"])
    if by_time.attrs["unforeseen"]:
        talk.say(f"{by_time.attrs['unforeseen']} moves accounts, too, and is not known ahead")
    return by_driver, by_time


def _show(
    found: list[tuple[pd.DataFrame, pd.DataFrame]],
    rows: str,
    horizon_s: int,
    output: str | None,
    shape: str | None,
    talk: Talk,
) -> None:
    """The rows in a file or on stdout, or both tables for people."""
    from defiliq.ladder import joined
    from defiliq.view.triggers import print_triggers

    table = joined([pair[rows == "time"] for pair in found])
    if output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        for by_driver, by_time in found:
            print_triggers(by_driver, by_time, horizon_in_words(horizon_s))
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))


def _split(text: str, option: str, example: str) -> tuple[str, str]:
    """DRIVER=VALUE in its two parts."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise click.BadParameter(f"{text!r} names no driver. Write {example}.", param_hint=f"'{option}'")
    return name.strip(), value.strip()


def _given(texts: tuple[str, ...]) -> dict[str, Offchain]:
    from defiliq.pipeline.offchain import given_price

    pairs = [_split(text, "--price", "ETH/USD=2500.5") for text in texts]
    twice = [name for name, count in Counter(name.casefold() for name, _ in pairs).items() if count > 1]
    if twice:
        raise click.BadParameter(f"{twice[0]} is given twice.", param_hint="'--price'")
    return {name: given_price(value) for name, value in pairs}


def _promises(elsewhere: Elsewhere) -> dict[str, Promise]:
    """What a user says of feeds, by driver."""
    from defiliq.oracle.heartbeats import Promise

    beats = dict(_split(text, "--heartbeat", "ETH/USD=1h") for text in elsewhere.heartbeat)
    moves = dict(_split(text, "--deviation", "ETH/USD=0.5%") for text in elsewhere.deviation)
    return {
        name: Promise(_seconds(beats.get(name)), _bps(moves.get(name)))
        for name in dict.fromkeys((*beats, *moves))
    }


def _seconds(text: str | None) -> int | None:
    seconds = None if text is None else seconds_in(text)
    if text is not None and not seconds:
        raise click.BadParameter(
            f"{text!r} is no time. Write one such as 1h or 86400s.", param_hint="'--heartbeat'"
        )
    return seconds


def _bps(text: str | None) -> int | None:
    """A percentage as whole basis points."""
    if text is None:
        return None
    from defiliq.pipeline.depths import read_amount

    bps = read_amount(text.removesuffix("%")) * BPS_PER_PERCENT
    if bps.denominator != 1 or bps == 0:
        raise click.BadParameter(
            f"{text!r} is no move. Write whole hundredths of a percent, such as 0.5%.",
            param_hint="'--deviation'",
        )
    return int(bps)


def _pools(texts: tuple[str, ...]) -> dict[str, Spec]:
    """Pools by driver."""
    from defiliq.cli.depth_options import check_addresses, read_spec

    found: dict[str, Spec] = {}
    for text in texts:
        name, value = _split(text, "--pool", "ETH/USD=pair:WETH/USDC")
        spec = read_spec(value)
        if spec.kind == "impact":
            raise click.BadParameter("an impact has no price of its own.", param_hint="'--pool'")
        if spec.kind == "pool":
            check_addresses(spec.what.split("+"))
        found[name] = spec
    return found


def _pool_price(market: Opened, driver: str, spec: Spec) -> Offchain:
    """What some pools say of a driver, at the market's block."""
    from defiliq.chain.evm import EvmNode
    from defiliq.pipeline.depths import load_depth, pools_at, pools_of_pair, together
    from defiliq.pipeline.offchain import pool_price

    at, sold = market.book.market, driver.partition("/")[0]
    is_meant = spec.base is not None
    if spec.kind == "file":
        return pool_price(at, driver, load_depth(spec.what, spec.base, like=sold), is_meant=is_meant)
    if not isinstance(market.node, EvmNode):
        raise click.UsageError(f"{spec.kind}:{spec.what} is read from a node of an EVM chain: use file:PATH.")
    if spec.kind == "pair":
        depth = together(pools_of_pair(market.node, spec.what, at.block), spec.base)
    else:
        pools = pools_at(market.node, spec.what.split("+"), at.block)
        depth = together(pools, spec.base, like=sold)
    return pool_price(at, driver, depth, is_meant=is_meant)


def _venue_urls(elsewhere: Elsewhere) -> Mapping[str, str]:
    """The configured addresses of exchanges; a usage error where asking them is not switched on."""
    if elsewhere.venue is None:
        return {}
    settings = venue_settings()
    if not elsewhere.live and settings.source != LIVE:
        raise click.UsageError("--venue asks an exchange: say --live, or set DEFILIQ_CEX=live.")
    return settings.urls


def _venue_prices(
    market: Opened, venue: str | None, urls: Mapping[str, str], drivers: tuple[str, ...], talk: Talk
) -> dict[str, Offchain]:
    """What the exchange says; drivers that it does not know are told, and go without."""
    if venue is None:
        return {}
    from defiliq.cli.exchange_options import venue_config
    from defiliq.pipeline.offchain import venue_prices

    said = venue_prices(market.book.market, venue, drivers, config=venue_config(urls))
    for name, error in said.missing.items():
        talk.say(f"{name} goes without {venue}: {error}")
    return dict(said.found)
