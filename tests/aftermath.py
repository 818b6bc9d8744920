"""Real liquidations that stay, and what they leave: read again, and held against what `after` says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import EvmNode
from defiliq.pipeline.reading import read
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Liquidation, Listing, Market
from tests.lab.chain import Tx
from tests.lab.running import RunningNode
from tests.takings import in_a_row


@dataclass(frozen=True)
class Scene:
    """One market of a lab, and how it is liquidated."""

    lab: Any
    """A RunningNode with `drivers` and `set_driver`."""
    node: EvmNode
    listing: Listing
    owners: NDArray[np.uint8]
    """(N, K) keys of everybody."""
    liquidation: Callable[[Account, Any, Liquidation], Tx]
    """The transaction that does what was said."""
    one_block_later: Callable[[Any], Any]
    """A market as the transactions of the next block find it."""
    first: tuple[Tx, ...] = ()
    """Transactions that go before, in every block of liquidations."""

    @property
    def protocol(self) -> Any:
        return PROTOCOLS[self.listing.protocol]

    def read(self) -> Book[Any]:
        """Everybody as they stand now, with all that they have."""
        book = read(self.node, self.listing, "latest", owners=self.owners, uncounted=True)
        assert not book.failed
        return book

    def account(self, book: Book[Any], owner: str) -> Account:
        """One of them."""
        row = book.find(owner)
        assert row is not None
        return book.account(row)

    def send(self, some: Sequence[tuple[Account, Liquidation]], market: Market) -> None:
        """Real liquidations in the next block, which all go through."""
        calls = [self.liquidation(account, market, taken) for account, taken in some]
        self.lab.chain.send_all([*self.first, *calls], market.timestamp)

    def spots(self) -> dict[str, int]:
        """What every driver's storage says."""
        lab: RunningNode = self.lab
        return {
            name: int(lab.rpc("eth_getStorageAt", address, "0x0", "latest"), 16)
            for name, address in sorted(self.lab.drivers.items())
        }

    def put(self, drivers: Mapping[str, int]) -> None:
        """Write drivers elsewhere."""
        for name, value in drivers.items():
            self.lab.set_driver(name, value)


@dataclass(frozen=True)
class Done:
    """One real liquidation, and both of its ends."""

    before: Account
    market: Market
    taken: Liquidation
    expected: Account
    found: Account
    earlier: int
    """How many liquidations of the same account came before it, in a row."""


def drawn(scene: Scene, draw: random.Random) -> dict[str, int]:
    """A world in which some drivers stand far from where they are, most of them lower."""
    spots = scene.spots()
    names = draw.sample(sorted(spots), draw.randrange(1, 1 + len(spots)))
    return {
        name: max(1, spots[name] * draw.choice((5, 30, 60, 80, 90, 97, 103, 150)) // 100) for name in names
    }


def liquidated(scene: Scene, rounds: int) -> Iterator[Done]:
    """Everybody who can be liquidated, all in one block; then who still can be, and so on."""
    book, times = scene.read(), Counter[str]()
    for _ in range(rounds):
        market = scene.one_block_later(book.market)
        rows = [in_a_row(scene.protocol, account, market, 1) for account in book.accounts()]
        sent = [done for row in rows for done in row]
        if not sent:
            return
        scene.send(sent, market)
        book = scene.read()
        for account, taken in sent:
            expected = scene.protocol.after(account, market, taken)
            found = scene.account(book, account.owner)
            yield Done(account, market, taken, expected, found, times[account.owner])
            times[account.owner] += 1


def in_one_block(scene: Scene, most: int) -> Iterator[tuple[Account, Account, int]]:
    """(expected, found, how many) of each account, after up to `most` liquidations of it in one block."""
    book = scene.read()
    market = scene.one_block_later(book.market)
    rows = [in_a_row(scene.protocol, account, market, most) for account in book.accounts()]
    rows = [row for row in rows if row]
    scene.send([done for row in rows for done in row], market)
    book = scene.read()
    for row in rows:
        account, taken = row[-1]
        expected = scene.protocol.after(account, market, taken)
        yield expected, scene.account(book, account.owner), len(row)


def keys(market_type: type[Market], names: Sequence[str]) -> NDArray[np.uint8]:
    """(N, K) keys of accounts by name."""
    raw = b"".join(market_type.account_key(name) for name in names)
    return np.frombuffer(raw, np.uint8).reshape(len(names), market_type.account_bytes)
