"""What really happened in a scripted hour, block by block, as it is kept to hold a watch against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tests.lab.bot import Realised

Why: TypeAlias = Literal["told", "backrun", "interest"]
"""How a liquidation came about: of an account that the contract had for liquidatable one block before; of one
that only a price of the very block made so; of one that only the time since the block before made so."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One transaction of a block."""

    hash: str
    what: str
    accounts: tuple[str, ...]
    """Whose positions it is about."""
    is_mined: bool
    """False where it reverted."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One liquidation that went through."""

    hash: str
    borrower: str
    collateral: str
    debt: str
    debt_to_cover: int
    pool: str
    """Where the collateral was sold; '' where it was kept."""
    flash: bool
    why: Why
    deficits: Mapping[str, int]
    """Bad debt that it left and the pool burnt, by symbol, in base units."""
    realised: Realised | None
    """What the bot made of it; None for one that somebody called without it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter that governance changed, as `parameters` of defiliq's protocols spells them."""

    parameter: str
    before: str
    after: str


@dataclass(slots=True)
class Block:
    """One block of the hour."""

    number: int
    hash: str
    timestamp: int
    sent: list[Sent] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Drivers whose source was written to: what it answered before and after."""


@dataclass(slots=True)
class Truth:
    """A whole hour."""

    first: int
    """The last block before it: where a watch starts."""
    blocks: list[Block] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    """Everybody who ever borrowed."""

    @property
    def last(self) -> int:
        """The last block of it."""
        return self.blocks[-1].number

    @property
    def taken(self) -> list[tuple[Block, Taken]]:
        """Every liquidation with its block."""
        return [(block, each) for block in self.blocks for each in block.taken]

    @property
    def changes(self) -> list[tuple[Block, Change]]:
        """Every parameter that changed with its block."""
        return [(block, each) for block in self.blocks for each in block.changes]

    def write(self, path: Path) -> None:
        """One line of JSON per block."""
        path.write_text("".join(f"{line}\n" for line in self._lines()))

    def _lines(self) -> Iterable[str]:
        for block in self.blocks:
            kept: dict[str, Any] = asdict(block)
            yield json.dumps(kept)
