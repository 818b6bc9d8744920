"""A liquidation that goes through and takes nobody knows what: never a zero, never half a sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

import defiliq
from defiliq.book import Book
from defiliq.ladder import bin_ladder
from defiliq.pipeline.position import position_json
from defiliq.protocols.compound_v3 import CometMarket
from defiliq.units import WAD
from defiliq.view.stress import total_lines
from tests.builders import address
from tests.protocols.compound_v3.states import base_asset, collateral, comet, owing

REASON = "targetHealthFactor"


@pytest.fixture
def there() -> Book[CometMarket]:
    """One account is safe until the collateral falls, one is broken, and one owes without collateral."""
    market = comet(
        [base_asset(6), collateral(1)], [10**8, 100 * 10**8], target_health_factor_wad=105 * WAD // 100
    )
    accounts = (owing(-84 * 10**6, 10**18), owing(-90 * 10**6, 10**18), owing(-9 * 10**6))
    return Book.build(market, [replace(each, owner=address(k)) for k, each in enumerate(accounts, start=1)])


def is_blank(table: pd.DataFrame, *columns: str) -> bool:
    return bool(table[list(columns)].isna().all(axis=None))


def test_tables_hold_no_number(there: Book[CometMarket]) -> None:
    health = defiliq.health(there)
    assert health["callable"].tolist() == [False, True, True]
    assert health["reason"].str.contains(REASON).tolist() == [False, True, True]
    rungs = defiliq.ladder(there)
    assert len(rungs) == 6
    assert rungs["callable"].all()
    assert is_blank(rungs, "seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd")
    assert is_blank(bin_ladder(rungs, 1.0), "seized_usd", "repaid_usd", "cumulative_seized_usd")
    about = json.loads(position_json(defiliq.position(there, address(2))))
    assert list(about["liquidation"]) == ["unknown"]


def test_a_stress_holds_no_number_either(there: Book[CometMarket]) -> None:
    result = defiliq.stress(there, "C1/USD=-5%")
    assert result.totals["callable_accounts"].item() == 3
    assert is_blank(result.totals, "repaid_usd", "seized_usd", "bonus_usd")
    assert is_blank(result.reserves, "repaid_usd", "seized_usd")
    assert (result.reserves[["seized", "repaid"]] == "").all(axis=None)
    assert result.reserves["debt"].tolist() == ["183", "0"]
    assert is_blank(result.accounts, "seized_usd", "repaid_usd", "bonus_usd")
    said = total_lines(result.totals.iloc[0])
    assert "first calls: 3 go through, but what they take is not known; 0 are refused" in said
