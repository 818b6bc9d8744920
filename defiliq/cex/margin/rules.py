"""How each venue decides that a position is liquidated: its own documented rule, as data.

Everywhere a position is liquidated once its margin balance is no longer above its maintenance margin. Venues
differ in what the maintenance margin is a share of, and in whether it holds a fee.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from defiliq.errors import InputError

ValuedAt: TypeAlias = Literal["mark", "entry"]


@dataclass(frozen=True, slots=True)
class VenueRule:
    """One venue's maintenance margin, for one position alone in its margin."""

    venue: str
    valued_at: ValuedAt
    """The price at which the position is valued, for its rate and for its tier: the mark price, which moves,
    or the entry price."""
    close_fee_rate: Fraction
    """Of the value at the mark price, what is reserved for closing on top of the maintenance margin."""
    deducts: bool
    """Whether upper tiers deduct a maintenance amount, so that margin has no step."""
    formula: str
    source: str


RULES: Mapping[str, VenueRule] = {
    rule.venue: rule
    for rule in (
        VenueRule(
            "binance",
            "mark",
            Fraction(0),
            deducts=True,
            formula="(WB + cum - side*Q*EP) / (Q * (MMR - side))",
            source="binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93 (USD-margined), "
            "ceccfcfb4e3a45e3b48b0b1bb1a8ae46 (coin-margined); the tier is the one at the liquidation price",
        ),
        VenueRule(
            "bybit",
            "entry",
            Fraction(0),
            deducts=True,
            formula="E - side*(IM - MM)/Q, IM = Q*E/L, MM = Q*E*MMR - deduction",
            source="bybit.com help centre, Liquidation Price (USDT Contract), and Liquidation Price "
            "Calculation under Isolated Mode, as of 2024-09; the text of 2026-05-27 values at the mark price",
        ),
        VenueRule(
            "okx",
            "mark",
            Fraction("0.0005"),
            deducts=False,
            formula="(E - side*margin/Q) / (1 - side*(MMR + taker fee))",
            source="okx.com help centre, Tiered maintenance margin ratio rules (2025-05-16): liquidated when "
            "equity is at most maintenance margin and liquidation fee; taker fee of the lowest user tier",
        ),
        VenueRule(
            "hyperliquid",
            "mark",
            Fraction(0),
            deducts=True,
            formula="P - side * (equity - MM(P)) / Q / (1 - MMR*side)",
            source="hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations and margin-tiers",
        ),
        VenueRule(
            "dydx",
            "mark",
            Fraction(0),
            deducts=False,
            formula="(side*Q*EP - margin) / (Q * (side - MMR))",
            source="dydxprotocol/v4-chain, protocol/x/perpetuals/lib: maintenance = initial margin at open "
            "interest 0 times the tier's maintenance fraction, of the notional at the oracle price",
        ),
    )
}


def rule_of(venue: str) -> VenueRule:
    """The rule of a venue; InputError names those that are known."""
    if venue not in RULES:
        raise InputError(f"no margin rule of {venue!r} is known. Known: {', '.join(RULES)}.")
    return RULES[venue]
