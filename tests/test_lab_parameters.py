"""What governance does shows in `parameters`, under just the names that it touches; and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from defiliq.chain.evm import connect
from defiliq.protocols import PROTOCOLS
from defiliq.types import Listing
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab
from tests.lab.chain import DEPLOYER
from tests.lab.compound_v3.comet import asset_config, code, configuration
from tests.lab.compound_v3.specs import CometSpec, CurveSpec
from tests.lab.contract import Contract
from tests.lab.dydx_solo.specs import IDS
from tests.protocols.compound_v2.stage import listing_of
from tests.protocols.compound_v3 import stage as comet_stage
from tests.solo_stage import listing_of as solo_listing

pytestmark = pytest.mark.lab
WAD = 10**18
Act = Callable[[Any], object]


@dataclass(frozen=True)
class Change:
    """Something that is done, and the parameters that it changes."""

    act: Act
    expected: Mapping[str, str]


def sent(contract: Callable[[Any], Contract], name: str, *given: Callable[[Any], object] | object) -> Act:
    """One transaction of whoever deployed the market."""

    def act(lab: Any) -> None:
        arguments = [each(lab) if callable(each) else each for each in given]
        lab.chain.send(contract(lab), name, *arguments, sender=DEPLOYER)

    return act


def read(lab: Any, listing: Listing) -> Mapping[str, str]:
    protocol = PROTOCOLS[listing.protocol]
    with connect(lab.url, retries=0) as node:
        return protocol.parameters(protocol.read_market(node, listing, node.block("latest")))


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Every path that is another after, with what it says then; gone where it is no more."""
    return {
        path: after.get(path, "gone") for path in {**before, **after} if before.get(path) != after.get(path)
    }


def check(lab: Any, listing: Listing, change: Change) -> None:
    with lab.rewinding():
        before = read(lab, listing)
        change.act(lab)
        after = read(lab, listing)
    assert differences(before, after) == change.expected
    assert [path for path in after if path in before] == [path for path in before if path in after]


def aave_listing(lab: Lab) -> Listing:
    return Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})


def configurator(lab: Lab) -> Contract:
    return lab.market.configurator


def token(symbol: str) -> Callable[[Any], str]:
    return lambda lab: str(lab.tokens[symbol])


AAVE = {
    "threshold": Change(
        sent(configurator, "configureReserveAsCollateral", token("WETH"), 8050, 8250, 10600),
        {"WETH.liquidation_threshold_bps": "8250", "WETH.liquidation_bonus_bps": "10600"},
    ),
    "supply cap": Change(sent(configurator, "setSupplyCap", token("WBTC"), 77), {"WBTC.supply_cap": "77"}),
    "borrow cap": Change(sent(configurator, "setBorrowCap", token("GHO"), 5), {"GHO.borrow_cap": "5"}),
    "fee": Change(
        sent(configurator, "setLiquidationProtocolFee", token("CRV"), 1900),
        {"CRV.liquidation_protocol_fee_bps": "1900"},
    ),
    "pause": Change(
        sent(configurator, "setReservePause(address,bool)", token("LINK"), True), {"LINK.is_paused": "true"}
    ),
    "no borrowing": Change(
        sent(configurator, "setReserveBorrowing", token("LINK"), False), {"LINK.borrowing_enabled": "false"}
    ),
    "price cap": Change(
        lambda lab: (lab.set_cap("USDC", 99_000_000), lab.chain.mine()), {"USDC.price_cap": "99000000"}
    ),
    "sequencer": Change(
        lambda lab: lab.set_sequencer(is_up=False, since=lab.chain.now()), {"liquidations_allowed": "false"}
    ),
}
LIQUID_EMODES = {
    "eMode": Change(
        sent(configurator, "setEModeCategory", 1, 9200, 9400, 10200, "ETH and staked"),
        {
            "eMode 1.label": "ETH and staked",
            "eMode 1.ltv_bps": "9200",
            "eMode 1.liquidation_threshold_bps": "9400",
            "eMode 1.liquidation_bonus_bps": "10200",
        },
    ),
    "in eMode": Change(
        sent(configurator, "setAssetCollateralInEMode", token("WBTC"), 1, True),
        {"eMode 1.collateral": "WETH, wstETH, WBTC"},
    ),
    "lent in eMode": Change(
        sent(configurator, "setAssetBorrowableInEMode", token("GHO"), 2, False),
        {"eMode 2.borrowable": "USDC, USDT"},
    ),
    "frozen": Change(
        sent(configurator, "setReserveFreeze", token("WBTC"), True),
        {"WBTC.is_frozen": "true", "WBTC.ltv_bps": "0"},
    ),
}
OLD_EMODES = {
    "out of eMode": Change(
        sent(configurator, "setAssetEModeCategory", token("wstETH"), 0), {"eMode 1.collateral": "WETH"}
    ),
    "frozen": Change(sent(configurator, "setReserveFreeze", token("WBTC"), True), {"WBTC.is_frozen": "true"}),
}


