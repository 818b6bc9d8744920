"""What was owed, or held open, a day before, and whether leverage was washed out since."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from defiliq.model.metrics import DAY_S, OpenInterestChange, open_interest_change
from defiliq.model.over_time import HeatOverTime, Key

MOST_OFF_S = 3600
"""A snapshot so far from 24 hours before the newest one still stands for that time."""


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is owed or held open at the newest of some snapshots, beside 24 hours before it."""

    markets: tuple[Key, ...]
    holds_open: bool
    """Whether it is open interest of perpetuals; else it is debt."""
    at: int
    """The time of the newest snapshot."""
    before_at: int | None
    """That of the one nearest to 24 hours before, within an hour of it; None where there is none."""
    change: OpenInterestChange | None
    """None where one of the two is not known."""
    untold: str
    """The file that does not tell; empty where both do, or one is missing."""


def outstanding(found: HeatOverTime) -> Outstanding:
    """What heat over time says of it: nothing is read off snapshots further off than an hour."""
    times = found.times
    seen = times["block_timestamp"].to_numpy(dtype=np.int64)
    newest = len(seen) - 1
    off_s = np.abs(seen - (seen[newest] - DAY_S))
    nearest = int(np.argmin(off_s))
    is_known = bool(off_s[nearest] <= MOST_OFF_S)
    rows = (nearest, newest) if is_known else (newest,)
    sizes = [float(times["outstanding_usd"].iloc[row]) for row in rows]
    untold = [
        str(times["source"].iloc[row]) for row, size in zip(rows, sizes, strict=True) if math.isnan(size)
    ]
    return Outstanding(
        markets=found.markets,
        holds_open=found.holds_open,
        at=int(seen[newest]),
        before_at=int(seen[nearest]) if is_known else None,
        change=open_interest_change(*sizes) if is_known and not untold else None,
        untold=untold[0] if untold else "",
    )
