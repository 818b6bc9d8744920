"""Compound v2 as a lending protocol, and what shares its arithmetic: Comptrollers and their cTokens."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.compound_v2.after import after
from defiliq.protocols.compound_v2.ask import Answer, ask_many
from defiliq.protocols.compound_v2.calls import call_terms
from defiliq.protocols.compound_v2.discover import discovery
from defiliq.protocols.compound_v2.events import event_worth, search_events
from defiliq.protocols.compound_v2.explain import explain, remarks
from defiliq.protocols.compound_v2.margin import margin, values
from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve
from defiliq.protocols.compound_v2.markets import load_listings
from defiliq.protocols.compound_v2.over_time import rule_over_time
from defiliq.protocols.compound_v2.parameters import parameters
from defiliq.protocols.compound_v2.read import read, read_market
from defiliq.protocols.compound_v2.rules import health, rule
from defiliq.protocols.compound_v2.soundness import unsound
from defiliq.protocols.compound_v2.take import take
from defiliq.protocols.compound_v2.touching import touching, unaccounted
from defiliq.types import Backing

name: Final[str] = "compound-v2"
node_kind: Final = "evm"
verdicts_of: Final = "the contract's own answers"
root_address: Final[str] = "comptroller"
market_type: Final[type[CompoundMarket]] = CompoundMarket
backing: Final[Backing | None] = None

__all__ = [
    "Answer",
    "CTokenReserve",
    "CompoundMarket",
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
