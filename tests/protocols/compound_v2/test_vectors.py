"""Every case in fixtures/vectors/compound_v2: the law and the solver against what the contract answered."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.compound_v2.rules import rule
from defiliq.protocols.compound_v2.take import seize_tokens
from defiliq.types import Level, Rule
from tests.protocols.compound_v2.vectors import FOLDER, market_and_account, position_of, read_cases

FILES = sorted(FOLDER.glob("*.jsonl.gz"))
SEARCHED = 1000  # the recorded prices were searched up to this many times the present one
BOUNDARY = {"collateral": "largestPriceWithShortfall", "debt": "smallestPriceWithShortfall"}


def test_there_are_vectors() -> None:
    assert "comptroller.jsonl.gz" in {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_liquidity_and_seizures_equal_the_contract(path: Path) -> None:
    cases = shortfalls = 0
    for case in read_cases(path):
        market, account = market_and_account(case)
        law, query = rule(account, market), case["seizeQuery"]
        health = law.health(market.prices)
        debt, collateral = (position_of(market, query[name]) for name in ("borrowed", "collateral"))
        answers = {
            "error": 0,
            "liquidity": str(health.available_borrows_base),
            "shortfall": str(max(0, -health.margin)),
            "seizeError": 0,
            "seizeTokens": str(seize_tokens(market, debt, collateral, int(query["repayAmount"]))),
        }
        assert answers == case["expected"], case["id"]
        assert health.liquidatable is law.liquidatable(market.prices) is (answers["shortfall"] != "0")
        cases += 1
        shortfalls += health.liquidatable
    print(f"{path.name}: {cases} cases equal, {shortfalls} of them with a shortfall")
    assert cases > shortfalls > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_liquidation_prices_equal_the_contract(path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for case in read_cases(path):
        market, account = market_and_account(case)
        law = rule(account, market)
        for row in case["liquidationPrices"]:
            feed = position_of(market, row["symbol"])
            assert int(row["currentPrice"]) == market.prices[feed]
            driver = driver_of_feeds(
                row["symbol"], market.prices[feed], market.price_unit(feed), (Move(feed),)
            )
            levels = find_levels(law, 0, market.prices, driver)
            outcomes[_agreement((case["id"], row), law, market, driver, levels)] += 1
    print(f"{path.name}: {dict(outcomes)}")
    assert outcomes["equal"] > outcomes["already at spot"]


def _agreement(
    about: tuple[str, dict[str, Any]], law: Rule, market: CompoundMarket, driver: Driver, levels: list[Level]
) -> str:
    """How the levels agree with one recorded price; the verdicts around it must, always."""
    row = about[1]
    if row["result"] == "always":
        assert [level.outcome for level in levels] == ["already"], about
        return "always"
    if row["result"] == "never":
        farther = [lv for lv in levels if lv.price is not None and lv.price > SEARCHED * driver.spot]
        assert levels[0].outcome == "never" or farther, (about, levels)
        return "never" if not farther else "beyond the searched range"
    price = int(row[BOUNDARY[row["role"]]])
    beyond = price + (1 if row["role"] == "collateral" else -1)
    assert law.liquidatable(driver.lead(market.prices, price)), about
    assert not law.liquidatable(driver.lead(market.prices, beyond)), about
    if levels[0].outcome == "already":
        return "already at spot"
    assert [(level.outcome, level.price, level.band) for level in levels] == [("price", price, None)], about
    return "equal"
