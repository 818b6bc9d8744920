"""How a Comptroller rounds the product of two wads, found out by what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, get_args

from defiliq.chain.node import Call, Node, Override
from defiliq.chain.pretend import table_code
from defiliq.errors import BadResponse, CallReverted, RpcError
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.market import CompoundMarket, ProductRounding
from defiliq.protocols.compound_v2.take import seize_tokens
from defiliq.units import WAD

REPAID: Final = 10**24
"""Enough that a difference of 1 in a small product shows in what it seizes."""
MOST_PRICE: Final = 1_000


def rounding_of(node: Node, market: CompoundMarket) -> ProductRounding | None:
    """How the Comptroller rounds; None where the node takes no overrides, or no price could tell.

    liquidateCalculateSeizeTokens multiplies incentive by price and price by exchange rate just as
    getHypotheticalAccountLiquidityInternal multiplies factors. It is asked with pretended prices so small
    that both roundings give different answers.
    """
    prices = telling_prices(market)
    if prices is None:
        return None
    debt_price, collateral_price = prices
    first, last = market.reserves[0], market.reserves[-1]
    table = {last.c_token: collateral_price, first.c_token: debt_price}
    if first is last:
        table = {first.c_token: debt_price}
    call = Call(market.comptroller, abi.calldata(abi.SEIZE_TOKENS, first.c_token, last.c_token, REPAID))
    try:
        (answer,) = node.call(
            [call], market.block, overrides={market.oracle: Override(code=table_code(table))}
        )
    except (RpcError, BadResponse):
        return None
    if isinstance(answer, CallReverted) or len(answer) != 64 or any(answer[:32]):
        return None
    seized = int.from_bytes(answer[32:], "big")
    fitting = [rounding for rounding, wanted in _expected(market, prices).items() if wanted == seized]
    return fitting[0] if len(fitting) == 1 else None


def telling_prices(market: CompoundMarket) -> tuple[int, int] | None:
    """Prices of the first cToken's debt and the last one's collateral that tell the roundings apart."""
    rate_wad = market.as_stored().reserves[-1].exchange_rate_now_wad
    least = max(1, -(-WAD // max(1, rate_wad)))
    for step in range(1, MOST_PRICE):
        pair = (step, step if len(market.reserves) == 1 else least + step)
        expected = _expected(market, pair)
        if None not in expected.values() and len(set(expected.values())) == len(expected):
            return pair
    return None


def _expected(market: CompoundMarket, prices: tuple[int, int]) -> Mapping[ProductRounding, int | None]:
    """What a repayment of REPAID seizes by each rounding, at stored indices."""
    first, last = market.reserves[0], market.reserves[-1]
    moved = market.as_stored().at_prices({first.feed: prices[0]} | {last.feed: prices[1]})
    roundings: tuple[ProductRounding, ...] = get_args(ProductRounding)
    return {
        rounding: seize_tokens(replace(moved, product_rounding=rounding), 0, len(market.reserves) - 1, REPAID)
        for rounding in roundings
    }
