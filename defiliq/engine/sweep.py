"""Many searches at once, each for the nearest integer of a driver at which one account's verdict changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Bools, Int64s
from defiliq.engine.exact import Margins

NEVER, FOUND, FOR_LAW, UNRESOLVED = 0, 1, 2, 3
MOST_ROUNDS = 90
MOST_TURNS = 1 << 13
MOST_LOOKS = 1 << 18
"""An account is given up, because rounding alone decides, after so many changes of value that decide nothing
and so many in all: the few hard accounts of a book share what is left."""
LOOKS_IN_BLOCK = 1 << 15
"""So many changes of value, of all accounts, are looked at together."""
Found: TypeAlias = tuple[NDArray[np.intp], Int64s]
"""Accounts that are decided, and where."""
_BEYOND = np.iinfo(np.int64).max


def nearest(
    margins: Margins, near: Int64s, far: Int64s, suspect: Int64s, *, step: int, liquidatable: bool
) -> tuple[NDArray[np.int8], Int64s]:
    """(n,) FOUND and the integer nearest to `near`, on the way to `far`, whose verdict is as asked; or NEVER.

    `step` is the direction, +1 or -1. `suspect` says where a change is expected and proves nothing. FOR_LAW
    where a margin does not fit the columns, UNRESOLVED where rounding alone decides over too long a way.
    """
    state = np.full(len(near), UNRESOLVED, dtype=np.int8)
    price = np.zeros(len(near), dtype=np.int64)
    flickers = margins.backed_by_it & margins.owes_it
    for group, is_mixed in ((~flickers, False), (flickers, True)):
        if not group.any():
            continue
        rows = np.flatnonzero(group)
        search = _Search(margins.of(group), near[group], far[group], suspect[group], step, liquidatable)
        for found, at in search.run(search.look_by_value if is_mixed else search.look_by_halves):
            state[rows[found]], price[rows[found]] = FOUND, at
        for done, outcome in search.over:
            state[rows[done]] = outcome
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
        self.over: list[tuple[NDArray[np.intp], int]] = []
        """The accounts whose search ended without a find, by outcome."""

    def run(self, look: Callable[[], Found]) -> Iterator[Found]:
        """Look until every account is decided or out of turns; yields those that are found."""
        self._settle()
        for _ in range(MOST_ROUNDS):
            if len(self.rows):
                yield look()
                self._settle()
        turns = looks = 0
        while len(self.rows) and (turns < MOST_TURNS or looks < MOST_LOOKS):
            count = min(max(LOOKS_IN_BLOCK // len(self.rows), 16), MOST_TURNS)
            turns, looks = turns + count, looks + count * len(self.rows)
            yield self.look_by_turn(count)
            self._settle()

    def _settle(self) -> None:
        """Leave out the accounts whose search is over."""
        passed = self._near > self._far
        self.over += [(self.rows[passed & ~self._unfit], NEVER), (self.rows[self._unfit], FOR_LAW)]
        self._keep(~passed & ~self._unfit)

    def look_by_halves(self) -> Found:
        """Try one stretch of each account: the accounts that are decided, and where.

        While a change is suspected ahead the stretch ends half-way there, otherwise it doubles. This suits
        margins that go one way, where a stretch that is not clear holds the change.
        """
        end = self._end()
        clear, fits = self._is_clear(end)
        single = end == self._near
        found = fits & ~clear & single
        result = self.rows[found], self._near[found] * self._step
        self._suspect = np.where(fits & ~clear & ~single, end, self._suspect)
        self._near = np.where(clear, end + 1, self._near)
        self._unfit = ~fits
        self._keep(~found)
        return result

    def look_by_value(self) -> Found:
        """Decide one integer and all after it at which every value is the same; then try a longer stretch.

        This suits margins that go both ways by rounding: each round passes at least one change of a value.
        """
        at = self._near * self._step
        short, fits = self._margins.is_short(at, at)
        found = fits & (short == self._wanted)
        result = self.rows[found], at[found]
        same = np.minimum(self._margins.same_until(at, self._step) * self._step, self._far)
        end = np.maximum(self._end(), same)
        clear, fits_stretch = self._is_clear(end)
        self._suspect = np.where(fits_stretch & ~clear, end, self._suspect)
        self._near = np.where(clear, end, same) + 1
        self._unfit = ~fits
        self._keep(~found)
        return result

    def look_by_turn(self, count: int) -> Found:
        """Decide the next integers of each account at which its margin can turn, so many per leg."""
        at = self._near * self._step
        turns, account, last = self._margins.turns(at, self._step, count, worse=self._wanted)
        points = np.concatenate((at, turns.ravel()))
        owner = np.concatenate((np.arange(len(at), dtype=np.intp), np.tile(account, count)))
        last = np.minimum(last * self._step, self._far)
        inside = points * self._step <= last[owner]
        points, owner = points[inside], owner[inside]
        short, fits = self._margins.repeated(owner).is_short(points, points)
        stops = ~fits | (short == self._wanted)
        first = np.full(len(at), _BEYOND, dtype=np.int64)
        np.minimum.at(first, owner[stops], points[stops] * self._step)
        self._unfit = np.zeros(len(at), dtype=np.bool_)
        self._unfit[owner[~fits & (points * self._step == first[owner])]] = True
        found = (first != _BEYOND) & ~self._unfit
        result = self.rows[found], first[found] * self._step
        self._near = last + 1
        self._keep(~found)
        return result

    def _end(self) -> Int64s:
        """Where to end the next stretch."""
        ahead = self._suspect - self._near
        bounded = (ahead >= 0) & (self._suspect <= self._far)
        self._width = np.where(bounded, self._width, np.minimum(self._width * 2, 2**60))
        return np.where(bounded, self._near + ahead // 2, np.minimum(self._near + self._width - 1, self._far))

    def _is_clear(self, end: Int64s) -> tuple[Bools, Bools]:
        """Whether no integer from `near` to `end` has the wanted verdict, and where that is exact.

        The smallest margin joins the collateral of the lower end with the debt of the upper one; the greatest
        does the opposite.
        """
        ends = self._near * self._step, end * self._step
        low, high = np.minimum(*ends), np.maximum(*ends)
        if self._wanted:
            short, fits = self._margins.is_short(low, high)
            return fits & ~short, fits
        short, fits = self._margins.is_short(high, low)
        return fits & short, fits

    def _keep(self, kept: Bools) -> None:
        if kept.all():
            return
        self.rows, self._unfit = self.rows[kept], self._unfit[kept]
        self._near, self._far = self._near[kept], self._far[kept]
        self._suspect, self._width = self._suspect[kept], self._width[kept]
        self._margins = self._margins.of(kept)
