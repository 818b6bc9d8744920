"""Compound III (Comet) as a lending protocol."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.compound_v3.explain import LegValue, explain
from defiliq.protocols.compound_v3.margin import margin, values
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve, RateCurve
from defiliq.protocols.compound_v3.over_time import rule_over_time
from defiliq.protocols.compound_v3.rules import health, is_borrow_collateralized, rule
from defiliq.protocols.compound_v3.take import take

name: Final[str] = "compound-v3"
market_type: Final[type[CometMarket]] = CometMarket

__all__ = [
    "CometMarket",
    "CometReserve",
    "LegValue",
    "RateCurve",
    "explain",
    "health",
    "is_borrow_collateralized",
    "margin",
    "market_type",
    "name",
    "rule",
    "rule_over_time",
    "take",
    "values",
]
