"""Recorded answers of the real contracts as accounts and markets; see fixtures/README.md for the format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.types import Account, Block, Feed, Leg, StableDebt

FOLDER = Path(__file__).parents[3] / "fixtures" / "vectors" / "aave_v3"
REVISION_OF_PREFIX = {"v30": 1, "v31": 4, "v32": 5, "v33": 7, "v34": 8, "v35": 9, "v36": 10, "v37": 11}
NO_ADDRESS = "0x" + "00" * 20


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of one file, in order."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def market_and_account(case: dict[str, Any]) -> tuple[AaveMarket, Account]:
    """The inputs of one case; its id's prefix names the arithmetic."""
    timestamp = case["blockTimestamp"]
    reserves = tuple(_reserve(position, row) for position, row in enumerate(case["reserves"]))
    market = AaveMarket(
        protocol="aave-v3",
        name=case["pool"],
        version=case["id"].partition("-")[0],
        block=Block(case["chainId"], 0, "0x" + "00" * 32, timestamp),
        timestamp=timestamp,
        base_unit=10**8,
        base_symbol="USD",
        reserves=reserves,
        feeds=tuple(Feed(row["symbol"], NO_ADDRESS) for row in case["reserves"]),
        prices=tuple(int(row["price"]) for row in case["reserves"]),
        revision=REVISION_OF_PREFIX[case["id"].partition("-")[0]],
        emodes=_emodes(case, reserves),
        liquidations_allowed=True,
        provider=NO_ADDRESS,
        pool=NO_ADDRESS,
        oracle=NO_ADDRESS,
    ).at_time(timestamp)
    flags = int(case["userConfigurationData"], 16)
    legs = tuple(_leg(position, row, flags, timestamp) for position, row in enumerate(case["reserves"]))
    return market, Account(NO_ADDRESS, case["userEModeCategoryId"], legs)


def _reserve(position: int, row: dict[str, Any]) -> AaveReserve:
    bits = int(row["configurationData"], 16)
    return AaveReserve(
        id=row["id"],
        asset=row["underlyingAsset"],
        symbol=row["symbol"],
        decimals=bits >> 48 & 0xFF,
        feed=position,
        a_token=NO_ADDRESS,
        variable_debt_token=NO_ADDRESS,
        stable_debt_token=None,
        ltv_bps=bits & 0xFFFF,
        liquidation_threshold_bps=bits >> 16 & 0xFFFF,
        liquidation_bonus_bps=bits >> 32 & 0xFFFF,
        liquidation_protocol_fee_bps=bits >> 152 & 0xFFFF,
        is_active=bool(bits >> 56 & 1),
        is_frozen=bool(bits >> 57 & 1),
        is_paused=bool(bits >> 60 & 1),
        borrowing_enabled=bool(bits >> 58 & 1),
        emode_category=row.get("eModeCategory", 0),
        grace_period_until=0,
        liquidity_index_ray=int(row["liquidityIndex"]),
        liquidity_rate_ray=int(row["currentLiquidityRate"]),
        variable_borrow_index_ray=int(row["variableBorrowIndex"]),
        variable_borrow_rate_ray=int(row["currentVariableBorrowRate"]),
        updated_at=int(row["lastUpdateTimestamp"]),
    )


def _leg(position: int, row: dict[str, Any], flags: int, timestamp: int) -> Leg:
    stable = int(row.get("stableDebtBalance", "0"))
    return Leg(
        reserve=position,
        collateral=int(row["scaledATokenBalance"]),
        debt=int(row["scaledVariableDebt"]),
        counted=bool(flags >> (2 * row["id"] + 1) & 1),
        stable=StableDebt(stable, 0, timestamp) if stable else None,
    )


def _emodes(case: dict[str, Any], reserves: tuple[AaveReserve, ...]) -> dict[int, EMode]:
    row = case["eMode"]
    if row is None:
        return {}
    members = sum(1 << r.id for r in reserves if r.emode_category == row["eModeCategory"])
    return {
        row["eModeCategory"]: EMode(
            id=row["eModeCategory"],
            label=row["label"],
            ltv_bps=row["ltv"],
            liquidation_threshold_bps=row["liquidationThreshold"],
            liquidation_bonus_bps=row["liquidationBonus"],
            collateral_bitmap=int(row["collateralBitmap"]) if "collateralBitmap" in row else members,
            borrowable_bitmap=int(row.get("borrowableBitmap", "0")),
            ltvzero_bitmap=int(row.get("ltvzeroBitmap", "0")),
            isolated=bool(row.get("isolated", False)),
        )
    }
