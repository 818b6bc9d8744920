"""One price taken apart: a quantity, what it is made of, and so on down to what no contract computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from defiliq.pricing.graph import Quantity

Role: TypeAlias = Literal["part", "factor", "divisor", "cap"]
"""What a quantity is in the one above it. `part`: one of which the least counts, and the price itself."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A quantity of a price, and the branches that it is computed from, in the contract's order."""

    quantity: Quantity
    value: int
    decimals: int | None
    """Digits behind its point; None where its contracts do not tell."""
    role: Role = "part"
    parts: tuple[Branch, ...] = ()
