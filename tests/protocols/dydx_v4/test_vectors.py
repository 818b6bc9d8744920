"""Every case of every table in fixtures/vectors/dydx_v4: what the chain's own Go tests assert of its code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.protocols.dydx_v4 import run_clob, run_risk
from tests.protocols.dydx_v4.vectors import FOLDER, Case, read_table

RUNS: dict[str, tuple[int, Callable[[Case], None]]] = {
    "TestCanDeleverageSubaccount__deleveraging": (5, run_clob.can_deleverage),
    "TestConvertFillablePriceToSubticks__liquidations": (7, run_clob.subticks),
    "TestGetAdjustedInitialMarginPpm__liquidity_tier": (7, run_risk.adjusted_initial_margin_ppm),
    "TestGetBankruptcyPriceInQuoteQuantums__liquidations": (18, run_clob.bankruptcy_price),
    "TestGetDeltaOpenInterestFromUpdates__oimf": (11, run_risk.open_interest),
    "TestGetFillablePrice__liquidations": (19, run_clob.fillable),
    "TestGetInitialMarginQuoteQuantums__liquidity_tier": (9, run_risk.initial_margin_quote),
    "TestGetLiquidationInsuranceFundDelta__liquidations": (14, run_clob.insurance_fund),
    "TestGetMarginRequirementsInQuoteQuantums_2__lib": (14, run_risk.margin_requirements_2),
    "TestGetMarginRequirementsInQuoteQuantums__lib": (5, run_risk.margin_requirements),
    "TestGetMarginedUpdates__margining": (4, run_risk.margined_updates),
    "TestGetMaxAndMinPositionNotionalLiquidatable__liquidations": (4, run_clob.notional_bounds),
    "TestGetMaxLiquidatableNotionalAndInsuranceLost__liquidations": (4, run_clob.limits_left),
    "TestGetNetCollateralAndMarginRequirements__lib": (5, run_risk.net_collateral_and_margins),
    "TestGetNetCollateralAndMarginRequirements__subaccount": (24, run_risk.net_collateral_after_updates),
    "TestGetNetNotionalInQuoteQuantums__lib": (3, run_risk.net_notional),
    "TestGetPerpetualPositionToLiquidate__liquidations": (18, run_clob.position_to_liquidate),
    "TestGetRiskForSubaccount__updates": (3, run_risk.risk_for_subaccount),
    "TestGetSettlementPpmWithPerpetual__lib": (13, run_risk.settlement),
    "TestIsLiquidatable__liquidations": (5, run_clob.is_liquidatable),
    "TestIsValidInsuranceFundDelta__deleveraging": (8, run_clob.valid_fund_delta),
    "TestIsValidStateTransitionForUndercollateralizedSubaccount_ZeroMarginRequirements__updates": (
        7,
        run_risk.state_transition,
    ),
    "TestLiquidityTierGetMaintenanceMarginPpm__liquidity_tier": (7, run_risk.maintenance_ppm),
    "TestLiquidityTierGetMaxAbsFundingClampPpm__liquidity_tier": (7, run_risk.funding_clamp),
    "TestLiquidityTierValidate__liquidity_tier": (6, run_risk.tier_validity),
    "TestMaybeGetLiquidationOrder__liquidations": (4, run_clob.maybe_order),
    "TestOffsetSubaccountPerpetualPosition__deleveraging": (8, run_clob.offsetting),
    "TestPlacePerpetualLiquidation__liquidations": (5, run_clob.placed_liquidation),
    "TestProcessDeleveragingAtOraclePrice__deleveraging": (8, run_clob.deleveraging_at_oracle),
    "TestProcessDeleveraging_Rounding__deleveraging": (4, run_clob.deleveraging_rounding),
    "TestProcessDeleveraging__deleveraging": (19, run_clob.deleveraging),
    "TestRisk_AddInPlace__risk": (4, run_risk.risk_add),
    "TestRisk_Cmp__risk": (16, run_risk.risk_compare),
    "TestRisk_IsInitialCollateralized__risk": (5, run_risk.risk_initial),
    "TestRisk_IsLiquidatable__risk": (8, run_risk.risk_liquidatable),
    "TestRisk_IsMaintenanceCollateralized__risk": (5, run_risk.risk_maintenance),
    "TestSetGetSubaccountLiquidationInfo__liquidations_state": (6, run_clob.tallies),
    "TestSortLiquidationOrders__liquidations": (7, run_clob.sorted_orders),
}
"""Table to the number of its cases, and what each of them is held against."""

LEFT_OUT: dict[str, dict[str, str]] = {}
"""Table to the names of cases that are not run, and why: none is."""


def test_every_table_is_run() -> None:
    files = {path.name.removesuffix(".json.gz") for path in FOLDER.glob("Test*.json.gz")}
    assert files == set(RUNS)
    assert sum(count for count, _ in RUNS.values()) == 326


@pytest.mark.parametrize("name", RUNS)
def test_every_case_equals_the_chain(name: str) -> None:
    expected, run = RUNS[name]
    reasons = LEFT_OUT.get(name, {})
    cases = read_table(name)["cases"]
    done = 0
    for case in cases:
        if case["name"] in reasons:
            continue
        try:
            run(case)
        except AssertionError as error:
            error.add_note(f"{name}: {case['name']}")
            raise
        done += 1
    print(f"{name}: {done} cases run, {len(cases) - done} left out {reasons or ''}")
    assert done + len(reasons) == len(cases) == expected
