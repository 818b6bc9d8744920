"""Questions to contracts, and the worlds in which they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from defiliq.chain.node import Override
from defiliq.chain.pretend import aggregator_code
from defiliq.types import Market, Question

A = TypeVar("A")
CONCURRENCY: Final = 8


def moved_sources(question: Question) -> dict[str, Override]:
    """The code that makes the sources that a question names answer as it says."""
    return {
        source: Override(code=aggregator_code(answer, decimals))
        for source, (answer, decimals) in question.sources.items()
    }


def other_time(market: Market) -> int | None:
    """When a market is judged; None at the time of its own block."""
    return None if market.timestamp == market.block.timestamp else market.timestamp


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
