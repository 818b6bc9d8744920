"""What is asked of Comets, their price feeds and tokens: signatures, and the words of their answers.

`abis/compound_v3/` holds the same functions as JSON; a test holds the two equal.
"""

from __future__ import annotations

from typing import Final

BASE = "baseToken()"
BASE_FEED = "baseTokenPriceFeed()"
BASE_SCALE = "baseScale()"
NUM_ASSETS = "numAssets()"
MAX_ASSETS = "maxAssets()"
EXTENSION_DELEGATE = "extensionDelegate()"
RATES: Final = tuple(
    f"{side}{part}()"
    for side in ("supply", "borrow")
    for part in (
        "Kink",
        "PerSecondInterestRateSlopeLow",
        "PerSecondInterestRateSlopeHigh",
        "PerSecondInterestRateBase",
    )
)
"""Both curves, each in the order of `RateCurve`."""
STORE_FRONT_PRICE_FACTOR = "storeFrontPriceFactor()"
TARGET_RESERVES = "targetReserves()"
IS_ABSORB_PAUSED = "isAbsorbPaused()"
IS_BUY_PAUSED = "isBuyPaused()"
PLAIN: Final = (
    BASE_FEED,
    BASE_SCALE,
    NUM_ASSETS,
    EXTENSION_DELEGATE,
    *RATES,
    STORE_FRONT_PRICE_FACTOR,
    TARGET_RESERVES,
    IS_ABSORB_PAUSED,
    IS_BUY_PAUSED,
)
"""What takes nothing and answers one word."""

TOTALS_BASIC = "totalsBasic()"
TOTALS_BASIC_WORDS = 8
TOTALS_COLLATERAL = "totalsCollateral(address)"
GET_ASSET_INFO = "getAssetInfo(uint8)"
ASSET_INFO_WORDS = 8
GET_PRICE = "getPrice(address)"
USER_BASIC = "userBasic(address)"
USER_BASIC_WORDS = 5
USER_COLLATERAL = "userCollateral(address,address)"
IS_LIQUIDATABLE = "isLiquidatable(address)"
BORROW_BALANCE_OF = "borrowBalanceOf(address)"
ACCRUE_ACCOUNT = "accrueAccount(address)"
COMET: Final = (
    BASE,
    *PLAIN,
    MAX_ASSETS,
    TOTALS_BASIC,
    TOTALS_COLLATERAL,
    GET_ASSET_INFO,
    GET_PRICE,
    USER_BASIC,
    USER_COLLATERAL,
    IS_LIQUIDATABLE,
    BORROW_BALANCE_OF,
    ACCRUE_ACCOUNT,
)

TARGET_HEALTH_FACTOR = "targetHealthFactor()"
TARGET_HEALTH_FACTOR_OF = "targetHealthFactor(address)"
"""Proposed in 2026 and deployed nowhere so far: in the Comet itself (compound-finance/comet #1099), or in the
extension, of a Comet (#1022)."""

DECIMALS = "decimals()"
DESCRIPTION = "description()"
CONSTANT_PRICE = "constantPrice()"
FEED: Final = (DECIMALS, DESCRIPTION, CONSTANT_PRICE)
"""Price feeds; only a ConstantPriceFeed knows the last one."""
SYMBOL = "symbol()"
BALANCE_OF = "balanceOf(address)"
ERC20: Final = (SYMBOL, BALANCE_OF)

BAD_PRICE = "BadPrice()"
"""The error with which getPrice refuses an answer that is not positive."""
SUPPLY_COLLATERAL_EVENT = "SupplyCollateral(address,address,address,uint256)"
TRANSFER_COLLATERAL_EVENT = "TransferCollateral(address,address,address,uint256)"
EVENTS: Final = (SUPPLY_COLLATERAL_EVENT, TRANSFER_COLLATERAL_EVENT)
"""Those that name who was given collateral."""
ABSORB_COLLATERAL_EVENT = "AbsorbCollateral(address,address,address,uint256,uint256)"
ABSORB_DEBT_EVENT = "AbsorbDebt(address,address,uint256,uint256)"
ABSORB_EVENTS: Final = (ABSORB_COLLATERAL_EVENT, ABSORB_DEBT_EVENT)
SUPPLY_EVENT = "Supply(address,address,uint256)"
WITHDRAW_EVENT = "Withdraw(address,address,uint256)"
WITHDRAW_COLLATERAL_EVENT = "WithdrawCollateral(address,address,address,uint256)"
TRANSFER_EVENT = "Transfer(address,address,uint256)"
OTHER_EVENTS: Final = (SUPPLY_EVENT, WITHDRAW_EVENT, WITHDRAW_COLLATERAL_EVENT, TRANSFER_EVENT)
"""What else changes an account."""
