"""The law against the contract's arithmetic written a second time, and at its edges."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_solo import LIQUID, NORMAL, VAPOR, SoloMarket, explain, health, remarks, rule
from defiliq.types import NO_DEBT_FACTOR, Account
from defiliq.units import WAD
from tests.protocols.dydx_solo.contract_says import Reverted
from tests.protocols.dydx_solo.states import (
    DOLLAR,
    accounts,
    at_the_edge,
    holding,
    listed,
    markets,
    solo,
)
from tests.protocols.dydx_solo.told import state_of

MANY = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CENT = 10**16
"""The price of a token of 18 decimals that costs a cent."""


@st.composite
def scenes(draw: st.DrawFn) -> tuple[SoloMarket, Account]:
    """Any account, and mostly ones within a few units of par of the edge."""
    market = draw(markets())
    if draw(st.booleans()):
        market = market.as_stored()
    edge = at_the_edge(market)
    return market, draw(st.one_of(edge, edge, accounts(market)))


@MANY
@given(scenes())
def test_values_and_verdicts_are_the_contracts(scene: tuple[SoloMarket, Account]) -> None:
    """Wherever its numbers fit 256 bits: beyond, it reverts."""
    market, account = scene
    state = state_of(account, market)
    try:
        plain, adjusted = (state.account_values(adjust=each) for each in (False, True))
        is_safe = state.is_collateralized(require_min_borrow=False)
    except Reverted:
        event("beyond 256 bits")
        assume(False)
    law = rule(account, market)
    found = law.health(market.prices)
    owes = any(leg.debt for leg in account.legs)
    assert (found.collateral_base, found.debt_base) == plain
    assert law.adjusted_values(market.prices) == adjusted
    assert (
        found.liquidatable is law.liquidatable(market.prices) is (owes and (not is_safe or state.status == 1))
    )
    assert (found.margin < 0) is (not is_safe)
    assert (found.factor_wad < WAD) is (not is_safe)
    assert found.margin == law.margin(market.prices)
    event(f"safe {is_safe}, liquid {state.status == 1}")


def test_supplies_worth_exactly_what_is_required_are_safe() -> None:
    """115 dollars against 100; then one price integer, and one token base unit of either, off."""
    market = solo([listed(0), listed(1)], [CENT, CENT])
    exact = health(holding(11_500, -10_000), market)
    assert (exact.factor_wad, exact.margin, exact.liquidatable) == (WAD, 0, False)
    assert health(holding(11_499, -10_000), market).liquidatable
    assert health(holding(11_499, -10_000), market).margin == -CENT
    assert health(holding(11_500, -10_001), market).liquidatable
    assert health(holding(11_500, -10_000), market.at_prices({0: CENT - 1})).margin == -11_500
    assert health(holding(11_500, -10_000), market.at_prices({1: CENT + 1})).margin == -11_500
    assert not health(holding(11_500, -10_000), market.at_prices({0: CENT + 1, 1: CENT + 1})).liquidatable


def test_what_explains_the_verdict() -> None:
    """Ether at 200 dollars, and a token with a premium of a half, against dollars."""
    premium = listed(1, margin_premium_wad=WAD // 2)
    market = solo([listed(0), premium, listed(2, 6)], [200 * 10**18, 10**18, 10**30])
    found = health(holding(10 * 10**18, 300 * 10**18, -1100 * 10**6), market)
    assert (found.collateral_base, found.debt_base) == (2300 * DOLLAR, 1100 * DOLLAR)
    assert found.margin == (2200 - 1265) * DOLLAR
    assert found.factor_wad == 2200 * WAD // 1265
    assert found.available_borrows_base == 2200 * DOLLAR * 100 // 115 - 1100 * DOLLAR
    assert found.threshold_bps == found.ltv_bps == 2200 * 10_000 * 100 // 115 // 2300
    legs = explain(holding(10 * 10**18, 300 * 10**18, -1100 * 10**6), market)
    assert [leg.threshold_bps for leg in legs] == [8695, 5797, 8695]
    assert [leg.supplied_base for leg in legs] == [2000 * DOLLAR, 300 * DOLLAR, 0]
    assert legs[2].owed_base == 1100 * DOLLAR


def test_a_premium_divides_supplies_and_multiplies_debts_and_both_are_cut() -> None:
    """Of 10 at a premium of a half, 6 are left and not 6.67; a debt of 5 counts 7 and not 7.5."""
    half = {"margin_premium_wad": WAD // 2}
    market = solo([listed(0, 36, **half), listed(1, 36, **half)], [1, 1], margin_ratio_wad=0)
    assert rule(holding(10, -5), market).adjusted_values(market.prices) == (6, 7)
    # cut per market, and the required margin once more: 7 and 7, of which a tenth is 1.4
    third = solo([listed(k, 36, **half) for k in range(3)], [1, 1, 1], margin_ratio_wad=WAD // 10)
    assert rule(holding(0, -5, -5), third).margin(third.prices) == -15


def test_amounts_are_rounded_against_the_account_before_their_price() -> None:
    """A par of 1 at an index of 1.9 is 1 token of a supply and 2 of a debt."""
    grown = {"borrow_index_wad": 19 * WAD // 10, "supply_index_wad": 19 * WAD // 10}
    market = solo([listed(0, 36, **grown), listed(1, 36, **grown)], [10, 10])
    assert [health(holding(par), market).collateral_base for par in (1, 2, 10)] == [10, 30, 190]
    assert [health(holding(0, -par), market).debt_base for par in (1, 2, 10)] == [20, 40, 190]


@pytest.mark.parametrize("mode", [NORMAL, LIQUID, VAPOR])
def test_whoever_owes_nothing_is_never_liquidatable(mode: int) -> None:
    """A Liquid account without debt could be liquidated of nothing: that moves nothing, so it is not one."""
    market = solo([listed(0), listed(1)], [1, 1])
    for account in (holding(mode=mode), holding(10**20, mode=mode)):
        found = health(account, market)
        assert not found.liquidatable
        assert found.factor_wad == NO_DEBT_FACTOR
        assert found.margin >= 0


def test_a_debt_that_nothing_backs_is_liquidatable_however_small() -> None:
    market = solo([listed(0, 36)], [1])
    for mode in (NORMAL, LIQUID, VAPOR):
        assert health(holding(-1, mode=mode), market).liquidatable


def test_liquid_accounts_stay_liquidatable_and_vapor_ones_do_not() -> None:
    """A hundred times covered: only Liquid keeps `operate` from asking for the values."""
    market = solo([listed(0), listed(1)], [CENT, CENT])
    covered = [health(holding(10**20, -(10**18), mode=mode), market) for mode in (NORMAL, LIQUID, VAPOR)]
    assert [found.liquidatable for found in covered] == [False, True, False]
    assert len({(found.factor_wad, found.margin, found.debt_base) for found in covered}) == 1


def test_a_price_of_zero_is_worth_nothing() -> None:
    """Solo refuses it; a driver that falls so low is told apart by the law all the same."""
    market = solo([listed(0), listed(1)], [CENT, CENT])
    account = holding(10**20, -(10**18))
    assert health(account, market.at_prices({0: 0})).liquidatable
    worthless = health(account, market.at_prices({1: 0}))
    assert (worthless.liquidatable, worthless.factor_wad) == (False, NO_DEBT_FACTOR)


def test_the_largest_par() -> None:
    """2**128 - 1 of it, on both sides."""
    most = 2**128 - 1
    market = solo([listed(0), listed(1)], [115, 100])
    assert health(holding(most, -most), market).margin == 0
    assert health(holding(most - 1, -most), market).liquidatable


def test_the_margin_ratio_is_one_for_all() -> None:
    market = solo([listed(0), listed(1)], [CENT, CENT], margin_ratio_wad=0)
    assert not health(holding(10_000, -10_000), market).liquidatable
    assert health(holding(9_999, -10_000), market).liquidatable


def test_what_a_status_means_is_said() -> None:
    market = solo([listed(0), listed(1)], [CENT, CENT])
    assert remarks(holding(2, -1), market) == ()
    (liquid,) = remarks(holding(2, -1, mode=LIQUID), market)
    assert "Liquid" in liquid
    vapor, unbacked = remarks(holding(0, -1, mode=VAPOR), market)
    assert "Vapor" in vapor
    assert "vaporize" in unbacked
    assert remarks(holding(1, mode=LIQUID), market) == (liquid,)
