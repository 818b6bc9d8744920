"""Which logs change what is read of an account, and the one change that no log tells."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from defiliq.book import Book
from defiliq.chain.node import LogFilter, Node
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.columns import fetch_basics
from defiliq.protocols.compound_v3.fetch import fetch_totals
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.storefront import BASE
from defiliq.protocols.touching import Names, Touching, addresses_in, topics_of
from defiliq.types import Block

EVENTS: Final[Mapping[str, Names]] = {
    abi.SUPPLY_EVENT: Names(topics=(2,)),
    abi.WITHDRAW_EVENT: Names(topics=(1,)),
    abi.TRANSFER_EVENT: Names(topics=(1, 2)),
    abi.SUPPLY_COLLATERAL_EVENT: Names(topics=(2,)),
    abi.WITHDRAW_COLLATERAL_EVENT: Names(topics=(1,)),
    abi.TRANSFER_COLLATERAL_EVENT: Names(topics=(1, 2)),
    abi.ABSORB_DEBT_EVENT: Names(topics=(2,)),
    abi.ABSORB_COLLATERAL_EVENT: Names(topics=(2,)),
}
"""Events of a Comet, and where each names the account."""


def touching(market: CometMarket) -> Touching:
    """The logs after which an account may be another: its collateral and its principal.

    userCollateral and assetsIn are written in supplyCollateral, transferCollateral, withdrawCollateral and
    absorbInternal, each of which emits the account. A principal is written in supplyBase (Supply's `dst`),
    withdrawBase (Withdraw's `src`), absorbInternal (AbsorbDebt) and transferBase. accrueAccount writes the
    same principal again.

    Only transferBase is not complete: it emits Transfer from the sender for what it had supplied, and to the
    recipient for what it has supplied after. So a debtor who sends is not named, nor is one whose debt a
    transfer pays. `unaccounted` tells that this happened. As such a sender needs no debt before, whoever has
    collateral is followed. Checked in Comet and CometWithExtendedAssetList.
    """
    wanted = LogFilter((market.comet,), topics_of(EVENTS))
    return Touching(wanted, partial(addresses_in, events=EVENTS), keeps_unindebted=True)


def unaccounted(node: Node, book: Book[CometMarket], since: Block | None = None) -> tuple[int, int]:
    """(principal of debts that is not in the book, accounts of the book whose principal is another).

    The first is totalBorrowBase less the sum of what the book's accounts owe; what accounts in `failed` owe
    is among it. It does not move where a debtor pays another's debt (transferBase). So unless it can be ruled
    out that anybody's principal has moved since block `since`, the principals of all accounts are read again
    and counted where they differ. It can where interest accrued last before then, as it does with every such
    move.
    """
    market = book.market
    (owed,) = book.debt.sums(np.zeros(book.legs, np.intp), 1)
    missing = market.total_borrow - owed
    if missing == 0 and since is not None and _is_still(market, since):
        return missing, 0
    return missing, _otherwise(node, book)


def _is_still(market: CometMarket, since: Block) -> bool:
    """Whether no principal moved in the blocks after `since`. A later block's time may be the same."""
    is_next = market.block.number == since.number + 1
    return market.accrued_at < (market.block.timestamp if is_next else since.timestamp)


def _otherwise(node: Node, book: Book[CometMarket]) -> int:
    """How many accounts owe another principal than the book has."""
    market = book.market
    totals = fetch_totals(node, market.comet, market.block)
    basics = fetch_basics(node, market.comet, totals, book.owners, market.block, None)
    based = np.flatnonzero(book.reserves == BASE)
    accounts = book.account_of_leg[based]
    low, high = np.zeros(len(book), np.uint64), np.zeros(len(book), np.uint64)
    low[accounts], high[accounts] = book.debt.low[based], book.debt.high[based]
    found = basics.principal
    is_same = (np.where(basics.is_debt, found.low, 0) == low) & (
        np.where(basics.is_debt, found.high, 0) == high
    )
    return int((~(is_same & basics.readable)).sum())
