"""Aave v3 as a lending protocol: v3.0 to v3.7, chosen by the pool's own revision."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.aave_v3.after import after
from defiliq.protocols.aave_v3.ask import Answer, ask_many
from defiliq.protocols.aave_v3.calls import call_terms
from defiliq.protocols.aave_v3.discover import discovery
from defiliq.protocols.aave_v3.events import event_worth, search_events
from defiliq.protocols.aave_v3.explain import explain, remarks
from defiliq.protocols.aave_v3.margin import margin
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.protocols.aave_v3.markets import load_listings
from defiliq.protocols.aave_v3.over_time import rule_over_time
from defiliq.protocols.aave_v3.parameters import parameters
from defiliq.protocols.aave_v3.read import read, read_market
from defiliq.protocols.aave_v3.rules import health, rule
from defiliq.protocols.aave_v3.rules_take import take
from defiliq.protocols.aave_v3.soundness import unsound
from defiliq.protocols.aave_v3.touching import touching
from defiliq.protocols.aave_v3.unaccounted import unaccounted
from defiliq.protocols.aave_v3.values import values
from defiliq.types import Backing

name: Final[str] = "aave-v3"
node_kind: Final = "evm"
verdicts_of: Final = "the contract's own answers"
root_address: Final[str] = "pool_addresses_provider"
market_type: Final[type[AaveMarket]] = AaveMarket
backing: Final[Backing | None] = None

__all__ = [
    "AaveMarket",
    "AaveReserve",
    "Answer",
    "EMode",
    "after",
    "ask_many",
    "backing",
    "call_terms",
    "discovery",
    "event_worth",
    "explain",
    "health",
    "load_listings",
    "margin",
    "market_type",
    "name",
    "node_kind",
    "parameters",
    "read",
    "read_market",
    "remarks",
    "root_address",
    "rule",
    "rule_over_time",
    "search_events",
    "take",
    "touching",
    "unaccounted",
    "unsound",
    "values",
    "verdicts_of",
]
