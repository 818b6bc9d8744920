"""Reserves that a market is read without, because there is no price for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from defiliq.errors import MissingPrice


class Priceless(Protocol):
    """A reserve without a price."""

    @property
    def symbol(self) -> str:
        """As its token says."""
        ...

    @property
    def asset(self) -> str:
        """Its token's address."""
        ...

    @property
    def seen(self) -> str:
        """What was answered in place of a price."""
        ...


def tell_missing(dropped: Iterable[Priceless], on_missing: Callable[[MissingPrice], None] | None) -> None:
    """Tell `on_missing` of each reserve; without one, MissingPrice of the first is raised."""
    for lost in dropped:
        error = MissingPrice(lost.symbol, lost.asset, lost.seen)
        if on_missing is None:
            raise error
        on_missing(error)
