"""Compound v2 as a lending protocol, and what shares its arithmetic: Comptrollers and their cTokens."""

from __future__ import annotations

from typing import Final

from defiliq.protocols.compound_v2.explain import LegValue, explain
from defiliq.protocols.compound_v2.margin import margin, values
from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve
from defiliq.protocols.compound_v2.over_time import rule_over_time
from defiliq.protocols.compound_v2.rules import health, rule
from defiliq.protocols.compound_v2.take import take

name: Final[str] = "compound-v2"
market_type: Final[type[CompoundMarket]] = CompoundMarket

__all__ = [
    "CTokenReserve",
    "CompoundMarket",
    "LegValue",
    "explain",
    "health",
    "margin",
    "market_type",
    "name",
    "rule",
    "rule_over_time",
    "take",
    "values",
]
