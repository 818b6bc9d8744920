"""Glances at the blocks ahead, read while the one before is judged: what makes catching up fast."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from defiliq.types import Head
from defiliq.watch.glance import Glance
from defiliq.watch.look import Asked, Keys, Looker, is_same_layout


@dataclass(frozen=True, slots=True)
class Basis:
    """What the state after one block says of whom to ask at the next."""

    number: int
    asked: Asked
    followed: Keys


Seen: TypeAlias = tuple[Head, Glance, Basis]


class Ahead:
    """Reads glances in order of their blocks, some at once. What it gives is as if read one by one."""

    def __init__(self, looker: Looker, every: int, at_once: int) -> None:
        self._looker, self._every, self._at_once = looker, every, at_once
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[int, Future[Seen]] = {}

    def take(self, number: int, upto: int, basis: Basis) -> tuple[Head, Glance]:
        """The glance at a block; meanwhile those at later ones, up to `upto`, are begun."""
        head, glance, known = self._seen(number, upto, basis)
        if known.number != basis.number and not self._looker.lists_all and _is_outdated(glance, known, basis):
            return self._look(number, basis)[:2]
        return head, glance

    def drop(self) -> None:
        """Forget what was read ahead: the chain has changed under it."""
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    def close(self) -> None:
        """Stop the threads."""
        self.drop()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _seen(self, number: int, upto: int, basis: Basis) -> Seen:
        if upto - number < self._every and number not in self._waiting:
            return self._look(number, basis)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="defiliq-ahead")
        last = min(upto, number + self._every * (self._at_once - 1))
        look: Callable[[int, Basis], Seen] = self._look
        for each in range(number, last + 1, self._every):
            if each not in self._waiting:
                self._waiting[each] = self._pool.submit(look, each, basis)
        return self._waiting.pop(number).result()

    def _look(self, number: int, basis: Basis) -> Seen:
        head = self._looker.node.head(number)
        first = max(number - self._every, basis.number) + 1 if number > basis.number else number
        return head, self._looker.at(head, first, basis.asked, basis.followed), basis


def _is_outdated(glance: Glance, known: Basis, basis: Basis) -> bool:
    """Whether a glance that was read by an older basis might lack what a newer one asks for."""
    if glance.is_whole or not is_same_layout(glance.changed.market, basis.asked.market):
        return True
    if known.asked.unread != basis.asked.unread:
        return True  # others would have been tried again
    told = {mode for mode, _ in known.asked.modes} | set(glance.changed.modes.tolist())
    return not {mode for mode, _ in basis.asked.modes} <= told
