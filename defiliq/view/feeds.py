"""What the prices of a market hang on, for people: two tables, or every price as a tree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
from rich.text import Text
from rich.tree import Tree

from defiliq.ladder import yearly_pct
from defiliq.pricing.branch import Branch
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least
from defiliq.view.terminal import clean, console, filled, print_lines, print_rows

NAMED = 6
"""So many reserves of a driver are named; the rest is counted."""
END_OF_CALENDAR = 253_402_300_800
"""The year 10000."""
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_PROMISED = ("heartbeat", "deviation")
_SOMETIMES_TOLD = ("age", *_PROMISED)
"""Left out where no driver's source says them."""
_DRIVERS_SHOWN = ("driver", "kind", "value", "age", "moves", "reserves", *_PROMISED)
_RESERVES_SHOWN = ("reserve", "price_usd", "hangs on", "cap", "source", "address")


def print_feeds(table: pd.DataFrame, drivers: pd.DataFrame) -> None:
    """The drivers and what they move, then the reserves and what they hang on; one market."""
    print_drivers(drivers)
    print_lines([""])
    rows = [reserve_row(part) for _, part in table.groupby(["reserve", "asset"], sort=False)]
    capped = int(table["capped"].fillna(value=False).sum())
    fixed = int((table["driver_kind"] == "fixed").sum())
    modes = int((table.drop_duplicates(["reserve", "asset"])["asset"] == "").sum())
    among = {"capped now": capped, "fixed": fixed, "of an eMode's own": modes}
    title = _counted(len(rows), "price", among)
    named = table["base_symbol"].iloc[:1].tolist() or ["USD"]
    shown = pd.DataFrame(rows, columns=list(_RESERVES_SHOWN)).assign(base_symbol=named[0])
    print_rows(shown, title, [name for name in _RESERVES_SHOWN if name != "cap" or filled(shown, name)])


def print_drivers(drivers: pd.DataFrame) -> None:
    """One line per driver."""
    rows = [driver_row(row) for _, row in drivers.iterrows()]
    counted = drivers[drivers["driver_kind"] != "time"]
    stale = int(counted["stale"].fillna(value=False).sum())
    unresolved = int((counted["driver_kind"] == "unresolved").sum())
    title = _counted(len(counted), "driver", {"stale": stale, "unresolved": unresolved})
    shown = pd.DataFrame(rows, columns=list(_DRIVERS_SHOWN))
    told = filled(shown, *_SOMETIMES_TOLD)
    print_rows(shown, title, [name for name in _DRIVERS_SHOWN if name not in _SOMETIMES_TOLD or name in told])


def _counted(count: int, what: str, among: dict[str, int]) -> str:
    """How many there are, and how many of them stand out."""
    special = "".join(f", {times} {name}" for name, times in among.items() if times)
    return f"{count} {what}{'' if count == 1 else 's'}{special}"


def driver_row(row: pd.Series) -> dict[str, object]:
    """A driver as people read it."""
    named = str(row["reserves"]).split(", ")
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    value = row["driver_value"]
    return {
        "driver": row["driver"],
        "kind": row["driver_kind"],
        "value": row["driver_raw"] if pd.isna(value) else f"{value:,.10g}",
        "age": _age(row["age_s"], row["stale"]),
        "moves": row["reserves_moved"],
        "reserves": ", ".join(named[:NAMED]) + more,
        "heartbeat": "" if pd.isna(row["heartbeat_s"]) else lasting(int(row["heartbeat_s"])),
        "deviation": "" if pd.isna(row["deviation_bps"]) else f"{row['deviation_bps'] / 100:g}%",
    }


def reserve_row(part: pd.DataFrame) -> dict[str, object]:
    """A reserve's rows as one."""
    first, limited = part.iloc[0], part[part["capped"].notna()]
    caps = [_cap_shown(row) for _, row in limited.iterrows()]
    return {
        "reserve": first["reserve"],
        "price_usd": first["price_usd"],
        "hangs on": ", ".join(dict.fromkeys(part["driver"])) or "nothing: it is fixed",
        "cap": "; ".join(caps),
        "source": first["source_label"],
        "address": first["source"],
    }


def _cap_shown(row: pd.Series) -> str:
    """How far a cap is, or since when it is too late."""
    distance = row["cap_headroom_pct"]
    if not row["capped"]:
        return f"{distance:.2f}% above"
    until = row["cap_binds_until"]
    return f"CAPPED {-distance:.2f}% below" + ("" if pd.isna(until) else f", until {day(int(until))}")


def _age(age_s: Any, stale: Any) -> str:
    if pd.isna(age_s):
        return ""
    return _since(int(age_s)) + (" STALE" if not pd.isna(stale) and stale else "")


def _since(age_s: int) -> str:
    """How long ago; a contract may claim an instant to come."""
    return lasting(age_s) if age_s >= 0 else f"{lasting(-age_s)} ahead"


def lasting(seconds: int) -> str:
    """A time span in its largest whole unit: 37 s, 12 h, 2 d."""
    for name, size in _UNITS:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def day(timestamp: int) -> str:
    """A unix time as a UTC date; the number itself beyond what a calendar holds."""
    if timestamp >= END_OF_CALENDAR:
        return f"unix time {timestamp}"
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")


