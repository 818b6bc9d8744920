"""Compound III (Comet) as a lending protocol."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.compound_v3.after import after
from defiliq.protocols.compound_v3.ask import Answer, ask_many
from defiliq.protocols.compound_v3.calls import call_terms
from defiliq.protocols.compound_v3.discover import discovery
from defiliq.protocols.compound_v3.events import event_worth, search_events
from defiliq.protocols.compound_v3.explain import explain, remarks
from defiliq.protocols.compound_v3.margin import margin
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve, RateCurve
from defiliq.protocols.compound_v3.markets import load_listings
from defiliq.protocols.compound_v3.over_time import rule_over_time
from defiliq.protocols.compound_v3.parameters import parameters
from defiliq.protocols.compound_v3.read import read, read_market
from defiliq.protocols.compound_v3.rules import health, is_borrow_collateralized, rule
from defiliq.protocols.compound_v3.soundness import unsound
from defiliq.protocols.compound_v3.take import take
from defiliq.protocols.compound_v3.touching import touching, unaccounted
from defiliq.protocols.compound_v3.values import values
from defiliq.types import Backing

name: Final[str] = "compound-v3"
node_kind: Final = "evm"
verdicts_of: Final = "the contract's own answers"
root_address: Final[str] = "comet"
market_type: Final[type[CometMarket]] = CometMarket
backing: Final[Backing | None] = None

__all__ = [
    "Answer",
    "CometMarket",
    "CometReserve",
    "RateCurve",
    "after",
    "ask_many",
    "backing",
    "call_terms",
    "discovery",
    "event_worth",
    "explain",
    "health",
    "is_borrow_collateralized",
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
