"""From a node to a book: a market and any number of its accounts at one pinned block."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.multicall import OnProgress
from defiliq.chain.node import Call, Node
from defiliq.chain.unchanged import require_unchanged
from defiliq.errors import MissingPrice, UnsupportedReserve
from defiliq.oracle.resolve import resolve
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.columns import Flags, build_book, fetch_balances, fetch_flags
from defiliq.protocols.aave_v3.decode import (
    Dropped,
    Priced,
    decode_category,
    decode_emodes,
    decode_market,
    decode_price,
    decode_quote,
    members_of,
)
from defiliq.protocols.aave_v3.fetch import (
    BALANCE_OF_DEBT_REVISION,
    FIRST_LIQUID_EMODE_REVISION,
    Contracts,
    fetch_category_data,
    fetch_contracts,
    fetch_emodes,
    fetch_market,
    fetch_prices,
)
from defiliq.protocols.aave_v3.market import AaveMarket, EMode
from defiliq.protocols.priceless import tell_missing
from defiliq.types import Block, Feed, Listing


@dataclass(frozen=True, slots=True)
class Reading:
    """A market, and what of it can't be judged."""

    market: AaveMarket
    dropped: tuple[Dropped, ...]
    """Reserves without a price."""
    unpriced_modes: frozenset[int]
    """eModes whose own price source gives no answer (revisions <= 4): the pool reverts for their users."""


def read_market(
    node: Node, listing: Listing, at: Block, on_missing: Callable[[MissingPrice], None] | None = None
) -> AaveMarket:
    """The market at one block, without the eModes that only accounts name.

    A reserve without a price is left out and told to `on_missing`; without one, MissingPrice is raised.
    """
    reading = _read_market(node, listing, fetch_contracts(node, listing, at), (), at)
    tell_missing(reading.dropped, on_missing)
    require_unchanged(node, at)
    return reading.market


def read(
    node: Node,
    listing: Listing,
    owners: NDArray[np.uint8],
    at: Block,
    on_progress: OnProgress | None = None,
    *,
    uncounted: bool = False,
) -> Book[AaveMarket]:
    """All accounts of `owners` (N, 20) at one block.

    What could not be read is in `Book.failed` by name: accounts whose calls are refused, and holders of a
    reserve that the oracle has no price for, on whom the pool itself would revert. Such a reserve is left
    out of the market. Supplied balances that back nothing are only read when `uncounted` says so.
    """
    contracts = fetch_contracts(node, listing, at)
    flags = fetch_flags(node, contracts.pool, owners, at, on_progress)
    reading = _read_market(node, listing, contracts, np.unique(flags.modes).tolist(), at)
    flags = _refuse(flags, reading)
    balances = fetch_balances(node, reading.market, flags, at, on_progress, uncounted=uncounted)
    require_unchanged(node, at)
    return build_book(reading.market, flags, balances)


def _read_market(
    node: Node, listing: Listing, contracts: Contracts, used_modes: Iterable[int], at: Block
) -> Reading:
    raw = fetch_market(node, contracts, at)
    market, dropped, discounted = decode_market(raw, listing, at)
    if contracts.revision == BALANCE_OF_DEBT_REVISION:
        _refuse_discounted(node, market, discounted, at)
    used = sorted(set(used_modes) - {0})
    unpriced = frozenset[int]()
    if contracts.revision >= FIRST_LIQUID_EMODE_REVISION:
        emodes = decode_emodes(fetch_emodes(node, contracts, used, at))
        market = replace(market, emodes=emodes)
    else:
        market, unpriced = _with_categories(node, market, contracts, used, at)
    graph = resolve(node, market.feeds, market.prices, at, decode_quote(raw, market))
    return Reading(replace(market, graph=graph), dropped, unpriced)


def _with_categories(
    node: Node, market: AaveMarket, contracts: Contracts, used: list[int], at: Block
) -> tuple[AaveMarket, frozenset[int]]:
    """The market with the eModes of revisions <= 4, one per asset and perhaps with a price of its own; and
    those whose own price source gives no answer."""
    members = members_of(market.reserves)
    ids = sorted(set(used) | set(members))
    answers = fetch_category_data(node, contracts, ids, at)
    read = {k: decode_category(answer, k, members.get(k, 0)) for k, answer in zip(ids, answers, strict=True)}
    own = [k for k in ids if read[k][1] != abi.NOWHERE]
    emodes: dict[int, EMode] = {k: emode for k, (emode, _) in read.items()}
    feeds, prices, unpriced = list(market.feeds), list(market.prices), set[int]()
    if own:
        prices_of, sources_of = fetch_prices(node, contracts.oracle, [read[k][1] for k in own], at)
        for row, k in enumerate(own):
            if prices_of.ok[row] and not prices_of.words[row].any():
                continue  # GenericLogic takes 0 as: use the reserves' own prices
            seen = decode_price(prices_of, sources_of, row, f"eMode {k}")
            if not isinstance(seen, Priced):
                unpriced.add(k)
                continue
            emodes[k] = replace(emodes[k], feed=_feed(feeds, prices, seen))
    found = replace(market, emodes=emodes, feeds=tuple(feeds), prices=tuple(prices))
    return found, frozenset(unpriced)


def _feed(feeds: list[Feed], prices: list[int], seen: Priced) -> int:
    """The feed with that source and price, appended if there is none."""
    for k, feed in enumerate(feeds):
        if feed.source == seen.source != abi.NOWHERE and prices[k] == seen.price:
            return k
    feeds.append(Feed(seen.name, seen.source))
    prices.append(seen.price)
    return len(feeds) - 1


def _refuse_discounted(node: Node, market: AaveMarket, discounted: tuple[int, ...], at: Block) -> None:
    """Refuse a reserve that v3.3 values by its debt token's discounted balance (GHO), if anyone owes it."""
    reserves = [reserve for reserve in market.reserves if reserve.id in discounted]
    calls = [Call(reserve.variable_debt_token, abi.calldata(abi.SCALED_TOTAL_SUPPLY)) for reserve in reserves]
    answers = node.call(calls, at) if calls else []
    for reserve, answer in zip(reserves, answers, strict=True):
        if not isinstance(answer, bytes) or any(answer):
            raise UnsupportedReserve(
                reserve.symbol, reserve.asset, "v3.3 counts its debt with a discount of its own"
            )


def _refuse(flags: Flags, reading: Reading) -> Flags:
    """Mark the accounts that the pool itself would revert on."""
    for lost in reading.dropped:
        flags = flags.refused(flags.touches(lost.id), lost.reason)
    for mode in sorted(reading.unpriced_modes):
        flags = flags.refused(flags.modes == mode, f"the price source of its eMode {mode} gives no price")
    return flags
