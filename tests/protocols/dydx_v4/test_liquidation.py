"""Liquidation orders: prices and fees against plain restatements, choices and limits at their edges."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_v4.limits import (
    Tally,
    check_fill,
    liquidatable_delta,
    max_insurance_left,
    max_notional_left,
)
from defiliq.protocols.dydx_v4.liquidation import (
    bankruptcy_quote_quantums,
    fill_quote_quantums,
    fillable_price,
    in_order,
    insurance_fund_delta,
    liquidation_order,
    oracle_subticks,
    order_for,
    place_to_liquidate,
    size_at,
    to_subticks,
)
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import position_risk, quote_quantums
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.settle import Position, Subaccount
from defiliq.protocols.dydx_v4.updates import (
    PositionChange,
    Update,
    subaccount_risk,
    transition,
    updated,
)
from defiliq.types import Account
from defiliq.units import PPM
from tests.protocols.dydx_v4.states import CONFIG, at_the_edge, chain, chains, holding, perpetual

MANY = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@st.composite
def liquidatables(draw: st.DrawFn) -> tuple[DydxMarket, Account]:
    """Accounts below their margin, from a quantum to far below zero."""
    market = draw(chains())
    account = draw(at_the_edge(market, most=2**50))
    first, *others = account.legs
    down = draw(st.one_of(st.integers(0, 5), st.integers(0, 2**50)))
    usdc = first.collateral - first.debt - down
    account = replace(account, legs=(replace(first, collateral=max(0, usdc), debt=max(0, -usdc)), *others))
    assume(account_risk(account, market).is_liquidatable)
    return market, account


def raw_of(account: Account, market: DydxMarket) -> Subaccount:
    """The settled subaccount that such an account is of."""
    first, *others = account.legs
    usdc = first.collateral - first.debt
    return Subaccount(
        "dydx1owner",
        0,
        ((0, usdc),) if usdc else (),
        tuple(
            Position(
                market.reserves[leg.reserve].id,
                leg.collateral - leg.debt,
                market.reserves[leg.reserve].funding_index,
            )
            for leg in others
        ),
    )


@MANY
@given(liquidatables(), st.data())
def test_bankruptcy_prices_share_what_is_left_by_margin(
    scene: tuple[DydxMarket, Account], data: st.DataObject
) -> None:
    market, account = scene
    place = data.draw(st.sampled_from([leg.reserve for leg in account.legs[1:]]))
    size = size_at(account, place)
    delta = -data.draw(st.integers(1, abs(size))) * (1 if size > 0 else -1)
    listed, price, total = market.reserves[place], market.price_of(place), account_risk(account, market)
    before, after = position_risk(listed, price, size), position_risk(listed, price, size + delta)
    released = before.maintenance_margin - after.maintenance_margin
    exact = before.net_collateral - after.net_collateral
    exact_share = Fraction(total.net_collateral * released, total.maintenance_margin)
    quote = bankruptcy_quote_quantums(account, market, place, delta)
    assert quote == ceil(exact - exact_share)
    # closing at that price leaves no riskier a subaccount, as the chain demands of every update
    update = Update(raw_of(account, market), ((0, quote),), (PositionChange(listed.id, delta),))
    there = updated(update, market)
    said = transition(update, there, market)
    event(said)
    assert said == "success" or subaccount_risk(there, market).maintenance_margin == 0


@MANY
@given(liquidatables(), st.data())
def test_fillable_prices_lie_between_the_oracle_and_its_spread(
    scene: tuple[DydxMarket, Account], data: st.DataObject
) -> None:
    market, account = scene
    place = data.draw(st.sampled_from([leg.reserve for leg in account.legs[1:]]))
    size, total = size_at(account, place), account_risk(account, market)
    held = position_risk(market.reserves[place], market.price_of(place), size)
    found = fillable_price(account, market, place, -size)
    rating = 1 - Fraction(total.net_collateral, total.maintenance_margin)
    bounded = min(max(rating * CONFIG.bankruptcy_adjustment_ppm / PPM, Fraction(0)), Fraction(1))
    spread = held.maintenance_margin * Fraction(CONFIG.spread_to_maintenance_margin_ratio_ppm, PPM)
    assert found * size == held.net_collateral - bounded * spread
    oracle = Fraction(held.net_collateral, size)
    assert found <= oracle if size > 0 else found >= oracle


@MANY
@given(
    st.fractions(min_value=0, max_value=10**12),
    st.integers(1, 10**7),
    st.integers(-12, 3),
    st.booleans(),
)
def test_subticks_round_against_the_filler(price: Fraction, tick: int, exponent: int, is_long: bool) -> None:
    held = perpetual(1, subticks_per_tick=tick, quantum_conversion_exponent=exponent)
    found = to_subticks(price, held, is_long=is_long)
    exact = price / Fraction(10) ** exponent
    assert found % tick == 0
    assert tick <= found < 2**64
    if tick <= exact < 2**64 - 2 * tick:
        assert exact <= found < exact + 1 + tick if is_long else exact - 1 - tick < found <= exact
    is_round = exact.denominator == 1 and exact.numerator % tick == 0
    if is_round and tick <= exact < 2**64 - tick:
        assert found == exact


@MANY
@given(liquidatables(), st.data())
def test_a_fee_is_no_more_than_what_is_left_and_than_its_part(
    scene: tuple[DydxMarket, Account], data: st.DataObject
) -> None:
    market, account = scene
    place = data.draw(st.sampled_from([leg.reserve for leg in account.legs[1:]]))
    order = order_for(account, market, place, Tally())
    at = data.draw(st.integers(1, 2 * order.subticks))
    paid = fill_quote_quantums(market.reserves[place], order.quantums, at)
    bankrupt = bankruptcy_quote_quantums(account, market, place, order.delta)
    found = insurance_fund_delta(
        account, market, place, is_buy=order.is_buy, quantums=order.quantums, subticks=at
    )
    received = -paid if order.is_buy else paid
    beyond = received - bankrupt
    event("fee" if found > 0 else "loss" if found < 0 else "nothing")
    if beyond <= 0:
        assert found == beyond  # the subaccount itself ends at its bankruptcy price
    else:
        assert found == min(beyond, floor(Fraction(paid * CONFIG.max_liquidation_fee_ppm, PPM)))


def test_limits_cut_an_order_to_whole_steps() -> None:
    listed = perpetual(1, step_base_quantums=7)
    config = replace(CONFIG, max_notional_liquidated=50_000, min_position_notional_liquidated=1)
    market = chain([listed], [1000], liquidations=config)
    assert liquidatable_delta(market, 1, 100, Tally()) == -49
    assert liquidatable_delta(market, 1, -100, Tally()) == 49
    assert liquidatable_delta(market, 1, 50, Tally()) == -50  # all of it fits, in steps or not
    assert liquidatable_delta(market, 1, -100, Tally(notional=30_000)) == 14
    assert liquidatable_delta(market, 1, 100, Tally(notional=49_999)) == -7  # never less than a step
    assert liquidatable_delta(market, 1, 6, Tally(notional=49_999)) == -6  # nor a part of one
    half = chain([listed], [1000], liquidations=replace(CONFIG, max_position_portion_liquidated_ppm=500_000))
    assert liquidatable_delta(half, 1, 100, Tally()) == -49


def test_what_a_block_has_done_is_left_out_of_it() -> None:
    market = chain([perpetual(1), perpetual(2), perpetual(3)], [1000, 1000, 1000])
    account = holding(-30_000, 10, 10, 10)
    assert [place_to_liquidate(account, market, offset, Tally()) for offset in range(5)] == [1, 2, 3, 1, 2]
    tally = Tally().placed(1)
    assert [place_to_liquidate(account, market, offset, tally) for offset in range(3)] == [1, 3, 3]
    done = tally.placed(0).placed(2)
    with pytest.raises(ChainRefused, match="ErrNoPerpetualPositionsToLiquidate"):
        liquidation_order(account, market, 0, done)
    with pytest.raises(ChainRefused, match="ErrSubaccountHasLiquidatedPerpetual"):
        done.placed(2)
    with pytest.raises(ChainRefused, match="ErrSubaccountNotLiquidatable"):
        liquidation_order(holding(0, 10), market)
    with pytest.raises(ChainRefused, match="ErrNoPerpetualPositionsToLiquidate"):
        order_for(holding(0, 10), market, 2, Tally())


def test_a_fill_stays_within_the_blocks_limits() -> None:
    config = replace(CONFIG, max_notional_liquidated=50_000, max_quantums_insurance_lost=100)
    market = chain([perpetual(1)], [1000], liquidations=config)
    check_fill(market, 1, 50, -100, Tally())
    with pytest.raises(ChainRefused, match="MaxNotionalLiquidated"):
        check_fill(market, 1, 51, 0, Tally())
    with pytest.raises(ChainRefused, match="MaxInsuranceLost"):
        check_fill(market, 1, 1, -101, Tally())
    spent = Tally().filled(-20_000, 7).filled(10_000, -60)
    assert spent == Tally((), 30_000, 60)
    assert max_notional_left(spent, config, 0) == 20_000
    assert max_insurance_left(spent, config, 0) == 40


def test_no_margin_no_price() -> None:
    """The chain would divide by zero; it never asks about such an account."""
    market = chain([perpetual(1, initial_margin_ppm=0)], [1000])
    with pytest.raises(ChainRefused, match="division by zero"):
        bankruptcy_quote_quantums(holding(-2000, 1), market, 1, -1)


@pytest.mark.parametrize("delta", [0, 1, -11])
def test_a_close_is_of_the_position_and_no_more(delta: int) -> None:
    market = chain([perpetual(1)], [1000])
    for ask in (bankruptcy_quote_quantums, fillable_price):
        with pytest.raises(ChainRefused, match="ErrInvalidPerpetualPositionSizeDelta"):
            ask(holding(-10_000, 10), market, 1, delta)


def test_a_spread_beyond_the_price_is_refused() -> None:
    config = replace(CONFIG, spread_to_maintenance_margin_ratio_ppm=60 * PPM)
    market = chain([perpetual(1)], [1000], liquidations=config)
    with pytest.raises(ChainRefused, match="negative"):
        fillable_price(holding(-20_000, 10), market, 1, -10)


def test_orders_go_by_distance_from_the_oracle_then_size_then_hash() -> None:
    """A long in need sells lower the worse it stands; equal ones by notional, then by hash."""
    market = chain([perpetual(1), perpetual(2)], [10**6, 10**6])
    worst = order_for(holding(-99 * 10**5, 10), market, 1, Tally())
    better = order_for(holding(-98 * 10**5, 10), market, 1, Tally())
    larger = order_for(holding(-99 * 10**6, 100), market, 1, Tally())
    other = order_for(holding(-99 * 10**5, 0, 10), market, 2, Tally())
    assert worst.subticks == larger.subticks == other.subticks < better.subticks < oracle_subticks(market, 1)
    hashes = {1: b"\x02", 2: b"\x01"}
    found = in_order([better, worst, other, larger], market, lambda order: hashes[order.place])
    assert found == [larger, other, worst, better]
    assert quote_quantums(larger.quantums, 10**6, market.reserves[1]) == 10**8
