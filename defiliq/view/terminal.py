"""Tables and pictures in plain characters; colour only on a terminal."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}|dydx1[a-z0-9]{38,58}")
PLAIN_WIDTH = 500
"""Columns where stdout is no terminal, so that nothing is cut for one."""
BAR_WIDTH = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"

_WHOLE = frozenset(("account", "driver", "price_usd", "health_factor", "collateral_usd", "debt_usd"))
"""Columns whose cells are never broken over two lines."""

_PRICES = ("price_usd", "spot_usd", "price_low_usd", "price_high_usd")
"""Endings of columns that hold prices: small ones keep more digits than amounts of money do."""

_AMOUNTS = ("health_factor", "collateral", "debt", "long", "short")
"""Columns of numbers that are kept as text, every digit."""

FACTOR_EDGES = ("0", "1", "1.02", "1.05", "1.1", "1.2", "1.5", "2", "3", "5", "10")
"""Lower edges of the histogram's bins; the last one is open."""


class _Stdout(Console):
    """A console that leaves it to the command line what a reader that has gone means, such as `head`."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console() -> Console:
    """Where data is shown: stdout, as wide as the terminal."""
    return _Stdout() if sys.stdout.isatty() else _Stdout(width=PLAIN_WIDTH)


def clean(value: object) -> str:
    """Text from a chain as one printable line: a token's symbol may hold anything."""
    return "".join(char if char.isprintable() else "?" for char in str(value))


def money(value: float) -> str:
    """A float amount with thousands separators: cents below a thousand, whole above."""
    if math.isnan(value):
        return ""
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def short(address: str) -> str:
    """The two ends of an address, and the number of its account where it has one."""
    owner, slash, number = address.partition("/")
    return f"{owner[:8]}…{owner[-6:]}{slash}{number}" if _ADDRESS.fullmatch(owner) else address


def cell(column: str, value: object) -> Text:
    """A value as people read it; the column's name says its unit."""
    if value is pd.NA:
        return Text("")
    if isinstance(value, float) and column.endswith(_PRICES):
        return Text("" if math.isnan(value) else f"{value:,.8g}" if value < 1 else f"{value:,.4f}")
    if isinstance(value, float) and column.endswith("_pct"):
        return Text("" if math.isnan(value) else f"{value:+.2f}%")
    if isinstance(value, float):
        return Text(money(value))
    if column == "health_factor":
        return Text(factor_shown(str(value)))
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return Text("yes" if value else "no")
    return Text(clean(value))


def factor_shown(factor: str) -> str:
    """A health factor cut, never rounded, to six digits: 0.9999999 must not read as 1; `none` without one."""
    if not factor:
        return "none"
    whole, _, digits = factor.partition(".")
    return f"{whole}.{digits[:6]}" if len(whole) <= 9 else f"{Decimal(factor):.2E}"


def heading(column: str, base: str = "$") -> str:
    """A column's name as people read it, with money in `base`."""
    name, _, unit = column.rpartition("_")
    unit_shown = {"usd": f" {base}".rstrip(), "pct": " %", "bps": " bps"}.get(unit)
    return column.replace("_", " ") if unit_shown is None else name.replace("_", " ") + unit_shown


def money_of(table: pd.DataFrame) -> str:
    """What a table's money is: dollars, another base currency, or each row's own."""
    named = [] if "base_symbol" not in table.columns else list(table["base_symbol"].unique())
    if len(named) > 1:
        return "(in each market's own currency)"
    return clean(named[0]) if named and named[0] != "USD" else "$"


def money_named(base_symbol: str) -> str:
    """What stands behind a heading of money: nothing for dollars, else the base currency."""
    return "" if base_symbol == "USD" else f" {clean(base_symbol)}"


def in_words(value: float, base_symbol: str) -> str:
    """An amount of money in a sentence: dollars stand bare, another currency is named."""
    return f"{money(value)}{money_named(base_symbol)}"


def print_rows(table: pd.DataFrame, title: str, columns: Sequence[str] | None = None) -> None:
    """A table, one row per line.

    On a narrow terminal addresses are shortened, then columns from the right are left out, which is said.
    """
    names = list(table.columns) if columns is None else list(columns)
    out, unbound = console(), Console(width=PLAIN_WIDTH)
    drawn, shown = _drawn(table, names, str), len(names)
    while shown > 1 and unbound.measure(drawn).maximum > out.width:
        drawn = _drawn(table, names[:shown], short)
        shown -= 1
    left = len(names) - len(drawn.columns)
    more = f" ({left} column{'' if left == 1 else 's'} more on a wider terminal)" if left else ""
    out.print(Text(clean(title) + more, style="bold"))
    out.print(drawn)


