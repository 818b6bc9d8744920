"""Absorptions from their logs: joined by account, shared out over assets, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.errors import DecodeError
from defiliq.protocols.compound_v3 import abi, event_worth
from defiliq.protocols.compound_v3.events import decode_events, shares
from tests.builders import address
from tests.protocols.compound_v3.states import base_asset, collateral, comet
from tests.traced import One, logs_of

ABSORBER, USER, OTHER = address(0x10), address(0x11), address(0x12)
FIRST, SECOND = address(0xA001), address(0xA002)


def seized(asset: str, amount: int, value: int, user: str = USER, transaction: int = 1) -> One:
    return One(abi.ABSORB_COLLATERAL_EVENT, (ABSORBER, user, asset), (amount, value), transaction=transaction)


def debt(amount: int, value: int, user: str = USER, transaction: int = 1) -> One:
    return One(abi.ABSORB_DEBT_EVENT, (ABSORBER, user), (amount, value), transaction=transaction)


def test_one_row_per_asset_that_share_the_debt_by_value() -> None:
    logs = logs_of(seized(FIRST, 50, 100), seized(SECOND, 70, 201), debt(1_000, 301))
    first, second = decode_events(logs)
    assert [event.account for event in (first, second)] == [USER, USER]
    assert (first.seize_asset, first.seized, first.repaid) == (FIRST, 50, 332)
    assert (second.seize_asset, second.seized, second.repaid) == (SECOND, 70, 668)
    assert (first.told_seized_base, second.told_seized_base) == (100, 201)
    assert (first.told_repaid_base, second.told_repaid_base) == (100, 201)
    assert {event.liquidator for event in (first, second)} == {ABSORBER}


def test_several_accounts_in_one_transaction_and_a_debt_without_collateral() -> None:
    logs = logs_of(
        seized(FIRST, 5, 10),
        debt(8, 9),
        debt(3, 4, OTHER),
        seized(SECOND, 1, 0, OTHER, 2),
        debt(7, 7, OTHER, 2),
    )
    told = [(e.account, e.seize_asset, e.seized, e.repaid, e.told_repaid_base) for e in decode_events(logs)]
    assert told == [(USER, FIRST, 5, 8, 9), (OTHER, "", 0, 3, 4), (OTHER, SECOND, 1, 7, 7)]


@pytest.mark.parametrize(
    ("logs", "seen"),
    [
        ((seized(FIRST, 1, 1),), "collateral that no debt follows"),
        ((seized(FIRST, 1, 1), seized(FIRST, 1, 1, OTHER), debt(1, 1, OTHER)), "collateral of two accounts"),
        ((seized(FIRST, 1, 1), debt(1, 1, OTHER)), "a debt of another account"),
        ((seized(FIRST, 1, 1), debt(1, 1, transaction=2)), "a debt of another account"),
        ((One(abi.ABSORB_DEBT_EVENT, (ABSORBER, USER), (1,)),), "32 bytes of data, not 64"),
        ((One(abi.ABSORB_DEBT_EVENT, (ABSORBER, 1 << 161), (1, 1)),), "a word that is no address"),
    ],
)
def test_logs_that_belong_to_nothing_are_refused(logs: tuple[One, ...], seen: str) -> None:
    with pytest.raises(DecodeError, match=seen) as caught:
        decode_events(logs_of(*logs))
    assert "in transaction 0x" in str(caught.value)


def test_bad_debt_is_what_was_not_credited_and_stands_in_the_last_row() -> None:
    """90% of 1,000 and of 2,000 are credited, against a debt of 3,000; the next account is covered."""
    market = comet([base_asset(), collateral(1), collateral(2)], [10**8, 5 * 10**8, 7 * 10**8])
    logs = logs_of(
        seized(FIRST, 1, 1_000),
        seized(SECOND, 2, 2_000),
        debt(30, 3_000),
        seized(FIRST, 1, 1_000, OTHER),
        debt(9, 900, OTHER),
        debt(4, 400, ABSORBER),
    )
    worths = event_worth(decode_events(logs), market)
    assert [worth.bad_debt_base for worth in worths] == [0, 300, 0, 400]
    assert [worth.seized_base for worth in worths] == [1_000, 2_000, 1_000, 0]
    assert [worth.repaid_base for worth in worths] == [1_000, 2_000, 900, 400]
    assert [worth.bonus_base for worth in worths] == [0, 0, 0, 0]
    assert [worth.seize_reserve for worth in worths] == [1, 2, 1, None]
    assert {worth.repay_reserve for worth in worths} == {0}


def test_bad_debt_is_not_known_where_a_factor_is_not() -> None:
    market = comet([base_asset(), collateral(1)], [10**8, 5 * 10**8])
    logs = logs_of(seized(FIRST, 1, 1_000), seized(SECOND, 2, 2_000), debt(30, 3_000))
    assert [worth.bad_debt_base for worth in event_worth(decode_events(logs), market)] == [None, None]


@given(st.integers(0, 2**200), st.lists(st.integers(0, 2**128), min_size=1, max_size=8))
def test_shares_add_up(whole: int, weights: list[int]) -> None:
    parts = shares(whole, weights)
    assert sum(parts) == whole
    assert min(parts) >= 0
    total = sum(weights)
    for part, weight in list(zip(parts, weights, strict=True))[:-1]:
        assert part == (whole * weight // total if total else 0)
