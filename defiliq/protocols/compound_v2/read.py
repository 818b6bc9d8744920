"""From a node to a book: a Comptroller and any number of its accounts at one pinned block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.multicall import OnProgress, fetch_words_of
from defiliq.chain.node import Node
from defiliq.chain.unchanged import require_unchanged
from defiliq.chain.words import Bytes
from defiliq.errors import MissingPrice
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.accruing import with_accrual, with_pace
from defiliq.protocols.compound_v2.columns import Accounts, build_book, fetch_accounts, fetch_legs
from defiliq.protocols.compound_v2.decode import Dropped, decode_market
from defiliq.protocols.compound_v2.fetch import Comptroller, ask_about, fetch_comptroller, fetch_market
from defiliq.protocols.compound_v2.market import CompoundMarket, ProductRounding
from defiliq.protocols.compound_v2.oracles import with_graph
from defiliq.protocols.compound_v2.rounding import rounding_of
from defiliq.protocols.compound_v2.rules import rule
from defiliq.protocols.priceless import tell_missing
from defiliq.types import Account, Block, Listing, checksum

LIQUIDITY_WORDS: Final = 3
"""getAccountLiquidity answers an error code, liquidity and shortfall."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A market, and what of it can't be judged."""

    market: CompoundMarket
    dropped: tuple[Dropped, ...]
    """cTokens without a price."""
    is_rounding_known: bool
    """Whether the Comptroller itself showed how it rounds."""


def read_market(
    node: Node, listing: Listing, at: Block, on_missing: Callable[[MissingPrice], None] | None = None
) -> CompoundMarket:
    """The market at one block: the cTokens that the Comptroller lists.

    A cToken without a price is left out and told to `on_missing`; without one, MissingPrice is raised.
    """
    comptroller = fetch_comptroller(node, listing, at)
    reading = _read_market(node, listing, comptroller, comptroller.c_tokens, at)
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
) -> Book[CompoundMarket]:
    """All accounts of `owners` (N, 20) at one block.

    What could not be read is in `Book.failed` by name: accounts that a contract refuses to answer for, that
    entered a cToken without a price, whose debt could not be proved in storage, and debtors of whom the
    Comptroller itself says another liquidity than this law. cTokens that accounts entered although the
    Comptroller lists them no more are part of the market. Of supplies that back nothing, those of debtors
    are always read, for they can be seized; all others only when `uncounted` says so.
    """
    comptroller = fetch_comptroller(node, listing, at)
    accounts = fetch_accounts(node, comptroller.address, owners, at, on_progress)
    if comptroller.lends_vai:
        _refuse_vai(node, comptroller, accounts, at)
    entered = [checksum(token.tobytes()) for token in np.unique(accounts.c_tokens, axis=0)]
    c_tokens = tuple(dict.fromkeys((*comptroller.c_tokens, *entered)))
    reading = _read_market(node, listing, comptroller, c_tokens, at)
    for lost in reading.dropped:
        held = (accounts.c_tokens == abi.packed([lost.c_token])).all(axis=1)
        accounts.refuse(accounts.account[held], lost.reason)
    legs = fetch_legs(node, reading.market, accounts, at, on_progress, uncounted=uncounted)
    book = _hold_against(node, build_book(reading.market, accounts, legs), reading)
    require_unchanged(node, at)
    return book


def _read_market(
    node: Node, listing: Listing, comptroller: Comptroller, c_tokens: Sequence[str], at: Block
) -> Reading:
    raw = fetch_market(node, comptroller, c_tokens, at)
    market, dropped, rows = decode_market(raw, listing, at)
    market = with_accrual(node, with_pace(node, market))
    rounding = rounding_of(node, market)
    if rounding is not None:
        market = replace(market, product_rounding=rounding)
    market = with_graph(node, market, [raw.symbols[row] for row in rows], at)
    return Reading(market.at_time(at.timestamp), dropped, rounding is not None)


def _refuse_vai(node: Node, comptroller: Comptroller, accounts: Accounts, at: Block) -> None:
    """Fail those who owe VAI: Venus adds it to what they owe cTokens, and this law does not."""
    owners = accounts.owners
    if len(owners):
        root = abi.packed([comptroller.address])
        minted = ask_about(node, root, abi.MINTED_VAIS, owners, at)
        owes = ~minted.ok | minted.words[:, 0].any(axis=1)
        accounts.refuse(np.flatnonzero(owes), "it owes VAI beside its borrows, which this law does not count")


def _hold_against(node: Node, book: Book[CompoundMarket], reading: Reading) -> Book[CompoundMarket]:
    """The book without debtors of whom the Comptroller itself answers another liquidity at stored indices.

    Where nothing else told how the Comptroller rounds, more of its answers decide.
    """
    rows = np.flatnonzero(book.debtors)
    if not len(rows):
        return book
    answers = _fetch_liquidities(node, book.market, book.owners[rows], book.market.block)
    accounts = [book.nameless(row) for row in rows.tolist()]
    market = book.market
    if not reading.is_rounding_known:
        roundings: tuple[ProductRounding, ...] = get_args(ProductRounding)
        markets = [replace(market, product_rounding=rounding) for rounding in roundings]
        market = max(markets, key=lambda one: sum(map(_agrees(one), accounts, answers)))
    agrees = [*map(_agrees(market), accounts, answers)]
    failed = dict(book.failed)
    kept = np.ones(len(book), np.bool_)
    for row, account, answer, is_same in zip(rows.tolist(), accounts, answers, agrees, strict=True):
        if not is_same:
            kept[row] = False
            failed[book.owner(row)] = _difference(account, market, answer)
    return replace(replace(book, market=market).keep(kept), failed=failed)


def _agrees(market: CompoundMarket) -> Callable[[Account, int | None], bool]:
    stored = market.as_stored()
    return lambda account, answer: rule(account, stored).margin(stored.prices) == answer


def _difference(account: Account, market: CompoundMarket, answer: int | None) -> str:
    if answer is None:
        return "the Comptroller does not answer its liquidity"
    stored = market.as_stored()
    ours = rule(account, stored).margin(stored.prices)
    return f"the Comptroller answers a liquidity of {answer} where this law gives {ours}"


def _fetch_liquidities(node: Node, market: CompoundMarket, owners: Bytes, at: Block) -> list[int | None]:
    """Liquidity less shortfall of each owner, at stored indices; None where an error is answered."""
    rows = abi.call_rows(abi.GET_ACCOUNT_LIQUIDITY, owners)
    seen = fetch_words_of(node, market.comptroller, rows, at, words=LIQUIDITY_WORDS)
    found: list[int | None] = []
    for ok, words in zip(seen.ok.tolist(), seen.words, strict=True):
        error, liquidity, shortfall = (int.from_bytes(word.tobytes(), "big") for word in words)
        found.append(liquidity - shortfall if ok and error == 0 else None)
    return found
