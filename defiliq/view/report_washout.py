"""What a report says of debt, or open interest, and whether leverage was washed out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from defiliq.model.metrics import DAY_S, WASHED_OUT_PCT
from defiliq.view.charts import minute
from defiliq.view.heat_rows import money_shown
from defiliq.view.report_parts import Item
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.model.washout import Outstanding


def change_item(found: Outstanding) -> Item:
    """How much it was 24 hours before the newest snapshot, how much it is, and the change."""
    label = f"{_named(found)} change (24h)"
    if found.change is None or found.before_at is None:
        return Item(label, f"not known: {_why(found)}")
    change, unit = found.change, found.markets[0][3]
    ends = ((change.before_usd, found.before_at), (change.after_usd, found.at))
    before, after = (f"{money_shown(size, unit)} ({minute(at)})" for size, at in ends)
    washed = "leverage was washed out" if change.is_washed_out else "leverage was not washed out"
    moved = "none before" if math.isnan(change.change_pct) else f"{change.change_pct:+.1f}%"
    return Item(label, f"{moved}, from {before} to {after}: {washed}")


def change_notes(found: Outstanding) -> tuple[str, ...]:
    """What is counted, and from when on that is a washout."""
    markets = ", ".join(
        f"{clean(protocol)} {clean(name)} ({clean(on)})" for on, protocol, name, _ in found.markets
    )
    what = (
        "Open interest is what the chain counts of this driver's perpetuals"
        if found.holds_open
        else "Debt is all that the accounts owe"
    )
    return (
        f"{what} on {markets}, at each snapshot's own oracle prices; "
        f"a fall of {-WASHED_OUT_PCT:g}% or more is a washout.",
    )


def _named(found: Outstanding) -> str:
    return "Open interest" if found.holds_open else "Debt"


def _why(found: Outstanding) -> str:
    if found.before_at is None:
        return f"no snapshot within an hour of {minute(found.at - DAY_S)}, 24 hours before the newest"
    return f"{clean(Path(found.untold).name)} is no snapshot in which every account was read"