@pytest.mark.parametrize("name", [*AAVE, *LIQUID_EMODES])
def test_aave_v36(lab_v36: Lab, name: str) -> None:
    check(lab_v36, aave_listing(lab_v36), (AAVE | LIQUID_EMODES)[name])


@pytest.mark.parametrize("name", [*AAVE, *OLD_EMODES])
def test_aave_v30(lab_v30: Lab, name: str) -> None:
    check(lab_v30, aave_listing(lab_v30), (AAVE | OLD_EMODES)[name])


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_another_feed_is_another_source(request: pytest.FixtureRequest, fixture: str) -> None:
    lab: Lab = request.getfixturevalue(fixture)
    asset, feed = lab.tokens["LINK"], lab.feeds["CRV"]
    act = sent(lambda lab: lab.market.oracle, "setAssetSources", [asset], [feed])
    expected = {"LINK.price_source": feed, "LINK.price_inputs": f"CRV/USD {feed}"}
    check(lab, aave_listing(lab), Change(act, expected))


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_a_growing_cap_is_its_start_and_its_growth(request: pytest.FixtureRequest, fixture: str) -> None:
    lab: Lab = request.getfixturevalue(fixture)
    since = lab.chain.now() - 5
    cap, yearly_bps = 1_250_000_000_000_000_000, 500
    growth = cap * yearly_bps * 10**6 // (10_000 * 365 * 86_400)

    def act(lab: Lab) -> None:
        lab.set_cap("wstETH", cap, since=since, yearly_growth_bps=yearly_bps)
        lab.chain.mine()

    expected = {
        "wstETH.price_cap.start": str(cap),
        "wstETH.price_cap.since": str(since),
        "wstETH.price_cap.growth": str(growth),
    }
    check(lab, aave_listing(lab), Change(act, expected))


def comptroller(lab: CompoundV2Lab) -> Contract:
    return lab.market.comptroller


def v_token(symbol: str) -> Callable[[Any], str]:
    return lambda lab: str(lab.markets[symbol])


