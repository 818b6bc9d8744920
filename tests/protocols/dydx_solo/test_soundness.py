"""A snapshot that no Solo contract could have made is refused in one line; one that it made is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.protocols.dydx_solo import LIQUID, SoloMarket
from defiliq.types import Leg
from defiliq.units import MAX_UINT256, WAD
from tests.builders import NOW, address
from tests.protocols.dydx_solo.states import holding, listed, solo
from tests.reloading import Reloading

PLAIN = replace(holding(10**18, -(10**9), mode=LIQUID), owner=f"{address(9)}/{MAX_UINT256}")


def market(**changes: Any) -> SoloMarket:
    """Two markets, of which the second earns interest since a minute ago."""
    second = listed(1, 6, borrow_rate_wad=10**9, accrued_at=NOW - 60, is_closing=True)
    return solo([listed(0), second], [200 * 10**18, 10**30], **changes)


def with_second(**changes: Any) -> SoloMarket:
    whole = market()
    return replace(whole, reserves=(whole.reserves[0], replace(whole.reserves[1], **changes)))


@pytest.fixture
def kept(tmp_path: Path) -> Reloading:
    return Reloading(tmp_path, PLAIN)


@pytest.mark.parametrize("stored", [False, True])
def test_what_was_read_is_loaded(kept: Reloading, stored: bool) -> None:
    whole = market().as_stored() if stored else market()
    found = kept.loaded(whole)
    assert found.market == whole
    assert list(found.accounts()) == [PLAIN]
    assert found.find(PLAIN.owner.lower()) == 0
    assert kept.loaded(whole.at_time(NOW + 86_400)).market.timestamp == NOW + 86_400


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"accrued_at": NOW + 1}, "after the block's own"),
        ({"accrued_at": 0}, "last updated at 0"),
        ({"accrued_at": 2**32}, "last updated at"),
        ({"borrow_index_wad": WAD - 1}, "indices of"),
        ({"supply_index_wad": 2**96}, "indices of"),
        ({"total_borrow_par": 2**128}, "totals beyond all range"),
        ({"total_supply_par": 2**128}, "totals beyond all range"),
    ],
)
def test_markets_that_none_is_like(kept: Reloading, changes: dict[str, Any], why: str) -> None:
    assert why in kept.refused(with_second(**changes))


def test_decimals_that_leave_none_for_a_price(kept: Reloading) -> None:
    assert "37 decimals" in kept.refused(with_second(decimals=37))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"earnings_rate_wad": WAD + 1}, "an earnings rate above 1"),
        ({"timestamp": NOW - 1}, "before its own block"),
    ],
)
def test_contracts_that_none_is_like(kept: Reloading, changes: dict[str, Any], why: str) -> None:
    assert why in kept.refused(replace(market(), **changes))


@pytest.mark.parametrize("field", ["borrow_index_now_wad", "supply_index_now_wad"])
def test_indices_that_do_not_follow(kept: Reloading, field: str) -> None:
    """One more than what accrues from the written ones would shift every verdict."""
    whole = market()
    assert "do not follow" in kept.refused(with_second(**{field: getattr(whole.reserves[1], field) + 1}))


def test_a_par_is_a_supply_or_a_debt(kept: Reloading) -> None:
    both = replace(PLAIN, legs=(Leg(0, 1, 1, True),))
    assert "supplies and owes in the same market" in kept.refused(market(), [both])


def test_a_status_is_one_of_three(kept: Reloading) -> None:
    assert "a status that there is not" in kept.refused(market(), [replace(PLAIN, mode=3)])
