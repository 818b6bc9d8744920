"""What pools, factories and tokens are asked: see abis/uniswap_v3 and abis/uniswap_v2."""

from __future__ import annotations

from typing import Final

TOKEN0: Final = "token0()"
TOKEN1: Final = "token1()"
FACTORY: Final = "factory()"
SLOT0: Final = "slot0()"
"""Its first two words are sqrtPriceX96 and tick in every fork that is read here; what follows differs."""
LIQUIDITY: Final = "liquidity()"
FEE: Final = "fee()"
TICK_SPACING: Final = "tickSpacing()"
TICK_BITMAP: Final = "tickBitmap(int16)"
TICKS: Final = "ticks(int24)"
"""Its first two words are liquidityGross and liquidityNet."""
GET_POOL_BY_FEE: Final = "getPool(address,address,uint24)"
GET_POOL_BY_SPACING: Final = "getPool(address,address,int24)"

GET_RESERVES: Final = "getReserves()"
GET_PAIR: Final = "getPair(address,address)"
STABLE: Final = "stable()"
"""A pair that answers this is of Solidly's kind, with curves and fees of its own."""
GLOBAL_STATE: Final = "globalState()"
"""A pool that answers this is Algebra's, which has no slot0."""

SYMBOL: Final = "symbol()"
DECIMALS: Final = "decimals()"

POOL: Final = (TOKEN0, TOKEN1, FACTORY, SLOT0, LIQUIDITY, FEE, TICK_SPACING, TICK_BITMAP, TICKS)
"""UniswapV3Pool"""
PAIR: Final = (TOKEN0, TOKEN1, FACTORY, GET_RESERVES)
"""UniswapV2Pair"""
