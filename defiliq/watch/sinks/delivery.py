"""From a journal into a sink, in order, and the cursor after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from defiliq.errors import DefiliqError
from defiliq.watch.journal import Journal, Line

BATCH: Final = 500
"""Events that are handed over at once."""


class Sink(Protocol):
    """Somewhere events go."""

    @property
    def name(self) -> str:
        """What the journal calls it, from run to run; without secrets."""

    def deliver(self, lines: Sequence[Line]) -> int | None:
        """Take some events, in order; the `seq` of the last that is surely out, None for none.

        A DefiliqError says why nothing more can be taken now. The rest comes again.
        """

    @property
    def position(self) -> int:
        """Where it stands now: everything it was given so far lies before. 0 where that means nothing."""

    def beyond(self, position: int) -> Sequence[str]:
        """The ids of the events that it holds from earlier runs after a position, oldest first.

        None of them where it cannot tell.
        """

    def close(self) -> None:
        """Let go of whatever it holds."""


class Delivery:
    """One journal's events on their way into one sink. For one thread at a time."""

    def __init__(self, journal: Journal, sink: Sink, *, from_start: bool = False, batch: int = BATCH) -> None:
        """Make the sink known to the journal, and pass over what it got in a run that was killed.

        A sink that is new to the journal gets what is told from now on, or all that is kept.
        """
        self.journal, self.sink, self._batch = journal, sink, batch
        journal.register(sink.name, from_start=from_start, position=sink.position)
        held = sink.beyond(journal.position(sink.name))
        self._out: int | None = _overlap(held, journal.pending(sink.name, batch))
        """What is out for sure, where the journal could not yet be told."""

    def pump(self) -> int:
        """Hand over everything that waits; how many events went out.

        JournalFull where the cursor cannot be moved: what is out is remembered, and not handed over again by
        this object. Errors of the sink pass through.
        """
        count = 0
        while True:
            self._note()
            lines = self.journal.pending(self.sink.name, self._batch)
            if not lines:
                return count
            out = self.sink.deliver(lines)
            if out is None:
                return count
            count += sum(line.seq <= out for line in lines)
            self._out = out

    @property
    def backlog(self) -> int:
        """How many events wait."""
        return self.journal.backlog(self.sink.name)

    def _note(self) -> None:
        if self._out is not None:
            self.journal.delivered(self.sink.name, self._out, self.sink.position)
            self._out = None


def deliver_all(deliveries: Sequence[Delivery]) -> list[DefiliqError]:
    """Hand over what waits for each sink, and what kept some from taking it: one does not hold up another."""
    failures = []
    for delivery in deliveries:
        try:
            delivery.pump()
        except DefiliqError as error:
            failures.append(error)
    return failures


def _overlap(held: Sequence[str], lines: Sequence[Line]) -> int | None:
    """The `seq` up to which events that are thought to wait are held already: a run was killed in between.

    Several journals may share one sink, so only what waits here is looked at. An event may wait twice where
    the chain came back to a block, so the longest match counts.
    """
    waiting = [line.id for line in lines]
    wanted = set(waiting)
    here = [each for each in held if each in wanted]
    for count in range(min(len(here), len(waiting)), 0, -1):
        if here[-count:] == waiting[:count]:
            return lines[count - 1].seq
    return None
