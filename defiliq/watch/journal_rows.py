"""Heads and memories as rows of a journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, TypeAlias

import orjson

from defiliq.types import Block, Head
from defiliq.watch.journal_file import Unusable
from defiliq.watch.memory import Memory, memory_from_json, memory_json

Flat: TypeAlias = Mapping[tuple[str, str], str]
"""A memory as JSON by (section, key): '' holds the section without its keys, '.name' the value of each."""

NAMED: Final = "."

STATE_AT: Final = """
SELECT section, key, value, max(number) FROM state WHERE number <= ? GROUP BY section, key
"""
"""SQLite takes `value` from the row that has the largest number (its "bare columns" beside max)."""


def flat_of(memory: Memory) -> Flat:
    """A memory, taken apart so that only what changed needs to be written."""
    flat: dict[tuple[str, str], str] = {}
    for section, value in orjson.loads(memory_json(memory)).items():
        if not isinstance(value, dict):
            flat[section, ""] = orjson.dumps(value).decode()
            continue
        flat[section, ""] = "{}"
        flat |= {(section, NAMED + key): orjson.dumps(each).decode() for key, each in value.items()}
    return flat


def changes(before: Memory | None, after: Memory) -> dict[tuple[str, str], str | None]:
    """What to write so that `after` follows `before`; None for what went.

    Only what changed is turned into JSON: of many thousand accounts few do from one block to the next.
    """
    if before is None:
        return dict(flat_of(after))
    parts: dict[str, dict[str, Any]] = {}
    gone: dict[tuple[str, str], None] = {}
    for part in fields(Memory):
        old, new = getattr(before, part.name), getattr(after, part.name)
        parts[part.name] = {key: value for key, value in new.items() if _differs(old.get(key), value)}
        gone |= dict.fromkeys((part.name, NAMED + key) for key in old.keys() - new.keys())
    written = {key: value for key, value in flat_of(Memory(**parts)).items() if key[1]}
    return {**written, **gone}


def _differs(old: object, new: object) -> bool:
    return old is not new and old != new


def own(memory: Memory) -> Memory:
    """A copy that nobody else changes."""
    return Memory(**{part.name: dict(getattr(memory, part.name)) for part in fields(Memory)})


def flat_at(db: sqlite3.Connection, number: int) -> Flat:
    """What was remembered after block `number`."""
    rows = db.execute(STATE_AT, (number,))
    return {(section, key): value for section, key, value, _ in rows if value is not None}


def memory_of(flat: Flat) -> Memory:
    """The memory again; Unusable where it is none."""
    said: dict[str, Any] = {}
    try:
        # In order, a section itself comes before its keys.
        for (section, key), value in sorted(flat.items()):
            if key:
                said[section][key.removeprefix(NAMED)] = orjson.loads(value)
            else:
                said[section] = orjson.loads(value)
        return memory_from_json(orjson.dumps(said))
    except (ValueError, KeyError, TypeError) as error:
        raise Unusable(f"what it remembers cannot be read: {error}") from None


def head_json(head: Head) -> str:
    """A head as JSON; its numbers may be longer than 64 bits."""
    block = head.block
    return json.dumps(
        [
            *(block.chain_id, block.number, block.hash, block.timestamp),
            *(head.parent_hash, head.base_fee_wei, head.gas_used, head.gas_limit),
        ]
    )


def head_from_json(text: str) -> Head:
    """The head that `head_json` wrote; Unusable for anything else."""
    try:
        chain_id, number, block_hash, timestamp, parent_hash, base_fee_wei, used, limit = json.loads(text)
    except (ValueError, TypeError) as error:
        raise Unusable(f"its last block cannot be read: {error}") from None
    return Head(Block(chain_id, number, block_hash, timestamp), parent_hash, base_fee_wei, used, limit)
