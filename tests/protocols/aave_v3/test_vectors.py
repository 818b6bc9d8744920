"""Every case in fixtures/vectors/aave_v3: the law and the solver against what the contracts answered."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import rule
from defiliq.types import Level, Rule
from tests.protocols.aave_v3.vectors import FOLDER, market_and_account, read_cases

FILES = sorted(FOLDER.glob("*.jsonl.gz"))
SEARCHED = 1000  # the recorded prices were searched up to this many times the present one


def test_there_are_vectors() -> None:
    assert {"v30.jsonl.gz", "v37.jsonl.gz"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_account_data_and_indices_equal_the_contract(path: Path) -> None:
    cases = 0
    for case in read_cases(path):
        market, account = market_and_account(case)
        health, expected = rule(account, market).health(market.prices), case["expected"]
        answers: dict[str, object] = {
            "totalCollateralBase": str(health.collateral_base),
            "totalDebtBase": str(health.debt_base),
            "availableBorrowsBase": str(health.available_borrows_base),
            "currentLiquidationThreshold": str(health.threshold_bps),
            "ltv": str(health.ltv_bps),
            "healthFactor": str(health.factor_wad),
            "normalizedIncome": [str(reserve.income_ray) for reserve in market.reserves],
            "normalizedDebt": [str(reserve.debt_ray) for reserve in market.reserves],
            "blockTimestampSeen": market.timestamp,
        }
        assert set(expected) <= set(answers), case["id"]
        assert {name: answers[name] for name in expected} == expected, case["id"]
        assert health.liquidatable == (int(expected["healthFactor"]) < 10**18)
        cases += 1
    print(f"{path.name}: {cases} cases equal")
    assert cases > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_liquidation_prices_equal_the_contract(path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for case in read_cases(path):
        market, account = market_and_account(case)
        law = rule(account, market)
        for row in case.get("liquidationPrices", []):
            feed = next(k for k, reserve in enumerate(market.reserves) if reserve.id == row["reserveId"])
            driver = driver_of_feeds(row["symbol"], market.prices[feed], market.base_unit, (Move(feed),))
            levels = find_levels(law, 0, market.prices, driver)
            outcomes[_agreement(case["id"], row, law, market, driver, levels)] += 1
    print(f"{path.name}: {dict(outcomes)}")
    assert outcomes["first crossing"] >= outcomes["band"]


def _agreement(
    case_id: str, row: dict[str, Any], law: Rule, market: AaveMarket, driver: Driver, levels: list[Level]
) -> str:
    """How the levels agree with one recorded price; the verdicts and factors around it must, always."""
    if row["result"] == "always":
        assert levels[0].outcome == "already", (case_id, row)
        return "always"
    if row["result"] == "never":
        farther = [lv for lv in levels if lv.price is not None and lv.price > SEARCHED * driver.spot]
        assert levels[0].outcome == "never" or farther, (case_id, row, levels)
        return "never" if not farther else "beyond the searched range"
    at, beyond = (
        (row["largestPriceLiquidatable"], row["healthFactorOneUnitAbove"])
        if row["role"] == "collateral"
        else (row["smallestPriceLiquidatable"], row["healthFactorOneUnitBelow"])
    )
    price = int(at)
    neighbour = price + 1 if row["role"] == "collateral" else price - 1
    there = law.health(driver.lead(market.prices, price))
    assert str(there.factor_wad) == row["healthFactorThere"], (case_id, row)
    assert str(law.health(driver.lead(market.prices, neighbour)).factor_wad) == beyond, (case_id, row)
    assert there.liquidatable
    if levels[0].outcome == "already":
        return "already at spot"
    if any(level.price == price for level in levels):
        return "first crossing"
    assert any(_in_band(level, price) for level in levels), (case_id, row, levels)
    return "band"


def _in_band(level: Level, price: int) -> bool:
    if level.price is None or level.band is None:
        return False
    return min(level.price, level.band) <= price <= max(level.price, level.band)
