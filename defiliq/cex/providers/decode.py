"""Strict readers of decoded JSON: a wrong shape, a NaN or a negative size is an error naming its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from defiliq.errors import BadVenueAnswer

NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
LARGEST: Final = 1e100
"""Beyond all that a market has, and so far within a float that products of two stay finite."""
LONGEST_TEXT: Final = 38
EARLIEST_AT, LATEST_AT = 1_230_768_000, 4_102_444_800
"""2009 to 2100: seconds that are taken for milliseconds, and the reverse, are outside."""

Bad = Callable[[str], BadVenueAnswer]


@dataclass(frozen=True, slots=True)
class Field:
    """A value within an answer, and the way to it for messages."""

    value: Any
    path: str
    bad: Bad

    def wrong(self, wanted: str) -> BadVenueAnswer:
        """The error that says what was found here instead of what is wanted."""
        return self.bad(f"{self.path} is {_shown(self.value)} instead of {wanted}")

    def at_key(self, name: str) -> Field:
        """A member of an object."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        if name not in self.value:
            raise self.bad(f"{self.path} has no {name}")
        return Field(self.value[name], f"{self.path}.{name}", self.bad)

    def at_index(self, index: int) -> Field:
        """A member of a row."""
        if not isinstance(self.value, Sequence) or isinstance(self.value, str):
            raise self.wrong("a list")
        if index >= len(self.value):
            raise self.bad(f"{self.path} has {len(self.value)} values, and value {index} is needed")
        return Field(self.value[index], f"{self.path}[{index}]", self.bad)

    def items(self) -> list[Field]:
        """The members of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [Field(each, f"{self.path}[{i}]", self.bad) for i, each in enumerate(self.value)]

    def members(self) -> list[tuple[str, Field]]:
        """The members of an object, by name."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        return [(key, Field(each, f"{self.path}.{key}", self.bad)) for key, each in self.value.items()]

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        return self.value

    def flag(self) -> bool:
        """A truth value."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def signed(self) -> float:
        """A finite number, written as one or as a string of one."""
        value = self.value
        if isinstance(value, str) and NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
            raise self.wrong("a number")
        return float(value)

    def size(self) -> float:
        """A number of at least 0."""
        found = self.signed()
        if found < 0:
            raise self.wrong("a number of at least 0")
        return found

    def price(self) -> float:
        """A number above 0."""
        found = self.signed()
        if found <= 0:
            raise self.wrong("a number above 0")
        return found

    def whole(self) -> int:
        """A whole number of at least 0."""
        found = self.size()
        if not found.is_integer():
            raise self.wrong("a whole number")
        return int(found)

    def at_seconds(self) -> int:
        """A moment in Unix seconds."""
        return self._moment(1)

    def at_milliseconds(self) -> int:
        """A moment in Unix milliseconds, as whole seconds."""
        return self._moment(1000)

    def _moment(self, per_second: int) -> int:
        found = self.whole() // per_second
        if not EARLIEST_AT <= found < LATEST_AT:
            raise self.wrong(f"a moment in Unix {'seconds' if per_second == 1 else 'milliseconds'}")
        return found


def plain(value: Any) -> str:
    """A code or words of an answer; nothing where it is a list, an object or null."""
    return str(value) if isinstance(value, str | int | float) else ""


def _shown(value: Any) -> str:
    """A value in a message: what it is rather than all of it.

    A long text is not cut: of a key that a server repeats, half would no longer be found and hidden.
    """
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"a text of {len(value)} letters"
    if isinstance(value, str | int | float | bool) or value is None:
        return repr(value)
    return "a list" if isinstance(value, list) else "an object"
