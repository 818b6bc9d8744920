"""What is asked of Aave v3's contracts, as calldata, and how words of their answers read.

`abis/aave_v3/` holds the same functions as JSON; a test holds the two equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.calldata import NOWHERE as NOWHERE
from defiliq.chain.calldata import address_of as address_of
from defiliq.chain.calldata import call_rows as call_rows
from defiliq.chain.calldata import calldata as calldata
from defiliq.chain.calldata import keccak as keccak
from defiliq.chain.calldata import packed as packed
from defiliq.chain.text import MARKUP as MARKUP
from defiliq.chain.text import MAX_SHOWN as MAX_SHOWN
from defiliq.chain.text import clean_text as clean_text
from defiliq.chain.text import text_at as text_at
from defiliq.chain.text import text_of as text_of

GET_POOL = "getPool()"
GET_PRICE_ORACLE = "getPriceOracle()"
GET_PRICE_ORACLE_SENTINEL = "getPriceOracleSentinel()"
PROVIDER = (GET_POOL, GET_PRICE_ORACLE, GET_PRICE_ORACLE_SENTINEL)

IS_LIQUIDATION_ALLOWED = "isLiquidationAllowed()"
SENTINEL = (IS_LIQUIDATION_ALLOWED,)

POOL_REVISION = "POOL_REVISION()"
GET_RESERVES_LIST = "getReservesList()"
GET_RESERVE_DATA = "getReserveData(address)"
GET_LIQUIDATION_GRACE_PERIOD = "getLiquidationGracePeriod(address)"
GET_USER_CONFIGURATION = "getUserConfiguration(address)"
GET_USER_EMODE = "getUserEMode(address)"
GET_USER_ACCOUNT_DATA = "getUserAccountData(address)"
GET_EMODE_DATA = "getEModeCategoryData(uint8)"
GET_EMODE_CONFIG = "getEModeCategoryCollateralConfig(uint8)"
GET_EMODE_COLLATERAL = "getEModeCategoryCollateralBitmap(uint8)"
GET_EMODE_BORROWABLE = "getEModeCategoryBorrowableBitmap(uint8)"
GET_EMODE_LTVZERO = "getEModeCategoryLtvzeroBitmap(uint8)"
GET_EMODE_ISOLATED = "getIsEModeCategoryIsolated(uint8)"
GET_EMODE_LABEL = "getEModeCategoryLabel(uint8)"
POOL = (
    POOL_REVISION,
    GET_RESERVES_LIST,
    GET_RESERVE_DATA,
    GET_LIQUIDATION_GRACE_PERIOD,
    GET_USER_CONFIGURATION,
    GET_USER_EMODE,
    GET_USER_ACCOUNT_DATA,
    GET_EMODE_DATA,
    GET_EMODE_CONFIG,
    GET_EMODE_COLLATERAL,
    GET_EMODE_BORROWABLE,
    GET_EMODE_LTVZERO,
    GET_EMODE_ISOLATED,
    GET_EMODE_LABEL,
)

BASE_CURRENCY = "BASE_CURRENCY()"
BASE_CURRENCY_UNIT = "BASE_CURRENCY_UNIT()"
GET_ASSET_PRICE = "getAssetPrice(address)"
GET_SOURCE_OF_ASSET = "getSourceOfAsset(address)"
GET_FALLBACK_ORACLE = "getFallbackOracle()"
ORACLE = (BASE_CURRENCY, BASE_CURRENCY_UNIT, GET_ASSET_PRICE, GET_SOURCE_OF_ASSET, GET_FALLBACK_ORACLE)

SYMBOL = "symbol()"
SCALED_BALANCE_OF = "scaledBalanceOf(address)"
SCALED_TOTAL_SUPPLY = "scaledTotalSupply()"
SCALED_TOKEN = (SCALED_BALANCE_OF, SCALED_TOTAL_SUPPLY)
TRANSFER_EVENT = "Transfer(address,address,uint256)"
ERC20 = (SYMBOL, TRANSFER_EVENT)

PRINCIPAL_BALANCE_OF = "principalBalanceOf(address)"
GET_USER_STABLE_RATE = "getUserStableRate(address)"
GET_USER_LAST_UPDATED = "getUserLastUpdated(address)"
TOTAL_SUPPLY = "totalSupply()"
STABLE_STATE = (PRINCIPAL_BALANCE_OF, GET_USER_STABLE_RATE, GET_USER_LAST_UPDATED)
"""What makes up one stable debt, in this order."""
STABLE_TOKEN = (*STABLE_STATE, TOTAL_SUPPLY)

BORROW_EVENT = "Borrow(address,address,address,uint256,uint8,uint256,uint16)"
LIQUIDATION_EVENT = "LiquidationCall(address,address,address,uint256,uint256,address,bool)"
DEFICIT_EVENT = "DeficitCreated(address,address,uint256)"
"""From revision 7 (v3.3) on."""
REPAY_EVENT = "Repay(address,address,address,uint256,bool)"
COLLATERAL_ON_EVENT = "ReserveUsedAsCollateralEnabled(address,address)"
COLLATERAL_OFF_EVENT = "ReserveUsedAsCollateralDisabled(address,address)"
EMODE_EVENT = "UserEModeSet(address,uint8)"
POOL_EVENTS = (
    BORROW_EVENT,
    LIQUIDATION_EVENT,
    DEFICIT_EVENT,
    REPAY_EVENT,
    COLLATERAL_ON_EVENT,
    COLLATERAL_OFF_EVENT,
    EMODE_EVENT,
)


def id_rows(signature: str, ids: list[int]) -> NDArray[np.uint8]:
    """(n, 36) calls of a function of one uint8."""
    rows = np.zeros((len(ids), 36), dtype=np.uint8)
    rows[:, :4] = np.frombuffer(keccak(signature)[:4], dtype=np.uint8)
    rows[:, 35] = ids
    return rows
