"""Several markets followed at once, each in a thread of its own: one that fails does not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

from defiliq.errors import DefiliqError, NodeError, WrongChain

FIRST_BACKOFF_S = 2.0
LONGEST_BACKOFF_S = 60.0
LOOK_S = 0.2
"""How often the main thread looks up, so that it hears signals."""


@dataclass(frozen=True, slots=True)
class Member:
    """One market to follow."""

    name: str
    run: Callable[[], bool]
    """Follows it until all is to stop; whether everything could be read. It goes on where it was when it is
    called again after an error."""


@dataclass(slots=True)
class Outcome:
    """What became of a member."""

    name: str
    is_complete: bool = False
    error: DefiliqError | None = None
    """Why it ended before all was to stop; None where it did not."""
    failures: int = 0
    """Times it failed and was begun again."""


def run_all(
    members: Sequence[Member],
    stopping: threading.Event,
    notice: Callable[[str], None],
    *,
    tries_alone: bool = False,
) -> list[Outcome]:
    """Follow every member until `stopping` is set or each has ended by itself.

    Of several, one whose node fails is begun again, later and later; what can never work ends that member
    alone. A single member's error ends it, unless `tries_alone` says that it worked before: then a node that
    fails is waited for, too. An error that nobody foresaw stops all and is raised.
    """
    outcomes = [Outcome(member.name) for member in members]
    has_others = len(members) > 1
    tries = has_others or tries_alone
    with ThreadPoolExecutor(len(members), thread_name_prefix="defiliq-watch") as pool:
        running = {
            pool.submit(_run, member, outcome, stopping, notice, has_others, tries)
            for member, outcome in zip(members, outcomes, strict=True)
        }
        try:
            while running:
                done, running = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                for one in done:
                    one.result()
        finally:
            stopping.set()
    return outcomes


def _run(
    member: Member,
    outcome: Outcome,
    stopping: threading.Event,
    notice: Callable[[str], None],
    has_others: bool,
    tries: bool,
) -> None:
    wait_s = FIRST_BACKOFF_S
    outcome.is_complete = True  # also where all is to stop before it could begin
    while not stopping.is_set():
        try:
            is_complete = member.run()
        except DefiliqError as error:
            outcome.error, outcome.is_complete = error, False
            if not tries or not isinstance(error, NodeError) or isinstance(error, WrongChain):
                if has_others:
                    notice(f"{member.name}: {error} It is no longer followed; the others go on.")
                return
            outcome.failures += 1
            notice(f"{member.name}: {error} Trying again in {wait_s:.0f} s.")
            stopping.wait(wait_s)
            wait_s = min(LONGEST_BACKOFF_S, 2 * wait_s)
        else:
            outcome.is_complete = is_complete and not outcome.failures
            outcome.error = None
            return
