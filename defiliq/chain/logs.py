"""Logs of any stretch of blocks from a node that takes only so many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.chain.span import Span
from defiliq.errors import RangeTooLarge

FIRST_SPAN: Final = 2_000
MAX_SPAN: Final = 1_000_000
FEW_LOGS: Final = 2_500
"""An answer with fewer leaves room for a longer range under every known limit of results (10,000)."""
OnRange: TypeAlias = Callable[[int, int, Logs], None]


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
    span = Span(first_span, max_span)
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
        span.accept(end - start + 1, may_grow=len(logs.blocks) < FEW_LOGS)
        start = end + 1
