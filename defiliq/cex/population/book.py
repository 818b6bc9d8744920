"""One side's positions of a simulated market, in columns."""

from __future__ import annotations

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
    return Positions(whole, whole, floats, floats, floats, floats, floats, np.zeros(0, dtype=np.bool_))


def close_some(rng: np.random.Generator, book: Positions, coins: float) -> None:
    """Close positions picked at random until so many coins are gone; the last one in part."""
    if coins <= 0 or not len(book):
        return
    order = rng.permutation(len(book))
    gone = np.cumsum(book.coins[order])
    whole = int(np.searchsorted(gone, coins, side="right"))
    kept = np.ones(len(book), dtype=np.bool_)
    kept[order[:whole]] = False
    if whole < len(order):
        book.coins[order[whole]] -= coins - (float(gone[whole - 1]) if whole else 0.0)
    book.keep(kept)


def first_hits(side: Side, book: Positions, moves_usd: Floats) -> Int64s:
    """(n,) at which of a candle's moves each level is reached; the number of moves where none does."""
    if side == "long":
        worst = np.minimum.accumulate(moves_usd)
        return np.searchsorted(-worst, -_never(book.level_usd, 0.0), side="left").astype(np.int64)
    worst = np.maximum.accumulate(moves_usd)
    return np.searchsorted(worst, _never(book.level_usd, np.inf), side="left").astype(np.int64)


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


def _never(level_usd: Floats, unreached: float) -> Floats:
    """Levels, with a price that no move reaches in place of those that there are not."""
    return np.where(np.isnan(level_usd), unreached, level_usd)
