"""What a watch must remember from block to block besides the book, as it is kept over a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["approaching", "liquidatable"]
"""The second is the more urgent; an account without either is quiet."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of an account that is not quiet, or that is cooling down."""

    status: Status | None
    """None: quiet again, and cooling down."""
    event_id: str
    """Of the event that said so."""
    block: int
    at: int
    """The timestamp of that block."""
    driver: str = ""
    """The nearest driver then, its side and its level; '' and None where there was none."""
    side: str = ""
    price: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that decides which events a block has, besides the book itself."""

    told: Mapping[str, Told] = field(default_factory=dict)
    """By account."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What governs liquidations, by dotted path, as it was after the block: see `protocols`."""
    answers: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """Source of each oracle input to (answer, when it was written)."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Accounts that could not be read, with the reason."""
