"""The law of dYdX v4 over seconds: nothing moves.

Funding is what time would bring, but its rate is what validators have voted on each hour's premiums, so it is
not known ahead; and prices have no part that grows by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.rules import health
from defiliq.types import Account, Health


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The health of one subaccount as a function of time alone: the same at every second."""

    always: Health

    def health(self, at: int) -> Health:
        """The law's answer, whatever the second."""
        return self.always

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict, which is never in doubt."""
        return self.always.liquidatable


def rule_over_time(account: Account, market: DydxMarket) -> TimeRule:
    """The account's rule from the market's timestamp on."""
    return TimeRule(health(account, market))
