"""What each table about margins, funding and updates asserts, asked of the law."""

from __future__ import annotations

import pytest

from defiliq.protocols.dydx_v4.margining import margined
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import (
    Risk,
    initial_margin,
    initial_margin_ppm,
    maintenance_margin_ppm,
    max_abs_funding_ppm,
    position_risk,
    quote_quantums,
    undercollateralized_transition,
)
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.settle import settled, settlement_ppm, to_account, unjudged
from defiliq.protocols.dydx_v4.soundness import odd_tier
from defiliq.protocols.dydx_v4.updates import open_interest_delta, subaccount_risk, updated
from tests.protocols.dydx_v4.states import perpetual
from tests.protocols.dydx_v4.vectors import (
    Case,
    bare_market,
    market_of,
    market_of_infos,
    subaccount,
    update_of,
)


def risk_of(entry: Case) -> Risk:
    """A Risk as the JSON spells it."""
    return Risk(entry.get("NC", 0), entry.get("IMR", 0), entry.get("MMR", 0))


def risk_add(case: Case) -> None:
    assert risk_of(case["a"]) + risk_of(case["b"]) == risk_of(case["expected"])


def risk_compare(case: Case) -> None:
    first = Risk(net_collateral=case["firstNC"], maintenance_margin=case["firstMMR"])
    second = Risk(net_collateral=case["secondNC"], maintenance_margin=case["secondMMR"])
    assert first.compare(second) == case["expected"]


def risk_initial(case: Case) -> None:
    assert risk_of(case).is_initial_collateralized is case["expected"]


def risk_maintenance(case: Case) -> None:
    assert risk_of(case).is_maintenance_collateralized is case["expected"]


def risk_liquidatable(case: Case) -> None:
    assert risk_of(case).is_liquidatable is case["expected"]


def state_transition(case: Case) -> None:
    before = Risk(case["oldNC"], case["oldIMR"], case["oldMMR"])
    after = Risk(net_collateral=case["newNC"], maintenance_margin=case["newMMR"])
    said = {
        "Success": "success",
        "StillUndercollateralized": "still_undercollateralized",
        "NewlyUndercollateralized": "newly_undercollateralized",
    }
    assert undercollateralized_transition(before, after) == said[case["expectedResult"]]


def settlement(case: Case) -> None:
    found = settlement_ppm(case["perpetual"]["FundingIndex"], case["index"], case["quantums"])
    assert found == case["expectedNetSettlementPpm"]


def tier_of(case: Case) -> dict[str, int]:
    """The liquidity tier of a case as fields of a perpetual."""
    return {
        "initial_margin_ppm": case["initialMarginPpm"],
        "maintenance_fraction_ppm": case.get("maintenanceFractionPpm", 0),
        "open_interest_lower_cap": case.get("openInterestLowerCap", 0),
        "open_interest_upper_cap": case.get("openInterestUpperCap", 0),
    }


def adjusted_initial_margin_ppm(case: Case) -> None:
    found = initial_margin_ppm(perpetual(1, **tier_of(case)), case["openInterestNotional"])
    assert found == case["expectedPpm"]


def initial_margin_quote(case: Case) -> None:
    # TestGetInitialMarginQuoteQuantums takes an open interest of 0 where a case leaves it out
    open_notional = case.get("openInterestNotional", 0)
    found = initial_margin(perpetual(1, **tier_of(case)), case["bigQuoteQuantums"], open_notional)
    assert found == case["expectedInitialMarginQuoteQuantums"]


def maintenance_ppm(case: Case) -> None:
    if "expectedError" in case:
        assert odd_tier(case["initialMarginPpm"], case["maintenanceFractionPpm"]) == case["expectedError"]
    else:
        found = maintenance_margin_ppm(perpetual(1, **tier_of(case)))
        assert found == case["expectedMaintenanceMarginPpm"]


def funding_clamp(case: Case) -> None:
    found = max_abs_funding_ppm(perpetual(1, **tier_of(case)), case["clampFactorPpm"])
    assert found == case["expectedUpperBoundPpm"]


def tier_validity(case: Case) -> None:
    assert odd_tier(**tier_of(case), impact_notional=case["ImpactNotional"]) == (case["expectedError"] or "")


def margin_requirements(case: Case) -> None:
    found = spelled_out(case)
    assert (found.initial_margin, found.maintenance_margin) == (case["expectedImr"], case["expectedMmr"])


