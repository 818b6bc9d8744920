"""@aave/math-utils in node, on accounts of a book: how long it takes, and what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from defiliq.book import Book
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.types import Account
from tests.bench.report import Missing
from tests.lab.cache import LabError
from tests.lab.packages import node_modules

SCRIPT = Path(__file__).with_name("math_utils.js")
WARM_UP = 2_000
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Formatted:
    """What the package says of some accounts, and the best time it took."""

    seconds: float
    factors: tuple[Decimal, ...]
    """Health factors; -1 stands for no debt."""

    @property
    def liquidatable(self) -> list[bool]:
        """The verdicts that follow."""
        return [0 <= factor < 1 for factor in self.factors]


def format_accounts(book: Book[AaveMarket], rows: Sequence[int]) -> Formatted:
    """Run the package on some accounts: only the legs they have, which is less than an interface hands it."""
    node = shutil.which("node")
    if node is None:
        raise Missing("node is missing: install Node.js 18 or newer")
    try:
        package = node_modules() / "@aave" / "math-utils"
    except LabError as error:
        raise Missing(f"@aave/math-utils is missing: {error}") from error
    market = book.market
    asked = {
        "reserves": [_reserve(reserve, market) for reserve in market.reserves],
        "eModes": [{"id": category, "eMode": _emode(emode)} for category, emode in market.emodes.items()],
        "timestamp": market.timestamp,
        "users": [_user(book.nameless(i), market) for i in rows],
        "warmUp": WARM_UP,
        "repeats": REPEATS,
    }
    command = [node, str(SCRIPT), str(package)]
    done = subprocess.run(command, input=json.dumps(asked).encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise Missing(f"@aave/math-utils did not run: {done.stderr.decode().strip()[-300:]}")
    answer = json.loads(done.stdout)
    return Formatted(answer["seconds"], tuple(Decimal(factor) for factor in answer["factors"]))


def _reserve(reserve: AaveReserve, market: AaveMarket) -> dict[str, Any]:
    return {
        "originalId": reserve.id,
        "id": reserve.asset,
        "symbol": reserve.symbol,
        "name": reserve.symbol,
        "decimals": reserve.decimals,
        "underlyingAsset": reserve.asset,
        "usageAsCollateralEnabled": reserve.liquidation_threshold_bps > 0,
        "reserveFactor": "1000",
        "baseLTVasCollateral": str(reserve.ltv_bps),
        "reserveLiquidationThreshold": str(reserve.liquidation_threshold_bps),
        "reserveLiquidationBonus": str(reserve.liquidation_bonus_bps),
        "liquidityIndex": str(reserve.liquidity_index_ray),
        "liquidityRate": str(reserve.liquidity_rate_ray),
        "variableBorrowIndex": str(reserve.variable_borrow_index_ray),
        "variableBorrowRate": str(reserve.variable_borrow_rate_ray),
        "lastUpdateTimestamp": reserve.updated_at,
        "availableLiquidity": str(10**6 * reserve.unit),
        "virtualUnderlyingBalance": str(10**6 * reserve.unit),
        "totalScaledVariableDebt": str(10**6 * reserve.unit),
        "borrowCap": "0",
        "supplyCap": "0",
        "debtCeiling": "0",
        "debtCeilingDecimals": 2,
        "isolationModeTotalDebt": "0",
        "deficit": "0",
        "priceInMarketReferenceCurrency": str(market.prices[reserve.feed]),
    }


def _emode(emode: EMode) -> dict[str, Any]:
    return {
        "label": emode.label,
        "ltv": str(emode.ltv_bps),
        "liquidationThreshold": str(emode.liquidation_threshold_bps),
        "liquidationBonus": str(emode.liquidation_bonus_bps),
        "collateralBitmap": f"{emode.collateral_bitmap:0128b}",
        "borrowableBitmap": f"{emode.borrowable_bitmap:0128b}",
        "ltvzeroBitmap": f"{emode.ltvzero_bitmap:0128b}",
        "isolated": emode.isolated,
    }


def _user(account: Account, market: AaveMarket) -> dict[str, Any]:
    legs = [
        {
            "underlyingAsset": market.reserves[leg.reserve].asset,
            "scaledATokenBalance": str(leg.collateral),
            "usageAsCollateralEnabledOnUser": leg.counted,
            "scaledVariableDebt": str(leg.debt),
        }
        for leg in account.legs
    ]
    return {"mode": account.mode, "legs": legs}
