"""A snapshot that no Comptroller could have made is refused in one line; one that it made is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.types import Feed
from defiliq.units import MAX_UINT256, WAD
from tests.builders import BLOCK, NOW
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.reloading import Reloading

PLAIN = owner(holds(0, 10**18), holds(1, 0, 10**17))


def market(**changes: Any) -> CompoundMarket:
    """Two cTokens that earn interest since an earlier block, the first of them changed."""
    grown = {"borrow_rate_wad": 10**10, "accrued_at": BLOCK.number - 5}
    first, second = ctoken(0, "A", **grown | changes), ctoken(1, "B", **grown)
    return comptroller([first, second], [WAD, WAD])


@pytest.fixture
def kept(tmp_path: Path) -> Reloading:
    return Reloading(tmp_path, PLAIN)


@pytest.mark.parametrize("stored", [False, True])
def test_what_was_read_is_loaded(kept: Reloading, stored: bool) -> None:
    whole = market().at_time(NOW)
    whole = whole.as_stored() if stored else whole
    book = kept.loaded(whole)
    assert book.market == whole
    assert list(book.accounts()) == [PLAIN]
    assert kept.loaded(whole.at_time(NOW + 86_400)).market.timestamp == NOW + 86_400


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
def test_ctokens_that_none_is_like(kept: Reloading, changes: dict[str, int], why: str) -> None:
    assert why in kept.refused(market(**changes))


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
def test_comptrollers_that_none_is_like(kept: Reloading, changes: dict[str, Any], why: str) -> None:
    assert why in kept.refused(replace(market().at_time(NOW), **changes))


def test_a_price_without_a_unit(kept: Reloading) -> None:
    whole = market().at_time(NOW)
    feeds = (Feed("A", whole.feeds[0].source, 0), *whole.feeds[1:])
    assert "units of 0" in kept.refused(replace(whole, feeds=feeds))


@pytest.mark.parametrize("field", ["borrow_index_now_wad", "exchange_rate_now_wad"])
def test_indices_that_do_not_follow(kept: Reloading, field: str) -> None:
    """One more than what accrues from the written ones would shift every verdict."""
    whole = market().at_time(NOW)
    first = replace(whole.reserves[0], **{field: getattr(whole.reserves[0], field) + 1})
    assert "do not follow" in kept.refused(replace(whole, reserves=(first, whole.reserves[1])))


def test_a_debt_must_say_where_it_was_settled(kept: Reloading) -> None:
    whole = market().at_time(NOW)
    nowhere = owner(holds(0, 10**18), holds(1, 0, 10**17, index_wad=0))
    never = owner(*(replace(leg, debt_index=None) for leg in PLAIN.legs))
    for account in (nowhere, never):
        assert "without the index" in kept.refused(whole, [account])
    assert len(kept.loaded(whole, [owner(holds(0, 10**18))])) == 1
