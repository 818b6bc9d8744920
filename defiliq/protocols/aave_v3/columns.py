"""Accounts as columns: flags and eModes first, then only the balances that a flag points at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Amounts, Book
from defiliq.chain.multicall import OnProgress, fetch_words, fetch_words_of
from defiliq.chain.node import Call, Node
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.accounts import AskedAccounts
from defiliq.types import Block, StableDebt


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags(AskedAccounts):
    """What Pool says of each account before any balance."""

    bits: NDArray[np.uint8]
    """(N, 256) of getUserConfiguration, lowest bit first: 2k says borrowing reserve k, 2k + 1 collateral."""
    modes: NDArray[np.uint8]
    """(N,)"""

    def borrows(self, ids: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(N, R) whether each account borrows each of some reserve ids."""
        return self.bits[:, 2 * ids].astype(np.bool_)

    def collateralises(self, ids: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(N, R) whether each account's supply of each of some reserve ids backs its debt."""
        return self.bits[:, 2 * ids + 1].astype(np.bool_)

    def touches(self, reserve_id: int) -> NDArray[np.bool_]:
        """(N,) whether the account has any flag in a reserve."""
        return (self.bits[:, 2 * reserve_id] | self.bits[:, 2 * reserve_id + 1]).astype(np.bool_)


@dataclass(frozen=True, slots=True)
class Balances:
    """Legs of all accounts, ordered by account, then by the market's reserves."""

    account: NDArray[np.intp]
    """(L,)"""
    reserve: NDArray[np.intp]
    """(L,) positions in market.reserves."""
    counted: NDArray[np.bool_]
    collateral: NDArray[np.uint8]
    """(L, 32) words."""
    debt: NDArray[np.uint8]
    stable: NDArray[np.uint8]
    """(L, 3, 32) principal, rate, time of the stable debt."""
    ok: NDArray[np.bool_]
    """(L,) whether every call for the leg was answered."""


def fetch_flags(
    node: Node, pool: str, owners: NDArray[np.uint8], at: Block, on_progress: OnProgress | None
) -> Flags:
    """Configuration bitmap and eMode of all accounts."""
    n = len(owners)
    rows = np.concatenate(
        [abi.call_rows(abi.GET_USER_CONFIGURATION, owners), abi.call_rows(abi.GET_USER_EMODE, owners)]
    )
    answers = fetch_words_of(node, pool, rows, at, on_progress=on_progress)
    words = answers.words[:, 0]
    bits = np.unpackbits(words[:n], axis=1)[:, ::-1]
    flags = Flags(owners=owners, bits=bits, modes=words[n:, 31].copy())
    flags = flags.refused(~(answers.ok[:n] & answers.ok[n:]), "the pool refuses to answer for it")
    return flags.refused(words[n:, :31].max(axis=1) > 0, "its eMode is no number below 256")


def fetch_balances(
    node: Node,
    market: AaveMarket,
    flags: Flags,
    at: Block,
    on_progress: OnProgress | None,
    *,
    uncounted: bool,
) -> Balances:
    """Scaled balances, and stable debts where the market has any, of readable accounts."""
    ids = np.array([reserve.id for reserve in market.reserves], dtype=np.intp)
    readable = flags.readable[:, None]
    counted = flags.collateralises(ids) & readable
    borrowed = flags.borrows(ids) & readable
    supplied = np.broadcast_to(readable, counted.shape) if uncounted else counted
    account, reserve = np.nonzero(supplied | borrowed)
    has_supply, has_debt = supplied[account, reserve], borrowed[account, reserve]
    stable_tokens = _stable_tokens(node, market, at)
    has_stable = has_debt & np.array([token is not None for token in stable_tokens], np.bool_)[reserve]
    a_tokens = abi.packed([r.a_token for r in market.reserves])
    v_tokens = abi.packed([r.variable_debt_token for r in market.reserves])
    s_tokens = abi.packed([abi.NOWHERE if token is None else token for token in stable_tokens])
    asked = [(has_supply, a_tokens, abi.SCALED_BALANCE_OF), (has_debt, v_tokens, abi.SCALED_BALANCE_OF)]
    asked += [(has_stable, s_tokens, signature) for signature in abi.STABLE_STATE]
    columns, ok = _fetch_columns(node, flags.owners, account, reserve, asked, at, on_progress)
    return Balances(
        account=account,
        reserve=reserve,
        counted=counted[account, reserve],
        collateral=columns[0],
        debt=columns[1],
        stable=columns[2:].swapaxes(0, 1),
        ok=ok,
    )


def _fetch_columns(
    node: Node,
    owners: NDArray[np.uint8],
    account: NDArray[np.intp],
    reserve: NDArray[np.intp],
    asked: list[tuple[NDArray[np.bool_], NDArray[np.uint8], str]],
    at: Block,
    on_progress: OnProgress | None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(column, leg, 32) words, and which legs have all of theirs.

    `asked` says per column which legs it is for, each reserve's token, and the function to call.
    """
    found = fetch_words(
        node,
        np.concatenate([tokens[reserve[rows]] for rows, tokens, _ in asked]),
        np.concatenate([abi.call_rows(said, owners[account[rows]]) for rows, _, said in asked]),
        at,
        on_progress=on_progress,
    )
    columns = np.zeros((len(asked), len(account), 32), np.uint8)
    ok = np.ones(len(account), np.bool_)
    start = 0
    for k, (rows, _, _) in enumerate(asked):
        end = start + int(rows.sum())
        columns[k, rows] = found.words[start:end, 0]
        ok[rows] &= found.ok[start:end]
        start = end
    return columns, ok


def build_book(market: AaveMarket, flags: Flags, balances: Balances) -> Book[AaveMarket]:
    """Columns of what was read. Accounts with any unanswered call, or an absurd balance, are failed by name.

    Zero balances make no leg: they add nothing to any rule. Accounts without legs stay.
    """
    n = len(flags.owners)
    amounts = [balances.collateral, balances.debt, balances.stable[:, 0]]
    absurd = np.any([column[:, :16].any(axis=1) for column in amounts], axis=0)
    for legs, why in (
        (~balances.ok, "a token refuses to answer for it"),
        (absurd, "a balance exceeds 128 bits"),
    ):
        rows = np.zeros(n, np.bool_)
        rows[balances.account[legs]] = True
        flags = flags.refused(rows, why)
    kept = flags.readable
    there = np.any([column.any(axis=1) for column in amounts], axis=0) & kept[balances.account]
    counts = np.bincount(balances.account[there], minlength=n)[kept]
    stable = balances.stable[there]
    return Book(
        market=market,
        owners=flags.owners[kept],
        modes=flags.modes[kept],
        first_leg=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        reserves=balances.reserve[there].astype(np.int16),
        collateral=Amounts.of_words(balances.collateral[there]),
        debt=Amounts.of_words(balances.debt[there]),
        counted=balances.counted[there],
        stable={int(row): _stable(stable[row]) for row in np.flatnonzero(stable[:, 0].any(axis=1))},
        failed=flags.failed(market.account_name),
    )


def _stable_tokens(node: Node, market: AaveMarket, at: Block) -> list[str | None]:
    """The stable debt token of each reserve whose stable debt is not nothing."""
    named = [reserve.stable_debt_token for reserve in market.reserves]
    calls = [Call(token, abi.calldata(abi.TOTAL_SUPPLY)) for token in named if token is not None]
    answers = iter(node.call(calls, at) if calls else [])
    owed: list[str | None] = []
    for token in named:
        answer = b"" if token is None else next(answers)
        # Where the total is refused the accounts are asked one by one, so that a refusal there is counted.
        owed.append(token if not isinstance(answer, bytes) or any(answer) else None)
    return owed


def _stable(words: NDArray[np.uint8]) -> StableDebt:
    principal, rate_ray, updated_at = (int.from_bytes(word.tobytes(), "big") for word in words)
    return StableDebt(principal, rate_ray, updated_at)
