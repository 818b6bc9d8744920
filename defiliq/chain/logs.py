"""Logs of any stretch of blocks from a node that takes only so many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.errors import RangeTooLarge

FIRST_SPAN: Final = 2_000
MAX_SPAN: Final = 1_000_000
FEW_LOGS: Final = 2_500
"""An answer with fewer leaves room for a longer range under every known limit of results (10,000)."""
CLOSE: Final = 8
"""A span this close to a refused one, as a share of itself, is not worth growing."""
CALM: Final = 16
"""Accepted ranges after which a refused span is tried again; doubles each time that it is refused again."""

OnRange: TypeAlias = Callable[[int, int, Logs], None]


class _Span:
    """How many blocks to ask about next, and the shortest span that the provider is known to refuse."""

    def __init__(self, first_span: int, max_span: int) -> None:
        self.size = min(first_span, max_span)
        self._max = max_span
        self._too_long = max_span + 1
        self._calm, self._calm_needed = 0, CALM
        self._before_trying: tuple[int, int] | None = None

    def refuse(self, span: int, suggested: int | None) -> None:
        """The provider refused `span` blocks, and perhaps named a span that works."""
        self._calm = 0
        if self._before_trying is not None:
            self.size, self._too_long = self._before_trying
            self._calm_needed *= 2
            self._before_trying = None
        if suggested is not None and 1 <= suggested < span:
            self.size, self._too_long = suggested, suggested + 1
        elif self.size >= span:
            self.size, self._too_long = span // 2, span

    def accept(self, span: int, logs: int) -> None:
        """The provider took `span` blocks; grow while answers stay small."""
        self._calm += 1
        if span < self.size or logs >= FEW_LOGS:
            return
        if self._before_trying is not None:
            self._before_trying = None
        is_known = self._too_long <= self._max
        if is_known and self._calm >= self._calm_needed:
            # What was refused may have been a dense stretch that is behind us by now.
            self._before_trying = (self.size, self._too_long)
            self._too_long = self._max + 1
            self._calm = 0
        elif is_known and self._too_long - self.size <= self.size // CLOSE:
            return
        self.size = max(self.size, min(2 * self.size, (self.size + self._too_long) // 2, self._max))


def scan_logs(
    node: Node,
    wanted: LogFilter,
    first: int,
    last: int,
    *,
    on_range: OnRange,
    first_span: int = FIRST_SPAN,
    max_span: int = MAX_SPAN,
) -> None:
    """Hand every range of `first` to `last`, both included, to `on_range` in order, each exactly once.

    Ranges adapt to what the node accepts. One is handed over before the next is asked for, so a failure
    loses nothing that was found: it raises, and the scan goes on later from the first block not handed over.
    A single block that is refused raises too.
    """
    span = _Span(first_span, max_span)
    start = first
    while start <= last:
        end = min(start + span.size - 1, last)
        try:
            logs = node.logs(wanted, start, end)
        except RangeTooLarge as refusal:
            if end == start:
                raise
            hint = refusal.suggested_last
            span.refuse(end - start + 1, None if hint is None else hint - start + 1)
            continue
        on_range(start, end, logs)
        span.accept(end - start + 1, len(logs.blocks))
        start = end + 1
