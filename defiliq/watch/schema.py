"""The events of `watch`: their kinds, fields and ids. `docs/watch.md` is made from this room.

An event is a fact about one block of one market. Its id depends on nothing but that fact, so that whoever
follows the same chain by another way, or again, gets the same ids.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from defiliq.ladder import IDENTITY, identity
from defiliq.types import Market
from defiliq.watch.fields import COMMON, KINDS, Field
from defiliq.watch.fields import EventKind as EventKind

SCHEMA_VERSION: Final = 1
"""It grows when a field goes, changes its form or its meaning; not when one is added."""
ID_LETTERS: Final = 24
BIGGEST_NUMBER: Final = 2**53
"""JSON readers that keep numbers as doubles have no exact integer beyond it."""
KIND_ORDER: Final[Mapping[str, int]] = {kind: k for k, kind in enumerate(KINDS)}
"""In which order the events of one block are told."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fact about one block of one market."""

    id: str
    kind: EventKind
    facts: Mapping[str, object]
    """Every field but `id` and `event`, in the order of the schema; what JSON can say."""

    def line(self) -> str:
        """The event as one line of JSON, without the newline."""
        return orjson.dumps({"id": self.id, "event": self.kind, **self.facts}).decode()


def event_id(identity: Mapping[str, object], kind: EventKind, key: str) -> str:
    """The id of an event: `identity` names block and market, `key` what else tells it from its like there."""
    named = [identity[name] for name in ("chain_id", "protocol", "market", "block_hash")]
    told = orjson.dumps([*named, kind, key])
    return hashlib.sha256(told).hexdigest()[:ID_LETTERS]


def identity_at(market: Market) -> dict[str, object]:
    """The fields that every event starts with."""
    named = identity(market)
    return {name: named[name] for name in IDENTITY}


def make_event(kind: EventKind, key: str, named: Mapping[str, object], facts: Mapping[str, object]) -> Event:
    """An event with its fields in order: what `facts` leaves out is null; what is no field is left out."""
    told = {**named, **facts}
    ordered = {field.name: _plain(told.get(field.name)) for field in (*COMMON, *KINDS[kind][1])}
    return Event(event_id(named, kind, key), kind, ordered)


def gap_event(named: Mapping[str, object], first: int, last: int, reason: str) -> Event:
    """Blocks `first` to `last` were not evaluated one by one; `named` is the identity of the last."""
    facts = {"first_block": first, "last_block": last, "reason": reason}
    return make_event("gap", f"{first}|{last}", named, facts)


def reorg_event(
    named: Mapping[str, object], depth: int, old_hash: str, retracted: Sequence[str], before: int = 0
) -> Event:
    """The chain has replaced `depth` blocks, up to one of hash `old_hash`, and the events `retracted` with
    them; `named` is the identity of the last block that still stands.

    `before` is how many events were told before: a chain can turn to and fro between two branches.
    """
    facts = {
        "depth": depth,
        "old_hash": old_hash,
        "ancestor_number": named["block_number"],
        "ancestor_hash": named["block_hash"],
        "retracted": list(retracted),
    }
    return make_event("reorg", f"{old_hash}|{before}", named, facts)


def in_order(events: Sequence[tuple[tuple[object, ...], Event]]) -> list[Event]:
    """The events of one block in the order in which they are told: by kind, then by the key given."""
    ranked = sorted(events, key=lambda it: (KIND_ORDER[it[1].kind], *it[0]))
    return [event for _, event in ranked]


def check(event: Event) -> None:
    """ValueError where an event is not what the schema says."""
    if event.kind not in KINDS:
        raise ValueError(f"no kind of event: {event.kind!r}"[:200])
    if not isinstance(event.id, str) or not event.id:
        raise ValueError("an event without an id")
    fields = {field.name: field for field in (*COMMON, *KINDS[event.kind][1])}
    for name, field in fields.items():
        if name not in event.facts:
            raise ValueError(f"{event.kind}: no field {name}")
        if not fits(field, event.facts[name]):
            raise ValueError(f"{event.kind}: {name} is no {field.form}: {event.facts[name]!r}"[:200])
    if more := [name for name in event.facts if name not in fields]:
        raise ValueError(f"{event.kind}: unknown field {more[0]!r}"[:200])


def fits(field: Field, value: object) -> bool:
    """Whether a value has the form of a field."""
    form = field.form.removesuffix("?")
    if value is None:
        return form != field.form
    return any(_FORMS[part](value) for part in form.split(" or "))


def event_of(said: object) -> Event:
    """The event that a line of JSON holds, once it is decoded; ValueError where it is none."""
    if isinstance(said, dict) and isinstance(said.get("event"), str):
        facts = {str(name): value for name, value in said.items() if name not in ("id", "event")}
        event = Event(said.get("id", ""), said["event"], facts)
        check(event)
        return event
    raise ValueError("no event")


def render_schema() -> str:
    """All kinds of events and their fields, as Markdown."""
    parts = [f"Schema version {SCHEMA_VERSION}.", "", "### Every event", ""]
    named = (
        Field("id", "string", "The event's name: the same for whoever follows the same chain."),
        Field("event", "string", "Its kind."),
    )
    parts += _table((*named, *COMMON))
    for kind, (meaning, fields) in KINDS.items():
        parts += ["", f"### `{kind}`", "", meaning, "", *_table(fields)]
    return "\n".join(parts) + "\n"


def _table(fields: Sequence[Field]) -> list[str]:
    rows = [f"| `{field.name}` | {field.form} | {field.meaning} |" for field in fields]
    return ["| Field | JSON | Meaning |", "|---|---|---|", *rows]


def _plain(value: object) -> object:
    """A value as JSON can say it exactly: no NaN, and no integer that a double cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > BIGGEST_NUMBER:
        return str(value)
    return value


def _is_integer(value: object) -> bool:
    return type(value) is int and abs(value) <= BIGGEST_NUMBER


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit()


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


_FORMS: Final[Mapping[str, Callable[[object], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer string": _is_digits,
    "number": _is_number,
    "integer": _is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "[string]": lambda value: isinstance(value, list) and all(isinstance(it, str) for it in value),
}
