"""Liquidations that happened, from a node's logs to a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import pandas as pd

from defiliq.chain.node import AnyNode
from defiliq.errors import (
    BlockChanged,
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

Valued: TypeAlias = tuple[list[dict[str, object]], str]
"""Rows, and why some of them have no money."""

OnProgress: TypeAlias = Callable[[int, int, int], None]
"""Told how many of how many blocks are done, and how many liquidations were found."""


def events(
    node: AnyNode,
    market: Listing,
    first: int = 0,
    last: int | str = "latest",
    *,
    concurrency: int = 4,
    on_progress: OnProgress | None = None,
) -> pd.DataFrame:
    """Every liquidation in blocks `first` to `last`, both included, in the order of the chain.

    A negative `first` counts from the end: -1000 are the last 1,000 blocks up to `last`. Money is at the
    oracle's prices after the block of the liquidation, within which they may have been others; only Compound
    III writes down itself what it reckoned with. What nobody knows is NaN: all money of a block whose state
    the node no longer has, fees and bad debt that no log tells. `side` and `driver` are by definition, see
    `oracle.movers.Movers`.

    Of an EVM chain the prices of `concurrency` blocks are read at a time; the table is the same.

    `attrs` of the table: `first`, `last` (the blocks asked for), `covered` (the last one that was searched),
    `covered_hash` ('' where the search stopped), `first_at`, `covered_at` (their times; of the last row where
    the search stopped), `stopped` (why, '' where it did not), `unpriced` (rows without money) and
    `unpriced_because`.
    """
    span = _span(node, market, first, last)
    search = _Search(node, market, span, concurrency, on_progress)
    search.run()
    table = as_table(search.rows, EVENT_COLUMNS)
    table.attrs |= {
        "first": span.first,
        "last": span.last.number,
        "first_at": span.first_at,
        "covered": search.covered,
        "covered_hash": "" if search.stopped else span.last.hash,
        "covered_at": _latest(table, span.first_at) if search.stopped else span.last.timestamp,
        "stopped": search.stopped,
        "unpriced": int((table["seized_usd"].isna() | table["repaid_usd"].isna()).sum()),
        "unpriced_because": search.unpriced,
    }
    return table


@dataclass(frozen=True, slots=True)
class _Span:
    """The blocks that are asked for."""

    first: int
    """Not before the market's own first block, which may be after the last."""
    first_at: int
    """When the first block was; the last one where there is none."""
    last: Block
    head: Block
    """Where the market's contracts are looked up: the state that every node has."""


def _span(node: AnyNode, market: Listing, first: int, last: int | str) -> _Span:
    if node.chain_id != market.chain_id:
        raise WrongChain(node.label, node.chain_id, market.chain_id)
    head = node.block("latest")
    if isinstance(last, int) and last > head.number:
        raise InputError(f"the node has no block {last} yet: its newest is {head.number}.")
    end = head if last == "latest" else node.block(last)
    begin = first if first >= 0 else end.number + 1 + first
    if begin > end.number:
        raise InputError(f"no blocks from {begin} to {end.number}. The node's newest is {head.number}.")
    oldest = max(market.from_block, 1 if PROTOCOLS[market.protocol].node_kind == "cosmos" else 0)
    begin = max(begin, oldest)
    first_at = node.block(begin).timestamp if begin <= end.number else end.timestamp
    return _Span(begin, first_at, end, head)


class _Search:
    """One search: each range is priced as soon as it is searched, so a node that dies takes nothing along."""

    def __init__(
        self,
        node: AnyNode,
        listing: Listing,
        span: _Span,
        concurrency: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._node, self._listing, self._span, self._on_progress = node, listing, span, on_progress
        self._protocol = PROTOCOLS[listing.protocol]
        self._concurrency = concurrency if self._protocol.node_kind == "evm" else 1
        self.rows: list[dict[str, object]] = []
        self.covered = min(span.first - 1, span.last.number)
        self.stopped = ""
        self.unpriced = ""

    def run(self) -> None:
        """Search it all. Where the node fails half-way, what came before is kept; at once, it is raised."""
        span = self._span
        if span.first > span.last.number:
            return
        try:
            self._protocol.search_events(
                self._node, self._listing, span.head, span.first, span.last.number, self._keep
            )
            self._require(self._node.block(span.last.number), span.last.hash)
        except BlockChanged as error:
            # What was read may be of a chain that is gone, but for blocks that no longer change.
            self._stop(min(self.covered, self._node.block("finalized").number), error)
        except NodeError as error:
            self._stop(self.covered, error)

    def _stop(self, covered: int, error: NodeError) -> None:
        if covered < self._span.first:
            raise error
        self.rows = [row for row in self.rows if int(str(row["block_number"])) <= covered]
        self.covered, self.stopped = covered, str(error)

    def _keep(self, _: int, end: int, happened: Sequence[Happening]) -> None:
        """Rows of a range that was searched, block by block."""
        blocks = [list(part) for _, part in groupby(happened, key=lambda event: event.block)]
        starts = [*(seen[0].block for seen in blocks), end + 1]
        self.covered = starts[0] - 1
        for following, (rows, why) in zip(starts[1:], self._valued(blocks), strict=True):
            self.rows += rows
            self.unpriced = self.unpriced or why
            self._tell(following - 1)
        if not blocks:
            self._tell(end)

    def _valued(self, blocks: Sequence[Sequence[Happening]]) -> Iterator[Valued]:
        """The rows of blocks, in order, and why some have no money; an error comes where its block stands."""
        if len(blocks) < 2 or self._concurrency < 2:
            yield from map(self._rows, blocks)
            return
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="defiliq-events")
        try:
            yield from pool.map(self._rows, blocks)
        finally:
            pool.shutdown(cancel_futures=True)

    def _tell(self, covered: int) -> None:
        self.covered = covered
        if self._on_progress is not None:
            first = self._span.first
            self._on_progress(covered - first + 1, self._span.last.number - first + 1, len(self.rows))

    def _rows(self, happened: Sequence[Happening]) -> Valued:
        """The rows of one block."""
        block = self._node.block(happened[0].block)
        for event in happened:
            self._require(block, event.block_hash)
        market, why = self._market_at(block)
        if market is None:
            return [unvalued_row(event, self._listing, block) for event in happened], why
        worths = self._protocol.event_worth(happened, market)
        movers = Movers(market)
        rows = [
            event_row(event, worth, market, *movers.of_liquidation(worth.seize_reserve, worth.repay_reserve))
            for event, worth in zip(happened, worths, strict=True)
        ]
        return rows, why

    def _market_at(self, block: Block) -> tuple[Market | None, str]:
        """The market after a block, and what of it, or why all of it, is not known."""
        missing: list[MissingPrice] = []
        try:
            market = self._protocol.read_market(self._node, self._listing, block, missing.append)
        except (HistoryUnavailable, ReadError) as error:
            return None, str(error)
        return market, str(missing[0]) if missing else ""

    def _require(self, block: Block, wanted: str) -> None:
        """The block must still be the one that was read, or that logs came from."""
        if block.hash != wanted:
            raise BlockChanged(block.number, wanted, block.hash)


def _latest(table: pd.DataFrame, otherwise: int) -> int:
    """When the last thing that is known happened."""
    return int(table["block_timestamp"].max()) if len(table) else otherwise
