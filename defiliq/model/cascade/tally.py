"""Sums over liquidations at one set of prices, and the proof that nothing is lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from defiliq.engine.taken import Taken
from defiliq.errors import ConservationBroken
from defiliq.ladder import Explain
from defiliq.types import Account, Liquidation, Market

SLACK = 16
"""Token base units by which the contracts' own rounding lets a balance change by more or less than is handed
over. A scaled unit is worth as many base units as its index says, and one may be rounded away on each of two
burns: 2 * ceil(index) + 1 at most, which this covers up to an index of 7."""


class Tally:
    """What has gone through at one set of prices."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.accounts = self.calls = 0
        self.refused: Counter[str] = Counter()
        reserves = len(market.reserves)
        self._seized, self._fees, self._repaid = ([0] * reserves for _ in range(3))
        self.deleveraged_base = self.fund_spent_base = 0
        self._seized_base = self._repaid_base = self._bonus_base = self._bad_debt_base = 0

    def put(
        self, before: Account, left: Account, call: Liquidation, explain: Explain, told_base: int = 0
    ) -> None:
        """Add one call that turned an account into what is left of it, `told_base` of whose debt is known to
        be bad already.
        """
        require_conserved(self.market, before, left, call, explain)
        self.calls += 1
        for seizure in call.seizures:
            self._seized[seizure.reserve] += seizure.amount
            self._fees[seizure.reserve] += seizure.protocol_fee
        self._repaid[call.repay_reserve] += call.repaid
        self._seized_base += call.seized_base
        self._repaid_base += call.repaid_base
        self._bonus_base += call.bonus_base
        self._bad_debt_base += call.bad_debt_base - told_base

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
            self.deleveraged_base,
            self.fund_spent_base,
        )


def require_conserved(
    market: Market, before: Account, left: Account, call: Liquidation, explain: Explain
) -> None:
    """ConservationBroken unless an account lost what was seized, and its debt fell by what was repaid.

    More debt than was repaid may only go where it is said to be bad, and no more than that; what a backstop
    pays for is repaid.
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
    forgiven_base, bad_base = Fraction(0), call.bad_debt_base if call.backstop is None else 0
    for reserve, rest in enumerate(change):
        if rest > SLACK:
            # The bad debt of each reserve may be told rounded down.
            forgiven_base += _worth(market, reserve, rest - SLACK) * market.base_unit - 1
        is_kept = rest > SLACK and (bad_base == 0 or forgiven_base > bad_base)
        if rest < -SLACK or is_kept:
            raise ConservationBroken(before.owner, market.reserves[reserve].symbol, rest)


def _worth(market: Market, reserve: int, amount: int) -> Fraction:
    """Token base units in the base currency."""
    named = market.reserves[reserve]
    whole = Fraction(amount) / Fraction(10) ** named.decimals
    return whole * market.price_of(reserve) / market.price_unit(named.feed)


def require_kept(
    market: Market, before: Iterable[Account], left: Iterable[Account], owner: str, explain: Explain
) -> None:
    """ConservationBroken unless accounts together have exactly what they had together, in every reserve."""
    change = _sums(market, left, explain)
    for reserve, (now, was) in enumerate(zip(change, _sums(market, before, explain), strict=True)):
        if now != was:
            raise ConservationBroken(owner, market.reserves[reserve].symbol, now - was)


def _sums(market: Market, accounts: Iterable[Account], explain: Explain) -> Sequence[int]:
    """Per reserve what accounts own less what they owe."""
    sums = [0] * len(market.reserves)
    for account in accounts:
        for leg in explain(account, market):
            sums[leg.reserve] += leg.supplied - leg.owed
    return sums
