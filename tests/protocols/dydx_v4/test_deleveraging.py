"""Sharing bankrupt positions out: nothing is made or lost, and nobody ends riskier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_v4.deleveraging import (
    DeleveragePrice,
    deleverage,
    deleverage_price,
    deleveraged_quote_quantums,
    fund_can_pay,
    offset_position,
)
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import undercollateralized_transition
from defiliq.protocols.dydx_v4.settle import Position, Subaccount, settled
from defiliq.protocols.dydx_v4.updates import (
    PositionChange,
    Update,
    matched,
    subaccount_risk,
    updated,
)
from tests.protocols.dydx_v4.states import chain, perpetual

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def one(name: str, usdc: int, size: int, index: int = 0) -> Subaccount:
    """A subaccount with USDC and a position in perpetual 0."""
    return Subaccount(name, 0, ((0, usdc),) if usdc else (), (Position(0, size, index),) if size else ())


def market(**changes: object) -> DydxMarket:
    return chain([replace(perpetual(1, open_interest=10**6), **changes)], [1000])  # type: ignore[arg-type]


@MANY
@given(st.data())
def test_sharing_out_keeps_every_quantum(data: st.DataObject) -> None:
    side = data.draw(st.sampled_from([1, -1]))
    size = side * data.draw(st.integers(1, 1000))
    there = market()
    bankrupt = one("dydx1a", -size * 1000 - data.draw(st.integers(-(10**6), 10**6)), size)
    others = [
        one(
            f"dydx1b{k}",
            data.draw(st.integers(-(10**6), 10**7)),
            -side * data.draw(st.integers(0, 500)) * data.draw(st.sampled_from([1, 1, 1, -1])),
        )
        for k in range(data.draw(st.integers(0, 4)))
    ]
    price: DeleveragePrice = data.draw(st.sampled_from(["bankruptcy", "oracle"]))
    found = offset_position(bankrupt, others, there, 0, -size, price)
    event(f"{len(found.fills)} fills, {'some' if found.remaining else 'none'} left")
    before, after = (bankrupt, *others), found.subaccounts
    assert sum(raw.usdc for raw in before) == sum(raw.usdc for raw in after)
    assert sum(_size(raw) for raw in before) == sum(_size(raw) for raw in after)
    assert _size(after[0]) == -found.remaining
    assert sum(quantums for _, quantums in found.fills) == abs(size) - abs(found.remaining)
    shrunk = there.reserves[1].open_interest - found.market.reserves[1].open_interest
    assert shrunk == abs(size) - abs(found.remaining)
    for was, now in zip(before, after, strict=True):
        risk = subaccount_risk(now, found.market)
        if was != now and not risk.is_initial_collateralized:
            said = undercollateralized_transition(subaccount_risk(was, found.market), risk)
            assert said == "success"


def _size(raw: Subaccount) -> int:
    held = raw.position(0)
    return 0 if held is None else held.quantums


@MANY
@given(st.integers(-(10**6), 10**6), st.integers(1, 1000), st.data())
def test_a_bankrupt_subaccount_ends_with_nothing(net: int, size: int, data: st.DataObject) -> None:
    """Closed at its bankruptcy price all is even, whoever of the other side takes it over."""
    there = market()
    bankrupt = one("dydx1a", net - size * 1000, size)
    assume(subaccount_risk(bankrupt, there).maintenance_margin > 0)
    quote = deleveraged_quote_quantums(bankrupt, there, 0, -size, "bankruptcy")
    assert quote == size * 1000 - net
    done = deleverage(bankrupt, one("dydx1b", 10**9, -size), there, 0, -size, quote)
    assert done.liquidated == Subaccount("dydx1a", 0)
    assert done.offsetting.usdc == 10**9 - quote


def test_funding_is_settled_on_the_way() -> None:
    there = market(funding_index=10**6)
    done = deleverage(one("dydx1a", -10_000, 10), one("dydx1b", 40_000, -20), there, 0, -10, 10_010)
    assert done.liquidated == Subaccount("dydx1a", 0)
    assert done.offsetting == one("dydx1b", 40_000 + 20 - 10_010, -10, 10**6)


@pytest.mark.parametrize(
    ("status", "usdc", "price"),
    [
        ("active", -10_001, "bankruptcy"),
        ("active", -10_000, None),
        ("final_settlement", -10_001, "bankruptcy"),
        ("final_settlement", -10_000, "oracle"),
    ],
)
def test_who_is_deleveraged_at_which_price(status: str, usdc: int, price: str | None) -> None:
    there = market(clob_status=status)
    assert deleverage_price(subaccount_risk(one("dydx1a", usdc, 10), there), there, 1) == price


@pytest.mark.parametrize("is_isolated", [False, True])
def test_an_isolated_position_that_closes_below_zero_is_refused(is_isolated: bool) -> None:
    """Dust that needs no margin: debt may shrink, but an isolated one's goes back to the common pool."""
    there = market(is_isolated=is_isolated, atomic_resolution=-10, decimals=10)
    update = (
        Update(one("dydx1a", -5, 1), ((0, 1),), (PositionChange(0, -1),)),
        Update(one("dydx1b", 40, -1), ((0, -1),), (PositionChange(0, 1),)),
    )
    if is_isolated:
        with pytest.raises(ChainRefused, match="owes its collateral pool"):
            matched(update, there)
    else:
        (closed, _), _ = matched(update, there)
        assert closed == one("dydx1a", -4, 0)


