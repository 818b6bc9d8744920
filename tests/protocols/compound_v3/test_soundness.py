"""A snapshot that no Comet could have made is refused in one line; one that it made is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.errors import BadFile
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.compound_v3.market import CometMarket, RateCurve
from defiliq.types import Account, Leg
from defiliq.units import WAD
from tests.builders import NOW
from tests.protocols.compound_v3.states import OWNER, UNITY, base_asset, collateral, comet, owing

PLAIN = owing(-(10**9), 10**18)
CURVE = RateCurve(kink_wad=WAD, slope_low_wad=10**9, slope_high_wad=10**9, base_wad=10**8)


def market(**changes: Any) -> CometMarket:
    """A Comet of one collateral that earns interest since a minute ago."""
    grown = {"supply_rates": CURVE, "borrow_rates": CURVE, "accrued_at": NOW - 60}
    return comet([base_asset(), collateral(1)], [10**8, 2 * 10**8], **grown | changes)


def loaded(folder: Path, whole: CometMarket, accounts: Sequence[Account] = (PLAIN,)) -> Book[Any]:
    return load_snapshot(save_snapshot(Book.build(whole, accounts), folder / "book.parquet"))


def refused(folder: Path, whole: CometMarket, accounts: Sequence[Account] = (PLAIN,)) -> str:
    """Why."""
    with pytest.raises(BadFile) as caught:
        loaded(folder, whole, accounts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("stored", [False, True])
def test_what_was_read_is_loaded(tmp_path: Path, stored: bool) -> None:
    whole = market().as_stored() if stored else market()
    assert loaded(tmp_path, whole).market == whole
    assert loaded(tmp_path, whole.at_time(NOW + 86_400)).market.timestamp == NOW + 86_400


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
def test_comets_that_none_is_like(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    assert why in refused(tmp_path, market(**changes))


def test_a_moment_before_the_block(tmp_path: Path) -> None:
    assert "before its own block" in refused(tmp_path, replace(market(), timestamp=NOW - 1))


@pytest.mark.parametrize("factor", ["borrow_factor_wad", "liquidate_factor_wad", "liquidation_factor_wad"])
def test_a_factor_above_1(tmp_path: Path, factor: str) -> None:
    reserves = base_asset(), collateral(1, **{factor: WAD + 1})
    assert "C1: a factor above 1" in refused(tmp_path, replace(market(), reserves=reserves))


def test_decimals_that_do_not_fit_64_bits(tmp_path: Path) -> None:
    reserves = base_asset(), collateral(1, decimals=20)
    assert "C1: 20 decimals" in refused(tmp_path, replace(market(), reserves=reserves))


def test_the_base_asset_stands_first_and_alone(tmp_path: Path) -> None:
    first, second = base_asset(), collateral(1)
    for reserves in (
        (second, first),
        (first, replace(second, offset=None)),
        (replace(first, offset=0), second),
    ):
        assert "is the base asset" in refused(tmp_path, replace(market(), reserves=reserves))


@pytest.mark.parametrize("field", ["supply_index_now", "borrow_index_now"])
def test_indices_that_do_not_follow(tmp_path: Path, field: str) -> None:
    """One more than what accrues from the written ones would shift every verdict."""
    whole = market()
    assert getattr(whole, field) > UNITY
    assert "do not follow" in refused(tmp_path, replace(whole, **{field: getattr(whole, field) + 1}))


def test_a_collateral_is_never_owed(tmp_path: Path) -> None:
    account = Account(OWNER, 0, (Leg(1, 0, 5, True),))
    assert "a debt in a collateral" in refused(tmp_path, market(), [account])
