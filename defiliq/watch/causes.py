"""Why accounts are less urgent than they were after the block before, by judging them again; many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.watch.fields import Cause
from defiliq.watch.memory import Told
from defiliq.watch.rejudge import URGENCY, Bools, Ints, in_market, movers, urgencies
from defiliq.watch.scene import Scene, Standing, State, rows_in


def causes(scene: Scene, fallen: Mapping[str, Told], found: Mapping[str, Standing]) -> dict[str, Cause]:
    """Why each of some accounts fell, of which so much was told; see `recovered` in `fields`."""
    known: dict[str, Cause] = {}
    rows = {} if scene.before is None else rows_in(scene.before.book, fallen)
    for account, told in sorted(fallen.items()):
        standing = found.get(account)
        if standing is not None and URGENCY[standing.true] >= URGENCY[told.now]:
            known[account] = "filters"
        elif account in scene.liquidated:
            known[account] = "liquidated"
        elif account not in rows:
            known[account] = "gap"
    open_rows = {account: row for account, row in rows.items() if account not in known}
    return known | _rejudged(scene, open_rows, fallen)


def _rejudged(scene: Scene, rows: Mapping[str, int], fallen: Mapping[str, Told]) -> dict[str, Cause]:
    """The same of accounts at some rows of the book before."""
    if scene.before is None or not rows:
        return {}
    names = list(rows)
    old = scene.before.book.pick(np.array([rows[name] for name in names]))
    there = in_market(old, scene.book.market)
    if there is None and len(names) > 1:  # a reserve of one of them is gone
        return {k: v for name in names for k, v in _rejudged(scene, {name: rows[name]}, fallen).items()}
    least = np.array([URGENCY[fallen[name].now] for name in names], dtype=np.intp)

    def holds(book: Book[Any], of: Ints) -> Bools:
        mask: Bools = urgencies(book, scene.policy, scene.judge, were_told=True) < least[of]
        return mask

    every = np.arange(len(names))
    # Who was no more urgent before, as it is asked for now, only fell by what is asked for.
    was_quiet = np.array([_urgency(scene.before, row) for row in rows.values()]) < least
    is_quiet = np.ones(len(names), np.bool_) if there is None else holds(there, every)
    open_rows = np.flatnonzero(~was_quiet & is_quiet)
    found: dict[str, Cause] = {
        name: "filters" if quiet else "account" for name, quiet in zip(names, was_quiet.tolist(), strict=True)
    }
    if len(open_rows):
        moved = movers(
            old.pick(open_rows),
            scene.book.market,
            lambda book, of: holds(book, open_rows[of]),
            has_new_parameters=scene.has_new_parameters,
        )
        for k, mover in zip(open_rows.tolist(), moved, strict=True):
            found[names[k]] = "account" if mover is None else mover
    return found


def _urgency(state: State, row: int) -> int:
    """How urgent an account was that had been told of."""
    if state.liquidatable[row]:
        return URGENCY["liquidatable"]
    return URGENCY["approaching" if row in state.nearest else None]
