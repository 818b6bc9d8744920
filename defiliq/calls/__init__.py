"""Liquidation calls in float columns: what the engine asks of a protocol, and what protocols share in it."""

from defiliq.calls.pairs import Moved, Pairs, best_pairs, pairs_of
from defiliq.calls.terms import (
    BARE,
    NO_LEG,
    WENT,
    Balances,
    CallRule,
    Calls,
    CallTerms,
    Standing,
    is_short,
    legs_of,
    margins,
    raised,
    whole,
)

__all__ = [
    "BARE",
    "NO_LEG",
    "WENT",
    "Balances",
    "CallRule",
    "CallTerms",
    "Calls",
    "Moved",
    "Pairs",
    "Standing",
    "best_pairs",
    "is_short",
    "legs_of",
    "margins",
    "pairs_of",
    "raised",
    "whole",
]
