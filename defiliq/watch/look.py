"""From one block to a glance: the only place of this room that reads a market."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.settled import PinnedLogs
from defiliq.errors import BlockChanged, InputError, MissingPrice
from defiliq.index import Index, discover
from defiliq.protocols import PROTOCOLS
from defiliq.types import Block, Happening, Head, Listing, Market, Receipt
from defiliq.watch.glance import Glance

Keys = NDArray[np.uint8]
"""(n, K) accounts as books keep them."""
MOST_UNREAD: Final = 256
"""So many accounts that could not be read are tried again at each block: where a price is missing they may
be most of a market."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a glance asks for besides the block: what was known of the market before it."""

    market: Market
    modes: tuple[tuple[int, bytes], ...]
    """(eMode, an account that uses it) of every one in use, so that the market tells of it."""
    unread: tuple[bytes, ...] = ()
    """Accounts that could not be read: no log need tell when they can be."""

    def again_at(self, number: int) -> tuple[bytes, ...]:
        """Whom of `unread` to try at a block: MOST_UNREAD at a time, begun anywhere."""
        drawn = int.from_bytes(hashlib.sha256(b"%d" % number).digest())
        first = drawn % len(self.unread) if len(self.unread) > MOST_UNREAD else 0
        return (self.unread[first:] + self.unread[:first])[:MOST_UNREAD]

    def unseen(self, book: Book[Any]) -> set[int]:
        """The eModes in use that no account of a later book has: its market may not tell of them."""
        return {mode for mode, _ in self.modes} - set(book.modes.tolist())


def asked_of(book: Book[Any]) -> Asked:
    """What the glances after a book ask for."""
    modes, firsts = np.unique(book.modes, return_index=True)
    named = tuple(
        (int(mode), book.owners[i].tobytes()) for mode, i in zip(modes, firsts, strict=True) if mode != 0
    )
    return Asked(book.market, named, tuple(sorted(key.tobytes() for key in _unread_in(book))))