def test_margins_are_judged_at_the_open_interest_after_the_match() -> None:
    """Two that open against each other raise what opening takes, for themselves first of all."""
    busy = market(open_interest=1000, open_interest_lower_cap=10**6, open_interest_upper_cap=2 * 10**6)
    sides = [(one("dydx1a", 6_000, 0), 1), (one("dydx1b", 10_000, 0), -1)]
    update = [Update(raw, ((0, -sign * 100_000),), (PositionChange(0, sign * 100),)) for raw, sign in sides]
    with pytest.raises(ChainRefused, match="dydx1a/0: newly_undercollateralized"):
        matched(update, busy)
    enough = [
        update[0]._replace(subaccount=one("dydx1a", 14_500, 0)),
        update[1]._replace(subaccount=one("dydx1b", 14_500, 0)),
    ]
    (long, short), after = matched(enough, busy)
    assert after.reserves[1].open_interest == 1100
    assert (long, short) == (one("dydx1a", -85_500, 100), one("dydx1b", 114_500, -100))


def test_an_update_of_an_unknown_perpetual_is_refused() -> None:
    with pytest.raises(ChainRefused, match="ErrPerpetualDoesNotExist"):
        updated(Update(one("dydx1a", 5, 0), (), (PositionChange(7, 1),)), market())
    with pytest.raises(ChainRefused, match="ErrPerpetualDoesNotExist"):
        subaccount_risk(Subaccount("dydx1a", 0, (), (Position(7, 1, 0),)), market())


def test_an_owners_own_margin_fraction_counts_where_it_is_the_larger() -> None:
    there, raw = market(), one("dydx1a", 0, 100)
    assert subaccount_risk(raw, there, {0: 200_000}).initial_margin == 20_000
    assert subaccount_risk(raw, there, {0: 1}) == subaccount_risk(raw, there)


@pytest.mark.parametrize(
    ("balance", "delta", "paid"), [(0, 0, True), (0, 5, True), (5, -5, True), (5, -6, False)]
)
def test_an_insurance_fund_pays_what_it_has(balance: int, delta: int, paid: bool) -> None:
    assert fund_can_pay(balance, delta) is paid


def test_only_settled_subaccounts_are_changed() -> None:
    raw = one("dydx1a", 100, 10, index=-(10**6))
    assert settled(raw, market()).usdc == 90
