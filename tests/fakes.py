"""A node that only names blocks, and a protocol that answers from the law instead of a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.node import LogFilter, Logs
from defiliq.errors import BlockNotFound, CallReverted, MissingPrice, NodeUnreachable, NotAMarket
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Block, Listing, Question, checksum
from tests.builders import BLOCK, address
from tests.nodes import SilentNode


class FakeNode(SilentNode):
    """A chain of `head` blocks, finalized up to `finalized`; one Borrow per block from block 10 on.

    Logs after `breaks_after` can't be had.
    """

    label = "http://fake"

    def __init__(
        self, chain_id: int = 31337, head: int = 120, finalized: int = 120, breaks_after: int = 10**9
    ) -> None:
        self.chain_id = chain_id
        self.newest, self.finalized, self.breaks_after = head, finalized, breaks_after
        self.closed = False

    def block(self, tag: int | str) -> Block:
        number = (
            tag if isinstance(tag, int) else self.finalized if tag in ("finalized", "safe") else self.newest
        )
        if number > self.newest:
            raise BlockNotFound(str(tag), self.newest)
        if number == BLOCK.number:
            return replace(BLOCK, chain_id=self.chain_id)
        return Block(self.chain_id, number, "0x" + f"{number:064x}", BLOCK.timestamp + 12 * (number - 120))

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        if last > self.breaks_after:
            raise NodeUnreachable(self.label, "it went away.")
        blocks = np.arange(max(first, 10), last + 1, dtype=np.int64)
        topics = np.zeros((len(blocks), 4, 32), dtype=np.uint8)
        topics[:, 2, 31] = (blocks % 8) + 1
        return Logs(topics=topics, blocks=blocks, data=tuple(b"" for _ in blocks))

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> FakeNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Said:
    """A health as a contract says it."""

    def __init__(self, health: Any) -> None:
        self.said = {name: value for name, value in asdict(health).items() if name != "margin"}


LISTING = Listing("aave-v3", "Local", 31337, 5, {"pool_addresses_provider": address(0xE001)})


def fake_protocol(
    book: Book[AaveMarket],
    *,
    lies: Callable[[Any], Any] | None = None,
    begins: int = 0,
    failed: Mapping[str, str] | None = None,
    missing: Sequence[MissingPrice] = (),
) -> Any:
    """aave-v3 that reads `book` at any block and answers with the law, or with what `lies` makes of it."""

    def read(
        node: Any,
        listing: Listing,
        owners: NDArray[np.uint8],
        at: Block,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        uncounted: bool = False,
    ) -> Book[AaveMarket]:
        if at.number < begins:
            raise NotAMarket(address(0xE001), "a PoolAddressesProvider", "no code")
        wanted = {checksum(owner.tobytes()) for owner in owners}
        accounts = [account for account in book.accounts() if account.owner in wanted]
        if on_progress is not None:
            on_progress(len(owners), len(owners))
        market = replace(book.market, block=at, name=listing.name)
        return Book.build(market, accounts, {} if failed is None else failed)

    def read_market(
        node: Any, listing: Listing, at: Block, on_missing: Callable[[MissingPrice], None] | None = None
    ) -> AaveMarket:
        for lost in missing:
            if on_missing is None:
                raise lost
            on_missing(lost)
        return replace(book.market, block=at, name=listing.name)

    def ask_many(node: Any, asked: Sequence[Question], spot: Any) -> list[Any]:
        answers = []
        for market, owner, _ in asked:
            row = book.find(owner)
            assert row is not None
            answer = aave_v3.health(book.account(row), market)
            told = answer if lies is None else lies(answer)
            answers.append(told if isinstance(told, CallReverted) else _Said(told))
        return answers

    def discovery(node: Any, listing: Listing, at: Block) -> Any:
        wanted = LogFilter((address(0xE002),), (b"\x01" * 32,))
        return wanted, lambda logs: logs.topics[:, 2, 12:].copy()

    kept = (
        "name",
        "node_kind",
        "verdicts_of",
        "root_address",
        "market_type",
        "backing",
        "load_listings",
        "health",
        "rule",
        "rule_over_time",
        "margin",
        "values",
        "take",
        "explain",
        "remarks",
        "unsound",
    )
    plain = {name: getattr(aave_v3, name) for name in kept}
    answers = {"read": read, "read_market": read_market, "ask_many": ask_many}
    return SimpleNamespace(**plain, **answers, discovery=discovery)
