"""What a known kind of price contract is known by, and contracts that look like one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from defiliq.oracle.contracts import Ask, Contract
from defiliq.oracle.sheet import Parts


@dataclass(frozen=True, slots=True)
class Kind:
    """One known price contract: how it is recognised, what it is asked, and what it computes."""

    name: str
    """The contract's name in its source."""
    marks: tuple[str, ...]
    """Getters that all answer. The first kind of the table whose marks all answer is the contract's."""
    build: Callable[[Parts], int]
    """Adds what the contract computes and gives its position."""
    asks: tuple[Ask, ...] = ()
    """What else it is asked."""
    feeds: tuple[str, ...] = ()
    """Which of the marks are addresses of further price contracts."""
    pair: str = ""
    """The pair that it must describe itself as, where no getter tells it from others."""


class Seen(NamedTuple):
    """A price contract and what it looks like."""

    contract: Contract
    kind: Kind | None
    """None for aggregators, and for all else that is not known."""

    @property
    def children(self) -> tuple[str, ...]:
        """The price contracts that it asks in turn."""
        getters = () if self.kind is None else self.kind.feeds
        named = (self.contract.address_in(getter) for getter in getters)
        return tuple(address for address in named if address is not None)
