"""A book whose accounts are liquidated by the protocol's own law, to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from defiliq.book import Book, MarginTerms
from defiliq.engine.screen import liquidatable
from defiliq.engine.taken import Taken
from defiliq.errors import ConservationBroken
from defiliq.ladder import Explain, Take
from defiliq.types import Account, Liquidation, Market, Rule, Taking

After: TypeAlias = Callable[[Account, Any, Liquidation], Account]
"""The account's state once a liquidation has gone through."""

MOST_CALLS = 4096
"""So many calls on one account at one price; only a chain that cuts them small needs more than a few."""
SLACK = 16
"""Token base units by which the contracts' own rounding lets a balance change by more or less than is handed
over. A scaled unit is worth as many base units as its index says, and one may be rounded away on each of two
burns: 2 * ceil(index) + 1 at most, which this covers up to an index of 7."""


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

    def settle(self, prices: Sequence[int]) -> Taken:
        """Liquidate at these oracle prices, one per feed, until nothing more goes through."""
        market = self.book.market.at_prices(dict(enumerate(prices)))
        tally = _Tally(market)
        for row in self._broken(market):
            account = self.accounts.get(row)
            tally.accounts += self._clear(row, self.book.account(row) if account is None else account, tally)
        return tally.taken()

    def _broken(self, market: Market) -> list[int]:
        """The accounts that are liquidatable, in order: by the screen, and by the law where touched."""
        flags = liquidatable(
            self._terms, market.prices, lambda i: self._law.rule(self.book.nameless(i), market)
        )
        flags &= self._owes
        for row, account in self.accounts.items():
            flags[row] = self._law.rule(account, market).liquidatable(market.prices)
        return [int(row) for row in np.flatnonzero(flags)]

    def _clear(self, row: int, account: Account, tally: _Tally) -> bool:
        """Call on one account as long as the protocol lets it be; whether any call went through."""
        for calls in range(MOST_CALLS):
            taking = self._law.take(account, tally.market)
            if not isinstance(taking, Liquidation) or not (taking.repaid or taking.seizures):
                if self._law.rule(account, tally.market).liquidatable(tally.market.prices):
                    tally.refused[_why_not(taking)] += 1
                return calls > 0
            left = self._law.after(account, tally.market, taking)
            tally.put(account, left, taking, self._law.explain)
            account = self.accounts[row] = left
        tally.refused[f"more than {MOST_CALLS} calls at one price"] += 1
        return True


def _why_not(taking: Taking) -> str:
    """Why no call goes through, without the names of assets and figures that follow its kind."""
    if isinstance(taking, Liquidation):
        return "nothing to hand over"
    return taking.reason.split(":", 1)[0].split(";", 1)[0]


class _Tally:
    """Sums over the calls at one set of prices, and the proof that nothing is lost on the way."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.accounts = self.calls = 0
        self.refused: Counter[str] = Counter()
        reserves = len(market.reserves)
        self._seized, self._fees, self._repaid = ([0] * reserves for _ in range(3))
        self._seized_base = self._repaid_base = self._bonus_base = self._bad_debt_base = 0

    def put(self, before: Account, left: Account, call: Liquidation, explain: Explain) -> None:
        """Add one call that turned an account into what is left of it."""
        _require_conserved(self.market, before, left, call, explain)
        self.calls += 1
        for seizure in call.seizures:
            self._seized[seizure.reserve] += seizure.amount
            self._fees[seizure.reserve] += seizure.protocol_fee
        self._repaid[call.repay_reserve] += call.repaid
        self._seized_base += call.seized_base
        self._repaid_base += call.repaid_base
        self._bonus_base += call.bonus_base
        self._bad_debt_base += call.bad_debt_base

    def taken(self) -> Taken:
        """The sums."""
        return Taken(
            self.accounts,
            self.calls,
            self._seized,
            self._fees,
            self._repaid,
            self._seized_base,
            self._repaid_base,
            self._bonus_base,
            self._bad_debt_base,
            dict(self.refused),
        )


def _require_conserved(
    market: Market, before: Account, left: Account, call: Liquidation, explain: Explain
) -> None:
    """ConservationBroken unless an account lost what was seized, and its debt fell by what was repaid.

    More debt than was repaid may only go where it is said to be bad.
    """
    change = [0] * len(market.reserves)
    for sign, account in ((1, left), (-1, before)):
        for leg in explain(account, market):
            change[leg.reserve] += sign * (leg.supplied - leg.owed)
    for seizure in call.seizures:
        change[seizure.reserve] += seizure.amount + seizure.protocol_fee
    change[call.repay_reserve] -= call.repaid
    if call.backstop is not None:
        change[call.backstop.reserve] -= call.backstop.amount
    forgiven = SLACK if call.bad_debt_base == 0 else None
    for reserve, rest in enumerate(change):
        if rest < -SLACK or (forgiven is not None and rest > forgiven):
            raise ConservationBroken(before.owner, market.reserves[reserve].symbol, rest)
