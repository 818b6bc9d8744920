"""What a watch must remember from block to block besides the book, as it is kept over a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

import orjson

Status: TypeAlias = Literal["approaching", "liquidatable"]
"""The second is the more urgent; an account without either is quiet."""

FORM: Final = 1
"""Of what `memory_json` writes; another number is another form."""
V = TypeVar("V")


class Crossing(NamedTuple):
    """How a price broke an account: its level, as it was known before and as it turned out."""

    driver: str
    side: str
    announced: int
    """The level after the block evaluated before."""
    exact: int | None
    """The level of the account as it was then, in the market after the block that broke it; None where it
    breaks there with the driver where it stood before."""
    before: int
    """The driver after the block evaluated before."""
    after: int
    """The driver after the block that broke it."""


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
    crossing: Crossing | None = None
    """How it became liquidatable; None where it is not, or was not seen to become so by a price."""


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
            *(_text_of(it.price), it.now, it.cause),
            None
            if it.crossing is None
            else [it.crossing.driver, it.crossing.side, *map(_text_of, it.crossing[2:])],
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
    status, event_id, block, at, driver, side, price, now, cause, crossing = _list(said, 10)
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
        None if crossing is None else _crossing(crossing),
    )


def _crossing(said: Any) -> Crossing:
    driver, side, announced, exact, before, after = _list(said, 6)
    if side not in ("long", "short"):
        raise ValueError(f"no side: {side!r}")
    there = None if exact is None else _digits(exact)
    return Crossing(_text(driver), side, _digits(announced), there, _digits(before), _digits(after))


def _text_of(number: int | None) -> str | None:
    return None if number is None else str(number)


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
