"""What trades do to a price, as a table: how much moves it by so much, and what given amounts give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import pandas as pd

from defiliq.depth.combined import Combined
from defiliq.ladder import IDENTITY, headed
from defiliq.view.terminal import clean, print_lines, print_rows

if TYPE_CHECKING:
    from defiliq.depth.combined import Venue
    from defiliq.depth.venue import Depth, Fill
    from defiliq.types import Block

MOVES_PCT = (Fraction(1, 2), Fraction(1), Fraction(2), Fraction(5), Fraction(10))
MORE = 10**6
"""A millionth more than goes is what shows that the depth is dry."""
_TRADE = ("trade", "side", "base", "quote", "mean_price", "price", "moved_pct", "left_base")
COLUMNS = (*IDENTITY, *_TRADE)
"""`market` is the depth's name, and the block that of its pools: a curve or a law has none, and no depth has
a protocol and a version. `base` and `quote` are what changed hands, `left_base` what the depth could not take
or give. `moved_pct` is how far `price`, after the trade, is from where it stood at first: before the sale,
for its way back."""

Side: TypeAlias = Literal["sell", "buy"]


class _Line(NamedTuple):
    """One trade, and where it left the price."""

    trade: str
    side: Side
    base: int
    quote: int
    left: int
    after: Fraction


def depth_table(
    depth: Venue,
    sells: Sequence[Fraction] = (),
    buys: Sequence[Fraction] = (),
    *,
    at: Block | None = None,
) -> pd.DataFrame:
    """One row per move of the price, and two per amount: the trade, and the way back. COLUMNS.

    Amounts are of base, as people write them. A move that the depth does not reach says how far it goes.
    `at` is the block that pools were read at.
    """
    lines = [_moving(depth, -move) for move in reversed(MOVES_PCT)]
    lines += [_moving(depth, move) for move in MOVES_PCT]
    for amounts, side in ((sells, "sell"), (buys, "buy")):
        for amount in amounts:
            lines += _there_and_back(depth, "sell" if side == "sell" else "buy", amount)
    table = pd.DataFrame([_row(depth, line) for line in lines], columns=list(_TRADE))
    return headed(table, _place(depth, at))


def _place(depth: Venue, at: Block | None) -> pd.DataFrame:
    """What the rows are of, empty where there is no such thing."""
    block = ("", "", "", "") if at is None else (at.chain_id, at.number, at.hash, at.timestamp)
    return pd.DataFrame([(*block, "", depth.name, "")], columns=list(IDENTITY))


def human(price: Fraction, depth: Depth) -> float:
    """A price of base units as one of whole tokens."""
    return float(price * Fraction(10**depth.base.decimals, 10**depth.quote.decimals))


def _moving(depth: Venue, move: Fraction) -> _Line:
    """The trade after which the price is so many percent away, or as far as it goes.

    Where no liquidity is between the last trade and that price, the next unit that is traded takes it there.
    """
    wanted = depth.price * (1 + move / 100)
    side: Side = "sell" if move < 0 else "buy"
    fill = depth.sale_to(wanted) if side == "sell" else depth.purchase_to(wanted)
    amount = fill.given if side == "sell" else fill.got
    line, _ = _trade(depth, side, amount)
    more, _ = _trade(depth, side, amount + amount // MORE + 1)
    name = f"{'+' if move > 0 else '-'}{float(abs(move)):g}%"
    if more.left > line.left:
        return line._replace(trade=f"{name}: runs dry")
    return line._replace(trade=name, after=wanted)


def _there_and_back(depth: Venue, side: Side, amount: Fraction) -> list[_Line]:
    units = int(amount * 10**depth.base.decimals)
    there, after = _trade(depth, side, units)
    back, _ = _trade(after, "buy" if side == "sell" else "sell", there.base)
    return [there._replace(trade=f"{side} {float(amount):,.12g}"), back._replace(trade="and back")]


def _trade(depth: Venue, side: Side, amount: int) -> tuple[_Line, Venue]:
    fill: Fill
    fill, after = depth.sell(amount) if side == "sell" else depth.buy(amount)
    base, quote = (fill.given, fill.got) if side == "sell" else (fill.got, fill.given)
    return _Line("", side, base, quote, fill.left, after.price), after


def _row(depth: Venue, line: _Line) -> tuple[object, ...]:
    mean = human(Fraction(line.quote, line.base), depth) if line.base else math.nan
    return (
        line.trade,
        line.side,
        line.base / 10**depth.base.decimals,
        line.quote / 10**depth.quote.decimals,
        mean,
        human(line.after, depth),
        100 * float(line.after / depth.price - 1),
        line.left / 10**depth.base.decimals,
    )


def print_depth(table: pd.DataFrame, depth: Depth) -> None:
    """The table for people, under the depth's name and price."""
    base, quote = clean(depth.base.symbol), clean(depth.quote.symbol)
    print_lines([*map(clean, _names(depth)), f"1 {base} = {human(depth.price, depth):,.8g} {quote}", ""])
    shown = pd.DataFrame(
        {
            "trade": table["trade"],
            f"± {base}": _signed(table["base"], table["side"] == "buy"),
            f"± {quote}": _signed(table["quote"], table["side"] == "sell"),
            "mean price": [_plain(value) for value in table["mean_price"]],
            "price after": [_plain(value) for value in table["price"]],
            "moved": [f"{value:+.3f}%" for value in table["moved_pct"]],
            "not traded": ["" if value == 0 else _plain(value) for value in table["left_base"]],
        }
    )
    if (table["left_base"] == 0).all():
        shown = shown.drop(columns="not traded")
    print_rows(shown, "")


def _names(depth: Depth) -> list[str]:
    """A depth's name, or that of each of its pools."""
    return [pool.name for pool in depth.pools] if isinstance(depth, Combined) else [depth.name]


def _signed(amounts: pd.Series, is_gained: pd.Series) -> list[str]:
    return [
        f"{'+' if gained else '-'}{_plain(amount)}" for amount, gained in zip(amounts, is_gained, strict=True)
    ]


def _plain(amount: float) -> str:
    """A number with enough digits: cents of the large, six of the small."""
    if math.isnan(amount):
        return ""
    return f"{amount:,.2f}" if abs(amount) >= 1000 else f"{amount:,.6g}"
