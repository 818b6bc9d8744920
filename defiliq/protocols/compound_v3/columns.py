"""Accounts as columns: principals and collateral bits first, then only the balances that a bit points at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts
from defiliq.book import Book
from defiliq.chain.calldata import call_rows, packed
from defiliq.chain.multicall import OnProgress, fetch_words_of
from defiliq.chain.node import Node
from defiliq.chain.words import Words
from defiliq.protocols.accounts import AskedAccounts
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.packed import fetch_packed
from defiliq.types import Block

ABOVE_INT104 = 19
"""Bytes of a word above an int104, all of them its sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basics(AskedAccounts):
    """What userBasic says of each account before any balance."""

    principal: Amounts
    """(N,) the size of the base principal."""
    is_debt: NDArray[np.bool_]
    """(N,) whether the principal is negative."""
    bits: NDArray[np.bool_]
    """(N, 24) whether the account is in each asset, by its offset: assetsIn, then _reserved."""


@dataclass(frozen=True, slots=True)
class Balances:
    """Collateral of all readable accounts, ordered by account, then by the market's reserves."""

    account: NDArray[np.intp]
    """(L,)"""
    reserve: NDArray[np.intp]
    """(L,) positions in market.reserves."""
    words: Words
    """(L, 1)"""


def fetch_basics(
    node: Node,
    comet: str,
    totals: tuple[int, ...],
    owners: NDArray[np.uint8],
    at: Block,
    on_progress: OnProgress | None,
) -> Basics:
    """Principal and collateral bits of all accounts: from storage where it proves right, else by views.

    `totals` is what totalsBasic answers.
    """
    stored = fetch_packed(node, comet, totals, owners, at, on_progress)
    if stored is not None:
        return decode_basics(owners, stored)
    rows = call_rows(abi.USER_BASIC, owners)
    found = fetch_words_of(node, comet, rows, at, words=abi.USER_BASIC_WORDS, on_progress=on_progress)
    return decode_basics(owners, found)


def decode_basics(owners: NDArray[np.uint8], answers: Words) -> Basics:
    """Words of userBasic as columns; accounts without an answer, or with an absurd one, are refused."""
    principal, assets_in, reserved = (answers.words[:, k] for k in (0, 3, 4))
    is_debt = principal[:, 0] >= 0x80
    sign = np.where(is_debt, 0xFF, 0).astype(np.uint8)[:, None]
    top_bit = principal[:, ABOVE_INT104] >= 0x80
    is_odd = (principal[:, :ABOVE_INT104] != sign).any(axis=1) | (top_bit != is_debt)
    is_odd |= assets_in[:, :30].any(axis=1) | reserved[:, :31].any(axis=1)
    low_first = np.stack([assets_in[:, 31], assets_in[:, 30], reserved[:, 31]], axis=1)
    found = Basics(
        owners=owners,
        principal=_sizes(principal, is_debt),
        is_debt=is_debt,
        bits=np.unpackbits(low_first, axis=1, bitorder="little").astype(np.bool_),
    )
    found = found.refused(~answers.ok, "the Comet refuses to answer for it")
    return found.refused(is_odd, "its userBasic is none that a Comet can hold")


def fetch_collateral(
    node: Node, market: CometMarket, basics: Basics, at: Block, on_progress: OnProgress | None
) -> Balances:
    """Balances of what readable accounts are in."""
    collaterals = market.reserves[1:]
    offsets = np.array([reserve.offset for reserve in collaterals], dtype=np.intp)
    account, column = np.nonzero(basics.bits[:, offsets] & basics.readable[:, None])
    tokens = packed([reserve.asset for reserve in collaterals])
    rows = call_rows(abi.USER_COLLATERAL, basics.owners[account], tokens[column])
    words = fetch_words_of(node, market.comet, rows, at, on_progress=on_progress)
    return Balances(account, column + 1, words)


def build_book(
    market: CometMarket, basics: Basics, balances: Balances, *, uncounted: bool
) -> Book[CometMarket]:
    """Columns of what was read. Accounts with an unanswered call, or an absurd balance, are failed by name.

    Zero balances make no leg: they add nothing to any rule. Accounts without legs stay. A positive principal
    backs nothing, so it is a leg only where `uncounted` asks for it.
    """
    n, words = len(basics.owners), balances.words.words[:, 0]
    for legs, why in (
        (~balances.words.ok, "the Comet refuses to tell its collateral"),
        (words[:, :16].any(axis=1), "a balance exceeds 128 bits"),
    ):
        basics = basics.refused(_accounts(balances.account[legs], n), why)
    kept = basics.readable
    based = np.flatnonzero(kept & basics.principal.is_positive() & (basics.is_debt | uncounted))
    held = np.flatnonzero(words.any(axis=1) & kept[balances.account])
    account = np.concatenate([based, balances.account[held]])
    order = np.argsort(account, kind="stable")  # the base leg of each account stays before its collateral
    reserve = np.concatenate([np.zeros(len(based), np.intp), balances.reserve[held]])
    principal, is_debt = basics.principal.take(based), basics.is_debt[based]
    supplied = Amounts.of_words(words[held])
    return Book(
        market=market,
        owners=basics.owners[kept],
        modes=np.zeros(int(kept.sum()), np.uint8),
        first_leg=np.concatenate(([0], np.cumsum(np.bincount(account, minlength=n)[kept]))).astype(np.int64),
        reserves=reserve[order].astype(np.int16),
        collateral=_column(principal, ~is_debt, supplied).take(order),
        debt=_column(principal, is_debt, Amounts.of([0] * len(held))).take(order),
        counted=np.repeat([False, True], [len(based), len(held)])[order],
        failed=basics.failed(market.account_name),
    )


def _column(principal: Amounts, rows: NDArray[np.bool_], rest: Amounts) -> Amounts:
    """Principals where `rows` says so and 0 elsewhere, then the rest."""
    high = np.where(rows, principal.high, np.uint64(0))
    low = np.where(rows, principal.low, np.uint64(0))
    return Amounts(np.concatenate([high, rest.high]), np.concatenate([low, rest.low]))


def _accounts(rows: NDArray[np.intp], n: int) -> NDArray[np.bool_]:
    """(N,) which accounts some legs belong to."""
    marked = np.zeros(n, np.bool_)
    marked[rows] = True
    return marked


def _sizes(words: NDArray[np.uint8], is_negative: NDArray[np.bool_]) -> Amounts:
    """The sizes of signed words, as far as their lower 128 bits go."""
    found = Amounts.of_words(words)
    low = np.where(is_negative, ~found.low + np.uint64(1), found.low)
    carry = (is_negative & (low == 0)).astype(np.uint64)
    return Amounts(np.where(is_negative, ~found.high + carry, found.high), low)
