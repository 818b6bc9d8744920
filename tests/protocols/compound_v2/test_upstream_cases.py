"""The numbers that Compound's own tests assert, as transcribed in fixtures/vectors."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.compound_v2.rules import rule
from defiliq.protocols.compound_v2.take import seize_tokens
from defiliq.types import Account
from defiliq.units import WAD
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v2.vectors import FOLDER

FILE = FOLDER.parent / "compound_v2_upstream_tests" / "cases.json.gz"
CASES: list[dict[str, Any]] = json.loads(gzip.decompress(FILE.read_bytes()), parse_float=Decimal)["cases"]
LIQUIDITIES = [case for case in CASES if case["function"].endswith("AccountLiquidity")]
SEIZURES = [case for case in CASES if case["function"] == "liquidateCalculateSeizeTokens"]
NUMBERS = ("exchangeRate", "collateralPrice", "borrowedPrice", "liquidationIncentive", "repayAmount")


def wad(number: Decimal | int) -> int:
    """A small number as a wad."""
    return int(Decimal(number) * WAD)


def scene(case: dict[str, Any]) -> tuple[CompoundMarket, Account]:
    """Hypothetical borrowing is a debt, hypothetical redeeming a smaller supply; markets count from 1."""
    rows = case["markets"]
    reserves, legs = [], []
    for position, row in enumerate(rows):
        rate = Decimal(row.get("exchangeRate", 1))
        redeemed = case.get("redeem", 0) if position == case.get("redeem_market", 1) - 1 else 0
        borrowed = case.get("borrow", 0) if position == case.get("borrow_market", 1) - 1 else 0
        reserves.append(
            ctoken(
                position,
                f"T{position}",
                collateral_factor_wad=wad(row["cf"]),
                exchange_rate_now_wad=wad(rate),
            )
        )
        legs.append(holds(position, int(row["minted"] / rate) - redeemed, borrowed))
    return comptroller(reserves, [wad(row["price"]) for row in rows]), owner(*legs)


def test_every_case_is_one_of_the_two() -> None:
    assert (len(LIQUIDITIES), len(SEIZURES)) == (7, 5)
    assert len(CASES) == 12


@pytest.mark.parametrize("case", LIQUIDITIES, ids=str)
def test_account_liquidity(case: dict[str, Any]) -> None:
    market, account = scene(case)
    health = rule(account, market).health(market.prices)
    assert {
        "liquidity": health.available_borrows_base,
        "shortfall": max(0, -health.margin),
    } == case["expected"]
    assert health.liquidatable is (case["expected"]["shortfall"] > 0)


@pytest.mark.parametrize("case", SEIZURES, ids=str)
def test_seized_tokens(case: dict[str, Any]) -> None:
    """Their test computes in floating numbers and allows a tolerance."""
    number = {name: int(Decimal(case[name])) for name in NUMBERS}
    collateral = ctoken(0, "C", exchange_rate_now_wad=number["exchangeRate"])
    market = comptroller(
        [collateral, ctoken(1, "D")],
        [number["collateralPrice"], number["borrowedPrice"]],
        liquidation_incentive_wad=number["liquidationIncentive"],
    )
    repaid = number["repayAmount"]
    exact = repaid * number["liquidationIncentive"] * number["borrowedPrice"]
    exact //= number["collateralPrice"] * number["exchangeRate"]
    seized = seize_tokens(market, 1, 0, repaid)
    assert seized is not None
    assert abs(seized - exact) <= case["tolerance"]
