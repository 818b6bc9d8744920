"""Blocks, memories and events for tests of the journal and of what reads it."""

from __future__ import annotations

from collections.abc import Sequence

from defiliq.types import Block, Head
from defiliq.watch.journal import Journal
from defiliq.watch.memory import Memory, Told
from defiliq.watch.schema import Event, EventKind, event_id

MARKET = "aave-v3/1/EthereumMain"


def block_hash(number: int, side: str = "a") -> str:
    """The hash of a block on one of several forks."""
    return f"0x{side}{number:063x}"


def head(number: int, side: str = "a") -> Head:
    """A block whose numbers are all different."""
    block = Block(1, number, block_hash(number, side), 1_700_000_000 + 12 * number)
    return Head(block, block_hash(number - 1, side), 10**9 + number, 15_000_000, 30_000_000)


def event(number: int, key: str = "x", side: str = "a", kind: EventKind = "approaching") -> Event:
    """An event of a block."""
    identity = {
        "chain_id": 1,
        "protocol": "aave-v3",
        "market": "EthereumMain",
        "block_hash": block_hash(number, side),
    }
    facts = identity | {"block_number": number, "account": key}
    return Event(event_id(identity, kind, key), kind, facts)


def memory(number: int, accounts: int = 3) -> Memory:
    """A memory that changes in part from block to block, keys come and go."""
    told = {
        f"0x{i:040x}": Told("approaching", "e" * 24, i, i, "ETH", "long", 10**20 + i) for i in range(accounts)
    }
    told[f"0x{number:040x}"] = Told("liquidatable", "f" * 24, number, 7, "", "", None, "approaching", "why")
    return Memory(
        told=told,
        parameters={"reserves.WETH.threshold": str(number // 3)},
        answers={"0xfeed": (2**200 + number, None if number % 2 else number)},
        unread={"0xdead": "no answer"} if number % 4 == 0 else {},
        bad={},
    )


def reorged(number: int, ids: Sequence[str]) -> Event:
    """The event that says that some no longer hold."""
    return Event(event_id(event(number).facts, "reorg", ",".join(ids)), "reorg", {"retracted": list(ids)})


def filled(journal: Journal, first: int, last: int, *, each: int = 2, side: str = "a") -> list[Event]:
    """Commit blocks with some events each; the events."""
    told: list[Event] = []
    for number in range(first, last + 1):
        events = [event(number, str(key), side) for key in range(each)]
        journal.commit(head(number, side), memory(number), events)
        told += events
    return told
