"""Accounts as columns: the markets each has entered, its cTokens, its debts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Amounts, Book
from defiliq.chain.multicall import OnProgress, fetch_words, fetch_words_of
from defiliq.chain.node import Node
from defiliq.chain.words import Bytes
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.compound_v2.snapshots import Debts, fetch_snapshots
from defiliq.types import Block, checksum

MAX_ENTERED = 512
"""No Comptroller can sum up more markets of one account and still answer."""


@dataclass(slots=True)
class Accounts:
    """Owners, the cTokens that each has entered, and who can't be read."""

    owners: Bytes
    """(N, 20)"""
    account: NDArray[np.intp]
    """(E,) position of the owner, of every market entered."""
    c_tokens: Bytes
    """(E, 20)"""
    failed: dict[int, str] = field(default_factory=dict)
    """Position of the owner to the first reason why it can't be read."""

    def refuse(self, accounts: NDArray[np.intp], why: str) -> None:
        """Mark accounts that can't be read; the first reason stays."""
        for account in np.unique(accounts).tolist():
            self.failed.setdefault(account, why)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(N,)"""
        kept = np.ones(len(self.owners), np.bool_)
        kept[list(self.failed)] = False
        return kept


@dataclass(frozen=True, slots=True)
class Legs:
    """Legs of all accounts, one row each."""

    account: NDArray[np.intp]
    reserve: NDArray[np.intp]
    """Positions in market.reserves."""
    counted: NDArray[np.bool_]
    tokens: Bytes
    """(L, 32) words of cTokens."""
    snapshot: Bytes
    """(L, 2, 32) words of principal and interest index."""


def fetch_accounts(
    node: Node, comptroller: str, owners: Bytes, at: Block, on_progress: OnProgress | None
) -> Accounts:
    """The markets that accounts have entered (getAssetsIn): how many first, then which."""
    rows = abi.call_rows(abi.GET_ASSETS_IN, owners)
    sizes = fetch_words_of(node, comptroller, rows, at, words=2, on_progress=on_progress)
    found = Accounts(owners, np.zeros(0, np.intp), np.zeros((0, 20), np.uint8))
    counts = _small(sizes.words[:, 1])
    is_list = sizes.ok & (_small(sizes.words[:, 0]) == 32) & (counts <= MAX_ENTERED)
    found.refuse(np.flatnonzero(~is_list), "the Comptroller does not answer which markets it has entered")
    account, c_tokens = [found.account], [found.c_tokens]
    for count in np.unique(counts[is_list & (counts > 0)]).tolist():
        some = np.flatnonzero(is_list & (counts == count))
        words = fetch_words_of(node, comptroller, rows[some], at, words=2 + count)
        is_whole = words.ok & ~words.words[:, 2:, :12].any(axis=(1, 2))
        found.refuse(some[~is_whole], "the Comptroller does not answer which markets it has entered")
        account.append(np.repeat(some[is_whole], count))
        c_tokens.append(words.words[is_whole, 2:, 12:].reshape(-1, 20))
    found.account, found.c_tokens = np.concatenate(account), np.concatenate(c_tokens)
    found.refuse(_named_twice(found), "the Comptroller says that it has entered one market twice")
    return found


def _named_twice(accounts: Accounts) -> NDArray[np.intp]:
    """The accounts with a cToken that stands twice among those they have entered."""
    named = accounts.account.astype(">i8").view(np.uint8).reshape(-1, 8)
    pairs, counts = np.unique(np.concatenate((named, accounts.c_tokens), axis=1), axis=0, return_counts=True)
    twice = np.ascontiguousarray(pairs[counts > 1, :8]).view(">i8").ravel()
    return np.unique(twice).astype(np.intp)


def fetch_legs(
    node: Node,
    market: CompoundMarket,
    accounts: Accounts,
    at: Block,
    on_progress: OnProgress | None,
    *,
    uncounted: bool,
) -> Legs:
    """What accounts hold and owe in the markets they have entered, and what debtors hold elsewhere.

    A liquidator may seize cTokens of a market that the debtor never entered. With `uncounted`, those of all
    accounts are read. Whoever can't be read is marked in `accounts`.
    """
    tokens = abi.packed([reserve.c_token for reserve in market.reserves])
    place = {token.tobytes(): k for k, token in enumerate(tokens)}
    reserve = np.array([place.get(token.tobytes(), -1) for token in accounts.c_tokens], np.intp)
    there = (reserve >= 0) & accounts.readable[accounts.account]
    account, reserve = accounts.account[there], reserve[there]
    seen = fetch_words(
        node,
        tokens[reserve],
        abi.call_rows(abi.GET_ACCOUNT_SNAPSHOT, accounts.owners[account]),
        at,
        words=4,
        on_progress=on_progress,
    )
    refused = ~seen.ok | seen.words[:, 0].any(axis=1)
    accounts.refuse(account[refused], "a cToken that it has entered does not answer for it")
    words, snapshot = seen.words, np.zeros((len(account), 2, 32), np.uint8)
    owes = np.flatnonzero(~refused & words[:, 2].any(axis=1))
    balances = [int.from_bytes(words[row, 2].tobytes(), "big") for row in owes.tolist()]
    debts = Debts(reserve[owes], accounts.owners[account[owes]], balances)
    found = fetch_snapshots(node, market.reserves, debts, at)
    for k, one in enumerate(market.reserves):
        lost = ~found.proved & (debts.reserve == k)
        accounts.refuse(
            account[owes[lost]], f"what it owes in {one.c_symbol} could not be proved in its storage"
        )
    snapshot[owes] = found.words
    counted = Legs(account, reserve, np.ones(len(account), np.bool_), words[:, 1], snapshot)
    holders = np.arange(len(accounts.owners)) if uncounted else np.unique(account[owes])
    return _joined(counted, _fetch_idle(node, market, accounts, counted, holders, at))


def _fetch_idle(
    node: Node,
    market: CompoundMarket,
    accounts: Accounts,
    counted: Legs,
    holders: NDArray[np.intp],
    at: Block,
) -> Legs:
    """What some accounts hold in markets that they have not entered."""
    asked = np.zeros((len(accounts.owners), len(market.reserves)), np.bool_)
    asked[holders] = True
    asked[counted.account, counted.reserve] = False
    asked &= accounts.readable[:, None]
    account, reserve = np.nonzero(asked)
    tokens = abi.packed([one.c_token for one in market.reserves])
    rows = abi.call_rows(abi.BALANCE_OF, accounts.owners[account])
    seen = fetch_words(node, tokens[reserve], rows, at)
    accounts.refuse(account[~seen.ok], "a cToken that it has not entered does not answer for it")
    nothing = np.zeros((len(account), 2, 32), np.uint8)
    return Legs(account, reserve, np.zeros(len(account), np.bool_), seen.words[:, 0], nothing)


def build_book(market: CompoundMarket, accounts: Accounts, legs: Legs) -> Book[CompoundMarket]:
    """Columns of what was read; accounts with an absurd balance are failed by name too.

    Zero balances make no leg: they add nothing to any rule. Accounts without legs stay.
    """
    amounts = (legs.tokens, legs.snapshot[:, 0], legs.snapshot[:, 1])
    absurd = np.any([column[:, :16].any(axis=1) for column in amounts], axis=0)
    accounts.refuse(legs.account[absurd], "a balance exceeds 128 bits")
    kept, n = accounts.readable, len(accounts.owners)
    there = (legs.tokens.any(axis=1) | legs.snapshot[:, 0].any(axis=1)) & kept[legs.account]
    rows = np.flatnonzero(there)
    rows = rows[np.lexsort((legs.reserve[rows], legs.account[rows]))]
    counts = np.bincount(legs.account[rows], minlength=n)[kept]
    return Book(
        market=market,
        owners=accounts.owners[kept],
        modes=np.zeros(int(kept.sum()), np.uint8),
        first_leg=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        reserves=legs.reserve[rows].astype(np.int16),
        collateral=Amounts.of_words(legs.tokens[rows]),
        debt=Amounts.of_words(legs.snapshot[rows, 0]),
        counted=legs.counted[rows],
        debt_index=Amounts.of_words(legs.snapshot[rows, 1]),
        failed={
            checksum(accounts.owners[row].tobytes()): why for row, why in sorted(accounts.failed.items())
        },
    )


def _joined(*some: Legs) -> Legs:
    return Legs(
        np.concatenate([legs.account for legs in some]),
        np.concatenate([legs.reserve for legs in some]),
        np.concatenate([legs.counted for legs in some]),
        np.concatenate([legs.tokens for legs in some]),
        np.concatenate([legs.snapshot for legs in some]),
    )


def _small(words: Bytes) -> NDArray[np.int64]:
    """Words as numbers, as far as they are below 2**31; others as a number that fits nothing."""
    numbers = np.ascontiguousarray(words[:, 28:]).view(">u4")[:, 0].astype(np.int64)
    return np.where(words[:, :28].any(axis=1), np.int64(1 << 32), numbers)
