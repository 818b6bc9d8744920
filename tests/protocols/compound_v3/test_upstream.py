"""The cases of Comet's own tests, in fixtures/vectors/comet_upstream_tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from defiliq.protocols.compound_v3 import CometMarket, health, is_borrow_collateralized, take
from defiliq.protocols.compound_v3.storefront import quote_collateral
from defiliq.protocols.compound_v3.take import absorbed, after_absorb, base_value
from defiliq.types import Account, Leg, Liquidation
from defiliq.units import WAD
from tests.protocols.compound_v3.states import OWNER, base_asset, collateral, comet, owing
from tests.protocols.compound_v3.vectors import FOLDER

PATH = FOLDER.parent / "comet_upstream_tests" / "cases.json.gz"
CASES: Final[list[dict[str, Any]]] = json.loads(gzip.decompress(PATH.read_bytes()))["cases"]
ABSORB_PRICES = {"USDC": 1, "COMP": 175, "WETH": 3000, "WBTC": 41_000}
ABSORB_DECIMALS = {"COMP": 18, "WETH": 18, "WBTC": 8}
TOTAL_SUPPLY, TOTAL_BORROW = 4 * 10**21, 3 * 10**21  # before, in that test


def cases_of(*functions: str) -> list[Any]:
    named = [case for case in CASES if case["function"] in functions]
    return [pytest.param(case, id=f"{case['function']}: {case['name']}") for case in named]


def market_of(case: Mapping[str, Any]) -> CometMarket:
    base, rows = case["base"], case["collaterals"]
    reserves = [base_asset(base["decimals"])]
    for k, row in enumerate(rows, start=1):
        factors = {
            "borrow_factor_wad": int(row["borrowCollateralFactor"]),
            "liquidate_factor_wad": int(row["liquidateCollateralFactor"]),
        }
        reserves.append(collateral(k, row["decimals"], **factors))
    return comet(
        reserves,
        [int(base["price"]), *(int(row["price"]) for row in rows)],
        supply_index=int(base["baseSupplyIndex"]),
        borrow_index=int(base["baseBorrowIndex"]),
    )


def test_every_case_is_run() -> None:
    known = {"isLiquidatable", "isBorrowCollateralized", "quoteCollateral", "absorb"}
    assert {case["function"] for case in CASES} == known
    assert len(CASES) == 19


@pytest.mark.parametrize("case", cases_of("isLiquidatable", "isBorrowCollateralized"))
def test_verdicts(case: dict[str, Any]) -> None:
    market = market_of(case)
    account = owing(int(case["principal"]), *(int(row["balance"]) for row in case["collaterals"]))
    if case["function"] == "isLiquidatable":
        assert health(account, market).liquidatable is case["expected"]
    else:
        assert is_borrow_collateralized(account, market) is case["expected"]


@pytest.mark.parametrize("case", cases_of("quoteCollateral"))
def test_quotes(case: dict[str, Any]) -> None:
    asset = collateral(1, case["assetDecimals"], liquidation_factor_wad=int(case["liquidationFactor"]))
    market = comet(
        [base_asset(case["baseDecimals"]), asset],
        [int(case["basePrice"]), int(case["assetPrice"])],
        store_front_factor_wad=int(case["storeFrontPriceFactor"]),
    )
    assert quote_collateral(market, 1, int(case["baseAmount"])) == int(case["expected"])


@pytest.mark.parametrize("case", cases_of("absorb"))
def test_absorbing_several_accounts_one_after_the_other(case: dict[str, Any]) -> None:
    symbols = list(ABSORB_DECIMALS)
    held = {symbol: sum(int(row.get(symbol, 0)) for row in case["accounts"]) for symbol in symbols}
    assets = [
        collateral(
            k,
            decimals,
            symbol=symbol,
            supplied=held[symbol],
            liquidate_factor_wad=WAD,
            liquidation_factor_wad=WAD,
        )
        for k, (symbol, decimals) in enumerate(ABSORB_DECIMALS.items(), start=1)
    ]
    prices = [price * 10**8 for price in ABSORB_PRICES.values()]
    market = comet([base_asset(6), *assets], prices, total_supply=TOTAL_SUPPLY, total_borrow=TOTAL_BORROW)
    expected, paid_out = case["expected"], []
    for row in case["accounts"]:
        legs = [Leg(0, 0, -int(row["principal"]), False)]
        legs += [Leg(k, int(row[s]), 0, True) for k, s in enumerate(symbols, start=1) if s in row]
        account = Account(OWNER, 0, tuple(legs))
        taken = absorbed(account, market)
        assert isinstance(take(account, market), Liquidation)
        assert taken.new_principal == 0
        for seizure in taken.seizures:
            reserve = market.reserves[seizure.reserve]
            assert seizure.amount == int(row[reserve.symbol])
            assert seizure.base == seizure.amount * prices[seizure.reserve] // reserve.unit
        paid_out.append(str(taken.base_paid_out))
        assert base_value(market, taken.base_paid_out) == taken.base_paid_out * 10**8 // 10**6
        market = after_absorb(taken, market)
    assert paid_out == expected["basePaidOut"]
    assert str(market.total_borrow) == expected["totalBorrowBase"]
    assert str(market.total_supply) == expected["totalSupplyBase"]
    assert [reserve.supplied for reserve in market.reserves[1:]] == [0, 0, 0]
