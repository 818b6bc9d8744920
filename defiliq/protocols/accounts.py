"""Accounts that a node was asked about, some of which can't be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAccounts:
    """N accounts. Protocols add what they read of them in a subclass."""

    owners: NDArray[np.uint8]
    """(N, K) keys."""
    refusals: tuple[tuple[NDArray[np.bool_], str], ...] = ()
    """(N,) accounts that can't be read, and why; the first reason counts."""

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(N,)"""
        kept = np.ones(len(self.owners), np.bool_)
        for rows, _ in self.refusals:
            kept &= ~rows
        return kept

    def refused(self, rows: NDArray[np.bool_], why: str) -> Self:
        """The same, with some more accounts unreadable."""
        return replace(self, refusals=(*self.refusals, (rows, why)))

    def failed(self, name: Callable[[bytes], str]) -> dict[str, str]:
        """The unreadable accounts, as `name` calls them by their keys, each with its reason."""
        reasons: dict[int, str] = {}
        for rows, why in self.refusals:
            for row in np.flatnonzero(rows).tolist():
                reasons.setdefault(row, why)
        return {name(self.owners[row].tobytes()): reasons[row] for row in sorted(reasons)}
