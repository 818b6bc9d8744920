"""What changed besides accounts: parameters, answers of oracles, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from defiliq.types import Market
from defiliq.watch.scene import Scene
from defiliq.watch.schema import Event, make_event

Ranked: TypeAlias = tuple[tuple[object, ...], Event]
"""An event with what it stands by among its like."""


class Answer(NamedTuple):
    """What one source of prices says."""

    name: str
    source: str
    value: int
    updated_at: int | None = None
    heartbeat_s: int | None = None
    deviation_bps: int | None = None

    @property
    def key(self) -> str:
        """What tells it from other sources: a contract may answer for several things."""
        return f"{self.source} {self.name}"


def answers_of(market: Market) -> dict[str, Answer]:
    """Every source of prices, by its key; prices themselves where nothing is known of their sources."""
    if market.graph.feeds:
        found = [
            Answer(one.name, one.source, one.value, one.updated_at, one.heartbeat_s, one.deviation_bps)
            for _, one in market.graph.inputs
        ]
    else:
        found = [
            Answer(f"{feed.name}/{market.base_symbol}", feed.source, price)
            for feed, price in zip(market.feeds, market.prices, strict=True)
        ]
    return {answer.key: answer for answer in found}


def remembered(answers: Mapping[str, Answer]) -> dict[str, tuple[int, int | None]]:
    """What a memory keeps of answers."""
    return {key: (answer.value, answer.updated_at) for key, answer in answers.items()}


def parameter_events(scene: Scene) -> Iterator[Ranked]:
    """One event per parameter that is not as it was."""
    before, after = scene.memory.parameters, scene.parameters
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            facts = {"parameter": path, "before": before.get(path), "after": after.get(path)}
            yield (path,), make_event("parameter_changed", path, scene.named, facts)


def oracle_events(scene: Scene, answers: Mapping[str, Answer]) -> Iterator[Ranked]:
    """One event per source that answers otherwise, or wrote its answer anew."""
    known = scene.memory.answers
    for key in sorted({*known, *answers}):
        now, before = answers.get(key), known.get(key)
        if before == (None if now is None else (now.value, now.updated_at)):
            continue
        source, _, name = key.partition(" ")
        facts: dict[str, object] = {
            "driver": name,
            "source": source,
            "before_raw": None if before is None else str(before[0]),
            "after_raw": None if now is None else str(now.value),
            "change_bps": None if before is None or now is None else _change_bps(before[0], now.value),
            "previous_updated_at": None if before is None else before[1],
        }
        if now is not None:
            facts |= {
                "updated_at": now.updated_at,
                "heartbeat_s": now.heartbeat_s,
                "deviation_bps": now.deviation_bps,
            }
        yield (key,), make_event("oracle_updated", key, scene.named, facts)


def _change_bps(before: int, after: int) -> float | None:
    return 10_000 * (after - before) / before if before else None


def unread_now(scene: Scene) -> dict[str, str]:
    """Accounts that could not be read and reserves without a price, with the reason."""
    return {**scene.book.failed, **scene.glance.missing}


def unread_events(scene: Scene) -> Iterator[Ranked]:
    """One event per account, or reserve, that is unread, is so for another reason, or is read again."""
    before, now = scene.memory.unread, unread_now(scene)
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            facts = {"account": name, "reason": now.get(name, "")}
            yield (name,), make_event("unread", name, scene.named, facts)
