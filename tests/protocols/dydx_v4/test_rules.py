"""Verdicts at their boundaries, to the quantum, and against a plain restatement on raw subaccounts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols.dydx_v4.market import DydxMarket, Perpetual
from defiliq.protocols.dydx_v4.over_time import rule_over_time
from defiliq.protocols.dydx_v4.rules import account_risk, health, rule
from defiliq.protocols.dydx_v4.settle import Subaccount, settled, to_account
from defiliq.protocols.dydx_v4.updates import subaccount_risk
from defiliq.types import NO_DEBT_FACTOR
from defiliq.units import PPM, WAD
from tests.protocols.dydx_v4.states import (
    accounts,
    at_the_edge,
    chain,
    chains,
    holding,
    perpetual,
    subaccounts,
)

MANY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Three = tuple[int, int, int]


def restated(raw: Subaccount, market: DydxMarket) -> Three:
    """Net collateral, initial and maintenance margin of an unsettled subaccount, with exact fractions."""
    listed: dict[int, tuple[Perpetual, int]] = {
        reserve.id: (reserve, market.prices[reserve.feed]) for reserve in market.reserves[1:]
    }
    funding = net = Fraction(0)
    initial = maintenance = 0
    for held in raw.positions:
        reserve, price = listed[held.perpetual_id]
        a_dollar = Fraction(10) ** 6
        a_quantum = Fraction(10) ** (reserve.atomic_resolution + reserve.exponent) * price * a_dollar
        notional = floor(abs(held.quantums) * a_quantum)
        open_notional = floor(reserve.open_interest * a_quantum)
        fraction = Fraction(reserve.initial_margin_ppm, PPM)
        lower, upper = reserve.open_interest_lower_cap, reserve.open_interest_upper_cap
        grown = fraction
        if upper and open_notional > lower:
            way = (
                min(Fraction(open_notional - lower, upper - lower), Fraction(1))
                if upper > lower
                else Fraction(1)
            )
            grown = fraction + Fraction(floor((PPM - reserve.initial_margin_ppm) * way), PPM)
        initial += ceil(notional * grown)
        maintenance += ceil(ceil(notional * fraction) * Fraction(reserve.maintenance_fraction_ppm, PPM))
        net += (notional if held.quantums > 0 else -notional) + held.quote_balance
        funding -= Fraction((reserve.funding_index - held.funding_index) * held.quantums, 10**6)
    return int(net) + floor(funding) + sum(quantums for _, quantums in raw.assets), initial, maintenance


@MANY
@given(st.data())
def test_the_law_on_accounts_is_the_law_on_raw_subaccounts(data: st.DataObject) -> None:
    market = data.draw(chains())
    raw = data.draw(subaccounts(market))
    net, initial, maintenance = restated(raw, market)
    account = to_account(raw, market)
    risk = account_risk(account, market)
    assert (risk.net_collateral, risk.initial_margin, risk.maintenance_margin) == (net, initial, maintenance)
    assert subaccount_risk(settled(raw, market), market) == risk
    law, found = rule(account, market), health(account, market)
    verdict = 0 < maintenance > net
    event(f"{verdict}, margin {'none' if maintenance == 0 else 'some'}")
    assert law.liquidatable(market.prices) is found.liquidatable is risk.is_liquidatable is verdict
    assert law.margin(market.prices) == found.margin == net - maintenance
    assert found.collateral_base - found.debt_base == net
    assert found.available_borrows_base == max(0, net - initial)
    assert found.factor_wad == (floor(Fraction(net * WAD, maintenance)) if maintenance else NO_DEBT_FACTOR)
    assert 0 <= found.ltv_bps <= found.threshold_bps <= 10_000


@MANY
@given(st.data())
def test_settled_twice_is_settled_once(data: st.DataObject) -> None:
    market = data.draw(chains())
    raw = data.draw(subaccounts(market))
    once = settled(raw, market)
    assert settled(once, market) == once
    kept = to_account(once, market)
    assert [(leg.reserve, leg.collateral, leg.debt) for leg in kept.legs] == [
        (leg.reserve, leg.collateral, leg.debt) for leg in to_account(raw, market).legs
    ]


@MANY
@given(st.data())
def test_whoever_only_owns_is_never_liquidatable(data: st.DataObject) -> None:
    """Longs and USDC: a book need only judge those that have some debt."""
    market = data.draw(chains())
    account = data.draw(accounts(market))
    owned = replace(account, legs=tuple(replace(leg, debt=0) for leg in account.legs))
    assert not health(owned, market).liquidatable


@MANY
@given(st.data())
def test_near_the_edge_factor_and_verdict_agree(data: st.DataObject) -> None:
    market = data.draw(chains())
    found = health(data.draw(at_the_edge(market)), market)
    if found.factor_wad != NO_DEBT_FACTOR:
        assert found.liquidatable is (found.factor_wad < WAD) is (found.margin < 0)


def test_a_factor_of_exactly_one_is_safe_and_one_quantum_less_is_not() -> None:
    """A long of 1000 needs 30: with 970 owed it has exactly that."""
    market = chain([perpetual(1)], [1000])
    exact = health(holding(-970, 1), market)
    assert (exact.factor_wad, exact.margin, exact.liquidatable) == (WAD, 0, False)
    owing = health(holding(-971, 1), market)
    assert (owing.margin, owing.liquidatable) == (-1, True)
    lower = health(holding(-970, 1), market.at_prices({1: 999}))
    assert (lower.margin, lower.liquidatable) == (-1, True)
    short = health(holding(1030, -1), market)
    assert (short.factor_wad, short.margin, short.liquidatable) == (WAD, 0, False)
    assert health(holding(1029, -1), market).liquidatable
    assert health(holding(1030, -1), market.at_prices({1: 1001})).liquidatable


def test_what_explains_the_verdict() -> None:
    """Two positions that hold one another: 100,000 long and 40,000 short, 70,000 owed."""
    market = chain(
        [perpetual(1), perpetual(2, initial_margin_ppm=100_000, maintenance_fraction_ppm=500_000)], [100, 50]
    )
    found = health(holding(-50_000, 1000, -800), market)
    assert (found.collateral_base, found.debt_base) == (100_000, 90_000)
    assert found.available_borrows_base == 10_000 - 5_000 - 4_000
    assert found.margin == 10_000 - 3_000 - 2_000
    assert found.factor_wad == 2 * WAD
    assert (found.threshold_bps, found.ltv_bps) == (10_000 - 358, 10_000 - 643)  # 5/140 and 9/140, cut
    assert not found.liquidatable


def test_a_factor_may_be_negative() -> None:
    market = chain([perpetual(1)], [1000])
    found = health(holding(-1030, 1), market)
    assert (found.factor_wad, found.liquidatable) == (-WAD, True)
    assert found.available_borrows_base == 0


def test_open_interest_moves_what_opening_takes_and_not_what_keeping_does() -> None:
    busy = perpetual(1, open_interest=2000, open_interest_lower_cap=10**6, open_interest_upper_cap=3 * 10**6)
    market = chain([busy], [1000])
    found = account_risk(holding(0, 1), market)
    assert (found.initial_margin, found.maintenance_margin) == (525, 30)
    assert account_risk(holding(0, 1), market.at_prices({1: 1500})).initial_margin == 1500


def test_dust_and_whales_past_a_machine_word() -> None:
    """A quantum that is worth less than a quote quantum needs no margin, whatever is owed."""
    market = chain([perpetual(1, atomic_resolution=-9)], [999])
    dust = health(holding(-5, 1), market)
    assert (dust.collateral_base, dust.margin, dust.liquidatable) == (0, -5, False)
    assert dust.factor_wad == NO_DEBT_FACTOR
    assert health(holding(-5, 2), market).liquidatable  # 1.998 is cut to 1, and needs 1
    whale = 2**90
    priced = chain([perpetual(1)], [10**12])
    owed = whale * 10**12 * 97 // 100
    assert not health(holding(-owed, whale), priced).liquidatable
    assert health(holding(-owed - 1, whale), priced).liquidatable


def test_negative_collateral_without_a_position_is_not_liquidatable() -> None:
    market = chain([perpetual(1)], [1000])
    found = health(holding(-1), market)
    assert (found.margin, found.liquidatable, found.factor_wad) == (-1, False, NO_DEBT_FACTOR)
    free = chain([perpetual(1, initial_margin_ppm=0)], [1000])  # a tier that asks for nothing
    assert not health(holding(-2000, 1), free).liquidatable


@pytest.mark.parametrize(
    ("resolution", "exponent", "worth"),
    [
        (-6, 0, 7 * 1001),
        (-6, 3, 7 * 1001 * 1000),
        (-9, -6, 0),
        (-4, 0, 7 * 1001 * 100),
        (4, -5, 7 * 1001 * 10**5),
    ],
)
def test_exponents_of_either_sign(resolution: int, exponent: int, worth: int) -> None:
    """Quantums times price integers times a power of ten, cut where that is below one."""
    market = chain([perpetual(1, atomic_resolution=resolution, exponent=exponent)], [1001])
    assert health(holding(0, 7), market).collateral_base == worth
    assert health(holding(0, -7), market).debt_base == worth


def test_positions_of_either_sign_are_cut_towards_zero() -> None:
    market = chain([perpetual(1, atomic_resolution=-7), perpetual(2, atomic_resolution=-7)], [19, 19])
    found = health(holding(0, 1, -1), market)
    assert (found.collateral_base, found.debt_base) == (1, 1)


def test_a_deep_resolution_keeps_its_digits() -> None:
    """A quantum exponent far below -18, as a token of many digits has."""
    market = chain([perpetual(1, atomic_resolution=-20, exponent=-10)], [10**12])
    assert health(holding(0, 10**20), market).collateral_base == 100 * 10**6


def test_long_and_short_in_one_account_break_on_both_sides() -> None:
    """Each position's market has a level of its own, and a joint move has neither."""
    market = chain([perpetual(1), perpetual(2)], [1000, 1000])
    law = rule(holding(300, 10, -10), market)
    down = driver_of_feeds("P1", 1000, 1, [Move(1)])
    up = driver_of_feeds("P2", 1000, 1, [Move(2)])
    (fallen,) = find_levels(law, 0, market.prices, down, sides=("long", "short"))
    (risen,) = find_levels(law, 0, market.prices, up)
    assert (fallen.outcome, fallen.side) == ("already", "long")
    law = rule(holding(1000, 10, -10), market)
    (fallen,) = find_levels(law, 0, market.prices, down)
    (risen,) = find_levels(law, 0, market.prices, up)
    assert (fallen.side, fallen.price) == ("long", 958)  # 10 p - ceil(0.3 p) - 9300 < 0
    assert (risen.side, risen.price) == ("short", 1039)
    (together,) = find_levels(law, 0, market.prices, driver_of_feeds("all", 1000, 1, [Move(1), Move(2)]))
    assert (together.side, together.price) == ("short", 1667)  # only what both require grows


