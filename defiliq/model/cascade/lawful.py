"""A book whose accounts are liquidated by the protocol's own law, to the wei."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from defiliq.book import Book, MarginTerms
from defiliq.engine.screen import liquidatable
from defiliq.engine.taken import Taken
from defiliq.ladder import Explain, Take
from defiliq.model.cascade.tally import Tally
from defiliq.types import Account, Liquidation, Market, Rule, Taking

After: TypeAlias = Callable[[Account, Any, Liquidation], Account]
"""The account's state once a liquidation has gone through."""

DUST = 10**6
"""A call that repays so many times less than the first one clears what little a leg holds. More of them than
an account has legs are made by nobody: where a rule wants some debt to be left, rounding lets it be
approached by single units."""
MOST_CALLS = 4096
"""So many calls on one account at one price; only a chain that cuts them small needs more than a few."""


class Law(NamedTuple):
    """What a protocol says of accounts, as functions."""

    terms: Callable[[Book[Any]], MarginTerms]
    rule: Callable[[Account, Any], Rule]
    take: Take
    after: After
    explain: Explain


class LawBook:
    """A book in which liquidations are made one by one. `accounts` holds the new state of those touched."""

    def __init__(self, book: Book[Any], law: Law) -> None:
        self.book, self._law = book, law
        self.accounts: dict[int, Account] = {}
        self._terms = law.terms(book)
        self._owes = book.debtors
        self._bad: dict[int, int] = {}
        """What was last said of the bad debt of accounts: a call on what little was left says it anew."""

    def settle(self, prices: Sequence[int]) -> Taken:
        """Liquidate at these oracle prices, one per feed, until nothing more goes through."""
        market = self.book.market.at_prices(dict(enumerate(prices)))
        tally = Tally(market)
        for row in self._broken(market):
            tally.accounts += self._clear(row, self.now(row), tally)
        return tally.taken()

    def now(self, row: int) -> Account:
        """An account as it is by now."""
        account = self.accounts.get(row)
        return self.book.account(row) if account is None else account

    def _broken(self, market: Market) -> list[int]:
        """The accounts that are liquidatable, in order: by the screen, and by the law where touched."""
        flags = liquidatable(
            self._terms, market.prices, lambda i: self._law.rule(self.book.nameless(i), market)
        )
        flags &= self._owes
        for row, account in self.accounts.items():
            flags[row] = self._law.rule(account, market).liquidatable(market.prices)
        return [int(row) for row in np.flatnonzero(flags)]

    def _clear(self, row: int, account: Account, tally: Tally) -> bool:
        """Call on one account as long as the protocol lets it be; whether any call went through."""
        first_base, small = None, 0
        for calls in range(MOST_CALLS):
            taking = self._law.take(account, tally.market)
            if not isinstance(taking, Liquidation) or not (taking.repaid or taking.seizures):
                if self._law.rule(account, tally.market).liquidatable(tally.market.prices):
                    tally.refused[why_not(taking)] += 1
                return calls > 0
            first_base = taking.repaid_base if first_base is None else first_base
            small += taking.repaid_base * DUST < first_base
            if small > len(account.legs):
                tally.refused["what one more call may repay is dust"] += 1
                return True
            left = self._law.after(account, tally.market, taking)
            tally.put(account, left, taking, self._law.explain, told_base=self._bad.get(row, 0))
            if taking.backstop is None:
                self._bad[row] = taking.bad_debt_base
            account = self.accounts[row] = left
        tally.refused[f"more than {MOST_CALLS} calls at one price"] += 1
        return True


def why_not(taking: Taking) -> str:
    """Why no call goes through, without the names of assets and figures that follow its kind."""
    if isinstance(taking, Liquidation):
        return "nothing to hand over"
    return taking.reason.split(":", 1)[0].split(";", 1)[0]
