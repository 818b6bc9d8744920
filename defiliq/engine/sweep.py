"""Many searches at once, each for the nearest integer of a driver at which one account's verdict changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Bools, Int64s
from defiliq.engine.exact import Margins

NEVER, FOUND, FOR_LAW = 0, 1, 2
MOST_ROUNDS = 400
_UNSUSPECTED = np.iinfo(np.int64).max


def nearest(
    margins: Margins, near: Int64s, far: Int64s, suspect: Int64s, *, step: int, liquidatable: bool
) -> tuple[NDArray[np.int8], Int64s]:
    """(n,) FOUND and the integer nearest to `near`, on the way to `far`, whose verdict is as asked; or NEVER.

    `step` is the direction, +1 or -1. `suspect` says where a change is expected and proves nothing. FOR_LAW
    where a margin does not fit the columns, or after MOST_ROUNDS.
    """
    state = np.full(len(near), FOR_LAW, dtype=np.int8)
    price = np.zeros(len(near), dtype=np.int64)
    search = _Search(margins, near, far, suspect, step, liquidatable)
    for _ in range(MOST_ROUNDS):
        for done, outcome in search.settled():
            state[done] = outcome
        if not len(search.rows):
            break
        found, at = search.look()
        state[found], price[found] = FOUND, at
    return state, price


class _Search:
    """The accounts that are left. All integers are measured as steps from 0 in the search's direction."""

    def __init__(
        self, margins: Margins, near: Int64s, far: Int64s, suspect: Int64s, step: int, liquidatable: bool
    ) -> None:
        self._margins, self._step, self._wanted = margins, step, liquidatable
        self.rows = np.arange(len(near), dtype=np.intp)
        self._near, self._far = near * step, far * step
        self._suspect = suspect * step
        self._width = np.ones(len(near), dtype=np.int64)
        self._unfit = np.zeros(len(near), dtype=np.bool_)

    def settled(self) -> list[tuple[NDArray[np.intp], int]]:
        """The accounts whose search is over without a find, by outcome; they are left out from now on."""
        passed = self._near > self._far
        over = [(self.rows[passed & ~self._unfit], NEVER), (self.rows[self._unfit], FOR_LAW)]
        self._keep(~passed & ~self._unfit)
        return over

    def look(self) -> tuple[NDArray[np.intp], Int64s]:
        """Try one stretch of each account: the accounts that are decided, and where.

        While a change is suspected ahead the stretch ends half-way there, otherwise it doubles.
        """
        ahead = self._suspect - self._near
        bounded = (ahead >= 0) & (self._suspect <= self._far)
        end = np.where(bounded, self._near + ahead // 2, np.minimum(self._near + self._width - 1, self._far))
        clear, fits = self._is_clear(end)
        single = end == self._near
        found = fits & ~clear & single
        result = self.rows[found], self._near[found] * self._step
        self._suspect = np.where(fits & ~clear & ~single, end, self._suspect)
        self._width = np.where(clear & ~bounded, np.minimum(self._width * 2, 2**48), self._width)
        self._near = np.where(clear, end + 1, self._near)
        self._unfit = ~fits
        self._keep(~found)
        return result

    def _is_clear(self, end: Int64s) -> tuple[Bools, Bools]:
        """Whether no integer from `near` to `end` has the wanted verdict, and where that is exact.

        The smallest margin joins the collateral of the lower end with the debt of the upper one; the greatest
        does the opposite.
        """
        low, high = (
            np.minimum(self._near * self._step, end * self._step),
            np.maximum(self._near * self._step, end * self._step),
        )
        if self._wanted:
            margin, fits = self._margins.joined(low, high)
            return fits & (margin >= 0), fits
        margin, fits = self._margins.joined(high, low)
        return fits & (margin < 0), fits

    def _keep(self, kept: Bools) -> None:
        if kept.all():
            return
        self.rows, self._unfit = self.rows[kept], self._unfit[kept]
        self._near, self._far = self._near[kept], self._far[kept]
        self._suspect, self._width = self._suspect[kept], self._width[kept]
        self._margins = self._margins.of(kept)
