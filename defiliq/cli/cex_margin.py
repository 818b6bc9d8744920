"""`defiliq cex price` and `defiliq cex tiers`: one position's liquidation price, and the tiers behind it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from defiliq.cli.exchange_options import OBSERVED, require_wallet
from defiliq.cli.options import format_option, output_option
from defiliq.cli.printing import SHAPES, TABLES, default_shape, print_table, require_format, write_output
from defiliq.cli.talk import Talk
from defiliq.errors import InputError

if TYPE_CHECKING:
    from defiliq.cex.tiers import TierTable

_DECIMAL = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})")
_VENUE = click.option(
    "--venue", type=click.Choice(OBSERVED), default="binance", show_default=True, help="Whose rule."
)
_SYMBOL = click.option(
    "--symbol", metavar="S", help="A contract such as BTC/USDC:USDC.  [default: the perpetual in USDT]"
)
_TIERS = click.option("--tiers", "tiers_file", metavar="FILE", help="Margin tiers of your own.")


@click.command(short_help="One position's liquidation price.")
@click.argument("asset")
@_VENUE
@_SYMBOL
@click.option("--side", type=click.Choice(["long", "short"]), required=True, help="Which way.")
@click.option("--entry", required=True, metavar="P", help="The price at which it was opened.")
@click.option("--leverage", required=True, metavar="L", help="Notional over margin.")
@click.option("--size-usd", default="50000", show_default=True, metavar="X", help="Its notional at entry.")
@click.option(
    "--margin",
    type=click.Choice(["isolated", "cross", "simple"]),
    default="isolated",
    show_default=True,
    help="What backs it; simple is entry * (1 -/+ 1/leverage +/- rate).",
)
@click.option("--wallet", metavar="N", help="With --margin cross: the wallet holds N times its margin.")
@click.option(
    "--funding-rate", default="0", show_default=True, metavar="R", help="Paid per interval by longs."
)
@click.option(
    "--funding-intervals", default="0", show_default=True, metavar="N", help="How many it was held."
)
@click.option("--open-fee", default="0", show_default=True, metavar="R", help="Paid out of the margin.")
@_TIERS
def price(
    asset: str,
    venue: str,
    symbol: str | None,
    side: str,
    entry: str,
    leverage: str,
    size_usd: str,
    margin: str,
    wallet: str | None,
    funding_rate: str,
    funding_intervals: str,
    open_fee: str,
    tiers_file: str | None,
) -> None:
    """The mark price at which VENUE liquidates one position of ASSET, in exact arithmetic, as a decimal.

    The margin tier is the one at the liquidation price itself. `never` is a position that no price breaks.
    """
    from defiliq.cex.margin import Charges, liquidation_price

    require_wallet(margin, wallet)
    tiers = _tiers(venue, asset.upper(), symbol, tiers_file)
    charges = Charges(
        open_fee_rate=_exact(open_fee, "--open-fee"),
        funding_rate=_exact(funding_rate, "--funding-rate"),
        funding_intervals=_exact(funding_intervals, "--funding-intervals"),
    )
    found = liquidation_price(
        venue,
        side,  # type: ignore[arg-type]
        _exact(entry, "--entry"),
        _exact(leverage.rstrip("xX"), "--leverage"),
        _exact(size_usd, "--size-usd"),
        tiers,
        mode=margin,  # type: ignore[arg-type]
        wallet_multiple=None if wallet is None else _exact(wallet, "--wallet"),
        charges=charges,
    )
    click.echo("never" if found is None else f"{float(found):.10g}")
    talk = Talk(quiet=False)
    talk.say(f"{venue} {tiers.symbol}, {margin}; tiers of {tiers.as_of} from {tiers.source}")


@click.command(short_help="The margin tiers of a contract.")
@click.argument("asset")
@_VENUE
@_SYMBOL
@_TIERS
@output_option(TABLES)
@format_option(SHAPES)
def tiers(
    asset: str, venue: str, symbol: str | None, tiers_file: str | None, output: str | None, shape: str | None
) -> None:
    """What VENUE asks of a position in ASSET, by its size; with the date and the source of the table."""
    import pandas as pd

    require_format(output, TABLES)
    found = _tiers(venue, asset.upper(), symbol, tiers_file)
    talk = Talk(quiet=False)
    talk.say(f"{venue} {found.symbol}, counted in {found.unit}; of {found.as_of} from {found.source}")
    table = pd.DataFrame(
        {
            "venue": venue,
            "symbol": found.symbol,
            "unit": found.unit,
            "tier": range(1, len(found.tiers) + 1),
            "floor": [_shown(tier.floor) for tier in found.tiers],
            "cap": ["" if tier.cap is None else _shown(tier.cap) for tier in found.tiers],
            "maintenance_rate": [_shown(tier.maintenance_rate) for tier in found.tiers],
            "max_leverage": [_shown(tier.max_leverage) for tier in found.tiers],
            "cum": [_shown(tier.cum) for tier in found.tiers],
        }
    )
    if output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        click.echo(table.drop(columns=["venue", "symbol", "unit"]).to_string(index=False))
    elif output is None or shape is not None:
        print_table(table, default_shape(shape))


def _tiers(venue: str, asset: str, symbol: str | None, path: str | None) -> TierTable:
    """The user's own table where a file is given, else the bundled one."""
    from defiliq.cex.tiers import load_tiers, load_tiers_file, symbols_of

    if path is None:
        return load_tiers(venue, asset, symbol)
    held = load_tiers_file(path)
    wanted = symbol or next(iter(symbols_of(asset, held)), asset)
    if wanted not in held:
        raise InputError(f"{path} has no tiers of {wanted}. It has {', '.join(held)}.")
    return held[wanted]


def _exact(text: str, option: str) -> Fraction:
    """A decimal number as it is written."""
    plain = text.strip().replace(",", "")
    if not _DECIMAL.fullmatch(plain):
        raise click.BadParameter(f"{text!r} is no number. Write one like 60000.5.", param_hint=f"'{option}'")
    return Fraction(plain)


def _shown(value: Fraction) -> str:
    """A table's number, whole where it is."""
    return str(value) if value.denominator == 1 else f"{float(value):.10g}"
