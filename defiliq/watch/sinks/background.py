"""A delivery in a thread of its own: a sink that is slow or down holds up nobody."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Final

from defiliq.errors import BadFile, DefiliqError, JournalFull, PrivateAddress, WebhookFailed
from defiliq.watch.sinks.delivery import Delivery

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
SLOW_WAIT_S: Final = 300.0
"""Between tries of what somebody must change first."""
LOOK_S: Final = 5.0
"""How long at most nothing is looked for when nobody said that there is something new."""


class Background:
    """Delivers what the journal has until it is stopped. The journal is the queue: nothing is given up."""

    def __init__(
        self,
        delivery: Delivery,
        label: str,
        notice: Callable[[str], None],
        *,
        pause: Callable[[float], None] | None = None,
        jitter: Callable[[], float] = lambda: secrets.randbelow(1000) / 1000,
    ) -> None:
        """`notice` is called from the thread, with one line when the sink begins to fail and when that is
        over. `pause` waits between tries; None waits so many seconds, or until all is to stop.
        """
        self._delivery, self._label, self._notice = delivery, label, notice
        self._stopping, self._news = threading.Event(), threading.Event()
        self._pause = self._wait if pause is None else pause
        self._jitter = jitter
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"delivery to {label}", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether it still delivers; not once the sink said that it wants no more."""
        return self._thread.is_alive()

    @property
    def sink(self) -> str:
        """What the journal calls the sink."""
        return self._delivery.sink.name

    @property
    def backlog(self) -> int:
        """How many events wait."""
        return self._delivery.backlog

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new. A sink that fails is left alone until its time."""
        self._news.set()

    def stop(self, drain_s: float) -> bool:
        """Try once more to deliver what waits, for so many seconds at most; whether the thread has ended.

        What is left stays in the journal for the next run.
        """
        self._stopping.set()
        self._news.set()
        self._thread.join(drain_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            is_last = self._stopping.is_set()
            wait_s: float | None = None
            self._news.clear()
            try:
                self._delivery.pump()
            except WebhookFailed as error:
                if error.is_gone:
                    self._give_up(error)
                    return
                wait_s = self._failed(error, error.wait_s, SLOW_WAIT_S if error.is_slow else None)
            except PrivateAddress as error:
                wait_s = self._failed(error, None, SLOW_WAIT_S)
            except JournalFull as error:
                wait_s = self._failed(error, None, None)
            except BadFile as error:
                if not self._stopping.is_set():  # the journal may be closed by then
                    self._notice(str(error))
                return
            else:
                self._works()
            if is_last:
                return
            if wait_s is None:
                self._news.wait(LOOK_S)
            else:
                self._pause(wait_s)

    def _failed(self, error: DefiliqError, asked_s: int | None, slow_s: float | None) -> float:
        """Say it once; how long to wait now."""
        self._failures += 1
        if self._failures == 1:
            self._notice(f"{error} Events are kept, and it is tried again.")
        if asked_s is not None:
            return max(float(asked_s), FIRST_WAIT_S)
        longest = min(FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 16), LONGEST_WAIT_S)
        return (longest if slow_s is None else slow_s) * (0.5 + self._jitter() / 2)

    def _works(self) -> None:
        if self._failures:
            self._notice(f"{self._label} takes events again, after {self._failures} failures.")
        self._failures = 0

    def _give_up(self, error: WebhookFailed) -> None:
        left = self._delivery.backlog
        self._notice(f"{error} It gets no more events; {left} that waited for it are dropped.")
        self._delivery.journal.forget(self._delivery.sink.name)

    def _wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)