COMPOUND_V2 = {
    "close factor": Change(
        sent(comptroller, "_setCloseFactor", 4 * WAD // 10), {"close_factor_wad": "400000000000000000"}
    ),
    "incentive": Change(
        sent(comptroller, "_setLiquidationIncentive", 12 * WAD // 10),
        {"liquidation_incentive_wad": "1200000000000000000"},
    ),
    "factor": Change(
        sent(comptroller, "_setCollateralFactor", v_token("USDC"), WAD // 2),
        {"USDC.collateral_factor_wad": "500000000000000000"},
    ),
    "pause": Change(sent(comptroller, "_setProtocolPaused", True), {"seize_paused": "true"}),
}


@pytest.mark.parametrize("name", COMPOUND_V2)
def test_compound_v2(lab_compound_v2: CompoundV2Lab, name: str) -> None:
    check(lab_compound_v2, listing_of(lab_compound_v2), COMPOUND_V2[name])


def margin(lab: SoloLab) -> Contract:
    return lab.solo.margin


SOLO = {
    "ratio": Change(
        sent(margin, "ownerSetMarginRatio", (WAD // 5,)), {"margin_ratio_wad": "200000000000000000"}
    ),
    "spread": Change(
        sent(margin, "ownerSetLiquidationSpread", (WAD // 25,)),
        {"liquidation_spread_wad": "40000000000000000"},
    ),
    "least debt": Change(
        sent(margin, "ownerSetMinBorrowedValue", (10**36,)), {"min_borrowed_value_base": str(10**36)}
    ),
    "closing": Change(sent(margin, "ownerSetIsClosing", IDS["WETH"], True), {"WETH.is_closing": "true"}),
    "margin premium": Change(
        sent(margin, "ownerSetMarginPremium", IDS["WETH"], (WAD // 10,)),
        {"WETH.margin_premium_wad": "100000000000000000"},
    ),
    "spread premium": Change(
        sent(margin, "ownerSetSpreadPremium", IDS["WETH"], (WAD // 8,)),
        {"WETH.spread_premium_wad": "125000000000000000"},
    ),
}


@pytest.mark.parametrize("name", SOLO)
def test_solo(lab_dydx_solo: SoloLab, name: str) -> None:
    check(lab_dydx_solo, solo_listing(lab_dydx_solo), SOLO[name])


@pytest.mark.parametrize("market", ["usdc", "weth"])
def test_a_comet_that_is_paused(lab_compound_v3: CometLab, market: str) -> None:
    change = Change(
        lambda lab: lab.set_paused(market, absorb=True, buy=True),
        {"absorb_paused": "true", "buy_paused": "true"},
    )
    check(lab_compound_v3, comet_stage.listing_of(lab_compound_v3, market), change)


def test_a_comet_with_other_factors(lab_compound_v3: CometLab) -> None:
    """Governance changes a Comet by putting another implementation behind its proxy."""
    comet = lab_compound_v3.markets["weth"]
    first = comet.spec.collaterals[0]
    factors_wad = [first_bps * WAD // 10_000 for first_bps in (1_000, 2_000, 9_000)]

    def act(lab: CometLab) -> None:
        listed = [
            asset_config(comet.tokens[each.symbol], comet.feeds[each.symbol], each.decimals, factors_wad)
            if each is first
            else asset_config(
                comet.tokens[each.symbol],
                comet.feeds[each.symbol],
                each.decimals,
                [bps * WAD // 10_000 for bps in each.factors_bps],
            )
            for each in comet.spec.collaterals
        ]
        assets = lab.chain.deploy(code()["CometAssetList"], listed)
        curves = [[bps * WAD // 10_000 for bps in points(curve)] for curve in curves_of(comet.spec)]
        spec = comet.spec
        settings = configuration(
            "Local", spec.symbol, comet.base, comet.base_feed, curves, WAD // 3, spec.borrow_min, 12_345
        )
        implementation = lab.chain.deploy(code()["Comet"], settings, assets.address)
        proxy = Contract(comet.contract.address, code()["CometProxy"].abi)
        lab.chain.send(proxy, "upgradeTo", implementation.address)

    expected = {
        "store_front_factor_wad": str(WAD // 3),
        "target_reserves": "12345",
        f"{first.symbol}.borrow_factor_wad": str(factors_wad[0]),
        f"{first.symbol}.liquidate_factor_wad": str(factors_wad[1]),
        f"{first.symbol}.liquidation_factor_wad": str(factors_wad[2]),
    }
    check(lab_compound_v3, comet_stage.listing_of(lab_compound_v3, "weth"), Change(act, expected))


def curves_of(spec: CometSpec) -> tuple[CurveSpec, CurveSpec]:
    return spec.supply_rates, spec.borrow_rates


def points(curve: CurveSpec) -> tuple[int, int, int, int]:
    return curve.kink, curve.slope_low, curve.slope_high, curve.base


STILL: dict[str, Callable[[Any], Listing]] = {
    "lab_v36": aave_listing,
    "lab_v30": aave_listing,
    "lab_compound_v2": listing_of,
    "lab_compound_v3": lambda lab: comet_stage.listing_of(lab, "usdc"),
    "lab_dydx_solo": solo_listing,
}


@pytest.mark.parametrize("fixture", STILL)
def test_time_and_prices_change_nothing(request: pytest.FixtureRequest, fixture: str) -> None:
    lab = request.getfixturevalue(fixture)

    def act(lab: Any) -> None:
        for name, place in lab.drivers.items():
            lab.set_driver(name, int(lab.rpc("eth_getStorageAt", place, "0x0", "latest"), 16) * 101 // 100)
        lab.chain.wait(100_003)

    check(lab, STILL[fixture](lab), Change(act, {}))
