"""The blocks of one market that were evaluated: kept in the journal, and taken back where the chain does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from defiliq.errors import BlockNotFound, InputError, JournalFull
from defiliq.types import Block, Head
from defiliq.watch.journal import KEPT_BLOCKS, Journal, Kept
from defiliq.watch.look import Looker
from defiliq.watch.memory import Memory
from defiliq.watch.schema import Event, reorg_event

FULL_DISK_S = 5.0
Accounts = frozenset[bytes] | None
"""Keys of accounts; None for all."""


@dataclass(slots=True)
class Chronicle:
    """What was evaluated, newest last. A full disk is waited for: nothing is told twice or lost."""

    looker: Looker
    journal: Journal
    notice: Callable[[str], None]
    stopping: threading.Event
    stale: Accounts = frozenset()
    """Accounts that the book has as blocks left them that are gone."""
    is_torn: bool = False
    """Whether blocks were taken back, and the state has not followed yet."""
    _touched: deque[tuple[int, Accounts]] = field(default_factory=lambda: deque(maxlen=KEPT_BLOCKS))
    """(block, accounts that it changed) of the blocks that may be taken back."""

    def last(self) -> Kept:
        """The last block that is kept; there must be one."""
        kept = self.journal.last()
        if kept is None:
            raise RuntimeError("the journal is empty")
        return kept

    def keep(self, head: Head, memory: Memory, events: Sequence[Event], touched: Accounts) -> None:
        """Make a block and its events last."""
        self._lastingly(lambda: self.journal.commit(head, memory, events))
        self._touched.append((head.block.number, touched))

    def is_on_chain(self, block: Block) -> bool:
        """Whether a block is still on the chain; also so where this node has none so high."""
        try:
            return bool(self.looker.node.block(block.number).hash == block.hash)
        except BlockNotFound:
            return True

    def standing(self) -> int | None:
        """The newest kept block that is still on the chain."""
        for number, kept_hash in self.journal.heads():
            try:
                if self.looker.node.block(number).hash == kept_hash:
                    return number
            except BlockNotFound:
                continue
        return None

    def oldest(self, newest: int) -> int:
        """The oldest block that can be gone back to, where none of them stands any more.

        InputError where the node's chain ends before it: that is no reorganisation.
        """
        heads = self.journal.heads()
        if newest < heads[-1][0]:
            first, last = heads[-1][0], heads[0][0]
            raise InputError(
                f"{self.journal.path} has blocks {first} to {last} of another chain, or the node is far "
                f"behind: its newest is {newest}. Use another --state, or wait."
            )
        return heads[-1][0]

    def take_back(self, number: int) -> int:
        """Forget the blocks after one, and say which events are void; how many blocks those are."""
        heads = self.journal.heads()
        depth = sum(kept > number for kept, _ in heads)
        if depth == 0:
            return 0
        block = self.looker.node.block(number)
        self.stale = _both(self.stale, self._changed_since(number, depth))
        self.is_torn = True

        before = self.journal.told()

        def told(retracted: list[str]) -> Sequence[Event]:
            return [reorg_event(self.looker.identity(block), depth, heads[0][1], retracted, before)]

        self._lastingly(lambda: self.journal.rollback(number, told))
        while self._touched and self._touched[-1][0] > number:
            self._touched.pop()
        self.notice(f"The chain replaced {depth} blocks after block {number}; what they told is taken back.")
        return depth

    def mended(self) -> None:
        """The state is that of the last kept block again."""
        self.stale, self.is_torn = frozenset(), False

    def _changed_since(self, number: int, depth: int) -> Accounts:
        """The accounts that blocks after one changed; None, too, where that is not known."""
        blocks = [keys for block, keys in self._touched if block > number]
        known = [keys for keys in blocks if keys is not None]
        return frozenset[bytes]().union(*known) if len(known) == depth else None

    def _lastingly(self, change: Callable[[], object]) -> None:
        """Make a change of the journal, once there is room for it."""
        is_said = False
        while True:
            try:
                change()
                break
            except JournalFull as error:
                if not is_said:
                    self.notice(f"{error} Waiting until there is room.")
                is_said = True
                if self.stopping.wait(FULL_DISK_S):
                    raise
        if is_said:
            self.notice("There is room again; going on.")


def _both(first: Accounts, second: Accounts) -> Accounts:
    return None if first is None or second is None else first | second
