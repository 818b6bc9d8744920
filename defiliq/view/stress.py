"""A stress as people read it: what moved, what breaks, by reserve and in sum."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import pandas as pd
from rich.text import Text

from defiliq.view.terminal import bar, clean, filled, in_words, money, money_named, print_lines, print_rows

_RESERVES = (
    *("reserve", "spot_price_usd", "price_usd", "change_pct", "cap"),
    *("collateral_accounts", "collateral", "collateral_usd", "seized_usd"),
    *("debt_accounts", "debt", "debt_usd", "repaid_usd"),
)
_SUMMED = (
    *("accounts", "liquidatable_accounts", "already_accounts", "newly_accounts", "cured_accounts"),
    *("callable_accounts", "refused_accounts", "bad_debt_accounts", "spot_bad_debt_accounts"),
    *("collateral_usd", "debt_usd", "repaid_usd", "seized_usd", "bonus_usd", "bad_debt_usd"),
    "spot_bad_debt_usd",
)
_WIDTH = 100
_TOKEN_DIGITS = 6


def print_stress(totals: pd.DataFrame, moved: pd.DataFrame, reserves: pd.DataFrame) -> None:
    """One market: the moves, the sums, and every reserve that moved or that somebody liquidatable has."""
    print_lines([*moved_lines(moved), "", *total_lines(totals.iloc[0]), ""])
    had = (reserves["collateral_accounts"] > 0) | (reserves["debt_accounts"] > 0)
    touched = (reserves["change_pct"] != 0) | had
    shown = reserves[touched].copy()
    shown["cap"] = [
        cap_shown(was, now) for was, now in zip(shown["capped_at_spot"], shown["capped"], strict=True)
    ]
    for column in ("collateral", "debt"):
        shown[column] = shown[column].map(tokens)
    left = len(reserves) - len(shown)
    title = "reserves" + (f" ({left} that nothing moves and nobody breaks on are not shown)" if left else "")
    print_rows(shown, title, [name for name in _RESERVES if name != "cap" or filled(shown, name)])


def print_sum(totals: Sequence[pd.DataFrame]) -> None:
    """The same sums over several markets of one base currency."""
    rows = [table.iloc[0] for table in totals]
    summed: dict[str, object] = {name: sum(row[name] for row in rows) for name in _SUMMED}
    named = {"reasons": "", "base_symbol": rows[0]["base_symbol"]}
    print_lines([Text(f"sum of {len(rows)} markets", style="bold"), *total_lines(pd.Series(summed | named))])


def print_curve(totals: pd.DataFrame) -> None:
    """One line per step: where the drivers stand, and the debt as a bar."""
    most = float(totals["debt_usd"].max())
    unit = money_named(str(totals["base_symbol"].iloc[0]))
    heads = "".join(f"{name + unit:>16}" for name in ("collateral", "debt", "bad debt"))
    lines = [Text(f"   share   accounts{heads}")]
    for row in totals.to_dict("records"):
        line = Text(
            f"{row['share_pct']:>7.4g}%{row['liquidatable_accounts']:>11,}{money(row['collateral_usd']):>16}"
            f"{money(row['debt_usd']):>16}{money(row['bad_debt_usd']):>16}  "
        )
        line.append(bar(row["debt_usd"] / most if most else 0.0, 24), style="blue")
        line.append(f"  {clean(row['moves'])}", style="dim")
        lines.append(line)
    print_lines([*lines, ""])


def moved_lines(moved: pd.DataFrame) -> list[str]:
    """Each driver or cap, before and after."""
    return [
        f"{clean(row['driver'])}: {_value(row, 'before')} -> {_value(row, 'after')} ({change_shown(row)})"
        for _, row in moved.iterrows()
    ]


def change_shown(row: pd.Series) -> str:
    """How far a driver goes, or on which side of what it limits a cap ends; a row of the moved table."""
    limited_pct, change_pct = float(row["limited_pct"]), float(row["change_pct"])
    if not math.isnan(limited_pct):
        return f"{abs(limited_pct):.4g}% {'below' if limited_pct < 0 else 'above'} what it limits"
    return f"{change_pct:+.4g}%"


def total_lines(row: pd.Series) -> list[str]:
    """A row of sums in words."""

    def count(name: str) -> str:
        return f"{row[name]:,}"

    def accounts(name: str) -> str:
        return f"{count(name)} account{'' if row[name] == 1 else 's'}"

    def sized(name: str) -> str:
        return in_words(float(str(row[f"{name}_usd"])), str(row["base_symbol"]))

    takes = f"repay {sized('repaid')}, seize {sized('seized')}, bonus {sized('bonus')}"
    if math.isnan(float(str(row["repaid_usd"]))):
        takes = "but what they take is not known"
    lines = [
        f"liquidatable: {count('liquidatable_accounts')} of {accounts('accounts')}, "
        f"{count('newly_accounts')} newly and {count('already_accounts')} at spot already"
        + (f"; {count('cured_accounts')} no more" if row["cured_accounts"] else ""),
        f"they hold {sized('collateral')} of collateral and owe {sized('debt')}",
        f"first calls: {count('callable_accounts')} go through, {takes}; "
        f"{count('refused_accounts')} are refused",
        f"bad debt: {sized('bad_debt')} in {accounts('bad_debt_accounts')} "
        f"(at spot {sized('spot_bad_debt')} in {count('spot_bad_debt_accounts')})",
    ]
    if row["reasons"]:
        lines += textwrap.wrap(f"refused: {clean(row['reasons'])}", _WIDTH, subsequent_indent="  ")
    return lines


def preset_lines(presets: Sequence[tuple[str, str, Sequence[str], str, Sequence[str]]]) -> list[Text]:
    """(name, heading, moves, description, sources) of each, for reading."""
    lines: list[Text] = []
    for name, heading, moves, description, sources in presets:
        title = Text(name, style="bold")
        title.append(f"  {heading}", style="not bold")
        lines += [title, *(Text(f"  --set '{move}'") for move in moves)]
        lines += [Text(f"  {line}") for line in textwrap.wrap(description, _WIDTH)]
        lines += [*(Text(f"  {source}", style="dim") for source in sources), Text("")]
    return lines


def cap_shown(at_spot: object, now: object) -> str:
    """What happens to a cap."""
    if at_spot is pd.NA or now is pd.NA:
        return ""
    if bool(at_spot) == bool(now):
        return "binds" if now else "does not bind"
    return "starts to bind" if now else "stops binding"


def tokens(amount: str) -> str:
    """A decimal string with thousands separators, cut to six digits behind the point."""
    whole, _, part = amount.partition(".")
    kept = part[:_TOKEN_DIGITS].rstrip("0")
    return f"{int(whole):,}.{kept}" if kept else f"{int(whole):,}"


def _value(row: pd.Series, when: str) -> str:
    value = float(str(row[f"{when}_value"]))
    return str(row[f"{when}_raw"]) if math.isnan(value) else f"{value:,.10g}"
