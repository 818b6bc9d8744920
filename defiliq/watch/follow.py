"""One market followed block by block: what is evaluated next, what is taken back, and what is passed over."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from defiliq.chain.heads import Heads
from defiliq.errors import (
    BlockChanged,
    BlockNotFound,
    DefiliqError,
    HistoryUnavailable,
    JournalFull,
    NodeError,
)
from defiliq.index import Index
from defiliq.types import Head
from defiliq.watch.ahead import Ahead, Basis
from defiliq.watch.fold import State, begin, resume, step
from defiliq.watch.glance import Glance
from defiliq.watch.journal import KEPT_BLOCKS, Journal, Kept
from defiliq.watch.judge import Judge
from defiliq.watch.look import Keys, Looker, asked_of, followed_in, joined_keys, touched_in
from defiliq.watch.metrics import Meter
from defiliq.watch.pace import (
    FIRST_BACKOFF_S,
    FULL_DISK_S,
    HEARTBEAT_S,
    LONGEST_BACKOFF_S,
    QUIET_FAILURES,
    Lap,
    Pace,
    counts_of,
)
from defiliq.watch.policy import Policy
from defiliq.watch.schema import Event, gap_event, reorg_event


@dataclass(slots=True)
class Follower:
    """Follows one market. What it tells goes into the journal, from which `deliver` takes it."""

    looker: Looker
    journal: Journal
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
    _touched: deque[tuple[int, frozenset[bytes] | None]] = field(
        default_factory=lambda: deque(maxlen=KEPT_BLOCKS)
    )
    """(block, accounts that it changed; None for all) of the blocks that may be taken back."""
    _unaccounted: tuple[int, ...] | None = None
    """Debts that the chain has and the book has not, by reserve: None where that was not looked at."""
    _failures: int = 0
    _seen_at: float = 0.0

    def follow(self, heads: Heads) -> None:
        """Evaluate every block from the last one kept, or from the newest, until told to stop."""
        ahead = Ahead(self.looker, self.pace.every, self.pace.at_once)
        try:
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
        try:
            action()
        except (BlockChanged, BlockNotFound) as error:
            # The chain moves under the reads, or this node is behind: look again.
            self._fail(error, is_lasting=self.state is not None)
        except NodeError as error:
            self._fail(error, is_lasting=is_lasting and self.state is not None)
        else:
            if self._failures > QUIET_FAILURES:
                self.notice(f"Reading again, at block {self._number}.")
            self._failures = 0

    def _fail(self, error: NodeError, *, is_lasting: bool) -> None:
        if not is_lasting:
            raise error
        self._failures += 1
        self.meter.read_error()
        if self._failures == QUIET_FAILURES + 1:
            self.notice(f"{error} Trying on until it answers.")
        self.stopping.wait(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures - 1, 10)))

    def _start(self, newest: int) -> None:
        """Go on from the last block that is kept, or begin at the newest."""
        kept = self.journal.last()
        if kept is None:
            head = self.looker.node.head(newest)
            glance = self.looker.whole(head, self._owners(head), newest + 1)
            self._keep(*begin(glance, self.policy, self.judge), touched=None)
            return
        standing = self._standing()
        if standing is None:
            self._bridge_all(newest)
        elif newest - standing > self.pace.max_gap:
            self._take_back(standing)
            self._bridge(newest, f"{newest - standing} blocks were missed, more than {self.pace.max_gap}")
        else:
            self._take_back(standing)
            self._resume(newest)

    def _resume(self, newest: int) -> None:
        """Read the accounts again at the last block that is kept."""
        kept = self._kept()
        try:
            glance = self.looker.whole(kept.head, self._owners(kept.head), kept.head.block.number + 1)
        except HistoryUnavailable as error:
            self._bridge(newest, error.seen)
            return
        self.state = resume(glance, self.policy, self.judge, kept.memory)

    def _catch_up(self, target: int, ahead: Ahead) -> None:
        """Evaluate every block up to `target`."""
        if target <= self._number and not self._stands():
            ahead.drop()
            self._reorganised(target)
        while not self.stopping.is_set() and (number := self.pace.after(self._number)) <= target:
            if target - self._number > self.pace.max_gap:
                missed = target - self._number
                self._bridge(target, f"{missed} blocks were missed, more than {self.pace.max_gap}")
                return
            try:
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
            ahead.drop()
            self._reorganised(target)
            return
        glance = self._completed(glance)
        read = self.clock()
        state, events = step(now, glance, self.policy, self.judge)
        judged = self.clock()
        self._keep(state, events, touched=touched_in(glance))
        lap = Lap(number, self.clock() - began, read - started, judged - read, len(state.book), len(events))
        self.on_lap(lap, state)
        self.meter.evaluated(head, counts_of(state), events, lap.seen_to_journal_s)
        self.deliver()

    def _completed(self, glance: Glance) -> Glance:
        """The glance with all accounts where debts have changed that no log told of."""
        before, book = self._unaccounted, self._now.book
        if not glance.is_whole:
            self._unaccounted = self.looker.unaccounted(book.updated(glance.changed))
            if before is None or self._unaccounted == before:
                return glance
            owners = joined_keys(followed_in(book), followed_in(glance.changed))
            glance = self.looker.whole(glance.head, owners, glance.first)
        self._unaccounted = self.looker.unaccounted(glance.changed)
        return glance

    def _follows(self, head: Head) -> bool:
        """Whether a block stands on the last one evaluated."""
        if head.parent_hash == "":
            return True
        if head.block.number == self._number + 1:
            return head.parent_hash == self._now.head.block.hash
        return self._stands()

    def _stands(self) -> bool:
        """Whether the last block evaluated is still on the chain; True where this node has none so high."""
        block = self._now.head.block
        try:
            return bool(self.looker.node.block(block.number).hash == block.hash)
        except BlockNotFound:
            return True

    def _standing(self) -> int | None:
        """The newest block that is kept and still on the chain."""
        for number, kept_hash in self.journal.heads():
            try:
                if self.looker.node.block(number).hash == kept_hash:
                    return number
            except BlockNotFound:
                continue
        return None

    def _reorganised(self, target: int) -> None:
        """Take back what was told of blocks that the chain has replaced."""
        standing = self._standing()
        if standing is None:
            self._bridge_all(target)
            return
        changed = self._changed_since(standing)
        self._take_back(standing)
        kept = self._kept()
        if changed is None:
            self._resume(target)
            return
        glance = self.looker.again(kept.head, changed, self._now.book)
        self.state = resume(glance, self.policy, self.judge, kept.memory)

    def _changed_since(self, number: int) -> frozenset[bytes] | None:
        """The accounts that blocks after one changed; None where that is not known."""
        blocks = [keys for block, keys in self._touched if block > number]
        if len(blocks) < sum(kept > number for kept, _ in self.journal.heads()):
            return None
        known = [keys for keys in blocks if keys is not None]
        return frozenset[bytes]().union(*known) if len(known) == len(blocks) else None

    def _take_back(self, number: int) -> None:
        """Forget the blocks after one, and say which events are void."""
        heads = self.journal.heads()
        if heads[0][0] == number:
            return
        block = self.looker.node.block(number)
        depth = sum(kept > number for kept, _ in heads)

        def told(retracted: list[str]) -> Sequence[Event]:
            return [reorg_event(self.looker.identity(block), depth, heads[0][1], retracted)]

        self.journal.rollback(number, told)
        while self._touched and self._touched[-1][0] > number:
            self._touched.pop()
        self.meter.reorg()
        self.notice(f"The chain replaced {depth} blocks after block {number}; what they told is taken back.")

    def _bridge_all(self, target: int) -> None:
        """Go on where the chain has replaced more than is kept; what can be taken back is."""
        heads = self.journal.heads()
        self._take_back(heads[-1][0])
        self._bridge(target, f"the chain has replaced all {len(heads)} kept blocks")

    def _bridge(self, target: int, reason: str) -> None:
        """Go on at `target`, past blocks that cannot be evaluated one by one."""
        kept = self._kept()
        first = kept.head.block.number + 1
        if target < first:
            # Not one of the kept blocks stands, and the chain is not longer yet.
            raise BlockNotFound(str(first), target)
        head = self.looker.node.head(target)
        glance = self.looker.whole(head, self._owners(head), first)
        state, events = begin(glance, self.policy, self.judge, kept.memory)
        gap = gap_event(self.looker.identity(head.block), first, target, reason)
        self._keep(state, [gap, *events], touched=None)
        self.is_incomplete = True
        self.meter.gap()
        self.notice(f"INCOMPLETE: blocks {first} to {target} are a gap: {reason}")

    def _keep(self, state: State, events: Sequence[Event], touched: frozenset[bytes] | None) -> None:
        """Make a block and its events last. A full disk is waited for: nothing is told twice or lost."""
        is_said = False
        while True:
            try:
                self.journal.commit(state.head, state.memory, events)
                break
            except JournalFull as error:
                if not is_said:
                    self.notice(f"{error} Waiting until there is room.")
                is_said = True
                if self.stopping.wait(FULL_DISK_S):
                    raise
        if is_said:
            self.notice(f"There is room again; going on at block {state.head.block.number}.")
        self._touched.append((state.head.block.number, touched))
        self._mind_unread(state)
        self.state = state

    def _mind_unread(self, state: State) -> None:
        """Say it when accounts begin to be unreadable; events say of each when it begins and ends."""
        failed = state.book.failed
        if failed and (self.state is None or not self.state.book.failed):
            owner, reason = next(iter(sorted(failed.items())))
            at = state.head.block.number
            self.notice(
                f"INCOMPLETE: at block {at} {len(failed)} accounts cannot be read, such as {owner}: {reason}"
            )
        self.is_incomplete = self.is_incomplete or bool(failed)

    def _kept(self) -> Kept:
        kept = self.journal.last()
        if kept is None:
            raise RuntimeError("the journal is empty")
        return kept

    def _owners(self, head: Head) -> Keys | None:
        return self.looker.owners(self.index, head.block)
