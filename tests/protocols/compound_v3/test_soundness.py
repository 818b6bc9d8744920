"""A snapshot that no Comet could have made is refused in one line; one that it made is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.protocols.compound_v3.market import CometMarket, RateCurve
from defiliq.types import Account, Leg
from defiliq.units import WAD
from tests.builders import NOW
from tests.protocols.compound_v3.states import OWNER, UNITY, base_asset, collateral, comet, owing
from tests.reloading import Reloading

PLAIN = owing(-(10**9), 10**18)
CURVE = RateCurve(kink_wad=WAD, slope_low_wad=10**9, slope_high_wad=10**9, base_wad=10**8)


def market(**changes: Any) -> CometMarket:
    """A Comet of one collateral that earns interest since a minute ago."""
    grown = {"supply_rates": CURVE, "borrow_rates": CURVE, "accrued_at": NOW - 60}
    return comet([base_asset(), collateral(1)], [10**8, 2 * 10**8], **grown | changes)


@pytest.fixture
def kept(tmp_path: Path) -> Reloading:
    return Reloading(tmp_path, PLAIN)


@pytest.mark.parametrize("stored", [False, True])
def test_what_was_read_is_loaded(kept: Reloading, stored: bool) -> None:
    whole = market().as_stored() if stored else market()
    assert kept.loaded(whole).market == whole
    assert kept.loaded(whole.at_time(NOW + 86_400)).market.timestamp == NOW + 86_400


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"accrued_at": NOW + 1}, "after the block's own"),
        ({"supply_index": 0}, "indices of 0 and"),
        ({"borrow_index": 0}, "and 0"),
        ({"borrow_index": 2**64}, "indices of"),
        ({"total_borrow": 2**104}, "totals beyond all range"),
        ({"total_supply": 2**104}, "totals beyond all range"),
        ({"borrow_rates": replace(CURVE, slope_high_wad=2**64)}, "rates beyond all range"),
        ({"supply_rates": replace(CURVE, kink_wad=2**64)}, "rates beyond all range"),
        ({"store_front_factor_wad": WAD + 1}, "a store front factor above 1"),
    ],
)
def test_comets_that_none_is_like(kept: Reloading, changes: dict[str, Any], why: str) -> None:
    assert why in kept.refused(market(**changes))


def test_a_moment_before_the_block(kept: Reloading) -> None:
    assert "before its own block" in kept.refused(replace(market(), timestamp=NOW - 1))


@pytest.mark.parametrize("factor", ["borrow_factor_wad", "liquidate_factor_wad", "liquidation_factor_wad"])
def test_a_factor_above_1(kept: Reloading, factor: str) -> None:
    reserves = base_asset(), collateral(1, **{factor: WAD + 1})
    assert "C1: a factor above 1" in kept.refused(replace(market(), reserves=reserves))


def test_decimals_that_do_not_fit_64_bits(kept: Reloading) -> None:
    reserves = base_asset(), collateral(1, decimals=20)
    assert "C1: 20 decimals" in kept.refused(replace(market(), reserves=reserves))


def test_the_base_asset_stands_first_and_alone(kept: Reloading) -> None:
    first, second = base_asset(), collateral(1)
    for reserves in (
        (second, first),
        (first, replace(second, offset=None)),
        (replace(first, offset=0), second),
    ):
        assert "is the base asset" in kept.refused(replace(market(), reserves=reserves))


@pytest.mark.parametrize("field", ["supply_index_now", "borrow_index_now"])
def test_indices_that_do_not_follow(kept: Reloading, field: str) -> None:
    """One more than what accrues from the written ones would shift every verdict."""
    whole = market()
    assert getattr(whole, field) > UNITY
    assert "do not follow" in kept.refused(replace(whole, **{field: getattr(whole, field) + 1}))


def test_a_collateral_is_never_owed(kept: Reloading) -> None:
    account = Account(OWNER, 0, (Leg(1, 0, 5, True),))
    assert "a debt in a collateral" in kept.refused(market(), [account])
