"""From a node to a book: discover, read, and leave out what is too small to matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.node import AnyNode
from defiliq.errors import (
    BlockNotFound,
    HistoryUnavailable,
    IncompleteScan,
    InputError,
    InterruptedRead,
    MissingPrice,
    NodeError,
    NotAMarket,
    WrongChain,
)
from defiliq.index import Index, discover
from defiliq.pipeline.chains import default_block
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.dydx_v4.fetch import LIQUIDATIONS, SUBACCOUNT_ALL
from defiliq.types import Block, Listing, Market


@dataclass(frozen=True, slots=True)
class Step:
    """How far a read has come: `done` of `total` blocks (discover) or accounts (read)."""

    stage: Literal["discover", "read"]
    done: int
    total: int
    accounts: int


LONGEST_PAUSE_S = 3600
"""After this an interrupted read is not gone on with: its block is old."""

Progress: TypeAlias = Callable[[Step], None]


def read(
    node: AnyNode,
    listing: Listing,
    at: int | str | None = None,
    *,
    index: Index | None = None,
    owners: NDArray[np.uint8] | None = None,
    min_debt_usd: float | str | None = None,
    uncounted: bool = False,
    on_progress: Progress | None = None,
) -> Book[Any]:
    """Every account of a market at one block: found in its logs, then read from its contracts.

    `at` is a number or a tag; where it is left out, see `default_block`.
    With `owners`, (N, K) keys of accounts, nothing is searched. Without an `index`, every log is read anew.
    Supplies that back nothing are left out unless `uncounted` asks for them.
    """
    at = default_block(listing.chain_id) if at is None else at
    block = _block(node, listing, at)
    try:
        if owners is None:
            owners = _discover(node, listing, block, index, on_progress)
        book = PROTOCOLS[listing.protocol].read(
            node, listing, owners, block, _reading(on_progress, owners), uncounted=uncounted
        )
    except NotAMarket as error:
        raise _perhaps_younger(node, block, at, error) from None
    except NodeError as error:
        if owners is None and _is_kept(node, listing, block, error):
            raise InterruptedRead(block.number, str(error)) from error
        raise
    return book if min_debt_usd is None else over_debt(book, min_debt_usd)


def read_market(
    node: AnyNode,
    listing: Listing,
    at: int | str | None = None,
    *,
    on_missing: Callable[[MissingPrice], None] | None = None,
) -> Market:
    """A market at one block without its accounts: no log is searched. `at` as for `read`.

    A reserve without a price is left out and told to `on_missing`; without one, MissingPrice is raised.
    """
    at = default_block(listing.chain_id) if at is None else at
    block = _block(node, listing, at)
    try:
        return PROTOCOLS[listing.protocol].read_market(node, listing, block, on_missing)
    except NotAMarket as error:
        raise _perhaps_younger(node, block, at, error) from None


def unfinished(node: Any, listing: Listing) -> Block | None:
    """The block at which a read of a whole market was interrupted, if that was a short while ago.

    Only chains that list their accounts keep such a read: the others keep the accounts that they found.
    """
    if PROTOCOLS[listing.protocol].node_kind != "cosmos":
        return None
    kept: Block | None = node.unfinished(SUBACCOUNT_ALL)
    if kept is None or node.block("latest").timestamp - kept.timestamp > LONGEST_PAUSE_S:
        return None
    try:
        if node.block(kept.number) != kept:
            return None
        node.query(LIQUIDATIONS, b"", kept)  # nodes keep blocks for longer than the state after them
    except (BlockNotFound, HistoryUnavailable):
        return None
    return kept


def _is_kept(node: Any, listing: Listing, block: Block, error: NodeError) -> bool:
    """Whether a read that failed at a block has left pages to go on from, and the block is still there."""
    if PROTOCOLS[listing.protocol].node_kind != "cosmos" or isinstance(error, HistoryUnavailable):
        return False
    return bool(node.unfinished(SUBACCOUNT_ALL) == block)


def over_debt(book: Book[Any], min_debt_usd: float | str) -> Book[Any]:
    """The accounts that owe at least so much of the base currency, in the same order."""
    try:
        least = Decimal(str(min_debt_usd)) * book.market.base_unit
        least_base = int(least.to_integral_value(ROUND_CEILING))
    except (InvalidOperation, ValueError, OverflowError):
        raise InputError(f"{min_debt_usd!r} is no amount of money. Write a number such as 1000.") from None
    health = PROTOCOLS[book.market.protocol].health
    kept = [health(account, book.market).debt_base >= least_base for account in book.accounts()]
    return book.keep(np.array(kept, dtype=np.bool_))


def _block(node: AnyNode, listing: Listing, at: int | str) -> Block:
    """The block to read at, on the listing's chain and not before its birth."""
    if node.chain_id != listing.chain_id:
        raise WrongChain(node.label, node.chain_id, listing.chain_id)
    block = node.block(at)
    if block.number < listing.from_block:
        head = node.block("latest").number
        raise InputError(
            f"{listing.name} begins at block {listing.from_block}, after block {block.number} ({at}). "
            f"The newest block is {head}: use a later --block."
        )
    return block


def _perhaps_younger(node: AnyNode, block: Block, at: int | str, error: NotAMarket) -> NotAMarket:
    """The error with a hint, where a later block might hold the market."""
    head = node.block("latest").number
    if head == block.number:
        return error
    seen = f"{error.seen} at block {block.number} ({at}), and the newest is {head}"
    return NotAMarket(error.address, error.wanted, f"{seen}: a younger market needs --block latest")


def _discover(
    node: Any, listing: Listing, block: Block, index: Index | None, on_progress: Progress | None
) -> NDArray[np.uint8] | None:
    """Whom to ask about, None where the chain itself lists all.

    A search that stops half-way says how far it came; what it found is in the index.
    """
    searched = PROTOCOLS[listing.protocol].discovery(node, listing, block)
    if searched is None:
        return None
    wanted, owner_of = searched

    def tell(done: int, first: int, last: int, accounts: int) -> None:
        if on_progress is not None:
            on_progress(Step("discover", done - first + 1, last - first + 1, accounts))

    kept = Index(":memory:") if index is None else index
    try:
        return discover(node, kept, wanted, owner_of, listing.from_block, block, tell)
    except NodeError as error:
        known = kept.known(node.chain_id, wanted, block.number)
        if known.covered is None:
            raise
        raise IncompleteScan(known.covered, block.number, len(known.owners), str(error)) from error
    finally:
        if index is None:
            kept.close()


def _reading(on_progress: Progress | None, owners: NDArray[np.uint8] | None) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(Step("read", done, total, done if owners is None else len(owners)))

    return tell
