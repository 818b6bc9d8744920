"""Verdicts at their boundaries, to the unit, and against the contract's own loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction as Exact

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols.compound_v3 import CometMarket, explain, health, is_borrow_collateralized, rule
from defiliq.types import NO_DEBT_FACTOR, Account, Leg
from defiliq.units import WAD, mul_div_trunc
from tests.protocols.compound_v3.states import (
    UNITY,
    accounts,
    at_the_edge,
    base_asset,
    collateral,
    comet,
    comets,
    owing,
)

MANY = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DOLLAR = 10**8


def contract_says(account: Account, market: CometMarket, factor_of: Callable[[int], int]) -> bool:
    """Whether collateral by some factors covers the debt, in the order of the contract's own loop.

    It divides signed numbers towards zero, and stops as soon as what it adds up is no longer negative.
    """
    base = account.legs[0]
    principal = base.collateral - base.debt
    if principal >= 0:
        return True
    present = mul_div_trunc(principal, market.borrow_index_now, UNITY)
    liquidity = mul_div_trunc(present, market.price_of(0), market.reserves[0].unit)
    for leg in account.legs[1:]:
        if leg.counted:
            if liquidity >= 0:
                return True
            value = int(
                Exact(leg.collateral * market.price_of(leg.reserve), market.reserves[leg.reserve].unit)
            )
            liquidity += int(Exact(value * factor_of(leg.reserve), WAD))
    return liquidity >= 0


@MANY
@given(st.data())
def test_both_predicates_are_the_contracts(data: st.DataObject) -> None:
    market = data.draw(comets())
    account = data.draw(st.one_of(accounts(market), at_the_edge(market)))
    for asked in (market, market.as_stored()):
        covered = contract_says(account, asked, lambda k: market.reserves[k].liquidate_factor_wad)
        law = rule(account, asked)
        answer = law.health(asked.prices)
        assert answer.liquidatable is law.liquidatable(asked.prices) is (not covered)
        assert (answer.margin < 0) is (not covered)
        assert (answer.factor_wad < WAD) is (not covered)
        borrows = contract_says(account, asked, lambda k: market.reserves[k].borrow_factor_wad)
        assert is_borrow_collateralized(account, asked) is borrows
        assert borrows or answer.available_borrows_base == 0


def test_a_factor_of_exactly_one_is_safe_and_one_unit_less_is_not() -> None:
    """85 dollars of backing against 85 dollars of debt; then one price integer, and one unit of debt, off."""
    market = comet([base_asset(6), collateral(1)], [DOLLAR, 100 * DOLLAR])
    account = owing(-85 * 10**6, 10**18)
    exact = health(account, market)
    assert (exact.factor_wad, exact.margin, exact.liquidatable) == (WAD, 0, False)
    lower = health(account, market.at_prices({1: 100 * DOLLAR - 1}))
    assert lower.liquidatable
    assert lower.margin == -1
    dearer = health(owing(-85 * 10**6 - 1, 10**18), market)
    assert dearer.liquidatable
    assert dearer.margin == -100


def test_what_explains_the_verdict() -> None:
    market = comet([base_asset(6), collateral(1), collateral(2, 8)], [DOLLAR, 100 * DOLLAR, 50_000 * DOLLAR])
    found = health(owing(-30_000 * 10**6, 10 * 10**18, 10**8), market)
    assert found.collateral_base == 51_000 * DOLLAR
    assert found.debt_base == 30_000 * DOLLAR
    assert found.available_borrows_base == (40_800 - 30_000) * DOLLAR
    assert (found.threshold_bps, found.ltv_bps) == (8500, 8000)
    assert found.factor_wad == 1_445 * 10**15
    assert found.margin == (43_350 - 30_000) * DOLLAR


def test_a_debts_value_is_cut_towards_zero() -> None:
    """Debts of 1 and 2 units, worth 0.99 and 1.98: nothing at all covers the first."""
    market = comet([base_asset(2), collateral(1, 0, liquidate_factor_wad=WAD)], [99, 1])
    assert not health(owing(-1), market).liquidatable
    assert health(owing(-1), market).factor_wad == NO_DEBT_FACTOR
    assert is_borrow_collateralized(owing(-1), market)
    assert health(owing(-2), market).liquidatable
    assert not health(owing(-2, 1), market).liquidatable


def test_a_debts_amount_is_cut_before_its_price() -> None:
    """A principal of 1 at an index of 1.9 owes one unit, not 1.9 of them."""
    market = comet(
        [base_asset(0), collateral(1, 0, liquidate_factor_wad=WAD)], [10, 1], borrow_index=19 * UNITY // 10
    )
    assert [health(owing(-p), market).debt_base for p in (1, 2, 3, 10)] == [10, 30, 50, 190]
    assert not health(owing(-1, 10), market).liquidatable
    assert health(owing(-1, 9), market).liquidatable


def test_a_collaterals_value_is_cut_by_its_price_and_again_by_its_factor() -> None:
    """1.9 becomes 1 by the price; of 3 at 90% 2 are left: together, uncut, they would be 4.41."""
    factors = {"liquidate_factor_wad": 9 * WAD // 10}
    market = comet(
        [base_asset(0), collateral(1, 1, liquidate_factor_wad=WAD), collateral(2, 0, **factors)], [1, 1, 1]
    )
    assert health(owing(-1, 19, 3), market).margin == 1 + 2 - 1
    assert not health(owing(-3, 19, 3), market).liquidatable
    assert health(owing(-4, 19, 3), market).liquidatable
    # cut per asset, not as one sum: 2 * 0.9 and 2 * 0.9 are 1 and 1
    twice = comet([base_asset(0), collateral(1, 0, **factors), collateral(2, 0, **factors)], [1, 1, 1])
    assert health(owing(-3, 2, 2), twice).liquidatable
    assert not health(owing(-2, 2, 2), twice).liquidatable


def test_whoever_owes_nothing_is_never_liquidatable() -> None:
    market = comet([base_asset(6), collateral(1)], [DOLLAR, 1])
    for principal in (0, 1, 2**100):
        found = health(owing(principal, 0), market)
        assert not found.liquidatable
        assert found.factor_wad == NO_DEBT_FACTOR
        assert is_borrow_collateralized(owing(principal, 0), market)


def test_dust_and_whales_past_a_machine_word() -> None:
    market = comet([base_asset(18), collateral(1)], [DOLLAR, 2 * DOLLAR])
    whale = 2**100
    owed = whale * 2 * 85 // 100
    assert not health(owing(-owed, whale), market).liquidatable
    assert health(owing(-owed - 10**11, whale), market).liquidatable
    assert not health(owing(-1, 0), market).liquidatable  # a wei of a dollar is worth nothing
    assert health(owing(-(10**10), 0), market).liquidatable  # the least that is worth something


def test_collateral_that_is_not_entered_and_base_that_is_supplied_back_nothing() -> None:
    market = comet([base_asset(6), collateral(1)], [DOLLAR, 100 * DOLLAR])
    owes, holds = owing(-(10**6), 10**18).legs
    assert not health(Account("", 0, (owes, holds)), market).liquidatable
    assert health(Account("", 0, (owes, replace(holds, counted=False))), market).liquidatable
    supplier = Account("", 0, (Leg(0, 10**12, 0, True), holds))
    assert health(supplier, market).collateral_base == 100 * DOLLAR
    assert [row.counted for row in explain(supplier, market)] == [False, True]


def test_explained_balances() -> None:
    market = comet(
        [base_asset(6), collateral(1)],
        [DOLLAR, 100 * DOLLAR],
        supply_index=UNITY + UNITY // 3,
        borrow_index=UNITY + UNITY // 7,
    )
    owes, holds = explain(owing(-(10**6), 15 * 10**17), market)
    assert (owes.owed, owes.owed_base, owes.supplied) == (1_142_857, 1_14285700, 0)
    assert (holds.supplied, holds.supplied_base, holds.owed) == (15 * 10**17, 150 * DOLLAR, 0)
    assert (holds.counted, holds.threshold_bps) == (True, 8500)
    supplied = explain(owing(10**6), market)[0]
    assert (supplied.supplied, supplied.supplied_base, supplied.owed) == (1_333_333, 1_33333300, 0)


def test_stored_indices_stand_where_they_were_written() -> None:
    """An account that only the interest since the last accrual breaks: isLiquidatable does not see it yet."""
    rates = replace(comet([base_asset()], [1]).borrow_rates, base_wad=10**10)
    market = comet(
        [base_asset(6), collateral(1)], [DOLLAR, 100 * DOLLAR], borrow_rates=rates, accrued_at=1_763_900_000
    )
    account = owing(-85 * 10**6, 10**18)
    assert health(account, market).liquidatable
    assert not health(account, market.as_stored()).liquidatable


@pytest.mark.parametrize(("ratio", "outcome"), [((1, 1), "never"), ((11, 10), "never")])
def test_base_and_collateral_under_one_driver(ratio: tuple[int, int], outcome: str) -> None:
    """A wstETH-like collateral of an ETH-like base moves with it: the account stays as it is."""
    spot = 3000 * DOLLAR
    market = comet([base_asset(18), collateral(1)], [spot, spot * ratio[0] // ratio[1]])
    driver = driver_of_feeds("ETH/USD", spot, DOLLAR, (Move(0), Move(1, *ratio)))
    (level,) = find_levels(rule(owing(-8 * 10**17, 10**18), market), 0, market.prices, driver)
    assert level.outcome == outcome
    (broken,) = find_levels(rule(owing(-95 * 10**16, 10**18), market), 0, market.prices, driver)
    assert broken.outcome == "already"
