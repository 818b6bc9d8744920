"""Recorded answers of the real contract as accounts and Comets; see fixtures/README.md for the format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from defiliq.protocols.compound_v3.market import CometMarket, CometReserve, RateCurve
from defiliq.types import Account, Block, Feed, Leg
from defiliq.units import WAD

FOLDER = Path(__file__).parents[3] / "fixtures" / "vectors" / "compound_v3"
NO_ADDRESS = "0x" + "00" * 20
SECONDS_PER_YEAR = 31_536_000
GIVEN_DIGITS = 10**9


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of one file, in order; yearly rates as the decimals that were written down."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line, parse_float=Decimal)


def market_and_account(case: Mapping[str, Any]) -> tuple[CometMarket, Account]:
    """The inputs of one case, at indices accrued to its block's timestamp."""
    timestamp, totals, rates = case["blockTimestamp"], case["totals"], case["rates"]
    rows = case["collaterals"]
    base = CometReserve(
        id=0, asset=NO_ADDRESS, symbol=case["baseToken"], decimals=case["baseDecimals"], feed=0, offset=None
    )
    market = CometMarket(
        protocol="compound-v3",
        name=case["market"],
        version="",
        block=Block(0, 0, "0x" + "00" * 32, timestamp),
        timestamp=timestamp,
        base_unit=10**8,
        base_symbol="USD",
        reserves=(base, *(_collateral(k, row) for k, row in enumerate(rows, start=1))),
        feeds=tuple(Feed(name, NO_ADDRESS) for name in (case["baseToken"], *(row["symbol"] for row in rows))),
        prices=(int(case["basePrice"]), *(int(row["price"]) for row in rows)),
        comet=NO_ADDRESS,
        supply_index=int(totals["baseSupplyIndex"]),
        borrow_index=int(totals["baseBorrowIndex"]),
        accrued_at=totals["lastAccrualTime"],
        total_supply=int(totals["totalSupplyBase"]),
        total_borrow=int(totals["totalBorrowBase"]),
        supply_rates=_curve(rates, "supply"),
        borrow_rates=_curve(rates, "borrow"),
        store_front_factor_wad=int(case["storeFrontPriceFactor"]),
        target_reserves=0,
        absorb_paused=False,
        buy_paused=False,
    ).at_time(timestamp)
    principal = int(case["principal"])
    legs = [Leg(0, max(0, principal), max(0, -principal), False)]
    legs += [Leg(k, int(row["balance"]), 0, True) for k, row in enumerate(rows, start=1)]
    return market, Account(NO_ADDRESS, 0, tuple(legs))


def _collateral(position: int, row: Mapping[str, Any]) -> CometReserve:
    return CometReserve(
        id=position,
        asset=NO_ADDRESS,
        symbol=row["symbol"],
        decimals=row["decimals"],
        feed=position,
        offset=row["configIndex"],
        borrow_factor_wad=int(row["borrowCollateralFactor"]),
        liquidate_factor_wad=int(row["liquidateCollateralFactor"]),
        liquidation_factor_wad=int(row["liquidationFactor"]),
    )


def _curve(rates: Mapping[str, Decimal | int], side: str) -> RateCurve:
    """The curve that Comet's constructor makes of yearly rates, which it was given to nine digits."""

    def as_given(name: str) -> int:
        return round(rates[f"{side}{name}"] * GIVEN_DIGITS) * (WAD // GIVEN_DIGITS)

    def per_second(name: str) -> int:
        return as_given(name) // SECONDS_PER_YEAR

    return RateCurve(
        kink_wad=as_given("Kink"),
        slope_low_wad=per_second("SlopeLow"),
        slope_high_wad=per_second("SlopeHigh"),
        base_wad=per_second("Base"),
    )
