"""A snapshot that no Solo contract could have made is refused in one line; one that it made is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.errors import BadFile
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.dydx_solo import LIQUID, SoloMarket
from defiliq.types import Account, Leg
from defiliq.units import MAX_UINT256, WAD
from tests.builders import NOW, address
from tests.protocols.dydx_solo.states import holding, listed, solo

PLAIN = replace(holding(10**18, -(10**9), mode=LIQUID), owner=f"{address(9)}/{MAX_UINT256}")


def market(**changes: Any) -> SoloMarket:
    """Two markets, of which the second earns interest since a minute ago."""
    second = listed(1, 6, borrow_rate_wad=10**9, accrued_at=NOW - 60, is_closing=True)
    return solo([listed(0), second], [200 * 10**18, 10**30], **changes)


def with_second(**changes: Any) -> SoloMarket:
    whole = market()
    return replace(whole, reserves=(whole.reserves[0], replace(whole.reserves[1], **changes)))


def loaded(folder: Path, whole: SoloMarket, accounts: Sequence[Account] = (PLAIN,)) -> Book[Any]:
    return load_snapshot(save_snapshot(Book.build(whole, accounts), folder / "book.parquet"))


def refused(folder: Path, whole: SoloMarket, accounts: Sequence[Account] = (PLAIN,)) -> str:
    """Why."""
    with pytest.raises(BadFile) as caught:
        loaded(folder, whole, accounts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("stored", [False, True])
def test_what_was_read_is_loaded(tmp_path: Path, stored: bool) -> None:
    whole = market().as_stored() if stored else market()
    found = loaded(tmp_path, whole)
    assert found.market == whole
    assert list(found.accounts()) == [PLAIN]
    assert found.find(PLAIN.owner.lower()) == 0
    assert loaded(tmp_path, whole.at_time(NOW + 86_400)).market.timestamp == NOW + 86_400


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
def test_markets_that_none_is_like(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    assert why in refused(tmp_path, with_second(**changes))


def test_decimals_that_leave_none_for_a_price(tmp_path: Path) -> None:
    assert "37 decimals" in refused(tmp_path, with_second(decimals=37))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"earnings_rate_wad": WAD + 1}, "an earnings rate above 1"),
        ({"timestamp": NOW - 1}, "before its own block"),
    ],
)
def test_contracts_that_none_is_like(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    assert why in refused(tmp_path, replace(market(), **changes))


@pytest.mark.parametrize("field", ["borrow_index_now_wad", "supply_index_now_wad"])
def test_indices_that_do_not_follow(tmp_path: Path, field: str) -> None:
    """One more than what accrues from the written ones would shift every verdict."""
    whole = market()
    assert "do not follow" in refused(tmp_path, with_second(**{field: getattr(whole.reserves[1], field) + 1}))


def test_a_par_is_a_supply_or_a_debt(tmp_path: Path) -> None:
    both = replace(PLAIN, legs=(Leg(0, 1, 1, True),))
    assert "supplies and owes in the same market" in refused(tmp_path, market(), [both])


def test_a_status_is_one_of_three(tmp_path: Path) -> None:
    assert "a status that there is not" in refused(tmp_path, market(), [replace(PLAIN, mode=3)])
