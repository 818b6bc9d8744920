"""Books from files that the chain could not have made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.soundness import odd_tier, unsound
from defiliq.types import Account, Leg
from tests.protocols.dydx_v4.states import CONFIG, OWNER, chain, holding, perpetual, usdc

MARKET = chain([perpetual(1), perpetual(2), perpetual(3, is_isolated=True)], [1000, 50, 7])


def book(market: DydxMarket = MARKET, *accounts: Account) -> Book[DydxMarket]:
    return Book.build(market, accounts or (holding(5, 1, -1), holding(0, 0, 0, 4), holding(-3)))


def test_a_sound_book() -> None:
    assert unsound(book()) == ""
    assert unsound(Book.build(MARKET, ())) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"initial_margin_ppm": 1_000_001}, "ErrInitialMarginPpmExceedsMax"),
        ({"initial_margin_ppm": -1}, "ErrInitialMarginPpmExceedsMax"),
        ({"maintenance_fraction_ppm": 1_000_001}, "ErrMaintenanceFractionPpmExceedsMax"),
        ({"open_interest_lower_cap": 2, "open_interest_upper_cap": 1}, "LowerCapLargerThanUpperCap"),
        ({"open_interest_upper_cap": 2**64}, "beyond all range"),
        ({"open_interest": -1}, "negative open interest"),
        ({"id": 2**32}, "an id of"),
        ({"decimals": 7}, "7 decimals"),
        ({"exponent": 65}, "beyond all range"),
        ({"quantum_conversion_exponent": -65}, "beyond all range"),
        ({"clob_status": "open"}, "a book that is 'open'"),
        ({"step_base_quantums": 0}, "without steps or ticks"),
        ({"subticks_per_tick": 2**32}, "without steps or ticks"),
        ({"clob_status": "none", "subticks_per_tick": 0, "step_base_quantums": 0}, ""),
    ],
)
def test_perpetuals(changes: dict[str, Any], told: str) -> None:
    market = chain([replace(perpetual(1), **changes), perpetual(2), perpetual(3)], [1000, 50, 7])
    reason = unsound(book(market))
    assert told in reason
    assert bool(told) is bool(reason)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reserves": MARKET.reserves[1:]}, "not USDC"),
        ({"reserves": (replace(usdc(), exponent=10**6), *MARKET.reserves[1:])}, "not USDC"),
        ({"reserves": (replace(usdc(), maintenance_fraction_ppm=2**63), *MARKET.reserves[1:])}, "not USDC"),
        ({"reserves": (*MARKET.reserves[:3], replace(MARKET.reserves[3], id=0))}, "two perpetuals of one id"),
        ({"timestamp": MARKET.timestamp - 1}, "before its own block"),
        ({"base_unit": 10**8}, "a base unit of"),
        ({"stored": True}, "as stored"),
        ({"prices": (MARKET.prices[0] + 1, *MARKET.prices[1:])}, "USDC at a price"),
        ({"prices": (*MARKET.prices[:3], 2**64)}, "P3-USD: a price"),
        (
            {"feeds": (*MARKET.feeds[:3], replace(MARKET.feeds[3], unit=10))},
            "P3-USD: a price in units of 10",
        ),
        ({"liquidations": replace(CONFIG, bankruptcy_adjustment_ppm=999_999)}, "no liquidations config"),
        (
            {"liquidations": replace(CONFIG, spread_to_maintenance_margin_ratio_ppm=0)},
            "no liquidations config",
        ),
        ({"liquidations": replace(CONFIG, max_liquidation_fee_ppm=0)}, "no liquidations config"),
        ({"liquidations": replace(CONFIG, max_position_portion_liquidated_ppm=0)}, "no liquidations config"),
        ({"liquidations": replace(CONFIG, max_notional_liquidated=0)}, "no liquidations config"),
        ({"liquidations": replace(CONFIG, max_quantums_insurance_lost=0)}, "no liquidations config"),
        ({"liquidations": replace(CONFIG, min_position_notional_liquidated=-1)}, "no liquidations config"),
    ],
)
def test_markets(changes: dict[str, Any], told: str) -> None:
    assert told in unsound(book(replace(MARKET, **changes)))


@pytest.mark.parametrize(
    ("legs", "told"),
    [
        ((Leg(0, 5, 0, True), Leg(1, 3, 2, True)), "both long and short"),
        ((Leg(0, 5, 0, True), Leg(1, 3, 0, True), Leg(1, 0, 2, True)), "two positions"),
        ((Leg(0, 5, 0, True), Leg(0, 3, 0, True)), "two positions"),
        ((Leg(0, 5, 0, True), Leg(1, 3, 0, True), Leg(3, 2, 0, True)), "beside an isolated one"),
        ((Leg(0, 0, 9, True), Leg(3, 2, 0, True)), ""),
    ],
)
def test_accounts(legs: tuple[Leg, ...], told: str) -> None:
    reason = unsound(book(MARKET, holding(5, 1), Account(OWNER, 0, legs)))
    assert told in reason
    assert bool(told) is bool(reason)


def test_a_tier_without_impact_notional_is_refused_where_that_is_known() -> None:
    assert odd_tier(50_000, 600_000) == ""
    assert odd_tier(50_000, 600_000, impact_notional=0) == "ErrImpactNotionalIsZero"
