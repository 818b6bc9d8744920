"""dYdX v4, a chain of its own, as a lending protocol: longs owe USDC, shorts owe what they sold."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.dydx_v4.after import after
from defiliq.protocols.dydx_v4.ask import Answer, ask_many
from defiliq.protocols.dydx_v4.backed import BACKING
from defiliq.protocols.dydx_v4.calls import call_terms
from defiliq.protocols.dydx_v4.events import event_worth, search_events
from defiliq.protocols.dydx_v4.explain import explain, remarks
from defiliq.protocols.dydx_v4.margin import margin
from defiliq.protocols.dydx_v4.market import DydxMarket, LiquidationsConfig, Perpetual
from defiliq.protocols.dydx_v4.markets import discovery, load_listings
from defiliq.protocols.dydx_v4.over_time import rule_over_time
from defiliq.protocols.dydx_v4.parameters import parameters
from defiliq.protocols.dydx_v4.read import read, read_market
from defiliq.protocols.dydx_v4.rules import health, rule
from defiliq.protocols.dydx_v4.soundness import unsound
from defiliq.protocols.dydx_v4.take import take
from defiliq.protocols.dydx_v4.touching import touching, unaccounted
from defiliq.protocols.dydx_v4.values import values
from defiliq.types import Backing

name: Final[str] = "dydx-v4"
node_kind: Final = "cosmos"
verdicts_of: Final = "the law on each subaccount as the node gives it alone, because nodes give no verdicts"
root_address: Final[str] = ""
market_type: Final[type[DydxMarket]] = DydxMarket
backing: Final[Backing | None] = BACKING

__all__ = [
    "Answer",
    "DydxMarket",
    "LiquidationsConfig",
    "Perpetual",
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
