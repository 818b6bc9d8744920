"""Which block is the newest, heard over a websocket or asked for: hints about when to look, never facts.

Whoever is told a number asks the node for the block itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from defiliq.chain.newest import Newest
from defiliq.chain.node import AnyNode
from defiliq.chain.rpc import Patience
from defiliq.chain.url import SOCKETS, Endpoint
from defiliq.errors import NodeError, NodeUnreachable, WrongChain

if TYPE_CHECKING:
    from defiliq.chain.subscription import Subscription

TIMEOUT_S: Final = 15
JOIN_S: Final = 5
"""How long `close` waits for a poll that is under way."""
NEAR_BLOCKS: Final = 64
"""A block that is further from the last one is asked of the node, whatever the websocket says."""


class Heads(Protocol):
    """Knows the newest block."""

    def wait(self, timeout_s: float) -> int | None:
        """The newest number known, as soon as the block is another than the one returned last.

        After a reorganisation it may be the same number or a lower one. None when the time is over, or when
        closed. NodeError only where nothing will ever come: WrongChain.
        """
        ...

    def close(self) -> None:
        """Stop the threads and hang up."""
        ...


def follow_heads(
    node: AnyNode,
    *,
    ws_url: str | None,
    poll_s: float,
    stall_s: float,
    on_notice: Callable[[str], None],
    timeout_s: int = TIMEOUT_S,
    patience: Patience | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Heads:
    """Follow a chain's newest block until closed; BadUrl where `ws_url` is no ws or wss URL.

    With `ws_url` the node there tells of new blocks, and `node` is asked every `poll_s` seconds only while it
    does not: not connected, or silent for more than `stall_s` seconds. Without, `node` is always asked.
    `on_notice` is told, one line each and once per trouble, what goes wrong and that it goes on; threads of
    this call it, one at a time. `patience` is about the websocket's connections; its retries do not count.
    """
    notices = _Notices(on_notice)
    newest = Newest(clock)
    poller = Poller(node, newest, notices, stall_s=stall_s)
    if ws_url is None:
        return _Following(newest, poller, None, poll_s)
    endpoint = Endpoint.of(ws_url, SOCKETS)
    from defiliq.chain.subscription import Subscription, Tidings  # here: polling needs no websocket

    link = _Link(endpoint.label, newest, poller, notices)
    subscription = Subscription(
        endpoint,
        node,
        Tidings(link.block, link.live, link.lost, link.silent, link.refused, newest.fail),
        stall_s=stall_s,
        timeout_s=timeout_s,
        patience=patience if patience is not None else Patience(0),
        clock=clock,
    )
    return _Following(newest, poller, subscription, poll_s)


class _Notices:
    """Passes lines on, one at a time."""

    def __init__(self, on_notice: Callable[[str], None]) -> None:
        self._on_notice, self._lock = on_notice, threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            self._on_notice(line)


class Poller:
    """Asks a node for its newest block, and says once that it fails, and once that no block comes."""

    def __init__(
        self, node: AnyNode, newest: Newest, on_notice: Callable[[str], None], *, stall_s: float
    ) -> None:
        self._node, self._newest, self._notice, self._stall_s = node, newest, on_notice, stall_s
        self._is_failing = self._is_stalled = False
        self.is_needed = True
        """Whether nothing better tells of new blocks."""
        self.found_silence: Callable[[], None] = lambda: None
        """Called when asking brings a block to light that was to be told."""
        self.poke = threading.Event()
        """Set to be asked at once."""

    def poll(self) -> None:
        """Ask once."""
        try:
            block = self._node.block("latest")
        except WrongChain as error:
            self._newest.fail(error)
            return
        except NodeError as error:
            if not self._is_failing:
                self._is_failing = True
                self._notice(f"{error} Asking on for new blocks.")
            return
        if self._is_failing:
            self._is_failing = False
            self._notice(f"{self._node.label} answers again, at block {block.number}.")
        is_first = self._newest.number is None
        if self._newest.tell(block.number, block.hash) and not is_first:
            self.found_silence()
        self._look_at_age(block.number)

    def _look_at_age(self, number: int) -> None:
        age_s = self._newest.age_s
        if age_s > self._stall_s and not self._is_stalled:
            self._is_stalled = True
            self._notice(f"No new block for {age_s:.0f} s: the newest is still {number}.")
        elif age_s <= self._stall_s and self._is_stalled:
            self._is_stalled = False
            self._notice(f"Blocks come again: {number}.")


class _Link:
    """What a websocket's troubles mean: polling while they last, and one line about each."""

    def __init__(self, label: str, newest: Newest, poller: Poller, notice: Callable[[str], None]) -> None:
        self._label, self._newest, self._poller, self._notice = label, newest, poller, notice
        self._is_silent = self._is_said = False
        poller.found_silence = self._found_silence

    def block(self, number: int, block_hash: str) -> None:
        known = self._newest.number
        if known is None or abs(number - known) > NEAR_BLOCKS:
            self._poller.poke.set()
            return
        self._newest.tell(number, block_hash)

    def live(self) -> None:
        self._is_silent = False
        self._poller.is_needed = False
        if self._is_said:
            self._is_said = False
            self._notice(f"The websocket at {self._label} tells of new blocks again.")

    def lost(self, error: NodeError) -> None:
        self._fall_back()
        if not self._is_said:
            self._is_said = True
            self._notice(f"No new blocks over the websocket: {error} Polling meanwhile.")

    def silent(self) -> None:
        self._is_silent = True
        self._fall_back()

    def refused(self, why: str) -> None:
        self._fall_back()
        self._notice(f"{self._label} takes no subscription to new blocks ({why}): polling instead.")

    def _found_silence(self) -> None:
        """A silent websocket is blamed only once the chain is known to go on without it."""
        if self._is_silent and not self._is_said:
            self._is_said = True
            self._notice(
                f"The websocket at {self._label} is open but silent while blocks come: polling meanwhile."
            )

    def _fall_back(self) -> None:
        self._poller.is_needed = True
        self._poller.poke.set()


class _Following:
    """Implements `Heads` with a thread that polls and, where there is one, a thread that listens."""

    def __init__(
        self, newest: Newest, poller: Poller, subscription: Subscription | None, poll_s: float
    ) -> None:
        self._newest, self._poller, self._subscription, self._poll_s = newest, poller, subscription, poll_s
        self._closed = threading.Event()
        runs: list[Callable[[], None]] = [self._poll]
        if subscription is not None:
            runs.append(subscription.run)
        self._threads = [
            threading.Thread(target=self._guarded, args=(run,), name="defiliq-heads", daemon=True)
            for run in runs
        ]
        for thread in self._threads:
            thread.start()

    def wait(self, timeout_s: float) -> int | None:
        return self._newest.wait(timeout_s)

    def close(self) -> None:
        self._closed.set()
        self._newest.close()
        self._poller.poke.set()
        if self._subscription is not None:
            self._subscription.close()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _poll(self) -> None:
        while not self._closed.is_set():
            if self._poller.is_needed or self._poller.poke.is_set():
                self._poller.poke.clear()
                self._poller.poll()
                self._closed.wait(self._poll_s)  # never more often, whatever a websocket says
            else:
                self._poller.poke.wait(self._poll_s)

    def _guarded(self, run: Callable[[], None]) -> None:
        """A thread that ends by a mistake of ours must not leave whoever waits in the dark."""
        try:
            run()
        except BaseException:
            self._newest.fail(NodeUnreachable("the node", "following its blocks ended by an internal error"))
            raise
