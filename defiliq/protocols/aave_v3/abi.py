"""What is asked of Aave v3's contracts, as calldata, and how words of their answers read.

`abis/aave_v3/` holds the same functions as JSON; a test holds the two equal.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.text import MARKUP as MARKUP
from defiliq.chain.text import MAX_SHOWN as MAX_SHOWN
from defiliq.chain.text import clean_text as clean_text
from defiliq.chain.text import text_at as text_at
from defiliq.chain.text import text_of as text_of
from defiliq.types import checksum

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
ERC20 = (SYMBOL,)

PRINCIPAL_BALANCE_OF = "principalBalanceOf(address)"
GET_USER_STABLE_RATE = "getUserStableRate(address)"
GET_USER_LAST_UPDATED = "getUserLastUpdated(address)"
TOTAL_SUPPLY = "totalSupply()"
STABLE_STATE = (PRINCIPAL_BALANCE_OF, GET_USER_STABLE_RATE, GET_USER_LAST_UPDATED)
"""What makes up one stable debt, in this order."""
STABLE_TOKEN = (*STABLE_STATE, TOTAL_SUPPLY)

NOWHERE = "0x" + "0" * 40
"""The zero address: nothing there, or nothing meant."""

BORROW_EVENT = "Borrow(address,address,address,uint256,uint8,uint256,uint16)"


@lru_cache(maxsize=256)
def keccak(signature: str) -> bytes:
    """The hash that selectors and event topics are cut from."""
    from eth_utils.crypto import keccak as hashed  # here: its import is slow and --help needs none

    return bytes(hashed(text=signature))


def calldata(signature: str, *arguments: str | int) -> bytes:
    """A call with arguments of one word each: addresses as hex text, numbers as ints."""
    words = [
        argument.to_bytes(32, "big") if isinstance(argument, int) else _raw(argument).rjust(32, b"\0")
        for argument in arguments
    ]
    return keccak(signature)[:4] + b"".join(words)


def call_rows(signature: str, addresses: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 36) calls of a function of one address, one row per (n, 20) address."""
    rows = np.zeros((len(addresses), 36), dtype=np.uint8)
    rows[:, :4] = np.frombuffer(keccak(signature)[:4], dtype=np.uint8)
    rows[:, 16:] = addresses
    return rows


def id_rows(signature: str, ids: list[int]) -> NDArray[np.uint8]:
    """(n, 36) calls of a function of one uint8."""
    rows = np.zeros((len(ids), 36), dtype=np.uint8)
    rows[:, :4] = np.frombuffer(keccak(signature)[:4], dtype=np.uint8)
    rows[:, 35] = ids
    return rows


def packed(addresses: list[str]) -> NDArray[np.uint8]:
    """(n, 20) addresses of their spellings."""
    raw = b"".join(_raw(address) for address in addresses)
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(addresses), 20)


def address_of(word: bytes) -> str | None:
    """The EIP-55 address in a word; None where its upper bytes are not zero."""
    return None if any(word[:12]) else checksum(word[12:32])


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))