def filled(table: pd.DataFrame, *columns: str) -> list[str]:
    """Of some columns of text those in which some row says something."""
    return [column for column in columns if (table[column] != "").any()]


def _drawn(table: pd.DataFrame, names: Sequence[str], spell: Callable[[str], str]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    base = money_of(table)
    # A level's price is its driver's, which another base currency than dollars says nothing of.
    price_base = "" if "driver" in table.columns and base != "$" else base
    for name in names:
        numeric = pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool
        right = numeric or name in _AMOUNTS or name.endswith(("_usd", "_pct"))
        shown.add_column(
            Text(heading(name, price_base if name.endswith(_PRICES) else base)),
            justify="right" if right else "left",
            no_wrap=name in _WHOLE,
        )
    for row in table[names].itertuples(index=False, name=None):
        cells = [spell(value) if isinstance(value, str) else value for value in row]
        shown.add_row(*(cell(name, value) for name, value in zip(names, cells, strict=True)))
    return shown


def print_lines(lines: Iterable[str | Text]) -> None:
    """Lines as they are, without reading markup in them."""
    out = console()
    for line in lines:
        out.print(line if isinstance(line, Text) else Text(line), soft_wrap=True)


def bar(share: float, width: int = BAR_WIDTH) -> str:
    """A bar of eighths of a character; the smallest share that is not nothing still shows."""
    if share <= 0:
        return ""
    eighths = max(1, round(min(share, 1.0) * width * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def histogram_lines(table: pd.DataFrame) -> list[Text]:
    """Accounts per range of health factor, from a health table; the verdict decides the first bin."""
    factorless = table["debt_raw"][table["health_factor"] == ""]
    # A subaccount without positions can owe USDC: no margin is asked of it, and so it has no factor.
    last = "no debt" if (factorless == "0").all() else "no factor"
    bins = [last if not factor else _bin_of(factor) for factor in table["health_factor"]]
    labels = [*_bin_labels(), last]
    counts = {label: bins.count(label) for label in labels}
    debts = {label: math.fsum(table["debt_usd"][[seen == label for seen in bins]]) for label in labels}
    most = max(1, *counts.values())
    unit = money_named(_base_symbol(table))
    width = max(16, *(len(money(debt)) + 2 for debt in debts.values()))
    lines = [Text(f"health factor   accounts{f'debt{unit}':>{width}}")]
    for label in labels:
        style = "red" if label.startswith("below") else "yellow" if label.startswith("1.0") else "green"
        line = Text(f"{label:<13}{counts[label]:>11,}{money(debts[label]):>{width}}  ")
        line.append(bar(counts[label] / most), style=style)
        lines.append(line)
    return lines


def _base_symbol(table: pd.DataFrame) -> str:
    """The money of a table of one market."""
    return "USD" if table.empty else str(table["base_symbol"].iloc[0])


def _bin_labels() -> list[str]:
    edges = FACTOR_EDGES[1:]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return ["below 1", *between, f"{edges[-1]} and up"]


def _bin_of(factor: str) -> str:
    """The bin of an exact factor."""
    value = Decimal(factor)
    reached = sum(value >= Decimal(edge) for edge in FACTOR_EDGES)
    return _bin_labels()[max(1, reached) - 1]  # net collateral, and so a factor of it, can be negative


def print_scan(table: pd.DataFrame, headline: str, coverage: str, top: int) -> None:
    """A scan in one screen: what was read, totals, the histogram, who is closest to liquidation."""

    def total(rows: pd.DataFrame, column: str) -> str:
        return in_words(math.fsum(rows[column]), _base_symbol(table))

    broken = table[table["liquidatable"]]
    owing = table[table["debt_raw"] != "0"]
    print_lines(
        [
            headline,
            coverage,
            f"with debt: {len(owing):,}   collateral {total(table, 'collateral_usd')}   "
            f"debt {total(table, 'debt_usd')}",
            f"liquidatable: {len(broken):,}, of which callable {int(broken['callable'].sum()):,}   "
            f"collateral {total(broken, 'collateral_usd')}   debt {total(broken, 'debt_usd')}",
            "",
            *histogram_lines(table),
            "",
        ]
    )
    factors = owing["health_factor"][owing["health_factor"] != ""].map(Decimal)
    if top and len(factors):
        nearest = owing.loc[factors.sort_values(kind="stable").index].head(top)
        columns = [
            "account",
            "health_factor",
            "collateral_usd",
            "debt_usd",
            "liquidatable",
            "callable",
            *filled(nearest, "reason"),
        ]
        print_rows(nearest, "closest to liquidation", columns)
