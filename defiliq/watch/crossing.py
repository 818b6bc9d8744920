"""By which price accounts broke: the level that was known before, and the one that it turned out to be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.types import Level
from defiliq.watch.memory import Crossing
from defiliq.watch.rejudge import in_market, nearer, with_driver_at
from defiliq.watch.scene import Scene


def crossings(scene: Scene, accounts: Iterable[str]) -> dict[str, Crossing]:
    """How some accounts, which were safe after the block before, were broken by a price, each by one.

    Of those whose level its price has crossed, the nearest; of accounts none of whose levels was crossed, the
    nearest of all. Accounts that were not there before, or liquidatable already, have none.
    """
    before = scene.before
    if before is None:
        return {}
    rows = scene.owing_before(accounts)
    if not rows:
        return {}
    names = sorted(rows)
    old = before.book.pick(np.array([rows[account] for account in names]))
    chosen = _chosen(scene, scene.judge.near(old, math.inf, scene.moved))
    if rest := [k for k in range(len(names)) if k not in chosen or not _is_crossed(scene, chosen[k])]:
        levels = scene.judge.near(old.pick(np.array(rest)), math.inf, None)
        chosen |= {rest[k]: level for k, level in _chosen(scene, levels).items()}
    exact = _exact(scene, old, chosen)
    found = {}
    for k, level in chosen.items():
        now = scene.drivers.get(level.driver.name)
        if level.price is not None and now is not None:
            found[names[k]] = Crossing(
                *(level.driver.name, level.side, level.price, exact.get(k), level.driver.spot, now.spot)
            )
    return found


def _chosen(scene: Scene, levels: Iterable[Level]) -> dict[int, Level]:
    """The level of each account that counts."""
    chosen: dict[int, tuple[bool, Level]] = {}
    for level in levels:
        is_crossed = _is_crossed(scene, level)
        known = chosen.get(level.account)
        if known is None or (is_crossed, nearer(level, known[1])) > (known[0], nearer(known[1], level)):
            chosen[level.account] = is_crossed, level
    return {k: level for k, (_, level) in chosen.items()}


def _is_crossed(scene: Scene, level: Level) -> bool:
    now = scene.drivers.get(level.driver.name)
    if now is None or level.price is None or now.spot == level.driver.spot:
        return False
    return now.spot <= level.price if level.side == "long" else now.spot >= level.price


def _exact(scene: Scene, old: Book[Any], chosen: Mapping[int, Level]) -> dict[int, int]:
    """The levels of accounts as they were, in the market as it is but for the one driver put back."""
    there = in_market(old, scene.book.market)
    if there is None:
        return {}
    by_driver: dict[tuple[str, int], list[int]] = {}
    for k, level in chosen.items():
        by_driver.setdefault((level.driver.name, level.driver.spot), []).append(k)
    found: dict[int, int] = {}
    for (name, spot), places in by_driver.items():
        driver = scene.drivers.get(name)
        if driver is None or not driver.lowest <= spot <= driver.highest:
            continue
        put_back = in_market(there.pick(np.array(places)), with_driver_at(there.market, driver, spot))
        for level in () if put_back is None else scene.judge.near(put_back, math.inf, [name]):
            k = places[level.account]
            if level.side == chosen[k].side and level.price is not None:
                found[k] = level.price
    return found