def net_collateral_and_margins(case: Case) -> None:
    """The Go test adds the parts up that two other functions give, and so does this."""
    market = bare_market(case["perpetual"]["Params"], case["marketPrice"], case["liquidityTier"])
    held = {"PerpetualId": 0, "Quantums": case["quantums"], "FundingIndex": 0}
    raw = subaccount(positions=[{**held, "QuoteBalance": case["quoteBalance"]}])
    apart = spelled_out({**case, "perpetual": {**case["perpetual"], "OpenInterest": 0}})
    net = apart.net_collateral + case["quoteBalance"]
    expected = Risk(net, apart.initial_margin, apart.maintenance_margin)
    assert account_risk(to_account(raw, market), market) == subaccount_risk(raw, market) == expected


def spelled_out(case: Case) -> Risk:
    """The risk of a position in a perpetual that a case spells out."""
    listed, price = case["perpetual"], case["marketPrice"]
    market = bare_market(listed["Params"], price, case["liquidityTier"], listed["OpenInterest"])
    return position_risk(market.reserves[1], price["Price"], case["quantums"])


def margin_requirements_2(case: Case) -> None:
    params = {"AtomicResolution": case["baseCurrencyAtomicResolution"]}
    liquidity = {
        "InitialMarginPpm": case["initialMarginPpm"],
        "MaintenanceFractionPpm": case["maintenanceFractionPpm"],
        "OpenInterestLowerCap": case.get("openInterestLowerCap", 0),
        "OpenInterestUpperCap": case.get("openInterestUpperCap", 0),
    }
    price = {"Price": case["price"], "Exponent": case["exponent"]}
    market = bare_market(params, price, liquidity, case.get("openInterest", 0))
    found = position_risk(market.reserves[1], case["price"], case["bigBaseQuantums"])
    assert found.initial_margin == case["bigExpectedInitialMargin"]
    assert found.maintenance_margin == case["bigExpectedMaintenanceMargin"]


def net_notional(case: Case) -> None:
    liquidity = {"InitialMarginPpm": 0, "MaintenanceFractionPpm": 0}
    market = bare_market(case["perpetual"]["Params"], case["marketPrice"], liquidity)
    found = quote_quantums(case["quantums"], market.price_of(1), market.reserves[1])
    assert found == case["expectedNetNotional"]


def risk_for_subaccount(case: Case) -> None:
    market, raw = market_of_infos(case["perpInfos"]), subaccount(case["subaccount"])
    expected = risk_of(case["expectedRisk"])
    assert subaccount_risk(raw, market) == account_risk(to_account(raw, market), market) == expected


def net_collateral_after_updates(case: Case) -> None:
    """The keeper's own: settle, update, add up. What a case leaves out the Go test does not ask."""
    market = market_of(case.get("perpetuals", ()))
    raw = subaccount(assets=case.get("assetPositions", ()), positions=case.get("perpetualPositions", ()))
    if case.get("useEmptySubaccount"):  # the test asks about a subaccount of another number, which is empty
        raw = subaccount()
    error = case.get("expectedErr")
    reason = unjudged(raw, market)
    if reason:
        assert f"({error})" in reason
        return
    changes = case.get("assetUpdates"), case.get("perpetualUpdates")
    update = update_of(settled(raw, market), *changes)
    if error:
        with pytest.raises(ChainRefused, match=error):
            updated(update, market)
        return
    after = updated(update, market)
    found = account_risk(to_account(after, market), market)
    assert found == subaccount_risk(after, market)
    assert found.net_collateral == case.get("expectedNetCollateral", found.net_collateral)
    assert found.initial_margin == case.get("expectedInitialMargin", found.initial_margin)
    assert found.maintenance_margin == case.get("expectedMaintenanceMargin", found.maintenance_margin)


def open_interest(case: Case) -> None:
    updates = [
        update_of(subaccount(entry["SettledSubaccount"]), None, entry.get("PerpetualUpdates"))
        for entry in case["settledUpdates"]
    ]
    if case["updateType"] != "Match":
        assert case["expectedVal"] is None  # the law's function is about matches: no other update has any
        return
    if "panicErr" in case:
        with pytest.raises(ChainRefused, match=case["panicErr"]):
            open_interest_delta(updates)
        return
    expected = case["expectedVal"]
    found = open_interest_delta(updates)
    assert found == (None if expected is None else (expected["PerpetualId"], expected["BaseQuantums"]))


def margined_updates(case: Case) -> None:
    infos = {  # the locals of TestGetMarginedUpdates
        "0": {"$PerpInfo": {"id": 0, "atomicResolution": -8, "price": 5_000_000_000, "exponent": -5}},
        "1": {"$PerpInfo": {"id": 1, "atomicResolution": -9, "price": 3_000_000_000, "exponent": -6}},
    }
    raw = subaccount(case["subaccount"])
    update = update_of(raw, case.get("assetUpdates"), case["perpetualUpdates"])
    expected = update_of(raw, case.get("expectedAssetUpdates"), case.get("expectedPerpetualUpdates"))
    assert margined(update, market_of_infos(infos)) == expected
