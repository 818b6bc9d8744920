"""The newest block that is known, shared between those who hear of blocks and whoever waits for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from defiliq.errors import DefiliqError


class Newest:
    """Keeps the last block told and nothing of those before. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._newest: tuple[int, str] | None = None
        self._told: tuple[int, str] | None = None
        self._changed_s = clock()
        self._error: DefiliqError | None = None
        self._is_closed = False

    @property
    def number(self) -> int | None:
        """The newest block's; None before the first."""
        newest = self._newest
        return None if newest is None else newest[0]

    @property
    def age_s(self) -> float:
        """How long ago, on this machine's clock, another block was told than before."""
        with self._changed:
            return self._clock() - self._changed_s

    def tell(self, number: int, block_hash: str) -> bool:
        """Say which block is the newest; whether that is another than before."""
        with self._changed:
            if self._newest == (number, block_hash):
                return False
            self._newest, self._changed_s = (number, block_hash), self._clock()
            self._changed.notify_all()
            return True

    def fail(self, error: DefiliqError) -> None:
        """Nothing will ever come again: `wait` raises this from now on."""
        with self._changed:
            self._error = error if self._error is None else self._error
            self._changed.notify_all()

    def close(self) -> None:
        """Whoever waits is told None at once."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> int | None:
        """The newest number, as soon as the block is another than was answered last; None if none comes."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or self._error is not None or self._newest != self._told, timeout_s
            )
            if self._error is not None:
                raise self._error
            if self._is_closed or self._newest is None or self._newest == self._told:
                return None
            self._told = self._newest
            return self._newest[0]
