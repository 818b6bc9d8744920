"""dYdX Solo Margin as a lending protocol."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.dydx_solo.after import after
from defiliq.protocols.dydx_solo.ask import Answer, ask_many
from defiliq.protocols.dydx_solo.calls import call_terms
from defiliq.protocols.dydx_solo.discover import discovery
from defiliq.protocols.dydx_solo.events import event_worth, search_events
from defiliq.protocols.dydx_solo.explain import explain, remarks
from defiliq.protocols.dydx_solo.margin import margin, values
from defiliq.protocols.dydx_solo.market import LIQUID, NORMAL, VAPOR, SoloMarket, SoloReserve
from defiliq.protocols.dydx_solo.markets import load_listings
from defiliq.protocols.dydx_solo.over_time import rule_over_time
from defiliq.protocols.dydx_solo.parameters import parameters
from defiliq.protocols.dydx_solo.read import read, read_market
from defiliq.protocols.dydx_solo.rules import health, rule
from defiliq.protocols.dydx_solo.soundness import unsound
from defiliq.protocols.dydx_solo.take import take
from defiliq.protocols.dydx_solo.touching import touching, unaccounted
from defiliq.types import Backing

name: Final[str] = "dydx-solo"
node_kind: Final = "evm"
verdicts_of: Final = "the contract's own answers"
root_address: Final[str] = "solo_margin"
market_type: Final[type[SoloMarket]] = SoloMarket
backing: Final[Backing | None] = None

__all__ = [
    "LIQUID",
    "NORMAL",
    "VAPOR",
    "Answer",
    "SoloMarket",
    "SoloReserve",
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
