"""What is asked of Compound v2's contracts and its forks', as calldata.

`abis/compound_v2/` holds the same functions as JSON; a test holds the two equal. Forks call a cToken vToken,
mToken or qiToken; selectors only know addresses, so one signature serves all.
"""

from __future__ import annotations

from defiliq.chain.calldata import NOWHERE as NOWHERE
from defiliq.chain.calldata import address_of as address_of
from defiliq.chain.calldata import call_rows as call_rows
from defiliq.chain.calldata import calldata as calldata
from defiliq.chain.calldata import keccak as keccak
from defiliq.chain.calldata import packed as packed

IS_COMPTROLLER = "isComptroller()"
GET_ALL_MARKETS = "getAllMarkets()"
ORACLE = "oracle()"
CLOSE_FACTOR = "closeFactorMantissa()"
LIQUIDATION_INCENTIVE = "liquidationIncentiveMantissa()"
SEIZE_PAUSED = "seizeGuardianPaused()"
MARKETS = "markets(address)"
IS_DEPRECATED = "isDeprecated(address)"
GET_ASSETS_IN = "getAssetsIn(address)"
GET_ACCOUNT_LIQUIDITY = "getAccountLiquidity(address)"
SEIZE_TOKENS = "liquidateCalculateSeizeTokens(address,address,uint256)"
MARKET_ENTERED_EVENT = "MarketEntered(address,address)"
MARKET_EXITED_EVENT = "MarketExited(address,address)"
COMPTROLLER = (
    IS_COMPTROLLER,
    GET_ALL_MARKETS,
    ORACLE,
    CLOSE_FACTOR,
    LIQUIDATION_INCENTIVE,
    SEIZE_PAUSED,
    MARKETS,
    IS_DEPRECATED,
    GET_ASSETS_IN,
    GET_ACCOUNT_LIQUIDITY,
    SEIZE_TOKENS,
    MARKET_ENTERED_EVENT,
    MARKET_EXITED_EVENT,
)

PROTOCOL_PAUSED = "protocolPaused()"
MINTED_VAIS = "mintedVAIs(address)"
GET_LIQUIDATION_THRESHOLD = "getLiquidationThreshold(address)"
VAI_CONTROLLER = "vaiController()"
LAST_POOL_ID = "lastPoolId()"
IS_FORCED_LIQUIDATION_ENABLED = "isForcedLiquidationEnabled(address)"
VENUS = (
    PROTOCOL_PAUSED,
    MINTED_VAIS,
    VAI_CONTROLLER,
    GET_LIQUIDATION_THRESHOLD,
    LAST_POOL_ID,
    IS_FORCED_LIQUIDATION_ENABLED,
)
"""What only Venus' Comptroller has: most of it makes another law."""
MINT_VAI_EVENT = "MintVAI(address,uint256)"
REPAY_VAI_EVENT = "RepayVAI(address,address,uint256)"
VENUS_DEBTS = (MINT_VAI_EVENT, REPAY_VAI_EVENT)
"""How Venus' VAIController tells of debts in VAI."""

UNDERLYING = "underlying()"
SYMBOL = "symbol()"
DECIMALS = "decimals()"
GET_CASH = "getCash()"
TOTAL_BORROWS = "totalBorrows()"
TOTAL_RESERVES = "totalReserves()"
TOTAL_SUPPLY = "totalSupply()"
EXCHANGE_RATE_STORED = "exchangeRateStored()"
EXCHANGE_RATE_CURRENT = "exchangeRateCurrent()"
TOTAL_BORROWS_CURRENT = "totalBorrowsCurrent()"
BORROW_INDEX = "borrowIndex()"
RESERVE_FACTOR = "reserveFactorMantissa()"
RATE_PER_BLOCK = "borrowRatePerBlock()"
RATE_PER_TIMESTAMP = "borrowRatePerTimestamp()"
ACCRUAL_BLOCK = "accrualBlockNumber()"
ACCRUAL_TIMESTAMP = "accrualBlockTimestamp()"
SEIZE_SHARE = "protocolSeizeShareMantissa()"
ACCRUE_INTEREST = "accrueInterest()"
GET_ACCOUNT_SNAPSHOT = "getAccountSnapshot(address)"
BORROW_BALANCE_STORED = "borrowBalanceStored(address)"
BALANCE_OF = "balanceOf(address)"
BORROW_EVENT = "Borrow(address,uint256,uint256,uint256)"
REPAY_EVENT = "RepayBorrow(address,address,uint256,uint256,uint256)"
TRANSFER_EVENT = "Transfer(address,address,uint256)"
LIQUIDATE_EVENT = "LiquidateBorrow(address,address,uint256,address,uint256)"
STATE = (
    GET_CASH,
    TOTAL_BORROWS,
    TOTAL_RESERVES,
    TOTAL_SUPPLY,
    EXCHANGE_RATE_STORED,
    BORROW_INDEX,
    RESERVE_FACTOR,
)
"""What every cToken answers about itself, in one word each."""
CTOKEN = (
    *STATE,
    UNDERLYING,
    SYMBOL,
    EXCHANGE_RATE_CURRENT,
    TOTAL_BORROWS_CURRENT,
    RATE_PER_BLOCK,
    ACCRUAL_BLOCK,
    SEIZE_SHARE,
    ACCRUE_INTEREST,
    GET_ACCOUNT_SNAPSHOT,
    BORROW_BALANCE_STORED,
    BALANCE_OF,
    BORROW_EVENT,
    REPAY_EVENT,
    TRANSFER_EVENT,
    LIQUIDATE_EVENT,
)
TIMED_CTOKEN = (RATE_PER_TIMESTAMP, ACCRUAL_TIMESTAMP)
"""What stands in for the two functions that count blocks, where interest counts seconds."""
ERC20 = (SYMBOL, DECIMALS)

GET_UNDERLYING_PRICE = "getUnderlyingPrice(address)"
GET_FEED = "getFeed(string)"
ASSET_PRICES = "assetPrices(address)"
GET_CONFIG = "getConfig(address)"
PRICE_ORACLE = (GET_UNDERLYING_PRICE, GET_CONFIG)
"""Compound's own PriceOracle."""
CHAINLINK_ORACLE = (GET_FEED, ASSET_PRICES)
"""ChainlinkOracle of Moonwell and BenqiChainlinkOracle."""
