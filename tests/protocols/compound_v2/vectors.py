"""Recorded answers of a real Comptroller as accounts and markets; see fixtures/README.md for the format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.types import Account
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner

FOLDER = Path(__file__).parents[3] / "fixtures" / "vectors" / "compound_v2"


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of one file, in order."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def market_and_account(case: dict[str, Any]) -> tuple[CompoundMarket, Account]:
    """The inputs of one case: exchange rates and borrow balances are given as they stand."""
    rows = case["markets"]
    reserves = [
        ctoken(
            position,
            row["symbol"].removeprefix("c"),
            row["underlyingDecimals"],
            collateral_factor_wad=int(row["collateralFactorMantissa"]),
            exchange_rate_now_wad=int(row["exchangeRateMantissa"]),
        )
        for position, row in enumerate(rows)
    ]
    market = comptroller(
        reserves,
        [int(row["oraclePriceMantissa"]) for row in rows],
        liquidation_incentive_wad=int(case["seizeQuery"]["liquidationIncentiveMantissa"]),
    )
    legs = (
        holds(k, int(row["cTokenBalance"]), int(row["borrowBalance"]), entered=row["entered"])
        for k, row in enumerate(rows)
    )
    return market, owner(*legs)


def position_of(market: CompoundMarket, c_symbol: str) -> int:
    """The position of a cToken by its symbol."""
    return next(k for k, reserve in enumerate(market.reserves) if reserve.c_symbol == c_symbol)
