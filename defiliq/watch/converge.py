"""From what was last told of each account to what holds: an event where they differ, at once or in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from defiliq.watch.causes import causes
from defiliq.watch.changes import Ranked
from defiliq.watch.crossing import crossings
from defiliq.watch.fields import Cause
from defiliq.watch.memory import Crossing, Status, Told
from defiliq.watch.rejudge import URGENCY
from defiliq.watch.scene import Scene, Standing
from defiliq.watch.schema import make_event
from defiliq.watch.telling import economics_of, health_facts, levels_left, trigger_of

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
    known, failed = scene.memory.told, scene.book.failed
    told = {account: it for account, it in known.items() if account in failed}
    how = crossings(scene, _newly_broken(scene, found))
    why = causes(scene, _fallen(scene, found), found)
    due: list[_Due] = []
    for account in sorted({*known, *found} - set(failed)):
        before, standing = known.get(account), found.get(account)
        now = _now(standing, before, how.get(account), why.get(account))
        if now is not None and not _is_due(scene, standing, before):
            told[account] = now
        elif now is not None or (standing is not None and standing.status is not None):
            due.append(_Due(account, standing, now, how.get(account)))
    left = levels_left(scene, {it.account: it.known for it in due if it.known is not None and it.is_quiet})
    events = []
    for it in due:
        remembered, event = _tell(scene, it, left.get(it.account, {}))
        events.append(event)
        if remembered is not None:
            told[it.account] = remembered
    return Converged(told, tuple(events))


class _Due(NamedTuple):
    """An account of which something is to be told."""

    account: str
    standing: Standing | None
    known: Told | None
    """What was told of it, with how it stands since."""
    crossing: Crossing | None

    @property
    def is_quiet(self) -> bool:
        return self.standing is None or self.standing.status is None


def _status(standing: Standing | None) -> Status | None:
    return None if standing is None else standing.status


def _fallen(scene: Scene, found: Mapping[str, Standing]) -> dict[str, Told]:
    """Accounts that are less urgent than after the block before."""
    return {
        account: told
        for account, told in scene.memory.told.items()
        if account not in scene.book.failed and URGENCY[_status(found.get(account))] < URGENCY[told.now]
    }


def _is_due(scene: Scene, standing: Standing | None, known: Told | None) -> bool:
    """Whether it is time to tell that an account stands otherwise than was told."""
    status = _status(standing)
    if known is None or URGENCY[status] > URGENCY[known.status]:
        return status is not None
    is_over = scene.head.block.timestamp >= known.at + scene.policy.cooldown_s
    return status != known.status and is_over


def _now(
    standing: Standing | None, known: Told | None, how: Crossing | None, why: Cause | None
) -> Told | None:
    """What was told of an account, with how it stands now; None where nothing was."""
    if known is None:
        return None
    status = _status(standing)
    cause = known.cause if status == known.now else "" if why is None else why
    crossing = None
    if status == "liquidatable":
        crossing = known.crossing if how is None else how
    return replace(known, now=status, cause="" if status == known.status else cause, crossing=crossing)


def _newly_broken(scene: Scene, found: Mapping[str, Standing]) -> list[str]:
    """Accounts that are liquidatable, and were not after the block before."""
    known = scene.memory.told
    return [
        account
        for account, standing in found.items()
        if standing.status == "liquidatable"
        and (account not in known or known[account].now != "liquidatable")
    ]


def _tell(scene: Scene, due: _Due, left: Mapping[str, object]) -> tuple[Told | None, Ranked]:
    """The event that an account stands otherwise than was told, and what to remember of it."""
    account, standing, known = due.account, due.standing, due.known
    facts: dict[str, object] = {"account": account, "was": QUIET if known is None else known.status}
    market, status = scene.book.market, _status(standing)
    if standing is None or status is None:
        row = scene.book.find(account)
        facts |= health_facts(None if row is None else scene.book.nameless(row), market)
        facts |= {"cause": "" if known is None else known.cause, **left}
        return None, ((account,), make_event("recovered", account, scene.named, facts))
    row = standing.row
    facts |= health_facts(scene.book.nameless(row), market)
    facts |= economics_of(scene, account, row, standing.level)
    crossing = due.crossing if known is None else known.crossing
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


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
