"""Funding to the quantum, and subaccounts that the chain would not judge."""

from __future__ import annotations

from typing import Any

import pytest

from defiliq.protocols.dydx_v4.settle import (
    Position,
    Subaccount,
    funding_due,
    places_of,
    settled,
    to_account,
    unjudged,
)
from defiliq.types import Leg
from tests.protocols.dydx_v4.states import chain, perpetual

MARKET = chain([perpetual(1, funding_index=100), perpetual(2, funding_index=-7)], [1000, 50])


def raw(*positions: Position, assets: tuple[tuple[int, int], ...] = ()) -> Subaccount:
    return Subaccount("dydx1owner", 3, assets, positions)


def test_funding_is_summed_before_it_is_rounded_down_once() -> None:
    """Six tenths paid twice are 1.2, and so 2; half received is nothing."""
    paid = raw(Position(0, 6000, 0), Position(1, -6000, 93))
    assert funding_due(paid, MARKET, places_of(MARKET)) == -2
    assert funding_due(raw(Position(0, 6000, 0)), MARKET, places_of(MARKET)) == -1
    assert funding_due(raw(Position(0, -5000, 0)), MARKET, places_of(MARKET)) == 0
    assert funding_due(raw(Position(0, -10_000, 0)), MARKET, places_of(MARKET)) == 1


def test_a_settled_subaccount_has_todays_indices_and_no_empty_balance() -> None:
    there = settled(raw(Position(0, 10_000, 0), assets=((0, 1),)), MARKET)
    assert there == raw(Position(0, 10_000, 100))
    assert settled(raw(assets=((0, 5),)), MARKET) == raw(assets=((0, 5),))


def test_an_account_keeps_the_indices_that_its_positions_were_settled_at() -> None:
    subaccount = raw(Position(1, -20, -7, 4), Position(0, 10_000, 0, -9), assets=((0, -3),))
    account = to_account(subaccount, MARKET)
    assert account.owner == "dydx1owner/3"
    assert account.legs == (
        Leg(0, 0, 3 + 1 + 5, True),
        Leg(2, 0, 20, True, funding_index=-7),
        Leg(1, 10_000, 0, True, funding_index=0),
    )


def test_a_position_of_nothing_counts_with_its_quote_balance_alone() -> None:
    account = to_account(raw(Position(0, 0, 55, 12)), MARKET)
    assert account.legs == (Leg(0, 12, 0, True),)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (raw(assets=((1, 5),)), "ErrNotImplementedMulticollateral"),
        (raw(assets=((0, 9), (1, -5))), "ErrNotImplementedMargin"),
        (raw(Position(7, 1, 0)), "unknown perpetual 7"),
        (raw(assets=((0, 1), (0, 2))), "two balances of one asset"),
        (raw(Position(0, 1, 0), Position(0, 2, 0)), "two positions in one perpetual"),
        (raw(Position(0, 1, 0), assets=((0, 5), (1, 0))), ""),
    ],
)
def test_what_the_chain_would_not_judge(found: Subaccount, told: str) -> None:
    reason = unjudged(found, MARKET)
    assert told in reason
    assert bool(told) is bool(reason)


@pytest.mark.parametrize(("settings", "known"), [({}, True), ({"id": 40}, False)])
def test_perpetuals_are_found_by_id_and_not_by_place(settings: dict[str, Any], known: bool) -> None:
    market = chain([perpetual(1, id=9), perpetual(2, **settings)], [1000, 50])
    assert places_of(market) == ({9: 1, 1: 2} if known else {9: 1, 40: 2})
    assert bool(unjudged(raw(Position(1, 5, 0)), market)) is not known
