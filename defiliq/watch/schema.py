"""The events of `watch`: their kinds, fields and ids. `docs/watch.md` is made from this file.

An event is a fact about one block of one market. Its id depends on nothing but that fact, so that whoever
follows the same chain by another way, or again, gets the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import orjson

EventKind: TypeAlias = Literal[
    "gap",
    "reorg",
    "parameter_changed",
    "oracle_updated",
    "liquidated",
    "bad_debt",
    "recovered",
    "approaching",
    "liquidatable",
    "unread",
]
"""In the order in which the events of one block are told."""

ID_LETTERS: Final = 24


class Field(NamedTuple):
    """One field of an event, for people and for a check of what is written."""

    name: str
    form: str
    """What JSON it is: `string`, `integer string`, `number`, `integer`, `boolean`, `[string]`; `?` after it
    where it may be null."""
    meaning: str


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
