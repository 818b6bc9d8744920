"""What one block says of one market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from defiliq.book import Book
from defiliq.types import Happening, Head, Receipt, Worth


@dataclass(frozen=True, slots=True)
class Glance:
    """One block: the market after it, and the accounts whose state may have changed since the last glance.

    A pure function of the block and of which accounts are asked for, so that glances at several blocks can be
    read at once.
    """

    head: Head
    first: int
    """The first block whose logs are in it: one more than the block of the glance before."""
    changed: Book[Any]
    """The market after the block, and the changed accounts; all accounts where `is_whole`."""
    is_whole: bool
    happened: Sequence[Happening] = ()
    """Liquidations of blocks `first` to the head's, in the order of the chain."""
    worths: Sequence[Worth] = ()
    """What each was worth after the block."""
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    """Of their transactions, by hash; empty where nobody can be asked."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Assets of reserves that the market is read without, and what was answered in place of a price."""
