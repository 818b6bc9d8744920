"""What decides where simulated positions are liquidated."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from defiliq.cex.history import Instrument
from defiliq.cex.margin import liquidation_price
from defiliq.cex.population import World, factors_of, flat_rule, simulate, venue_rule
from defiliq.cex.priors import HIGH, MID, Prior
from defiliq.cex.tiers import load_tiers
from defiliq.types import Side


@pytest.mark.parametrize(
    ("leverage", "level"), [(5.0, 48_192.8), (25.0, 57_831.3), (100.0, 59_638.6), (1.0, None)]
)
def test_reference_prices_of_one_rate(leverage: float, level: float | None) -> None:
    found = flat_rule(0.004)("long", np.array([60_000.0]), np.array([leverage]), np.ones(1))[0]
    assert np.isnan(found) if level is None else found == pytest.approx(level, abs=0.05)


def test_a_short_by_hand() -> None:
    found = flat_rule(0.004)("short", np.array([60_000.0]), np.array([10.0]), np.ones(1))
    assert found == pytest.approx([66_000 / 1.004])


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
@pytest.mark.parametrize("side", ["long", "short"])
def test_a_venues_rule_is_its_exact_price(venue: str, side: Side) -> None:
    tiers = load_tiers(venue, "BTC")
    rule = venue_rule(venue, tiers, 60_000.0)
    size = np.array([137.0, 52_000.0, 777_777.0, 4_321_000.0])
    for leverage in (3.0, 10.0, 20.0):
        found = rule(side, np.full(4, 60_000.0), np.full(4, leverage), size / 60_000)
        for dollars, level in zip(size, found, strict=True):
            exact = liquidation_price(
                venue, side, 60_000, Fraction(leverage), Fraction(float(dollars)), tiers
            )
            assert exact is not None
            # Between the sizes at which it is exact, the way from entry to level is interpolated.
            assert abs(level - float(exact)) < 0.02 * abs(float(exact) - 60_000)


def test_leverage_that_a_size_is_not_allowed_is_cut() -> None:
    tiers = load_tiers("binance", "BTC")
    rule = venue_rule("binance", tiers, 60_000.0)
    coins = np.array([50e6 / 60_000])
    most = float(tiers.tier_at(Fraction(50_000_000)).max_leverage)
    assert most < 100
    entry = np.array([60_000.0])
    cut = rule("long", entry, np.array([100.0]), coins)
    assert cut == pytest.approx(rule("long", entry, np.array([most]), coins), rel=2e-3)


def test_factors_are_those_of_the_typical_position() -> None:
    found = factors_of(flat_rule(0.0), Prior("p", (2, 4), (0.5, 0.5)), 1_000.0)
    assert found.leverages == (2, 4)
    assert found.long == pytest.approx([0.5, 0.75])
    assert found.short == pytest.approx([1.5, 1.25])


def test_factors_of_a_venue_see_the_size() -> None:
    rule = venue_rule("binance", load_tiers("binance", "BTC"), 60_000.0)
    small = factors_of(rule, Prior("s", MID.leverages, MID.weights, 1_000.0), 60_000.0)
    large = factors_of(rule, Prior("l", MID.leverages, MID.weights, 9e6), 60_000.0)
    assert (large.long > small.long).any()
    assert (large.short[:4] < small.short[:4]).all()


def test_a_book_like_dydx_is_liquidated_by_dydx_rule_to_the_cent() -> None:
    """One tier for all sizes: nothing is interpolated, and no leverage is above 20."""
    tiers = load_tiers("dydx", "BTC")
    dydx = Instrument("dydx", "BTC/USDC:USDC", "BTC", "USDC")
    world = World(candles=48, warm_up=48, traders=200, rescued=0.0)
    rule = venue_rule("dydx", tiers, world.start_usd)
    book = simulate(3, world, prior=HIGH, instrument=dydx, rule=rule).truth
    for k in range(0, len(book), 10):
        side: Side = "long" if book.is_long[k] else "short"
        entry, leverage = float(book.entry_usd[k]), min(float(book.leverage[k]), 20.0)
        exact = liquidation_price("dydx", side, entry, leverage, entry * float(book.coins[k]), tiers)
        assert exact is not None
        assert book.price_usd[k] == pytest.approx(float(exact), abs=0.01)
    assert (book.leverage > 20).any()
