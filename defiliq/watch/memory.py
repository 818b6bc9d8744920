"""What a watch must remember from block to block besides the book, as it is kept over a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypeVar

import orjson

Status: TypeAlias = Literal["approaching", "liquidatable"]
"""The second is the more urgent; an account without either is quiet."""

FORM: Final = 1
"""Of what `memory_json` writes; another number is another form."""
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of an account that is not quiet."""

    status: Status
    event_id: str
    """Of the event that said so."""
    block: int
    at: int
    """The timestamp of that block."""
    driver: str = ""
    """The nearest driver then, its side and its level; '' and None where there was none."""
    side: str = ""
    price: int | None = None
    now: Status | None = None
    """What it really was after the last block: less than was told while that is held back."""
    cause: str = ""
    """Why it became less than was told, decided at the block at which it did; '' while that holds."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that decides which events a block has, besides the book itself."""

    told: Mapping[str, Told] = field(default_factory=dict)
    """By account."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What governs liquidations, by dotted path, as it was after the block: see `protocols`."""
    answers: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """Source and name of each oracle input to (answer, when it was written)."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Accounts that could not be read and reserves without a price, by address, with the reason."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Accounts that were told to owe more than backs it, with the id of the event that said so."""


def memory_json(memory: Memory) -> bytes:
    """A memory as JSON that does not depend on the order of its parts. Answers are text: they may be long."""
    told = {
        account: [
            *(it.status, it.event_id, it.block, it.at, it.driver, it.side),
            *(None if it.price is None else str(it.price), it.now, it.cause),
        ]
        for account, it in memory.told.items()
    }
    answers = {key: [str(value), at] for key, (value, at) in memory.answers.items()}
    said = {
        "form": FORM,
        "told": told,
        "parameters": dict(memory.parameters),
        "answers": answers,
        "unread": dict(memory.unread),
        "bad": dict(memory.bad),
    }
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def memory_from_json(text: bytes) -> Memory:
    """The memory that `memory_json` wrote; ValueError where it is anything else."""
    said = orjson.loads(text)  # orjson.JSONDecodeError is a ValueError
    if not isinstance(said, dict) or set(said) != {"form", "told", "parameters", "answers", "unread", "bad"}:
        raise ValueError("no memory of a watch")
    if type(said["form"]) is not int or said["form"] != FORM:
        raise ValueError(f"a memory of form {said['form']!r}, not {FORM}")
    return Memory(
        told=_mapping(said["told"], _told),
        parameters=_mapping(said["parameters"], _text),
        answers=_mapping(said["answers"], _answer),
        unread=_mapping(said["unread"], _text),
        bad=_mapping(said["bad"], _text),
    )


def _mapping(said: Any, read: Callable[[Any], V]) -> dict[str, V]:
    if not isinstance(said, dict):
        raise _odd("object", said)
    return {str(key): read(value) for key, value in said.items()}


def _told(said: Any) -> Told:
    status, event_id, block, at, driver, side, price, now, cause = _list(said, 9)
    if status not in ("approaching", "liquidatable") or now not in (None, "approaching", "liquidatable"):
        raise ValueError(f"no status: {status!r}, {now!r}")
    if side not in ("", "long", "short"):
        raise ValueError(f"no side: {side!r}")
    return Told(
        status,
        _text(event_id),
        _integer(block),
        _integer(at),
        _text(driver),
        side,
        None if price is None else _digits(price),
        now,
        _text(cause),
    )


def _answer(said: Any) -> tuple[int, int | None]:
    value, at = _list(said, 2)
    return _digits(value), None if at is None else _integer(at)


def _list(said: Any, count: int) -> list[Any]:
    if not isinstance(said, list) or len(said) != count:
        raise _odd(f"list of {count}", said)
    return said


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise _odd("text", said)
    return said


def _integer(said: Any) -> int:
    if type(said) is not int or said < 0:
        raise _odd("number", said)
    return said


def _digits(said: Any) -> int:
    text = _text(said)
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 100:
        raise _odd("integer", said)
    return int(text)


def _odd(wanted: str, said: object) -> ValueError:
    return ValueError(f"no {wanted} in the memory: {said!r}"[:200])
