"""What is asked of Solo Margin, its price oracles and tokens: signatures, and the words of their answers.

`abis/dydx_solo/` holds the same functions as JSON; a test holds the two equal.
"""

from __future__ import annotations

from typing import Final

ACCOUNT: Final = "(address,uint256)"
"""Account.Info: owner and number. It is static, so a call holds it as two words."""

NUM_MARKETS = "getNumMarkets()"
RISK_PARAMS = "getRiskParams()"
RISK_PARAMS_WORDS = 4
"""marginRatio, liquidationSpread, earningsRate, minBorrowedValue."""
MARKET = "getMarket(uint256)"
MARKET_WORDS = 11
"""token, total borrow and supply par, borrow and supply index, lastUpdate, priceOracle, interestSetter,
marginPremium, spreadPremium, isClosing."""
CURRENT_INDEX = "getMarketCurrentIndex(uint256)"
CACHED_INDEX = "getMarketCachedIndex(uint256)"
INDEX_WORDS = 3
MARKET_PRICE = "getMarketPrice(uint256)"
INTEREST_RATE = "getMarketInterestRate(uint256)"
ACCOUNT_PAR = f"getAccountPar({ACCOUNT},uint256)"
ACCOUNT_PAR_WORDS = 2
ACCOUNT_STATUS = f"getAccountStatus({ACCOUNT})"
ACCOUNT_VALUES = f"getAccountValues({ACCOUNT})"
ADJUSTED_ACCOUNT_VALUES = f"getAdjustedAccountValues({ACCOUNT})"
ACTION = "(uint8,uint256,(bool,uint8,uint8,uint256),uint256,uint256,address,uint256,bytes)"
"""Actions.ActionArgs."""
OPERATE = f"operate({ACCOUNT}[],{ACTION}[])"
SOLO_MARGIN: Final = (
    NUM_MARKETS,
    RISK_PARAMS,
    MARKET,
    CURRENT_INDEX,
    CACHED_INDEX,
    MARKET_PRICE,
    INTEREST_RATE,
    ACCOUNT_PAR,
    ACCOUNT_STATUS,
    ACCOUNT_VALUES,
    ADJUSTED_ACCOUNT_VALUES,
    OPERATE,
)

AGGREGATOR_OF = "tokenToAggregatorMap(address)"
PAIRING_OF = "tokenToPairingMap(address)"
CHAINLINK_ORACLE: Final = (AGGREGATOR_OF, PAIRING_OF)
MEDIANIZER = "MEDIANIZER()"
WETH_ORACLE: Final = (MEDIANIZER,)
PEEK = "peek()"
PEEK_WORDS = 2
MAKER_ORACLE: Final = (PEEK,)
SYMBOL = "symbol()"
DECIMALS = "decimals()"
ERC20: Final = (SYMBOL, DECIMALS)

_UPDATE: Final = "((bool,uint256),(bool,uint128))"
"""Events.BalanceUpdate."""
_PAIR: Final = "address,uint256,address,uint256,uint256,uint256"
"""Two accounts and two markets."""
ONE_ACCOUNT_EVENTS: Final = (
    f"LogWithdraw(address,uint256,uint256,{_UPDATE},address)",
    f"LogBuy(address,uint256,uint256,uint256,{_UPDATE},{_UPDATE},address)",
    f"LogSell(address,uint256,uint256,uint256,{_UPDATE},{_UPDATE},address)",
)
"""The owner is the first indexed argument, the number the first word of data."""
LIQUIDATE_EVENT: Final = f"LogLiquidate({_PAIR},{_UPDATE},{_UPDATE},{_UPDATE},{_UPDATE})"
VAPORIZE_EVENT: Final = f"LogVaporize({_PAIR},{_UPDATE},{_UPDATE},{_UPDATE})"
TWO_ACCOUNT_EVENTS: Final = (
    f"LogTransfer(address,uint256,address,uint256,uint256,{_UPDATE},{_UPDATE})",
    f"LogTrade({_PAIR},{_UPDATE},{_UPDATE},{_UPDATE},{_UPDATE},address)",
    LIQUIDATE_EVENT,
    VAPORIZE_EVENT,
)
"""The owners are the two indexed arguments, the numbers the first two words of data."""
EVENTS: Final = (*ONE_ACCOUNT_EVENTS, *TWO_ACCOUNT_EVENTS)
OTHER_EVENTS: Final = (
    f"LogDeposit(address,uint256,uint256,{_UPDATE},address)",
    "LogCall(address,uint256,address)",
)
"""The two that open no debt; they name one account."""
