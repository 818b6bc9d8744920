"""Watch as a fold: from the state after one block and a glance at the next to the state after that.

What comes out depends on nothing but what goes in: not on a clock, and not on the order of accounts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.protocols import PROTOCOLS
from defiliq.watch.changes import (
    Ranked,
    answers_of,
    governing,
    oracle_events,
    parameter_events,
    remembered,
    unread_events,
    unread_now,
)
from defiliq.watch.converge import converge
from defiliq.watch.glance import Glance
from defiliq.watch.insolvent import insolvent
from defiliq.watch.judge import Judge
from defiliq.watch.liquidated import liquidated_events
from defiliq.watch.memory import Memory
from defiliq.watch.policy import Policy
from defiliq.watch.scene import Scene
from defiliq.watch.scene import State as State
from defiliq.watch.schema import Event, in_order
from defiliq.watch.standing import nearest_levels, standings

NOTHING = Memory()


def begin(
    glance: Glance, policy: Policy, judge: Judge, memory: Memory = NOTHING
) -> tuple[State, list[Event]]:
    """The first block, or the first after blocks that were not evaluated; the glance is a whole one.

    What was told before is in `memory`: where it does not hold any more, an event says so. The very first
    block tells of accounts, and takes parameters and prices as they are.
    """
    _require_whole(glance)
    scene = _scene(glance, glance.changed, None, memory, policy, judge)
    is_first = not memory.answers and not memory.parameters
    return _told(scene, is_first=is_first)


def step(state: State, glance: Glance, policy: Policy, judge: Judge) -> tuple[State, list[Event]]:
    """The next block that is evaluated."""
    followed = _followed(state.book, glance.changed)
    book = followed if glance.is_whole else state.book.updated(followed)
    return _told(_scene(glance, book, state, state.memory, policy, judge))


def resume(glance: Glance, policy: Policy, judge: Judge, memory: Memory) -> State:
    """The state that `step` left at the very block of the glance, a whole one, with this memory."""
    _require_whole(glance)
    scene = _scene(glance, glance.changed, None, memory, policy, judge)
    return State(scene.head, scene.book, memory, scene.liquidatable, scene.nearest)


def _require_whole(glance: Glance) -> None:
    if not glance.is_whole:
        raise ValueError("a fold begins with all accounts")


def _scene(
    glance: Glance, book: Book[Any], before: State | None, memory: Memory, policy: Policy, judge: Judge
) -> Scene:
    return Scene(
        glance=glance,
        book=book,
        liquidatable=judge.liquidatable(book),
        nearest=nearest_levels(book, policy, judge),
        before=before,
        memory=memory,
        parameters=governing(book, glance.missing, memory.parameters),
        policy=policy,
        judge=judge,
    )


def _told(scene: Scene, *, is_first: bool = False) -> tuple[State, list[Event]]:
    """The state after a block, and its events in order."""
    answers = answers_of(scene.book.market)
    events: list[Ranked] = []
    if not is_first:
        events += parameter_events(scene)
        events += oracle_events(scene, answers)
    events += liquidated_events(scene)
    bad = insolvent(scene)
    converged = converge(scene, standings(scene))
    events += (*bad.events, *converged.events, *unread_events(scene))
    memory = replace(
        scene.memory,
        told=converged.told,
        parameters=dict(scene.parameters),
        answers=remembered(answers),
        unread=unread_now(scene),
        bad=bad.bad,
    )
    state = State(scene.head, scene.book, memory, scene.liquidatable, scene.nearest)
    return state, in_order([one for one in events if _is_asked_for(one[1], scene)])


def _is_asked_for(event: Event, scene: Scene) -> bool:
    """Whether an event is about an account of those that alone are asked for, or about none.

    Other filters leave liquidations in: how good announcements were shows in those that were missed.
    """
    owners = scene.policy.owners
    if owners is None or event.kind not in ("liquidated", "bad_debt", "unread"):
        return True
    account = event.facts["account"]
    return account in owners or account in scene.glance.missing or account in _assets(scene)


def _assets(scene: Scene) -> set[str]:
    return {reserve.asset for reserve in scene.book.market.reserves}


def _followed(book: Book[Any], changed: Book[Any]) -> Book[Any]:
    """The changed accounts that are worth following: new ones only once they owe something.

    But for markets where an account can come to owe something without a log that names it.
    """
    touching = PROTOCOLS[book.market.protocol].touching(book.market)
    if touching is None or touching.keeps_unindebted:
        return changed
    kept = changed.debtors
    for k in np.flatnonzero(~kept):
        owner = changed.owner(int(k))
        kept[k] = owner in book.failed or book.find(owner) is not None
    return changed if kept.all() else changed.keep(kept)
