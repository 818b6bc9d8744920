"""Questions to contracts, sorted by the world in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from defiliq.types import Question

A = TypeVar("A")
CONCURRENCY: Final = 8


def by_world(asked: Sequence[Question], batch: Callable[[Sequence[Question]], Sequence[A]]) -> list[A]:
    """An answer to each question, in order: those about the same prices, sources, time and indices go to
    `batch` together, and batches go side by side.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, question in enumerate(asked):
        market, sources = question.market, tuple(sorted(question.sources.items()))
        world = (market.prices, market.timestamp, market.stored, sources)
        groups.setdefault(world, []).append(position)
    answers: dict[int, A] = {}
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        batches = pool.map(lambda rows: batch([asked[row] for row in rows]), groups.values())
        for rows, found in zip(groups.values(), batches, strict=True):
            answers.update(zip(rows, found, strict=True))
    return [answers[position] for position in range(len(asked))]
