"""A snapshot that no Comptroller could have made is refused in one line; one that it made is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.errors import BadFile
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.types import Account, Feed
from defiliq.units import MAX_UINT256, WAD
from tests.builders import BLOCK, NOW
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner

PLAIN = owner(holds(0, 10**18), holds(1, 0, 10**17))


def market(**changes: Any) -> CompoundMarket:
    """Two cTokens that earn interest since an earlier block, the first of them changed."""
    grown = {"borrow_rate_wad": 10**10, "accrued_at": BLOCK.number - 5}
    first, second = ctoken(0, "A", **grown | changes), ctoken(1, "B", **grown)
    return comptroller([first, second], [WAD, WAD])


def loaded(folder: Path, whole: CompoundMarket, accounts: Sequence[Account] = (PLAIN,)) -> Book[Any]:
    return load_snapshot(save_snapshot(Book.build(whole, accounts), folder / "book.parquet"))


def refused(folder: Path, whole: CompoundMarket, accounts: Sequence[Account] = (PLAIN,)) -> str:
    """Why."""
    with pytest.raises(BadFile) as caught:
        loaded(folder, whole, accounts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("stored", [False, True])
def test_what_was_read_is_loaded(tmp_path: Path, stored: bool) -> None:
    whole = market().at_time(NOW)
    whole = whole.as_stored() if stored else whole
    book = loaded(tmp_path, whole)
    assert book.market == whole
    assert list(book.accounts()) == [PLAIN]
    assert loaded(tmp_path, whole.at_time(NOW + 86_400)).market.timestamp == NOW + 86_400


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"accrued_at": BLOCK.number + 1}, "after the block's own"),
        ({"borrow_index_wad": 0}, "a borrow index of 0"),
        ({"total_supply": 0, "initial_exchange_rate_wad": 0}, "an exchange rate of 0"),
        ({"collateral_factor_wad": WAD + 1}, "a factor above 1"),
        ({"reserve_factor_wad": WAD + 1}, "a factor above 1"),
        ({"seize_share_wad": WAD + 1}, "a factor above 1"),
        ({"decimals": 37}, "leave none for its price"),
        ({"borrow_rate_wad": MAX_UINT256}, "beyond all range"),
        ({"total_borrows": 2**128}, "beyond all range"),
        ({"total_reserves": 2**127}, "do not follow"),
        ({"exchange_rate_now_wad": 0}, "an exchange rate of 0"),
        ({"borrow_index_now_wad": 0}, "a borrow index of 0"),
    ],
)
def test_ctokens_that_none_is_like(tmp_path: Path, changes: dict[str, int], why: str) -> None:
    assert why in refused(tmp_path, market(**changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pace_seconds": 0}, "are no pace"),
        ({"pace_blocks": 0}, "are no pace"),
        ({"timestamp": NOW - 1}, "before its own block"),
        ({"close_factor_wad": MAX_UINT256}, "beyond all range"),
        ({"liquidation_incentive_wad": 2**128}, "beyond all range"),
    ],
)
def test_comptrollers_that_none_is_like(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    assert why in refused(tmp_path, replace(market().at_time(NOW), **changes))


def test_a_price_without_a_unit(tmp_path: Path) -> None:
    whole = market().at_time(NOW)
    feeds = (Feed("A", whole.feeds[0].source, 0), *whole.feeds[1:])
    assert "units of 0" in refused(tmp_path, replace(whole, feeds=feeds))


@pytest.mark.parametrize("field", ["borrow_index_now_wad", "exchange_rate_now_wad"])
def test_indices_that_do_not_follow(tmp_path: Path, field: str) -> None:
    """One more than what accrues from the written ones would shift every verdict."""
    whole = market().at_time(NOW)
    first = replace(whole.reserves[0], **{field: getattr(whole.reserves[0], field) + 1})
    assert "do not follow" in refused(tmp_path, replace(whole, reserves=(first, whole.reserves[1])))


def test_a_debt_must_say_where_it_was_settled(tmp_path: Path) -> None:
    whole = market().at_time(NOW)
    nowhere = owner(holds(0, 10**18), holds(1, 0, 10**17, index_wad=0))
    never = owner(*(replace(leg, debt_index=None) for leg in PLAIN.legs))
    for account in (nowhere, never):
        assert "without the index" in refused(tmp_path, whole, [account])
    assert len(loaded(tmp_path, whole, [owner(holds(0, 10**18))])) == 1
