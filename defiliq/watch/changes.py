"""What changed besides accounts: parameters, answers of oracles, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any, Final, NamedTuple, TypeAlias

from defiliq.book import Book
from defiliq.protocols import PROTOCOLS
from defiliq.types import Market
from defiliq.watch.scene import Scene
from defiliq.watch.schema import Event, make_event

Ranked: TypeAlias = tuple[tuple[object, ...], Event]
"""An event with what it stands by among its like."""
ASSET: Final = ".asset"
"""How the path of a parameter ends that is a reserve's token."""
NUMBERED: Final = re.compile("reserve [0-9]+")
"""How a list names a reserve that is not there: see `protocols.parameters.named_bits`."""


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


def governing(book: Book[Any], missing: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """What governs liquidations after a block.

    A reserve without a price is in no market that is read, but nobody has changed what governs it: that is
    what was known of it. Lists of reserves then name it by its number, and are read as naming it.
    """
    now = dict(PROTOCOLS[book.market.protocol].parameters(book.market))
    lost = {path.removesuffix(ASSET) for path, of in known.items() if path.endswith(ASSET) and of in missing}
    if not lost:
        return now
    now = {path: _as_named(text, known.get(path, ""), lost) for path, text in now.items()}
    kept = {path: text for path, text in known.items() if any(path.startswith(f"{name}.") for name in lost)}
    return kept | now


def _as_named(text: str, known: str, lost: Set[str]) -> str:
    """A list of reserves as it was known, where it differs by the names of those that are lost alone."""
    parts, before = text.split(", "), known.split(", ")
    same = len(parts) == len(before) and all(
        part == name or (name in lost and NUMBERED.fullmatch(part) is not None)
        for part, name in zip(parts, before, strict=True)
    )
    return known if same else text


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
        if before == (None if now is None else (now.value, now.updated_at)) or _ticks(scene, before, now):
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


def _ticks(scene: Scene, before: tuple[int, int | None] | None, now: Answer | None) -> bool:
    """Whether the same answer only bears another time because its source gives the block's own, always.

    Exchange rates that are computed when they are asked for do so; nobody has written anything.
    """
    if scene.before is None or before is None or now is None or before[0] != now.value:
        return False
    then = scene.before.head.block.timestamp
    return before[1] == then and now.updated_at == scene.head.block.timestamp


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
