"""How much to ask for at once, learned from what is accepted and what is refused."""

from __future__ import annotations

from typing import Final

CLOSE: Final = 8
"""A span this close to a refused one, as a share of itself, is not worth growing."""
CALM: Final = 16
"""Accepted spans after which a refused one is tried again; doubles each time that it is refused again."""


class Span:
    """The next span to ask for, and the shortest that is known to be refused."""

    def __init__(self, first: int, longest: int) -> None:
        self.size = min(first, longest)
        self._longest = longest
        self._too_long = longest + 1
        self._calm, self._calm_needed = 0, CALM
        self._before_trying: tuple[int, int] | None = None

    def refuse(self, span: int, suggested: int | None = None) -> None:
        """A span was refused, and perhaps one that works was named."""
        self._calm = 0
        if self._before_trying is not None:
            self.size, self._too_long = self._before_trying
            self._calm_needed *= 2
            self._before_trying = None
        if suggested is not None and 1 <= suggested < span:
            self.size, self._too_long = suggested, suggested + 1
        elif self.size >= span:
            self.size, self._too_long = max(1, span // 2), span

    def forget(self) -> None:
        """What was refused says nothing about what comes."""
        self._too_long = self._longest + 1
        self._before_trying = None

    def accept(self, span: int, *, may_grow: bool = True) -> None:
        """A span was accepted; grow unless it was a short rest or its answer was large."""
        self._calm += 1
        if span < self.size or not may_grow:
            return
        self._before_trying = None
        is_known = self._too_long <= self._longest
        if is_known and self._calm >= self._calm_needed:
            # What was refused may have been a dense stretch that is behind us by now.
            self._before_trying = (self.size, self._too_long)
            self._too_long = self._longest + 1
            self._calm = 0
        elif is_known and self._too_long - self.size <= self.size // CLOSE:
            return
        self.size = max(self.size, min(2 * self.size, (self.size + self._too_long) // 2, self._longest))
