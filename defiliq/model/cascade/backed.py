"""A book whose liquidations a fund backs: where it cannot pay, positions change hands instead of being sold.

One set of prices is as many blocks as it takes. In each block every liquidatable account gets one
liquidation, in the order that the chain has for them; then those that a fund could not pay for are shared out
among opposite positions, which are asked in the order in which the chain's store lists them, from the first
on. (The chain begins at a pseudo-random one.) Fees fill the funds again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.engine.taken import Taken
from defiliq.errors import ConservationBroken
from defiliq.model.cascade.lawful import MOST_CALLS, Law, LawBook, why_not
from defiliq.model.cascade.tally import Tally, require_kept
from defiliq.types import Account, Backing, Balances, Liquidation, Refusal, Shortfall

NOBODY = "nobody on the other side can take it over"


class BackedBook(LawBook):
    """A book with the funds behind it. `balances` holds what they have by now."""

    def __init__(self, book: Book[Any], law: Law, backing: Backing) -> None:
        super().__init__(book, law)
        self._backing, self._market = backing, book.market
        self.balances: dict[int, int] = dict(backing.balances(book.market))
        self._opposite: dict[tuple[int, bool], list[int]] = {}
        self._unshared: dict[int, set[int]] = {}
        """Accounts that nobody took anything of at these prices, to all who have a part in that."""
        self._orders: dict[int, Any] = {}

    def settle(self, prices: Sequence[int]) -> Taken:
        """Liquidate at these oracle prices, one per feed, until nothing more goes through."""
        self._market = self._market.at_prices(dict(enumerate(prices)))
        self._orders.clear()
        self._unshared.clear()
        tally = Tally(self._market)
        pending = self._broken(self._market)
        went: set[int] = set()
        why: dict[int, str] = {}
        for _ in range(MOST_CALLS):
            taken, touched = self._block(pending, tally, why)
            went |= taken
            pending = [row for row in sorted({*pending, *touched}) if self._is_broken(row)]
            if not taken:
                break
        tally.accounts = len(went)
        tally.refused.update(why.get(row, f"more than {MOST_CALLS} blocks at one price") for row in pending)
        left = sum(self.balances.values()) if self.balances else None
        return tally.taken()._replace(fund_left_base=left)

    def _is_broken(self, row: int) -> bool:
        return self._law.rule(self.now(row), self._market).liquidatable(self._market.prices)

    def _block(self, rows: Sequence[int], tally: Tally, why: dict[int, str]) -> tuple[set[int], set[int]]:
        """One liquidation of each of these accounts: whose went through, and whom that changed beside them.

        `why` is made anew of those that did not.
        """
        orders = {row: self._order(row) for row in rows}
        why.clear()
        why.update({row: why_not(order) for row, order in orders.items() if isinstance(order, Refusal)})
        placed = [row for row in rows if row not in why]
        went: set[int] = set()
        lacking: list[tuple[int, Balances]] = []
        for k in self._backing.in_order([orders[row] for row in placed], self._market):
            row = placed[k]
            taking = self._backing.take(orders[row], self._market, self.balances)
            if isinstance(taking, Shortfall):
                lacking.append((row, dict(self.balances)))
            elif isinstance(taking, Liquidation) and (taking.repaid or taking.seizures):
                self._fill(row, taking, tally)
                went.add(row)
            else:
                why[row] = why_not(taking)
        touched: set[int] = set()
        for row, balances in lacking:
            changed = self._share_out(row, balances, tally)
            touched |= changed
            if changed:
                went.add(row)
            else:
                why[row] = NOBODY
        return went, touched

    def _order(self, row: int) -> Any:
        """What is placed to liquidate an account as it is by now."""
        if row not in self._orders:
            self._orders[row] = self._backing.order(self.now(row), self._market)
        return self._orders[row]

    def _put(self, changed: Mapping[int, Account]) -> None:
        """Keep the new state of accounts, and forget what hung on the old one."""
        self.accounts.update(changed)
        for row in changed:
            self._orders.pop(row, None)
        for row in [row for row, asked in self._unshared.items() if asked & changed.keys()]:
            del self._unshared[row]

    def _fill(self, row: int, taken: Liquidation, tally: Tally) -> None:
        """One liquidation and what its fund gets or pays."""
        account = self.now(row)
        left = self._law.after(account, self._market, taken)
        tally.put(account, left, taken, self._law.explain)
        self._put({row: left})
        fund, given = self._backing.paid(self._market, taken)
        fees = sum(seizure.protocol_fee for seizure in taken.seizures)
        lost = 0 if taken.backstop is None else taken.backstop.amount
        if given != fees - lost:
            raise ConservationBroken(account.owner, "the fund", given - (fees - lost))
        if fund in self.balances:
            self.balances[fund] += given
            tally.fund_spent_base += max(0, -given)
            if self.balances[fund] < 0:
                raise ConservationBroken(account.owner, "the fund", self.balances[fund])

    def _share_out(self, row: int, balances: Balances, tally: Tally) -> set[int]:
        """One account's position among opposite ones; who took a part of it.

        `balances` are those that its order failed for: fees that came in since are for the next block.
        """
        if row in self._unshared:
            return set()
        account, market = self.now(row), self._market
        # It may have taken another one's position over in this very block, so it is asked for once more.
        lacking = order = self._order(row)
        if not isinstance(order, Refusal):
            lacking = self._backing.take(order, market, balances)
        if not isinstance(lacking, Shortfall):
            return set()
        holders = self._holders(lacking)
        asked: list[int] = []

        def others() -> Iterator[Account]:
            for other in holders:
                if other != row:
                    asked.append(other)
                    yield self.now(other)

        shared = self._backing.share_out(account, others(), market, lacking)
        if not shared.closed:
            self._unshared[row] = {row, *asked}
            return set()
        changed = {asked[k]: left for k, left in shared.others.items()}
        before = [account, *(self.now(other) for other in changed)]
        require_kept(market, before, [shared.account, *changed.values()], account.owner, self._law.explain)
        self._put({row: shared.account, **changed})
        self._market = shared.market
        tally.deleveraged_base += shared.closed_base
        gone = {other for other in changed if not _holds(changed[other], lacking)}
        holders[:] = [other for other in holders if other not in gone]
        return set(changed)

    def _holders(self, lacking: Shortfall) -> list[int]:
        """Accounts with an opposite position, in the order that they are asked in; positions only shrink."""
        side = lacking.reserve, lacking.amount < 0
        if side not in self._opposite:
            sizes = self.book.debt if lacking.amount < 0 else self.book.collateral
            legs = np.flatnonzero((self.book.reserves == lacking.reserve) & sizes.is_positive())
            rows = (int(row) for row in self.book.account_of_leg[legs])
            self._opposite[side] = sorted(rows, key=lambda row: self._backing.key(self.book.owner(row)))
        return self._opposite[side]


def _holds(account: Account, lacking: Shortfall) -> bool:
    """Whether an account has a position left that is opposite to the one that is shared out."""
    return any(
        (leg.debt if lacking.amount < 0 else leg.collateral) > 0
        for leg in account.legs
        if leg.reserve == lacking.reserve
    )
