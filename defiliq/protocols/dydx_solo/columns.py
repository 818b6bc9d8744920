"""Accounts as columns: the par of every account in every market, and its status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts
from defiliq.book import Book
from defiliq.chain.calldata import keccak
from defiliq.chain.multicall import OnProgress, fetch_words_of
from defiliq.chain.node import Node
from defiliq.chain.words import WORD, Words
from defiliq.protocols.accounts import AskedAccounts
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.decode import Dropped
from defiliq.protocols.dydx_solo.market import ADDRESS_BYTES, VAPOR, SoloMarket
from defiliq.types import Block

SELECTOR = 4
HALF = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts(AskedAccounts):
    """What Solo says of some accounts."""

    numbers: Sequence[int]
    """The contract's numbers of the markets asked about, M of them."""
    par: Amounts
    """(N * M,) sizes of pars, account by account."""
    is_positive: NDArray[np.bool_]
    """(N, M) whether a par is a supply."""
    is_negative: NDArray[np.bool_]
    """(N, M) whether a par is a debt."""
    status: NDArray[np.uint8]
    """(N,)"""

    @property
    def owes(self) -> NDArray[np.bool_]:
        """(N,) whether an account has a debt in any market."""
        return _any(self.is_negative)

    def without(self, dropped: Sequence[Dropped]) -> Accounts:
        """The same, refusing debtors who have a par in a market that has no price: Solo reverts for them.

        For others Solo reverts as well, but no price can harm who owes nothing.
        """
        found = self
        for lost in dropped:
            column = self.numbers.index(lost.number)
            has_par = self.is_positive[:, column] | self.is_negative[:, column]
            found = found.refused(self.owes & has_par, lost.reason)
        return found


def account_rows(signature: str, keys: NDArray[np.uint8], *numbers: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Calls of a function of an account and of some small numbers, which are columns (n,)."""
    rows = np.zeros((len(keys), SELECTOR + WORD * (2 + len(numbers))), dtype=np.uint8)
    rows[:, :SELECTOR] = np.frombuffer(keccak(signature)[:SELECTOR], dtype=np.uint8)
    at = SELECTOR + WORD - ADDRESS_BYTES
    rows[:, at : at + keys.shape[1]] = keys
    for k, column in enumerate(numbers, start=3):
        last = SELECTOR + WORD * k
        rows[:, last - 8 : last] = column.astype(">u8").view(np.uint8).reshape(-1, 8)
    return rows


def fetch_accounts(
    node: Node, solo: str, count: int, owners: NDArray[np.uint8], at: Block, on_progress: OnProgress | None
) -> Accounts:
    """Pars in all `count` markets and the status of all accounts."""
    numbers = np.tile(np.arange(count), len(owners))
    keys = np.repeat(owners, count, axis=0)
    rows = account_rows(abi.ACCOUNT_PAR, keys, numbers)
    pars = fetch_words_of(node, solo, rows, at, words=abi.ACCOUNT_PAR_WORDS, on_progress=on_progress)
    rows = account_rows(abi.ACCOUNT_STATUS, owners)
    status = fetch_words_of(node, solo, rows, at, on_progress=on_progress)
    return decode_accounts(owners, range(count), pars, status)


def decode_accounts(
    owners: NDArray[np.uint8], numbers: Sequence[int], pars: Words, status: Words
) -> Accounts:
    """Words of getAccountPar and getAccountStatus as columns; what is none of those is refused by account."""
    shape = len(owners), len(numbers)
    signs, sizes = pars.words[:, 0], pars.words[:, 1]
    positive = (signs[:, -1] == 1).reshape(shape)
    is_some = sizes.any(axis=1).reshape(shape)
    is_odd = signs[:, :-1].any(axis=1) | (signs[:, -1] > 1) | sizes[:, :HALF].any(axis=1)
    statuses = status.words[:, 0]
    found = Accounts(
        owners=owners,
        numbers=numbers,
        par=Amounts.of_words(sizes),
        is_positive=positive & is_some,
        is_negative=~positive & is_some,
        status=statuses[:, -1],
    )
    found = found.refused(_any(~pars.ok.reshape(shape)) | ~status.ok, "Solo refuses to answer for it")
    found = found.refused(_any(is_odd.reshape(shape)), "a par that Solo cannot hold")
    is_unknown = _any(statuses[:, :-1] != 0) | (statuses[:, -1] > VAPOR)
    return found.refused(is_unknown, "a status that there is not")


def build_book(market: SoloMarket, found: Accounts) -> Book[SoloMarket]:
    """Columns of what was read, in the markets that have a price. Unreadable accounts are failed by name.

    A par of zero makes no leg. Accounts without legs stay.
    """
    kept, count = found.readable, len(found.numbers)
    columns = [found.numbers.index(reserve.id) for reserve in market.reserves]
    is_positive, is_negative = found.is_positive[:, columns], found.is_negative[:, columns]
    has_leg = (is_positive | is_negative) & kept[:, None]
    account, reserve = np.nonzero(has_leg)
    par = found.par.take(account * count + np.array(columns, dtype=np.intp)[reserve])
    is_supply = is_positive[account, reserve]
    return Book(
        market=market,
        owners=found.owners[kept],
        modes=found.status[kept],
        first_leg=np.concatenate(([0], np.cumsum(has_leg.sum(axis=1)[kept]))).astype(np.int64),
        reserves=reserve.astype(np.int16),
        collateral=_where(is_supply, par),
        debt=_where(~is_supply, par),
        counted=np.ones(len(account), dtype=np.bool_),
        failed=found.failed(market.account_name),
    )


def _any(table: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) which rows of (n, k) hold anything true."""
    return np.asarray(table.any(axis=1), dtype=np.bool_)


def _where(kept: NDArray[np.bool_], amounts: Amounts) -> Amounts:
    """Some amounts, and 0 in place of the others."""
    return Amounts(np.where(kept, amounts.high, np.uint64(0)), np.where(kept, amounts.low, np.uint64(0)))
