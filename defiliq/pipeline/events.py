"""Liquidations that happened, from a node's logs to a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

import pandas as pd

from defiliq.chain.node import AnyNode
from defiliq.errors import (
    BlockChanged,
    DefiliqError,
    HistoryUnavailable,
    InputError,
    MissingPrice,
    NodeError,
    ReadError,
    WrongChain,
)
from defiliq.ladder import EVENT_COLUMNS, as_table, event_row, unvalued_row
from defiliq.oracle.movers import Movers
from defiliq.protocols import PROTOCOLS
from defiliq.types import Block, Happening, Listing, Market

OnEvents: TypeAlias = Callable[[Literal["search", "price"], int, int, int], None]
"""Told how far it has come: what is done, of how many blocks, with so many liquidations."""


def events(
    node: AnyNode,
    market: Listing,
    first: int = 0,
    last: int | str = "latest",
    *,
    on_progress: OnEvents | None = None,
) -> pd.DataFrame:
    """Every liquidation in blocks `first` to `last`, both included, in the order of the chain.

    A negative `first` counts from the end: -1000 are the last 1,000 blocks up to `last`. Money is at the
    oracle's prices after the block of the liquidation; within it they may have been others. What nobody knows
    is NaN: all money of a block whose state the node no longer has, fees and bad debt that no log tells.

    `attrs` of the table: `first`, `last` (the blocks asked for), `covered` (the last one that was searched),
    `first_at`, `covered_at` (their times; of the last row where the search stopped), `stopped` (why, '' where
    it did not), `unpriced` (rows without money) and `unpriced_because`.
    """
    span = _span(node, market, first, last)
    found = _search(node, market, span, on_progress)
    rows, unpriced = _valued(node, market, found, on_progress)
    table = as_table(rows, EVENT_COLUMNS)
    table.attrs |= {
        "first": span.first,
        "last": span.last.number,
        "first_at": span.first_at,
        "covered": found.covered,
        "covered_at": span.last.timestamp if not found.stopped else _latest(table, span.first_at),
        "stopped": found.stopped,
        "unpriced": int((table["seized_usd"].isna() | table["repaid_usd"].isna()).sum()),
        "unpriced_because": unpriced,
    }
    return table


@dataclass(frozen=True, slots=True)
class _Span:
    """The blocks that are asked for."""

    first: int
    first_at: int
    """When that block was."""
    last: Block
    head: Block
    """Where the market's contracts are looked up: the state that every node has."""


@dataclass(slots=True)
class _Found:
    """What a search came to."""

    events: list[Happening]
    covered: int
    stopped: str = ""

    def stop(self, covered: int, error: DefiliqError) -> None:
        """Keep what happened up to a block alone."""
        self.events = [event for event in self.events if event.block <= covered]
        self.covered, self.stopped = covered, str(error)


def _span(node: AnyNode, market: Listing, first: int, last: int | str) -> _Span:
    if node.chain_id != market.chain_id:
        raise WrongChain(node.label, node.chain_id, market.chain_id)
    head = node.block("latest")
    if isinstance(last, int) and last > head.number:
        raise InputError(f"the node has no block {last} yet: its newest is {head.number}.")
    end = head if last == "latest" else node.block(last)
    begin = first if first >= 0 else end.number + 1 + first
    oldest = max(market.from_block, 1 if PROTOCOLS[market.protocol].node_kind == "cosmos" else 0)
    if begin > end.number or oldest > end.number:
        raise InputError(
            f"no blocks of {market.name} from {begin} to {end.number}. "
            f"It begins at block {oldest}, and the node's newest is {head.number}."
        )
    begin = max(begin, oldest)
    return _Span(begin, node.block(begin).timestamp, end, head)


def _latest(table: pd.DataFrame, otherwise: int) -> int:
    """When the last thing that is known happened."""
    return int(table["block_timestamp"].max()) if len(table) else otherwise


def _search(node: AnyNode, market: Listing, span: _Span, on_progress: OnEvents | None) -> _Found:
    """Everything that the logs tell. A search that stops half-way keeps what it found."""
    begin, last = span.first, span.last
    found = _Found([], begin - 1)

    def keep(_: int, end: int, happened: Sequence[Happening]) -> None:
        found.events += happened
        found.covered = end
        if on_progress is not None:
            on_progress("search", end - begin + 1, last.number - begin + 1, len(found.events))

    try:
        PROTOCOLS[market.protocol].search_events(node, market, span.head, begin, last.number, keep)
        _require_same(node, last)
    except BlockChanged:
        raise
    except NodeError as error:
        if found.covered < begin:
            raise
        found.stop(found.covered, error)
    return found


def _require_same(node: AnyNode, block: Block) -> None:
    seen = node.block(block.number)
    if seen.hash != block.hash:
        raise BlockChanged(block.number, block.hash, seen.hash)


def _valued(
    node: AnyNode, listing: Listing, found: _Found, on_progress: OnEvents | None
) -> tuple[list[dict[str, object]], str]:
    """Rows of all that was found, and why some have no money; `found` shrinks where the node gives out."""
    rows: list[dict[str, object]] = []
    unpriced = ""
    blocks = [(number, list(part)) for number, part in groupby(found.events, key=lambda one: one.block)]
    for done, (number, happened) in enumerate(blocks, 1):
        try:
            block = node.block(number)
            _require_hash(block, happened)
            market, why = _market_at(node, listing, block)
        except NodeError as error:
            found.stop(number - 1, error)
            break
        unpriced = unpriced or why
        if market is None:
            rows += [unvalued_row(event, listing, block) for event in happened]
        else:
            rows += _rows(market, happened)
        if on_progress is not None:
            on_progress("price", done, len(blocks), len(rows))
    return rows, unpriced


def _require_hash(block: Block, happened: Sequence[Happening]) -> None:
    """The block must still be the one that the logs came from."""
    for event in happened:
        if event.block_hash != block.hash:
            raise BlockChanged(block.number, event.block_hash, block.hash)


def _market_at(node: AnyNode, listing: Listing, block: Block) -> tuple[Market | None, str]:
    """The market after a block, and what of it, or why all of it, is not known."""
    missing: list[MissingPrice] = []
    try:
        market = PROTOCOLS[listing.protocol].read_market(node, listing, block, missing.append)
    except (HistoryUnavailable, ReadError) as error:
        return None, str(error)
    return market, str(missing[0]) if missing else ""


def _rows(market: Market, happened: Sequence[Happening]) -> list[dict[str, object]]:
    worths = PROTOCOLS[market.protocol].event_worth(happened, market)
    movers = Movers(market)
    return [
        event_row(event, worth, market, *movers.of_liquidation(worth.seize_reserve, worth.repay_reserve))
        for event, worth in zip(happened, worths, strict=True)
    ]
