"""Interest of a cToken in numbers in which every cut shows, and the market's way through time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.errors import UnsupportedReserve
from defiliq.protocols.compound_v2.accrual import Accrued, accrued, borrow_balance, exchange_rate
from defiliq.units import WAD
from tests.builders import BLOCK, NOW
from tests.protocols.compound_v2.ctokens import comptroller, ctoken

PART = ctoken(
    0,
    "A",
    cash=50,
    total_borrows=1999,
    total_reserves=20,
    total_supply=7001,
    reserve_factor_wad=WAD // 3 + 1,
    borrow_rate_wad=WAD // 1000,
    borrow_index_wad=WAD + 999,
    accrued_at=BLOCK.number - 2,
)


def test_one_step_for_all_ticks_and_every_product_cut() -> None:
    """2 ticks: 0.002 * 1999 is 3.998, a third of 3 is just above 1, and 0.002 * 999 is 1.998."""
    assert accrued(PART, BLOCK.number) == Accrued(
        exchange_rate_wad=(50 + 2002 - 21) * WAD // 7001,
        borrow_index_wad=WAD + 999 + 2 * WAD // 1000 + 1,
        total_borrows=2002,
        total_reserves=21,
    )
    almost = replace(PART, reserve_factor_wad=WAD // 3)
    assert accrued(almost, BLOCK.number).total_reserves == 20


def test_nothing_accrues_within_a_tick_or_before_it() -> None:
    stored = Accrued((50 + 1999 - 20) * WAD // 7001, WAD + 999, 1999, 20)
    assert accrued(PART, PART.accrued_at) == stored
    assert accrued(PART, PART.accrued_at - 5) == stored


def test_an_exchange_rate_is_cut_and_starts_where_the_ctoken_says() -> None:
    assert exchange_rate(replace(PART, total_supply=3 * WAD), 2, 0) == 17
    assert exchange_rate(replace(PART, total_supply=0, initial_exchange_rate_wad=77), 2, 0) == 77


def test_a_borrow_balance_is_cut() -> None:
    assert borrow_balance(10, 3, 5) == 16
    assert borrow_balance(0, 0, 5) == 0


def test_a_clock_of_blocks_ticks_as_fast_as_blocks_came() -> None:
    market = replace(comptroller([PART], [1]), pace_blocks=5, pace_seconds=3)
    assert [market.tick_at(NOW + s) - BLOCK.number for s in range(5)] == [0, 1, 3, 5, 6]
    assert replace(market, clock="timestamp").tick_at(NOW + 9) == NOW + 9


def test_at_a_time_all_ctokens_are_accrued_and_as_stored_none_is() -> None:
    market = comptroller([PART], [1]).at_time(NOW)
    assert not market.stored
    now, later = accrued(PART, BLOCK.number), accrued(PART, BLOCK.number + 3)
    (reserve,) = market.reserves
    assert (reserve.exchange_rate_now_wad, reserve.borrow_index_now_wad) == now[:2]
    (reserve,) = market.at_time(NOW + 36).reserves
    assert (reserve.exchange_rate_now_wad, reserve.borrow_index_now_wad) == later[:2]
    stored = market.at_time(NOW + 36).as_stored()
    assert stored.stored
    before = accrued(PART, PART.accrued_at)
    assert (stored.reserves[0].exchange_rate_now_wad, stored.reserves[0].borrow_index_now_wad) == before[:2]
    with pytest.raises(ValueError, match="before the block"):
        market.at_time(NOW - 1)


def test_a_ctoken_of_its_own_kind_is_as_it_answers_at_the_block_and_nowhere_else() -> None:
    own = replace(
        PART, accrues_plainly=False, exchange_rate_at_block_wad=2 * WAD, borrow_index_at_block_wad=3 * WAD
    )
    market = comptroller([own], [1])
    (reserve,) = market.at_time(NOW + 11).reserves
    assert (reserve.exchange_rate_now_wad, reserve.borrow_index_now_wad) == (2 * WAD, 3 * WAD)
    with pytest.raises(UnsupportedReserve, match="A "):
        market.at_time(NOW + 12)
