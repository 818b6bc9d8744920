"""A market followed block by block, or over blocks of the past: the parts of `watch` put together."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from defiliq.chain.node import AnyNode
from defiliq.errors import InputError, WrongChain
from defiliq.index import Index
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.judging import judge_of
from defiliq.pipeline.reading import read_market
from defiliq.pipeline.valuing import valuer as make_valuer
from defiliq.protocols import PROTOCOLS
from defiliq.types import Head, Listing, Market
from defiliq.watch.chronicle import Chronicle
from defiliq.watch.follow import Follower
from defiliq.watch.journal import Journal
from defiliq.watch.journal_file import MEMORY
from defiliq.watch.judge import Valuer
from defiliq.watch.look import Looker
from defiliq.watch.metrics import Meter
from defiliq.watch.pace import Lap, Pace
from defiliq.watch.policy import Policy
from defiliq.watch.schema import Event, event_of

REPLAYED = "replay"
"""The name of the sink that takes a replay's events from its journal."""
EVENTS_AT_A_TIME = 1_000


def market_key(listing: Listing) -> str:
    """What names a market in a journal, whatever file it is listed in."""
    addresses = ",".join(f"{role}={place}" for role, place in sorted(listing.addresses.items()))
    return f"{listing.protocol}/{listing.chain_id}/{listing.name}/{addresses.casefold()}"


def journal_path(folder: Path, listing: Listing) -> Path:
    """Where a market's journal is in a folder."""
    name = re.sub(r"[^0-9A-Za-z]+", "-", f"{listing.protocol}-{listing.chain_id}-{listing.name}").strip("-")
    told_apart = hashlib.sha256(market_key(listing).encode()).hexdigest()[:8]
    return folder / f"{name}-{told_apart}.sqlite"


def settled_policy(policy: Policy, market: Market) -> Policy:
    """The policy with drivers and owners as the market spells them; InputError for what it does not know."""
    drivers, owners = policy.drivers, policy.owners
    if drivers is not None:
        drivers = frozenset(find_driver(market, name).name for name in sorted(drivers))
    if owners is not None:
        owners = frozenset(market.account_name(market.account_key(owner)) for owner in owners)
    return replace(policy, drivers=drivers, owners=owners)


def make_follower(
    node: AnyNode,
    listing: Listing,
    journal: Journal,
    index: Index,
    *,
    policy: Policy,
    pace: Pace,
    valuer: Callable[[Head, Market], Valuer],
    stopping: threading.Event,
    meter: Meter,
    deliver: Callable[[], None],
    notice: Callable[[str], None],
    on_lap: Callable[[Lap, Any], None],
) -> Follower:
    """What follows one market; the market must be on the node's chain, and know what the policy names."""
    if node.chain_id != listing.chain_id:
        raise WrongChain(node.label, node.chain_id, listing.chain_id)
    market = read_market(node, listing, "latest", on_missing=lambda _: None)
    looker = Looker(node, listing)
    return Follower(
        looker=looker,
        chronicle=Chronicle(looker, journal, notice, stopping),
        index=index,
        policy=settled_policy(policy, market),
        judge=judge_of(valuer),
        pace=pace,
        meter=meter,
        deliver=deliver,
        notice=notice,
        stopping=stopping,
        on_lap=on_lap,
    )


def check_span(node: AnyNode, listing: Listing, first: int, last: int | str) -> tuple[int, int]:
    """Blocks to replay as two numbers that the node has; the one before the first is read, too."""
    newest = node.block("latest").number
    end = newest if last == "latest" else node.block(last).number if isinstance(last, str) else last
    if end > newest:
        raise InputError(f"the node has no block {end} yet: its newest is {newest}.")
    begin = first if first >= 0 else end + 1 + first
    oldest = max(listing.from_block, 1 if PROTOCOLS[listing.protocol].node_kind == "cosmos" else 0) + 1
    if begin < oldest:
        raise InputError(
            f"{listing.name} begins at block {oldest - 1}: the first that can be replayed is {oldest}."
        )
    if begin > end:
        raise InputError(f"no blocks from {begin} to {end}. The node's newest is {newest}.")
    return begin, end


class Replayed(NamedTuple):
    """What came of blocks of the past."""

    first: int
    last: int
    events: int
    is_complete: bool
    """Whether everything could be read."""


def replay_blocks(
    node: AnyNode,
    listing: Listing,
    first: int,
    last: int | str = "latest",
    *,
    on_event: Callable[[Event], None],
    policy: Policy | None = None,
    pace: Pace | None = None,
    valuer: Callable[[Head, Market], Valuer] | None = None,
    index: Index | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    notice: Callable[[str], None] = lambda line: None,
) -> Replayed:
    """The events of blocks `first` to `last`, in order, by the code that follows the newest ones.

    They begin with what held after the block before `first`. A negative `first` counts from the end. Values
    are those of `valuer`; without one, of `pipeline.valuing.valuer` with its defaults.
    """
    begin, end = check_span(node, listing, first, last)

    def lap(one: Lap, _state: Any) -> None:
        if on_progress is not None:
            on_progress(one.block - begin + 1, end - begin + 1)

    with Journal(MEMORY, market_key(listing)) as journal, ExitStack() as stack:
        outbox = _Outbox(journal, on_event)
        follower = make_follower(
            node,
            listing,
            journal,
            stack.enter_context(Index(":memory:")) if index is None else index,
            policy=Policy() if policy is None else policy,
            pace=Pace() if pace is None else pace,
            valuer=make_valuer(node, listing) if valuer is None else valuer,
            stopping=threading.Event(),
            meter=Meter(),
            deliver=outbox.pump,
            notice=notice,
            on_lap=lap,
        )
        follower.replay(begin, end)
        outbox.pump()
    return Replayed(begin, end, outbox.count, not follower.is_incomplete)


class _Outbox:
    """Hands the events of a journal over."""

    def __init__(self, journal: Journal, on_event: Callable[[Event], None]) -> None:
        self._journal, self._on_event = journal, on_event
        self.count = 0
        journal.register(REPLAYED, from_start=True)

    def pump(self) -> None:
        """Hand over what waits."""
        while some := self._journal.pending(REPLAYED, EVENTS_AT_A_TIME):
            for line in some:
                self._on_event(event_of(orjson.loads(line.line)))
            self.count += len(some)
            self._journal.delivered(REPLAYED, some[-1].seq)


def owners_in(lines: Iterable[str]) -> frozenset[str]:
    """Accounts from a list, one per line; blank lines and what follows a # are passed over."""
    named = (line.partition("#")[0].strip() for line in lines)
    return frozenset(name for name in named if name)