def print_tree(reserve: str, source: str, price: Branch, now: int) -> None:
    """One price taken apart, with every integer exact and the contract's arithmetic named."""
    console().print(price_tree(reserve, source, price, now))


def price_tree(reserve: str, source: str, price: Branch, now: int) -> Tree:
    """A reserve's price as a tree: what it is computed from below it, divisors marked."""
    head = Text(clean(reserve), style="bold")
    head.append(f"  {exact(price)}")
    if price.parts:
        head.append(f"  = {_operation(price)}", style="cyan")
        head.append(f"   {clean(_label(price))}")
    head.append(f"  {ends(source)}", style="dim")
    tree = Tree(head, guide_style="dim")
    for part in price.parts or (price,):
        _grow(tree, part, price, now)
    return tree


def _grow(tree: Tree, branch: Branch, above: Branch, now: int) -> None:
    below = tree.add(_line(branch, above, now))
    for part in branch.parts:
        _grow(below, part, branch, now)


def _line(branch: Branch, above: Branch, now: int) -> Text:
    """One quantity: name, value, and what a reader should know of it."""
    line = Text("÷ " if branch.role == "divisor" else "")
    line.append(clean(_label(branch)))
    line.append(f"  {exact(branch)}", style="bold")
    if branch.parts:
        line.append(f"  = {_operation(branch)}", style="cyan")
    about, style = _about(branch, above, now)
    line.append(f"   {about}" if about else "", style=style)
    return line


def _about(branch: Branch, above: Branch, now: int) -> tuple[str, str]:
    """(words, style) on a quantity."""
    quantity = branch.quantity
    if isinstance(quantity, Input):
        return _about_input(quantity, now)
    words = []
    if isinstance(quantity, Growing):
        words.append(f"grows {yearly_pct(quantity):.2f} % a year")
    if isinstance(quantity, Discount):
        whole = 100 / quantity.whole if quantity.whole else 0.0
        words.append(f"discount {quantity.rate * whole:.2f} % a year until {day(quantity.maturity)}")
    if isinstance(quantity, Fixed):
        words.append("fixed")
    if branch.role != "cap":
        return ", ".join(words), ""
    limited = [part for part in above.parts if part.role != "cap"]
    lowest = min((part.value for part in limited), default=0)
    words.append(_binding(branch, lowest))
    return ", ".join(words), "yellow" if lowest > branch.value else ""


def _about_input(seen: Input, now: int) -> tuple[str, str]:
    words = [f"{seen.kind} {ends(seen.source)}"]
    is_stale = False
    if seen.updated_at is not None:
        age_s = now - seen.updated_at
        is_stale = seen.heartbeat_s is not None and age_s > seen.heartbeat_s
        words.append(
            (f"{lasting(age_s)} old" if age_s >= 0 else _since(age_s)) + (", STALE" if is_stale else "")
        )
    if seen.heartbeat_s is not None:
        words.append(f"heartbeat {seen.heartbeat_s} s")
    if seen.deviation_bps is not None:
        words.append(f"deviation {seen.deviation_bps} bps")
    return ", ".join(words), "red" if is_stale else "yellow" if seen.kind == "unresolved" else ""


def _binding(cap: Branch, value: int) -> str:
    """Whether a cap holds what it limits down, how far they are apart, and until when."""
    if value <= 0:
        return ""
    apart = abs(100 * (cap.value - value) / value)
    if value <= cap.value:
        return f"not binding ({apart:.2f} % above)"
    quantity = cap.quantity
    until = quantity.reaches(value) if isinstance(quantity, Growing) else None
    return f"BINDING ({apart:.2f} % below)" + ("" if until is None else f" until {day(until)}")


def _label(branch: Branch) -> str:
    """A quantity's own name, else what it is called by its kind."""
    quantity = branch.quantity
    if isinstance(quantity, Input):
        return quantity.name
    return quantity.label or type(quantity).__name__.lower()


def _operation(branch: Branch) -> str:
    """The arithmetic over the parts below, as the contract does it on integers."""
    quantity = branch.quantity
    if isinstance(quantity, Least):
        return "least"
    if not isinstance(quantity, Fraction):
        return ""
    name = "quotient" if quantity.under else "product" if len(quantity.over) > 1 else "multiple"
    times = "" if quantity.numerator == 1 else f" * {_constant(quantity.numerator)}"
    by = "" if quantity.denominator == 1 else f" / {_constant(quantity.denominator)}"
    return name + times + by


def _constant(number: int) -> str:
    """A whole number; powers of ten as such."""
    text = str(number)
    return f"10^{len(text) - 1}" if len(text) > 3 and text == "1".ljust(len(text), "0") else text


def exact(branch: Branch) -> str:
    """A quantity with every digit kept and no more; the bare integer where its decimals are not known."""
    if branch.decimals is None:
        return f"{branch.value} (raw)"
    whole, part = divmod(branch.value, 10**branch.decimals)
    digits = f"{part:0{branch.decimals}d}".rstrip("0") if part else ""
    return f"{whole:,}.{digits}" if digits else f"{whole:,}"


def ends(address: str) -> str:
    """The two ends of an address."""
    return f"{address[:6]}…{address[-4:]}" if len(address) == 42 else clean(address)
