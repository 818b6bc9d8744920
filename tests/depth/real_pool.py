"""A pool as it once was on Ethereum, and what its bytecode answered: fixtures/vectors/uniswap_v3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from defiliq.depth.uniswap_v3 import PoolV3, pool_v3
from defiliq.depth.venue import Token
from tests.lab.uniswap_v3 import Asked, Swapped, UniswapLab
from tests.lab.uniswap_v3.pools import PLENTY, add_liquidity, create_pool, faucet_token
from tests.lab.uniswap_v3.specs import Position

PATH = Path(__file__).parents[2] / "fixtures" / "vectors" / "uniswap_v3" / "wbtc_weth_17600000.json"


def real_pool() -> PoolV3:
    """WBTC/WETH 0.3% at block 17,600,000."""
    kept = json.loads(PATH.read_text())["pool"]
    tokens = Token(*kept["token0"]), Token(*kept["token1"])
    return pool_v3(
        "WBTC/WETH",
        (tokens[0], tokens[1]),
        tokens[0],
        sqrt_price_x96=int(kept["sqrt_price_x96"]),
        tick=kept["tick"],
        liquidity=int(kept["liquidity"]),
        fee_pips=kept["fee_pips"],
        tick_spacing=kept["tick_spacing"],
        ticks={tick: int(net) for tick, net in kept["ticks"]},
        address=kept["address"],
    )


def answered() -> list[tuple[Asked, Swapped]]:
    """Swaps in it, each by itself, and what the pool's bytecode made of them."""
    rows = json.loads(PATH.read_text())["swaps"]
    return [
        (
            Asked("", bool(zero_for_one), int(specified), int(limit)),
            Swapped(int(amount0), int(amount1), int(price), tick, int(liquidity)),
        )
        for (zero_for_one, specified, limit), (amount0, amount1, price, tick, liquidity) in rows
    ]


def positions_of(ticks: Mapping[int, int]) -> list[Position]:
    """Positions that together make these liquidityNets."""
    waiting: list[tuple[int, int]] = []
    found: list[Position] = []
    for tick, net in sorted(ticks.items()):
        if net > 0:
            waiting.append((tick, net))
        closing = max(-net, 0)
        while closing:
            lower, size = waiting.pop()
            part = min(size, closing)
            found.append((lower, tick, part))
            closing -= part
            if size > part:
                waiting.append((lower, size - part))
    return found


def on_the_lab(lab: UniswapLab, pool: PoolV3) -> str:
    """Make the pool on the lab's chain, of two new tokens: its address."""
    tokens = [lab.chain.deploy(faucet_token(), 0, "T", 18, "T") for _ in range(2)]
    for token in tokens:
        lab.chain.send(token, "allocateTo", lab.there.trader.address, PLENTY)
    sides = sorted((token.address for token in tokens), key=lambda address: int(address, 16))
    made = create_pool(lab.chain, lab.there, sides, pool.fee_pips, pool.sqrt_price_x96)
    ticks = dict(zip(pool.ticks, pool.liquidity_net, strict=True))
    add_liquidity(lab.chain, lab.there, made, positions_of(ticks))
    return made.address
