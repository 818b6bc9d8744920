"""Uniswap's pools, ready to be asked and traded in."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from tests.lab import states
from tests.lab.cache import LabError
from tests.lab.chain import DEPLOYER, Tx
from tests.lab.contract import Contract
from tests.lab.node import BLOCK_SECONDS
from tests.lab.running import RunningNode
from tests.lab.uniswap_v3.pools import build, from_plain

SOURCES = (
    "solidity/PoolTrader.sol",
    "uniswap_v3/pools.py",
    "uniswap_v3/specs.py",
)

SWAP_GAS = 10**9
"""A swap to the last price looks at every word of the bitmap."""


class Swapped(NamedTuple):
    """What the pool's own swap moved, and the pool after it."""

    amount0: int
    amount1: int
    sqrt_price_x96: int
    tick: int
    liquidity: int


class Asked(NamedTuple):
    """One swap, as UniswapV3Pool.swap takes it."""

    pool: str
    """The pool's address."""
    zero_for_one: bool
    specified: int
    limit_x96: int


class UniswapLab(RunningNode):
    """A running node with the pools of `specs.POOLS`. Close it, or use it as a context."""

    def __init__(self, seed: int, port: int | None) -> None:
        recipe = states.Recipe(f"uniswap-v3-{seed}", SOURCES, partial(build, seed))
        node, chain, kept = states.start(recipe, port)
        try:
            self.there = from_plain(kept)
            chain.wait(BLOCK_SECONDS)
        except BaseException:
            node.stop()
            raise
        super().__init__(node, chain)

    @property
    def pools(self) -> dict[str, str]:
        """The pools by name: "WETH/USDC 0.05%"."""
        return {name: pool.address for name, pool in self.there.pools.items()}

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens by symbol."""
        return {symbol: token.address for symbol, token in self.there.tokens.items()}

    def ask(self, swaps: list[Asked]) -> list[Swapped]:
        """What each swap would do to the chain as it is, each by itself: nothing is kept."""
        return [Swapped(*answer) for answer in self.chain.call_many(self.there.trader, "swap", swaps)]

    def swap(self, swap: Asked) -> Swapped:
        """One swap for real, in a block of its own."""
        (done,) = self.ask([swap])
        request = self.chain.request(Tx(DEPLOYER, self.there.trader, "swap", tuple(swap)))
        (receipt,) = self.chain.mine_all([{**request, "gas": hex(SWAP_GAS)}])
        if int(receipt["status"], 16) != 1:
            raise LabError(f"{swap} reverted: {self.chain.reason(request)}")
        return done

    def state(self, pool: str) -> tuple[int, int, int]:
        """Price, tick and liquidity that a pool stands at."""
        contract = Contract(pool, self.there.pools["WETH/USDC 0.3%"].abi)
        price, tick, *_ = self.chain.call(contract, "slot0")
        return int(price), int(tick), int(self.chain.call(contract, "liquidity"))

    def give(self, symbol: str, owner: str, amount: int) -> None:
        """Make tokens for somebody."""
        self.chain.send(self.there.tokens[symbol], "allocateTo", owner, amount)

    def swap_pair(self, symbol: str, given: int, got: int) -> dict[str, object]:
        """Pay `given` of a token into the v2 pair, and take `got` of the other: the receipt."""
        pair = self.there.pair
        token = self.there.tokens[symbol]
        first = int(self.chain.call(pair, "token0"), 16)
        outs = (0, got) if int(token.address, 16) == first else (got, 0)
        sent = [
            Tx(DEPLOYER, token, "allocateTo", (pair.address, given)),
            Tx(DEPLOYER, pair, "swap", (*outs, DEPLOYER, b"")),
        ]
        return self.chain.mine_all([self.chain.request(tx) for tx in sent])[-1]


def start_uniswap_v3(*, seed: int = 7, port: int | None = None) -> UniswapLab:
    """Start a node with Uniswap's pools, from the cache where they were built before."""
    return UniswapLab(seed, port)
