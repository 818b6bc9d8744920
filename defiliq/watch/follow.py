"""One market followed block by block: what is evaluated next, what is taken back, and what is passed over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from defiliq.book import Book
from defiliq.chain.heads import Heads
from defiliq.errors import (
    BlockChanged,
    BlockNotFound,
    DecodeError,
    DefiliqError,
    HistoryUnavailable,
    NodeError,
)
from defiliq.index import Index
from defiliq.types import Head
from defiliq.watch.ahead import Ahead, Basis
from defiliq.watch.chronicle import Accounts, Chronicle
from defiliq.watch.fold import NOTHING, State, begin, resume, step
from defiliq.watch.glance import Glance
from defiliq.watch.judge import Judge
from defiliq.watch.look import Keys, Looker, asked_of, followed_in, joined_keys, touched_in
from defiliq.watch.memory import Memory
from defiliq.watch.metrics import Meter
from defiliq.watch.pace import (
    EARLY_FAILURES,
    FIRST_BACKOFF_S,
    HEARTBEAT_S,
    LONGEST_BACKOFF_S,
    QUIET_FAILURES,
    Lap,
    Pace,
    counts_of,
)
from defiliq.watch.policy import Policy
from defiliq.watch.schema import Event, gap_event


@dataclass(slots=True)
class Follower:
    """Follows one market. What it tells goes into the journal, from which `deliver` takes it."""

    looker: Looker
    chronicle: Chronicle
    index: Index
    policy: Policy
    judge: Judge
    pace: Pace
    meter: Meter
    deliver: Callable[[], None]
    """Called after every block, and now and then."""
    notice: Callable[[str], None]
    """Told what a person should know, one line each."""
    stopping: threading.Event
    on_lap: Callable[[Lap, State], None] = lambda lap, state: None
    clock: Callable[[], float] = time.monotonic
    state: State | None = None
    is_incomplete: bool = False
    """Whether anything could not be read, or blocks were passed over."""
    _unaccounted: tuple[int, ...] = ()
    """Debts that the chain has and the book has not, by reserve. What they are has its reasons; that they
    change without a whole read means that the logs have not told all."""
    _said_lacks: bool = False
    _failures: int = 0
    _seen_at: float = 0.0

    def follow(self, heads: Heads) -> None:
        """Evaluate every block from the last one kept, or from the newest, until told to stop."""
        ahead = Ahead(self.looker, self.pace.every, self.pace.at_once)
        try:
            while self.state is None and not self.stopping.is_set():
                self._patiently(lambda: self._start(self._newest()))
            while not self._is_over():
                seen = heads.wait(HEARTBEAT_S)
                self._seen_at = self.clock()
                self.deliver()
                if seen is not None or self._failures:
                    self._patiently(partial(self._look, seen, ahead))
        finally:
            ahead.close()

    def replay(self, first: int, last: int) -> None:
        """Evaluate blocks `first` to `last` of the past, from the state after the block before."""
        ahead = Ahead(self.looker, self.pace.every, self.pace.at_once)
        self.pace = replace(self.pace, stop_at=last, max_gap=max(self.pace.max_gap, last - first + 1))
        try:
            self._start(first - 1)
            while not self._is_over():
                self._seen_at = self.clock()
                self._patiently(lambda: self._catch_up(last, ahead), is_lasting=False)
                self.deliver()
        finally:
            ahead.close()

    def _is_over(self) -> bool:
        if self.stopping.is_set():
            return True
        last = self.pace.stop_at
        return last is not None and self.state is not None and self.pace.after(self._number) > last

    @property
    def _number(self) -> int:
        return self._now.head.block.number

    @property
    def _now(self) -> State:
        if self.state is None:
            raise RuntimeError("nothing was evaluated yet")
        return self.state

    def _newest(self, seen: int | None = None) -> int:
        newest = self.looker.node.block("latest").number if seen is None else seen
        target = newest - self.pace.confirmations
        return target if self.pace.stop_at is None else min(target, self.pace.stop_at)

    def _look(self, seen: int | None, ahead: Ahead) -> None:
        self._catch_up(self._newest(seen), ahead)

    def _patiently(self, action: Callable[[], None], *, is_lasting: bool = True) -> None:
        """Do it; a node that fails is said once, and asked again later."""
        is_begun = self.state is not None
        try:
            action()
        except (BlockChanged, BlockNotFound) as error:
            # The chain moves under the reads, or this node is behind: look again.
            self._fail(error, is_lasting=is_begun or self._failures < EARLY_FAILURES)
        except NodeError as error:
            self._fail(error, is_lasting=is_lasting and is_begun)
        except DecodeError as error:
            # A node may tear its newest state while it makes the next. What stays so is no accident.
            self._fail(error, is_lasting=is_begun and self._failures < EARLY_FAILURES)
        else:
            if self._failures > QUIET_FAILURES:
                self.notice(f"Reading again, at block {self._number}.")
            self._failures = 0

    def _fail(self, error: NodeError | DecodeError, *, is_lasting: bool) -> None:
        if not is_lasting:
            raise error
        self._failures += 1
        self.meter.read_error()
        if self._failures == QUIET_FAILURES + 1:
            self.notice(f"{error} Trying on until it answers.")
        self.stopping.wait(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures - 1, 10)))

    def _start(self, newest: int) -> None:
        """Go on from the last block that is kept, or begin at the newest."""
        if self.chronicle.journal.last() is None:
            head = self.looker.node.head(newest)
            glance = self.looker.whole(head, self._owners(head), newest + 1)
            self._begin(glance)
        else:
            self._go_back(newest)

    def _go_back(self, newest: int) -> None:
        """To the last kept block that is on the chain; over a gap to `newest` where that cannot be done."""
        standing = self.chronicle.standing()
        if standing is None:
            kept = len(self.chronicle.journal.heads())
            self._take_back(self.chronicle.oldest(newest))
            self._bridge(newest, f"the chain has replaced all {kept} kept blocks")
            return
        self._take_back(standing)
        if newest - standing > self.pace.max_gap:
            self._bridge(newest, self._missed(newest - standing))
            return
        kept_block, stale = self.chronicle.last(), self.chronicle.stale
        head = kept_block.head
        try:
            if self.state is None or stale is None:
                glance = self.looker.whole(head, self._owners(head), head.block.number + 1)
            else:
                glance = self.looker.again(head, stale, self.state.book)
        except HistoryUnavailable as error:
            self._bridge(newest, error.seen)
            return
        self._unaccounted = self.looker.unaccounted(glance.changed)
        self._mind_unread(glance.changed)
        self.state = resume(glance, self.policy, self.judge, kept_block.memory)
        self.chronicle.mended()

    def _take_back(self, number: int) -> None:
        if self.chronicle.take_back(number):
            self.meter.reorg()

    def _missed(self, blocks: int) -> str:
        return f"{blocks} blocks were missed, more than {self.pace.max_gap}"

    def _catch_up(self, target: int, ahead: Ahead) -> None:
        """Evaluate every block up to `target`."""
        try:
            if self.chronicle.is_torn or (target <= self._number and not self._stands()):
                self._reorganised(target, ahead)
            while not self.stopping.is_set() and (number := self.pace.after(self._number)) <= target:
                if target - self._number > self.pace.max_gap:
                    self._bridge(target, self._missed(target - self._number))
                else:
                    self._evaluate(number, target, ahead)
        except HistoryUnavailable as error:
            ahead.drop()
            self._bridge(target, error.seen)
        except DefiliqError:
            ahead.drop()
            raise

    def _evaluate(self, number: int, target: int, ahead: Ahead) -> None:
        began = self._seen_at if self.pace.after(number) > target else self.clock()
        started = self.clock()
        now = self._now
        basis = Basis(self._number, asked_of(now.book), followed_in(now.book))
        head, glance = ahead.take(number, target, basis)
        if not self._follows(head):
            self._reorganised(target, ahead)
            return
        glance, unaccounted = self._completed(glance)
        read = self.clock()
        state, events = step(now, glance, self.policy, self.judge)
        judged = self.clock()
        self._keep(state, events, touched_in(glance), unaccounted)
        lap = Lap(number, self.clock() - began, read - started, judged - read, len(state.book), len(events))
        self.on_lap(lap, state)
        self._tell(state, events, lap.seen_to_journal_s)

    def _completed(self, glance: Glance) -> tuple[Glance, tuple[int, ...]]:
        """The glance, with all accounts where debts have changed that no log told of; and what it lacks."""
        if not glance.is_whole:
            book = self._now.book
            unaccounted = self.looker.unaccounted(book.updated(glance.changed), book.market.block)
            if unaccounted == self._unaccounted:
                return glance, unaccounted
            owners = joined_keys(followed_in(book), followed_in(glance.changed))
            glance = self.looker.whole(glance.head, owners, glance.first)
        return glance, self.looker.unaccounted(glance.changed)

    def _follows(self, head: Head) -> bool:
        """Whether a block stands on the last one evaluated."""
        if head.parent_hash == "":
            return True
        if head.block.number == self._number + 1:
            return head.parent_hash == self._now.head.block.hash
        return self._stands()

    def _stands(self) -> bool:
        """Whether the last block evaluated is still on the chain."""
        return self.chronicle.is_on_chain(self._now.head.block)

    def _reorganised(self, target: int, ahead: Ahead) -> None:
        """Take back what was told of blocks that the chain has replaced."""
        ahead.drop()
        self._go_back(target)

    def _bridge(self, target: int, reason: str) -> None:
        """Go on at `target`, past blocks that cannot be evaluated one by one."""
        kept = self.chronicle.last()
        if not self.chronicle.is_on_chain(kept.head.block):
            # The chain has changed as well: what was told of blocks that are gone is void.
            standing = self.chronicle.standing()
            self._take_back(self.chronicle.oldest(target) if standing is None else standing)
            kept = self.chronicle.last()
        first = kept.head.block.number + 1
        if target < first:
            # Not one of the kept blocks stands, and the chain is not longer yet.
            raise BlockNotFound(str(first), target)
        head = self.looker.node.head(target)
        glance = self.looker.whole(head, self._owners(head), first)
        self._begin(glance, kept.memory, gap_event(self.looker.identity(head.block), first, target, reason))
        self.is_incomplete = True
        self.meter.gap()
        self.notice(f"INCOMPLETE: blocks {first} to {target} are a gap: {reason}")

    def _begin(self, glance: Glance, memory: Memory = NOTHING, *first: Event) -> None:
        """Begin at a block of which every account was read, with an event before its own."""
        began, unaccounted = self.clock(), self.looker.unaccounted(glance.changed)
        state, events = begin(glance, self.policy, self.judge, memory)
        told = [*first, *events]
        self._keep(state, told, None, unaccounted)
        self.chronicle.mended()
        self._tell(state, told, self.clock() - began)

    def _keep(
        self, state: State, events: Sequence[Event], touched: Accounts, unaccounted: tuple[int, ...]
    ) -> None:
        """Make a block and its events last, then go on from there. No node is asked in between."""
        self.chronicle.keep(state.head, state.memory, events, touched)
        self._mind_unread(state.book)
        self.state, self._unaccounted = state, unaccounted

    def _tell(self, state: State, events: Sequence[Event], seconds: float) -> None:
        if self.looker.lacks and not self._said_lacks:
            self.notice(f"INCOMPLETE: liquidations are not told: {self.looker.lacks}")
            self.is_incomplete = self._said_lacks = True
        self.meter.evaluated(state.head, counts_of(state), events, seconds)
        self.deliver()

    def _mind_unread(self, book: Book[Any]) -> None:
        """Say it when accounts begin to be unreadable; events say of each when it begins and ends."""
        if book.failed and (self.state is None or not self.state.book.failed):
            owner, reason = next(iter(sorted(book.failed.items())))
            at, count = book.market.block.number, len(book.failed)
            self.notice(
                f"INCOMPLETE: at block {at} {count} accounts cannot be read, such as {owner}: {reason}"
            )
        self.is_incomplete = self.is_incomplete or bool(book.failed)

    def _owners(self, head: Head) -> Keys | None:
        return self.looker.owners(self.index, head.block)
