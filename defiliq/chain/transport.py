"""The seam under a node: one method that takes JSON-RPC requests and gives their replies, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import orjson

Json: TypeAlias = Any
"""Whatever a JSON text can say. It comes from outside: check before use."""


@dataclass(frozen=True, slots=True)
class Request:
    """One JSON-RPC method call."""

    method: str
    params: tuple[Json, ...] = ()
    repeat_timeout: bool = True
    """Whether a read timeout is worth a second try. Not where the caller will rather ask for less."""

    @property
    def key(self) -> str:
        """One spelling for one question, whatever the order of its object keys."""
        asked = [self.method, list(self.params)]
        return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class Failure:
    """A JSON-RPC error object."""

    code: int
    message: str
    """Printable, one line, without secrets of the URL."""
    data: Json = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one request, or its failure."""

    result: Json = None
    failure: Failure | None = None


class Transport(Protocol):
    """A way to a node."""

    @property
    def label(self) -> str:
        """How to name it to people, without secrets."""
        ...

    def send(self, requests: Sequence[Request]) -> list[Reply]:
        """The replies in the order of the requests; NodeError when the way itself fails."""
        ...

    def close(self) -> None:
        """Give back sockets and files."""
        ...
