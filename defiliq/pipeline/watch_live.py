"""Markets followed as their blocks come: each with its node, journal and sinks, all in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from defiliq.chain.heads import follow_heads
from defiliq.chain.node import AnyNode
from defiliq.chain.rhythm import rhythm_of
from defiliq.errors import DefiliqError, InputError
from defiliq.index import Index
from defiliq.pipeline.watching import journal_path, make_follower, market_key
from defiliq.types import Head, Listing, Market
from defiliq.watch.fleet import Member, Outcome, run_all
from defiliq.watch.journal import Journal
from defiliq.watch.journal_file import MEMORY
from defiliq.watch.judge import Valuer
from defiliq.watch.metrics import Meter
from defiliq.watch.pace import Lap, Pace
from defiliq.watch.policy import Policy
from defiliq.watch.sinks import Background, Delivery, Sink, WebhookSink, deliver_all

DRAIN_S = 5.0
"""How long a slow sink may still deliver once all is to stop."""
OnLap = Callable[[str, Lap, Any], None]
"""Told of every block: the market's name, how long it took, and the state after it."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One market to follow, and how to reach it. Nodes and indices are opened in the market's own thread."""

    listing: Listing
    name: str
    """For people: unique among those that are followed."""
    connect: Callable[[], Any]
    """A node, to be closed at the end."""
    open_index: Callable[[], Index]
    valuer: Callable[[AnyNode, Listing], Callable[[Head, Market], Valuer]]
    policy: Policy
    pace: Pace
    poll_s: float | None = None
    """Seconds between looks for a block, and of silence that are suspect; None goes by the chain's rhythm."""
    stall_s: float | None = None
    ws_url: str | None = None
    meter: Meter = field(default_factory=Meter)


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where events go, for all markets."""

    folder: Path | None
    """Where journals are; None keeps nothing over a restart."""
    sinks: Sequence[Sink] = ()
    """Each is shared by all markets, and is told in the thread of the market."""
    background: Callable[[], WebhookSink] | None = None
    """A sink for each market that may be slow, told in a thread of its own."""
    on_lap: OnLap = lambda name, lap, state: None


def follow_markets(
    markets: Sequence[Followed],
    outlets: Outlets,
    stopping: threading.Event,
    notice: Callable[[str], None],
) -> list[Outcome]:
    """Follow them all until `stopping` is set, or each has come to its last block."""
    if outlets.folder is not None:
        try:
            outlets.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot keep a state in {outlets.folder}: {error.strerror}. Use --state."
            ) from None
    members = [
        Member(market.name, _Run(market, outlets, stopping, notice, is_alone=len(markets) == 1).run)
        for market in markets
    ]
    began = outlets.folder is not None and any(
        journal_path(outlets.folder, market.listing).exists() for market in markets
    )
    return run_all(members, stopping, notice, tries_alone=began)


@dataclass(frozen=True, slots=True)
class _Run:
    """One market, from its checkpoint until it is stopped."""

    market: Followed
    outlets: Outlets
    stopping: threading.Event
    notice: Callable[[str], None]
    is_alone: bool

    def run(self) -> bool:
        """Follow it; whether everything could be read."""
        market = self.market
        with ExitStack() as stack:
            node = stack.enter_context(market.connect())
            index = stack.enter_context(market.open_index())
            journal = stack.enter_context(self._journal())
            for line in journal.notices:
                self._say(line)
            deliveries = [Delivery(journal, sink) for sink in self.outlets.sinks]
            slow = self._background(journal, stack)
            self._let_go(journal, {one.sink.name for one in deliveries}, slow)
            outbox = _Outbox(deliveries, self._say, market.meter, slow)
            follower = make_follower(
                node,
                market.listing,
                journal,
                index,
                policy=market.policy,
                pace=market.pace,
                valuer=market.valuer(node, market.listing),
                stopping=self.stopping,
                meter=market.meter,
                deliver=outbox.pump,
                notice=self._say,
                on_lap=lambda lap, state: self.outlets.on_lap(market.name, lap, state),
            )
            rhythm = rhythm_of(node)
            heads = follow_heads(
                node,
                ws_url=market.ws_url,
                poll_s=rhythm.poll_s if market.poll_s is None else market.poll_s,
                stall_s=rhythm.stall_s if market.stall_s is None else market.stall_s,
                on_notice=self._say,
            )
            stack.callback(heads.close)
            stack.callback(market.meter.up, False)
            follower.follow(heads)
            outbox.pump()
            return not follower.is_incomplete

    def _let_go(self, journal: Journal, used: set[str], slow: Background | None) -> None:
        """Forget the sinks of earlier runs that are not asked for any more: nothing is kept for them."""
        if slow is not None:
            used = used | {slow.sink}
        for name in set(journal.sinks()) - used:
            waiting = journal.backlog(name)
            if waiting:
                self._say(f"{waiting} events that {name} never got are let go: it is not asked for any more.")
            journal.forget(name)

    def _journal(self) -> Journal:
        folder, listing = self.outlets.folder, self.market.listing
        return Journal(MEMORY if folder is None else journal_path(folder, listing), market_key(listing))

    def _background(self, journal: Journal, stack: ExitStack) -> Background | None:
        if self.outlets.background is None:
            return None
        sink = self.outlets.background()
        stack.callback(sink.close)
        slow = Background(Delivery(journal, sink), sink.label, self._say)
        slow.start()
        stack.callback(slow.stop, DRAIN_S)
        return slow

    def _say(self, line: str) -> None:
        self.notice(line if self.is_alone else f"{self.market.name}: {line}")


@dataclass(slots=True)
class _Outbox:
    """Hands events over; what a sink cannot take now is said once, and handed over later."""

    deliveries: Sequence[Delivery]
    notice: Callable[[str], None]
    meter: Meter
    slow: Background | None = None
    _said: set[str] = field(default_factory=set)

    def pump(self) -> None:
        """Hand over what waits."""
        failures: list[DefiliqError] = deliver_all(self.deliveries)
        seen = {str(error) for error in failures}
        for line in sorted(seen - self._said):
            self.notice(f"{line} Trying again.")
        self._said = seen
        for delivery in self.deliveries:
            self.meter.backlog(delivery.sink.name.partition(":")[0], delivery.backlog)
        if self.slow is not None:
            self.slow.wake()
            self.meter.backlog("webhook", self.slow.backlog)
