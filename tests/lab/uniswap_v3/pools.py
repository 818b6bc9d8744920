"""Deploy Uniswap's own contracts from npm, and put liquidity into their pools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import Any

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain
from tests.lab.contract import Artifact, Contract
from tests.lab.packages import node_modules
from tests.lab.uniswap_v3.specs import PAIR_RESERVES, POOLS, TOKENS, PoolSpec, Position, draw_positions

PLENTY = 2**200
"""Of every token for the trader: swaps down to the last price want more than anyone has."""
NOBODY = "0x" + "00" * 19 + "01"
UNIT = 1_000_000
"""A moderate liquidity: of a position worth a million of token0 over the whole range."""
MINTS_EACH = 20
"""Positions per transaction."""


@dataclass(frozen=True, slots=True)
class Uniswap:
    """What is on the local chain."""

    factory: Contract
    router: Contract
    quoter: Contract
    trader: Contract
    tokens: Mapping[str, Contract]
    pools: Mapping[str, Contract]
    pair_factory: Contract
    pair: Contract
    """WETH and USDC, of Uniswap v2."""


def to_plain(there: Uniswap) -> dict[str, Any]:
    """Addresses only, to be kept as JSON."""
    return {
        "factory": there.factory.address,
        "router": there.router.address,
        "quoter": there.quoter.address,
        "trader": there.trader.address,
        "tokens": {name: each.address for name, each in there.tokens.items()},
        "pools": {name: each.address for name, each in there.pools.items()},
        "pair_factory": there.pair_factory.address,
        "pair": there.pair.address,
    }


def from_plain(kept: Mapping[str, Any]) -> Uniswap:
    """From kept addresses."""
    token = faucet_token().abi
    return Uniswap(
        Contract(kept["factory"], core("UniswapV3Factory").abi),
        Contract(kept["router"], periphery("SwapRouter").abi),
        Contract(kept["quoter"], periphery("lens/QuoterV2").abi),
        Contract(kept["trader"], solidity.own()["PoolTrader"].abi),
        {name: Contract(address, token) for name, address in kept["tokens"].items()},
        {name: Contract(address, core("UniswapV3Pool").abi) for name, address in kept["pools"].items()},
        Contract(kept["pair_factory"], v2("UniswapV2Factory").abi),
        Contract(kept["pair"], v2("UniswapV2Pair").abi),
    )


def build(seed: int, chain: Chain) -> Mapping[str, Any]:
    """Everything on a fresh chain."""
    factory = chain.deploy(core("UniswapV3Factory"))
    chain.send(factory, "enableFeeAmount", 100, 1)
    router = chain.deploy(periphery("SwapRouter"), factory.address, NOBODY)
    quoter = chain.deploy(periphery("lens/QuoterV2"), factory.address, NOBODY)
    trader = chain.deploy(solidity.own()["PoolTrader"])
    tokens = {
        symbol: chain.deploy(faucet_token(), 0, symbol, spec.decimals, symbol)
        for symbol, spec in TOKENS.items()
    }
    for token in tokens.values():
        chain.send(token, "allocateTo", trader.address, PLENTY)
    there = Uniswap(factory, router, quoter, trader, tokens, {}, *_pair(chain, tokens))
    pools = {name: _pool(chain, there, spec, seed) for name, spec in POOLS.items()}
    return to_plain(Uniswap(factory, router, quoter, trader, tokens, pools, there.pair_factory, there.pair))


def create_pool(
    chain: Chain, there: Uniswap, tokens: Sequence[str], fee_pips: int, sqrt_price_x96: int
) -> Contract:
    """A pool of two token addresses at a price of token1 for token0."""
    chain.send(there.factory, "createPool", *tokens, fee_pips)
    pool = Contract(chain.call(there.factory, "getPool", *tokens, fee_pips), core("UniswapV3Pool").abi)
    chain.send(pool, "initialize", sqrt_price_x96)
    return pool


def add_liquidity(chain: Chain, there: Uniswap, pool: Contract, positions: Sequence[Position]) -> None:
    """Mint positions, several per transaction."""
    for start in range(0, len(positions), MINTS_EACH):
        part = list(positions[start : start + MINTS_EACH])
        chain.send(there.trader, "mint", pool.address, part)


def _pool(chain: Chain, there: Uniswap, spec: PoolSpec, seed: int) -> Contract:
    symbols = sorted(spec.tokens, key=lambda symbol: int(there.tokens[symbol].address, 16))
    first, second = (TOKENS[symbol] for symbol in symbols)
    worth0, worth1 = first.cents * 10**second.decimals, second.cents * 10**first.decimals
    root = isqrt((worth0 << 192) // worth1)
    pool = create_pool(
        chain, there, [there.tokens[symbol].address for symbol in symbols], spec.fee_pips, root
    )
    tick = chain.call(pool, "slot0")[1]
    unit = isqrt(10**first.decimals * 10**second.decimals * first.cents // second.cents) * UNIT
    add_liquidity(chain, there, pool, draw_positions(spec, tick, unit, seed))
    return pool


def _pair(chain: Chain, tokens: Mapping[str, Contract]) -> tuple[Contract, Contract]:
    factory = chain.deploy(v2("UniswapV2Factory"), NOBODY)
    chain.send(factory, "createPair", *(tokens[symbol].address for symbol in PAIR_RESERVES))
    address = chain.call(factory, "getPair", *(tokens[symbol].address for symbol in PAIR_RESERVES))
    pair = Contract(address, v2("UniswapV2Pair").abi)
    for symbol, reserve in PAIR_RESERVES.items():
        chain.send(tokens[symbol], "allocateTo", pair.address, reserve)
    chain.send(pair, "mint", DEPLOYER)
    return factory, pair


@cache
def core(name: str) -> Artifact:
    """A contract of npm's `@uniswap/v3-core`."""
    return _artifact(f"@uniswap/v3-core/artifacts/contracts/{name}.sol/{name}.json")


@cache
def periphery(path: str) -> Artifact:
    """A contract of npm's `@uniswap/v3-periphery`."""
    name = path.rsplit("/", 1)[-1]
    return _artifact(f"@uniswap/v3-periphery/artifacts/contracts/{path}.sol/{name}.json")


@cache
def v2(name: str) -> Artifact:
    """A contract of npm's `@uniswap/v2-core`, whose files say less."""
    entry = json.loads((node_modules() / f"@uniswap/v2-core/build/{name}.json").read_bytes())
    return Artifact.of({"abi": entry["abi"], "bytecode": entry["bytecode"], "linkReferences": {}})


@cache
def faucet_token() -> Artifact:
    """A token that anyone may make more of."""
    folder = "@venusprotocol/venus-protocol/artifacts/contracts/test"
    return _artifact(f"{folder}/FaucetToken.sol/FaucetToken.json")


def _artifact(path: str) -> Artifact:
    return Artifact.of(json.loads((node_modules() / path).read_bytes()))
