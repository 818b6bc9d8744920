"""The law of Aave v3: the arithmetic that a market's POOL_REVISION selects."""

from __future__ import annotations

from defiliq.protocols.aave_v3 import rules_r8, rules_r9
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.revisions import version_of
from defiliq.types import Account, Health, Rule

FIRST_UNAVERAGED_REVISION = 9
"""v3.5: the health factor no longer passes through the average threshold."""


def rule(account: Account, market: AaveMarket) -> Rule:
    """The account's health as a function of prices; UnsupportedRevision where it has not been ported."""
    version_of(market.revision)
    if market.revision < FIRST_UNAVERAGED_REVISION:
        return rules_r8.rule(account, market)
    return rules_r9.rule(account, market)


def health(account: Account, market: AaveMarket) -> Health:
    """What Pool.getUserAccountData answers at the market's prices and timestamp, and the verdict."""
    return rule(account, market).health(market.prices)
