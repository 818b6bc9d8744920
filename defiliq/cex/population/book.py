"""One side's positions of a simulated market, in columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from defiliq.cex.history import Floats, Int64s
from defiliq.cex.population.rules import LiquidationRule
from defiliq.types import Side

Bools = NDArray[np.bool_]
RESCUE_AT = 0.75
"""How much of the way from entry to level must be gone before somebody adds margin."""


@dataclass(slots=True)
class Positions:
    """Positions of one side, one per row. What is closed or liquidated leaves."""

    account: Int64s
    opened_at: Int64s
    entry_usd: Floats
    coins: Floats
    leverage: Floats
    """What was chosen at the opening; adding margin does not change it here, only `level_usd`."""
    level_usd: Floats
    """Where it is liquidated; NaN where nowhere."""
    stop_usd: Floats
    """Where its trader closes it; NaN where nowhere."""
    eagerness: Floats
    """How much faster than the mean its trader closes by choice."""
    is_rescuable: Bools
    """Whether its trader would add margin, and has not yet."""

    def __len__(self) -> int:
        return len(self.coins)

    @property
    def total(self) -> float:
        """Coins."""
        return float(self.coins.sum())

    def keep(self, kept: Bools) -> None:
        """Drop all others."""
        if not kept.all():
            for field in fields(self):
                setattr(self, field.name, getattr(self, field.name)[kept])

    def add(self, other: Positions) -> None:
        """Append the rows of another."""
        for field in fields(self):
            both = np.concatenate((getattr(self, field.name), getattr(other, field.name)))
            setattr(self, field.name, both)


def no_positions() -> Positions:
    """An empty book."""
    whole, floats = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Positions(
        whole, whole, floats, floats, floats, floats, floats, floats, np.zeros(0, dtype=np.bool_)
    )


def close_some(rng: np.random.Generator, book: Positions, coins: float) -> None:
    """Close positions picked at random until so many coins are gone; the last one in part."""
    while coins > 0 and len(book):
        likely = 16 + math.ceil(2 * coins / book.total * len(book))
        picked = rng.choice(len(book), min(likely, len(book)), replace=False)
        gone = np.cumsum(book.coins[picked])
        whole = int(np.searchsorted(gone, coins, side="right"))
        if whole < len(picked):
            book.coins[picked[whole]] -= coins - (float(gone[whole - 1]) if whole else 0.0)
        kept = np.ones(len(book), dtype=np.bool_)
        kept[picked[:whole]] = False
        book.keep(kept)
        coins = 0.0 if whole < len(picked) else coins - float(gone[-1])


def first_hits(side: Side, levels_usd: Floats, moves_usd: Floats) -> Int64s:
    """(n,) at which of a candle's moves each level is reached; the number of moves where none does."""
    sign = -1.0 if side == "long" else 1.0
    worst = np.maximum.accumulate(sign * moves_usd)
    levels = sign * levels_usd
    hits = np.full(len(levels), len(moves_usd), dtype=np.int64)
    reached = np.flatnonzero(levels <= worst[-1])
    hits[reached] = np.searchsorted(worst, levels[reached], side="left")
    return hits


def first_hits_after(side: Side, book: Positions, moves_usd: Floats, when: Int64s) -> Int64s:
    """(n,) the same for positions opened within the candle: at a move later than `when`."""
    level, later = book.level_usd[:, None], np.arange(len(moves_usd)) > when[:, None]
    reached = later & ((moves_usd <= level) if side == "long" else (moves_usd >= level))
    return np.where(reached.any(axis=1), reached.argmax(axis=1), len(moves_usd)).astype(np.int64)


def rescue(side: Side, book: Positions, extreme_usd: float, rule: LiquidationRule) -> None:
    """Double the margin of who would, where the price has come close: as if opened with half the leverage."""
    gone = (extreme_usd - book.entry_usd) / (book.level_usd - book.entry_usd)
    who = np.flatnonzero(book.is_rescuable & (gone > RESCUE_AT))
    if len(who):
        halved = np.maximum(book.leverage[who] / 2, 1.0)
        book.level_usd[who] = rule(side, book.entry_usd[who], halved, book.coins[who])
        book.is_rescuable[who] = False
