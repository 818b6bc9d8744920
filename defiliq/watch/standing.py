"""How urgent each account is after a block: what the rule says of it, and what the filters leave."""

from __future__ import annotations

from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.protocols import PROTOCOLS
from defiliq.types import Level
from defiliq.watch.judge import Judge
from defiliq.watch.memory import Status, Told
from defiliq.watch.policy import Policy
from defiliq.watch.rejudge import URGENCY, is_within, nearer
from defiliq.watch.scene import Scene, Standing
from defiliq.watch.telling import economics_of


def nearest_levels(book: Book[Any], policy: Policy, judge: Judge) -> dict[int, Level]:
    """Row to nearest level, where one lies within `leave_pct`."""
    wanted = None if policy.drivers is None else sorted(policy.drivers)
    found: dict[int, Level] = {}
    for level in judge.near(book, float(policy.leave), wanted):
        known = found.get(level.account)
        if known is None or nearer(level, known):
            found[level.account] = level
    leave = policy.leave
    return {row: level for row, level in found.items() if is_within(level, leave)}


def standings(scene: Scene) -> dict[str, Standing]:
    """Every account that is liquidatable or approaching, by name, whether or not filters leave it out."""
    told, within, book = scene.memory.told, scene.policy.within, scene.book
    found = {}
    for row in np.flatnonzero(scene.liquidatable).tolist():
        account = book.owner(row)
        found[account] = _filtered(scene, account, row, "liquidatable", None)
    for row, level in scene.nearest.items():
        account = book.owner(row)
        if is_within(level, within) or account in told:
            found[account] = _filtered(scene, account, row, "approaching", level)
    return found


def _filtered(scene: Scene, account: str, row: int, true: Status, level: Level | None) -> Standing:
    known = scene.memory.told.get(account)
    left = true if _passes(scene, account, row, true, level, known) else None
    return Standing(row, left, true, level)


def _passes(
    scene: Scene, account: str, row: int, true: Status, level: Level | None, known: Told | None
) -> bool:
    policy, market = scene.policy, scene.book.market
    if policy.owners is not None and account not in policy.owners:
        return False
    if level is None and policy.drivers is not None and not _hangs_on(scene, row, policy.drivers):
        return False
    if policy.min_debt_usd > 0:
        judged = PROTOCOLS[market.protocol].health(scene.book.nameless(row), market)
        if judged.debt_base < policy.min_debt_usd * market.base_unit:
            return False
    if policy.min_profit_usd is None or (known is not None and URGENCY[true] <= URGENCY[known.status]):
        return True  # whether it pays is asked as it comes up: nobody recovers by a price of gas
    net = economics_of(scene, account, row, level).get("net_usd")
    return isinstance(net, int | float) and net >= policy.min_profit_usd


def _hangs_on(scene: Scene, row: int, names: frozenset[str]) -> bool:
    """Whether any of some drivers moves a price of the account; in a mode, prices of no leg may stand in."""
    book = scene.book
    feeds: set[int] = set()
    for name in names:
        feeds |= scene.drivers[name].feeds if name in scene.drivers else set()
    legs = book.reserves[book.first_leg[row] : book.first_leg[row + 1]].tolist()
    priced = {reserve.feed for reserve in book.market.reserves}
    held = {book.market.reserves[reserve].feed for reserve in legs}
    return bool(feeds & held) or (bool(book.modes[row]) and bool(feeds - priced))
