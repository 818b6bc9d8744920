"""Which blocks are evaluated, and how long each took."""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.watch.metrics import Counts
from defiliq.watch.scene import State

LONGEST_BACKOFF_S = 60.0
FIRST_BACKOFF_S = 0.5
EARLY_FAILURES = 5
"""So often a beginning is tried while the chain moves under it."""
QUIET_FAILURES = 1
"""So many failures in a row are not worth a word: a node that is a block behind, a chain that moves."""
HEARTBEAT_S = 1.0
"""How long at most nothing is looked after while no new block comes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Which blocks are evaluated."""

    every: int = 1
    """Only blocks whose number is a multiple of it; logs of those between are read all the same."""
    confirmations: int = 0
    """Blocks that must stand on top of one before it is evaluated."""
    max_gap: int = 7_200
    """Where more blocks than these were missed they are not caught up with one by one: a gap."""
    at_once: int = 4
    """Blocks that are read at a time while catching up."""
    stop_at: int | None = None
    """The last block to evaluate; None never stops."""

    def after(self, number: int) -> int:
        """The block to evaluate after one."""
        return (number // self.every + 1) * self.every


@dataclass(frozen=True, slots=True)
class Lap:
    """How long one block took, in seconds of this machine's clock."""

    block: int
    seen_to_journal_s: float
    """From when the block was first heard of; of blocks that are caught up with, from their own beginning."""
    read_s: float
    judge_s: float
    accounts: int
    events: int


def counts_of(state: State) -> Counts:
    """How many accounts a market has after a block."""
    told = state.memory.told.values()
    return Counts(
        accounts=len(state.book),
        liquidatable=int(state.liquidatable.sum()),
        approaching=sum(one.now == "approaching" for one in told),
        unread=len(state.book.failed),
    )
