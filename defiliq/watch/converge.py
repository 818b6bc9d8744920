"""From what was last told of each account to what holds: an event where they differ, at once or in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from defiliq.book import Book
from defiliq.watch.changes import Ranked
from defiliq.watch.crossing import crossings
from defiliq.watch.fields import Cause
from defiliq.watch.memory import Crossing, Status, Told
from defiliq.watch.rejudge import URGENCY, in_market, mover, status_in
from defiliq.watch.scene import Scene, Standing, alone
from defiliq.watch.schema import make_event
from defiliq.watch.telling import economics_of, health_facts, left_of, trigger_of

QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Converged:
    """What is told of accounts now, for the memory, and the events that say so."""

    told: Mapping[str, Told]
    events: tuple[Ranked, ...]


def converge(scene: Scene, found: Mapping[str, Standing]) -> Converged:
    """What is more urgent than was told is told at once; what is less so, once the cooldown is over.

    Nothing is told of accounts that could not be read: what was told of them stands until they can be.
    """
    known = scene.memory.told
    told: dict[str, Told] = {}
    events: list[Ranked] = []
    broken = _newly_broken(scene, found)
    how = crossings(scene, broken)
    for account in sorted({*known, *found}):
        if account in scene.book.failed:
            told[account] = known[account]
            continue
        standing = found.get(account)
        now, event = _next(scene, account, standing, known.get(account), how.get(account))
        if event is not None:
            events.append(event)
        if now is not None:
            told[account] = now
    return Converged(told, tuple(events))


def _newly_broken(scene: Scene, found: Mapping[str, Standing]) -> list[str]:
    """Accounts that are liquidatable, and were not after the block before."""
    known = scene.memory.told
    return [
        account
        for account, standing in found.items()
        if standing.status == "liquidatable"
        and (account not in known or known[account].now != "liquidatable")
    ]


def _next(
    scene: Scene, account: str, standing: Standing | None, known: Told | None, how: Crossing | None
) -> tuple[Told | None, Ranked | None]:
    """What is to be remembered of an account, with an event where one is due."""
    status = None if standing is None else standing.status
    if known is None:
        return (None, None) if status is None else _tell(scene, account, standing, None, how)
    crossing = how if how is not None else known.crossing if status == "liquidatable" else None
    if URGENCY[status] > URGENCY[known.status]:
        return _tell(scene, account, standing, known, crossing)
    if status == known.status:
        return replace(known, now=status, cause="", crossing=crossing), None
    cause = known.cause
    if URGENCY[status] != URGENCY[known.now]:
        fell = URGENCY[status] < URGENCY[known.now]
        cause = _cause(scene, account, standing, known) if fell else ""
    held = replace(known, now=status, cause=cause, crossing=crossing)
    if scene.head.block.timestamp < known.at + scene.policy.cooldown_s:
        return held, None
    return _tell(scene, account, standing, held, None)


def _tell(
    scene: Scene, account: str, standing: Standing | None, known: Told | None, crossing: Crossing | None
) -> tuple[Told | None, Ranked]:
    """The event that an account stands otherwise than was told, and what to remember of it."""
    status = None if standing is None else standing.status
    facts: dict[str, object] = {"account": account, "was": QUIET if known is None else known.status}
    if standing is None or status is None:
        return None, _recovered(scene, account, known, facts)
    row, market = standing.row, scene.book.market
    facts |= health_facts(scene.book.nameless(row), market) | economics_of(
        scene, account, row, standing.level
    )
    facts |= trigger_of(scene, standing, known, crossing)
    event = make_event(status, account, scene.named, facts)
    price, block = event.facts["price_raw"], scene.head.block
    now = Told(
        status=status,
        event_id=event.id,
        block=block.number,
        at=block.timestamp,
        driver=_text(event.facts["driver"]),
        side=_text(event.facts["side"]),
        price=int(price) if isinstance(price, str) else None,
        now=status,
        crossing=crossing if status == "liquidatable" else None,
    )
    return now, ((account,), event)


def _recovered(scene: Scene, account: str, known: Told | None, facts: dict[str, object]) -> Ranked:
    if known is None:
        raise ValueError("nobody recovers of whom nothing was told")
    row = scene.book.find(account)
    facts |= health_facts(None if row is None else scene.book.nameless(row), scene.book.market)
    facts |= {"cause": known.cause} | left_of(scene, account, known)
    return (account,), make_event("recovered", account, scene.named, facts)


def _cause(scene: Scene, account: str, standing: Standing | None, known: Told) -> Cause:
    """Why an account is less urgent than after the block before; see `recovered` in `fields`."""
    least = URGENCY[known.now]
    if standing is not None and URGENCY[standing.true] >= least:
        return "filters"
    if account in scene.liquidated:
        return "liquidated"
    before = scene.before
    row = None if before is None else before.book.find(account)
    if before is None or row is None:
        return "gap"

    def holds(book: Book[Any]) -> bool:
        return _urgency(scene, book) < least

    old = alone(before.book, row)
    if holds(old):
        return "filters"  # it was no more urgent before, as it is asked for now
    there = in_market(old, scene.book.market)
    if there is not None and not holds(there):
        return "account"
    found = mover(old, scene.book.market, holds, has_new_parameters=scene.has_new_parameters)
    return "account" if found is None else found


def _urgency(scene: Scene, book: Book[Any]) -> int:
    """How urgent the only account of a book is, judged as one of whom something was told."""
    status: Status | None = status_in(book, scene.policy, scene.judge, was_told=True)
    return URGENCY[status]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
