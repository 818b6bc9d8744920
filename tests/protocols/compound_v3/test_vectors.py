"""Every case in fixtures/vectors/compound_v3: the law and the solver against what the contract answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.compound_v3 import health, is_borrow_collateralized, rule, take
from defiliq.protocols.compound_v3.accrual import accrued_indices, present_value, rate_wad, utilization_wad
from defiliq.protocols.compound_v3.explain import explain
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.take import absorbed
from defiliq.types import Account, Liquidation, Refusal
from tests.protocols.compound_v3.vectors import FOLDER, market_and_account, read_cases

FILES = sorted(FOLDER.glob("*.jsonl.gz"))
SEARCHED = 1000  # the recorded prices were searched up to this many times the present one


def test_there_are_vectors() -> None:
    assert {"comet.jsonl.gz"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_answer_equals_the_contract(path: Path) -> None:
    cases = 0
    for case in read_cases(path):
        market, account = market_and_account(case)
        answers = _answers(account, market)
        assert answers == case["expected"], case["id"]
        cases += 1
    print(f"{path.name}: {cases} cases equal")
    assert cases > 0


def _answers(account: Account, market: CometMarket) -> dict[str, object]:
    """All that a case expects, as defiliq answers it."""
    stored = market.as_stored()
    utilization = utilization_wad(market)
    supply_index, borrow_index = accrued_indices(market, market.timestamp)
    return {
        "isLiquidatable_storedIndex": health(account, stored).liquidatable,
        "isBorrowCollateralized_storedIndex": is_borrow_collateralized(account, stored),
        "borrowBalanceOf_now": str(explain(account, market)[0].owed),
        "utilization": str(utilization),
        "borrowRatePerSecond": str(rate_wad(market.borrow_rates, utilization)),
        "supplyRatePerSecond": str(rate_wad(market.supply_rates, utilization)),
        "accrued": {
            "baseSupplyIndex": str(supply_index),
            "baseBorrowIndex": str(borrow_index),
            "isLiquidatable": health(account, market).liquidatable,
            "isBorrowCollateralized": is_borrow_collateralized(account, market),
        },
        "absorb": _absorb(account, market, supply_index),
    }


def _absorb(account: Account, market: CometMarket, supply_index: int) -> dict[str, str] | None:
    taken = take(account, market)
    if isinstance(taken, Refusal):
        return None
    assert isinstance(taken, Liquidation)
    principal = absorbed(account, market).new_principal
    return {
        "principalAfter": str(principal),
        "balanceAfter": str(present_value(principal, supply_index)),
        "borrowBalanceAfter": str(max(0, -principal)),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_liquidation_prices_equal_the_contract(path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for case in read_cases(path):
        market, account = market_and_account(case)
        for row in case["liquidationPrices"]:
            outcomes[f"{row['kind']} {row['result']}"] += 1
            feed = market_feed(case, row)
            driver = driver_of_feeds(row["asset"], market.prices[feed], market.base_unit, (Move(feed),))
            assert driver.spot == int(row["currentPrice"])
            _agrees(case["id"], row, account, market, driver)
    print(f"{path.name}: {dict(outcomes)}")
    assert outcomes["collateral price"] > 0
    assert outcomes["base price"] > 0


def market_feed(case: dict[str, Any], row: dict[str, Any]) -> int:
    """The position of the feed that a recorded price is about."""
    if row["kind"] == "base":
        return 0
    return 1 + [collateral["symbol"] for collateral in case["collaterals"]].index(row["asset"])


def _agrees(case_id: str, row: dict[str, Any], account: Account, market: CometMarket, driver: Driver) -> None:
    """Verdicts at and around one recorded price, and that the solver finds exactly that price."""
    law = rule(account, market)
    if row["result"] != "price":
        levels = find_levels(law, 0, market.prices, driver)
        expected = "never" if row["result"] == "never" else "already"
        assert [level.outcome for level in levels] == [expected], (case_id, row, levels)
        if expected == "already":
            assert law.liquidatable(driver.lead(market.prices, SEARCHED * driver.spot)), (case_id, row)
        return
    falling = row["kind"] == "collateral"
    price = int(row["largestPriceLiquidatable"] if falling else row["smallestPriceLiquidatable"])
    safe = price + 1 if falling else price - 1
    assert law.liquidatable(driver.lead(market.prices, price)), (case_id, row)
    assert not law.liquidatable(driver.lead(market.prices, safe)), (case_id, row)
    if law.liquidatable(market.prices):
        levels = find_levels(law, 0, market.prices, driver)
        assert [level.outcome for level in levels] == ["already"], (case_id, row, levels)
        driver = replace(driver, spot=2 * price if falling else price // 2)  # from where it is safe
    (level,) = find_levels(law, 0, market.prices, driver)
    assert (level.outcome, level.price, level.band) == ("price", price, None), (case_id, row, level)
    assert level.side == ("long" if falling else "short")