@pytest.mark.parametrize(("long", "short"), [(10, -9), (9, -10), (10, -10)])
def test_long_and_short_in_two_perpetuals_of_one_price(long: int, short: int) -> None:
    """What is left after both is small, and margins of both still grow with the price."""
    market = chain([perpetual(1), perpetual(2, feed=1, maintenance_fraction_ppm=900_000)], [1000, 1])
    driver = driver_of_feeds("P1", 1000, 1, [Move(1)])
    for usdc in range(-400, 2400, 50):
        law = rule(holding(usdc, long, short), market)
        broken = [at for at in range(1, 4000) if law.liquidatable([1, at, 1])]
        levels = {
            level.side: level.price for level in find_levels(law, 0, market.prices, driver) if level.price
        }
        if 1000 in broken:
            assert set(levels.values()) == {1000}
            continue
        below, above = [at for at in broken if at < 1000], [at for at in broken if at > 1000]
        assert levels.get("long") == max(below, default=None)
        if above:
            assert levels["short"] == min(above)


def test_nothing_accrues() -> None:
    market = chain([perpetual(1)], [1000])
    for usdc, broken in ((-970, False), (-971, True)):
        law = rule_over_time(holding(usdc, 1), market)
        assert law.health(market.timestamp + 10**9) == health(holding(usdc, 1), market)
        assert law.verdict_over(market.timestamp, market.timestamp + 10**9) is broken