class Looker:
    """Reads one market block by block. Glances at several blocks may be read at once, in threads."""

    def __init__(self, node: Any, listing: Listing) -> None:
        self.node, self.listing = node, listing
        self._protocol = PROTOCOLS[listing.protocol]
        self.lacks: str = ""
        """Why liquidations that happened are not told; '' where they are."""
        self._missing: dict[tuple[tuple[int, str], ...], dict[str, str]] = {}
        """What a market of some reserves is read without."""
        self.version = listing.version
        """The market's version as it was last read."""

    @property
    def lists_all(self) -> bool:
        """Whether the chain itself lists all accounts, which are then all read at every block."""
        return self._protocol.node_kind == "cosmos"

    def owners(self, index: Index, at: Block) -> Keys | None:
        """Every account to follow from a block on; None where the chain itself lists them."""
        searched = self._protocol.discovery(self.node, self.listing, at)
        if searched is None:
            return None
        wanted, owner_of = searched
        return discover(self.node, index, wanted, owner_of, self.listing.from_block, at)

    def whole(self, head: Head, owners: Keys | None, first: int) -> Glance:
        """A glance with every account, and with the liquidations from block `first` on."""
        book = self._protocol.read(self.node, self.listing, owners, head.block)
        return self._glance(head, first, book, is_whole=True)

    def at(self, head: Head, first: int, asked: Asked, followed: Keys) -> Glance:
        """A glance with the accounts that the logs of blocks `first` to the head's name.

        It holds all of `followed` where the market is not made as it was: another reserve, contract or
        revision changes what an account's legs mean; and always where the chain names nobody.
        """
        touching = self._protocol.touching(asked.market)
        if touching is None:
            return self.whole(head, None, first)
        pinned = PinnedLogs(self.node, head.block)
        logs = pinned.logs(touching.wanted, first, head.block.number)
        touched = touching.accounts_of(logs)
        besides = [*(key for _, key in asked.modes), *asked.again_at(head.block.number)]
        wanted = joined_of(touched, besides, followed.shape[1])
        book = self._protocol.read(self.node, self.listing, wanted, head.block)
        if is_same_layout(book.market, asked.market) and not asked.unseen(book):
            return self._glance(head, first, book, is_whole=False)
        every = joined_of(followed, [key.tobytes() for key in touched], followed.shape[1])
        return self.whole(head, every, first)

    def again(self, head: Head, changed: Iterable[bytes], book: Book[Any]) -> Glance:
        """A glance with every account at an earlier block, of which only some were otherwise then.

        It brings no liquidations: whoever looks again has told of them.
        """
        asked, first = asked_of(book), head.block.number + 1
        wanted = joined_of(
            followed_in(book)[:0], [*changed, *(key for _, key in asked.modes)], book.owners.shape[1]
        )
        some = self._protocol.read(self.node, self.listing, wanted, head.block)
        if is_same_layout(some.market, asked.market) and not asked.unseen(some):
            missing = self._without(head, some.market, is_new=True)
            return Glance(head, first, book.updated(some), is_whole=True, missing=missing)
        return self.whole(head, joined_of(followed_in(book), list(changed), book.owners.shape[1]), first)

    def unaccounted(self, book: Book[Any], since: Block | None = None) -> tuple[int, ...]:
        """Debts that the chain has and a book at its block has not, by reserve; empty where that is not told.

        What it is at the start may have its reasons. That it changes means that a book has missed something.
        With the block of the book before, `since`, what nobody can have changed is not read again.
        """
        return self._protocol.unaccounted(self.node, book, since)

    def identity(self, block: Block) -> dict[str, object]:
        """What every event at a block begins with, where no market was read there."""
        return {
            "chain_id": block.chain_id,
            "block_number": block.number,
            "block_hash": block.hash,
            "block_timestamp": block.timestamp,
            "protocol": self.listing.protocol,
            "market": self.listing.name,
            "version": self.version,
        }

    def _glance(self, head: Head, first: int, book: Book[Any], *, is_whole: bool) -> Glance:
        self.version = book.market.version
        happened = self._happened(head, first)
        worths = self._protocol.event_worth(happened, book.market) if happened else ()
        missing = self._without(head, book.market, is_new=is_whole and not self.lists_all)
        return Glance(head, first, book, is_whole, happened, worths, self._receipts(happened), missing)

    def _without(self, head: Head, market: Market, *, is_new: bool) -> dict[str, str]:
        """The assets of reserves that have no price, with what was answered in its place.

        Asked where a market may be made otherwise than before: reserves come and go with all accounts.
        """
        layout = _layout(market)
        if is_new or layout not in self._missing:
            missing: dict[str, str] = {}

            def keep(lost: MissingPrice) -> None:
                missing[lost.asset] = lost.seen

            self._protocol.read_market(self.node, self.listing, head.block, keep)
            self._missing[layout] = missing
        return self._missing[layout]

    def _happened(self, head: Head, first: int) -> list[Happening]:
        found: list[Happening] = []
        if self.lacks or first > head.block.number:
            return found

        def keep(_: int, __: int, some: Sequence[Happening]) -> None:
            found.extend(some)

        node = PinnedLogs(self.node, head.block) if self._protocol.node_kind == "evm" else self.node
        try:
            self._protocol.search_events(node, self.listing, head.block, first, head.block.number, keep)
        except InputError as error:
            self.lacks = str(error)  # this node does not tell of any
        for one in found:
            if one.block == head.block.number and one.block_hash != head.block.hash:
                raise BlockChanged(one.block, head.block.hash, one.block_hash)
        return found

    def _receipts(self, happened: Sequence[Happening]) -> dict[str, Receipt]:
        if self._protocol.node_kind != "evm" or not happened:
            return {}
        hashes = list(dict.fromkeys(event.transaction for event in happened))
        found = self.node.receipts(hashes)
        return {each: receipt for each, receipt in zip(hashes, found, strict=True) if receipt is not None}


def followed_in(book: Book[Any]) -> Keys:
    """(n, K) every account of a book, those that could not be read included.

    Where the chain lists all accounts nobody asks for some, and what is missing may have no name.
    """
    unread = _unread_in(book)
    return np.concatenate([book.owners, unread]) if len(unread) else book.owners


def _unread_in(book: Book[Any]) -> Keys:
    """(n, K) the accounts of a book that could not be read; none where nobody asks for some."""
    is_asked = PROTOCOLS[book.market.protocol].touching(book.market) is not None
    keys = [book.market.account_key(name) for name in book.failed] if is_asked else []
    return np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), book.owners.shape[1])


def is_same_layout(market: Market, before: Market) -> bool:
    """Whether legs mean the same in both: the same reserves in the same places, by the same arithmetic."""
    return market.version == before.version and _layout(market) == _layout(before)


def _layout(market: Market) -> tuple[tuple[int, str], ...]:
    return tuple((reserve.id, reserve.asset) for reserve in market.reserves)


def touched_in(glance: Glance) -> frozenset[bytes] | None:
    """The accounts of a glance that may have changed; None for all."""
    if glance.is_whole:
        return None
    return frozenset(row.tobytes() for row in followed_in(glance.changed))


def joined_keys(first: Keys, second: Keys) -> Keys:
    """(n, K) the accounts of both, each once, in a fixed order."""
    return joined_of(first, [row.tobytes() for row in second], first.shape[1])


def joined_of(keys: Keys, more: Sequence[bytes], width: int) -> Keys:
    """(n, K) each key once, in a fixed order."""
    rows = {row.tobytes() for row in keys} | set(more)
    return np.frombuffer(b"".join(sorted(rows)), np.uint8).reshape(len(rows), width)
