"""A seeded Aave market beside a real Uniswap pool, and rounds of a cascade that are made there for real."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from eth_utils.address import to_checksum_address
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.depth.read import read_pools
from defiliq.depth.uniswap_v3 import HIGHEST_LIMIT, LOWEST_LIMIT, MAX_INT256, PoolV3
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.reading import read
from defiliq.pricing.driver import Driver
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3 import AaveMarket
from defiliq.types import Account, Liquidation, Listing
from tests.aftermath import keys
from tests.lab import Lab
from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Tx
from tests.lab.contract import Contract, topic
from tests.lab.liquidation import LIQUIDATION_CALL, LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.receipts import words_of
from tests.lab.reserves import BY_SYMBOL
from tests.lab.uniswap_v3.pools import core
from tests.protocols.aave_v3.stage import open_position
from tests.takings import cover, in_a_row, sole

ETH = "ETH/USD"
SWAP = topic("Swap(address,address,int256,int256,uint160,uint128,int24)")
ACCOUNTS = 14
MOST_CALLS = 64
FEE_PIPS, SPACING = 3_000, 60
DOLLARS = {"USDC": 6, "USDT": 6, "GHO": 18}
"""What longs owe, with its decimals."""


class Swapped(NamedTuple):
    """What a pool's Swap event says, as its tokens are ordered."""

    amount0: int
    amount1: int
    sqrt_price_x96: int
    liquidity: int


class Called(NamedTuple):
    """What a LiquidationCall event says."""

    seized_asset: str
    repaid_asset: str
    owner: str
    repaid: int
    seized: int


@dataclass(frozen=True)
class Happened:
    """One round on the chain: its calls in order, and the trade that followed."""

    calls: tuple[Called, ...]
    swap: Swapped | None


@dataclass(frozen=True)
class Place:
    """The lab with its seeded accounts and its pool, as read at one block and accrued to the next."""

    lab: Lab
    trader: Contract
    book: Book[AaveMarket]
    pool: PoolV3

    @property
    def driver(self) -> Driver:
        return find_driver(self.book.market, ETH)

    def at(self, answer: int) -> AaveMarket:
        """The market with the ETH aggregator elsewhere."""
        return self.book.market.at_inputs(self.driver.moved_inputs(answer))

    def swap(self, zero_for_one: bool, specified: int, limit_x96: int) -> Tx:
        """A swap in the pool, out of what the trader holds."""
        given = (self.pool.address, zero_for_one, specified, limit_x96)
        return Tx(DEPLOYER, self.trader, "swap", given)

    def arbitrage(self, to: PoolV3) -> Tx:
        """Bring the pool to a price."""
        return self.swap(to.sqrt_price_x96 < self.pool.sqrt_price_x96, MAX_INT256, to.sqrt_price_x96)

    def trade(self, amount: int) -> list[Tx]:
        """The liquidator sells so much WETH into the pool, or, below 0, so much is bought back."""
        zero_for_one = self.pool.base_is_token0 == (amount > 0)
        swap = self.swap(zero_for_one, amount, LOWEST_LIMIT if zero_for_one else HIGHEST_LIMIT)
        weth = self.lab.market.tokens["WETH"]
        return (
            [Tx(LIQUIDATOR, weth, "transfer", (self.trader.address, amount)), swap] if amount > 0 else [swap]
        )

    def answer(self, value: int) -> Tx:
        """The oracle is told a price."""
        return Tx(DEPLOYER, self.lab.market.aggregators[ETH], "setAnswer", (value,))

    def call(self, account: Account, taken: Liquidation) -> Tx:
        """A real liquidationCall."""
        reserves = self.book.market.reserves
        named = (reserves[k].asset for k in (sole(taken).reserve, taken.repay_reserve))
        return Tx(
            LIQUIDATOR,
            self.lab.market.pool,
            "liquidationCall",
            (*named, account.owner, cover(taken), False),
        )


def seeded(lab: Lab, seed: int) -> Place:
    """Make the accounts and the pool, and read both. Inside `rewinding`: it takes blocks."""
    owners = [
        open_position(lab, f"cascade {seed} {k}", *legs)
        for k, legs in enumerate(positions(random.Random(seed)))
    ]
    trader, pool = make_pool(lab)
    book, depth = read_again(lab, keys(AaveMarket, owners), pool)
    market = book.market.at_time(book.market.block.timestamp + BLOCK_SECONDS)
    return Place(lab, trader, replace(book, market=market), depth)


def read_again(lab: Lab, owners: NDArray[np.uint8], pool: str) -> tuple[Book[AaveMarket], PoolV3]:
    """Some accounts with all that they have, and the pool, at the last block."""
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        book = read(node, listing, "latest", owners=owners, uncounted=True)
        (depth,) = read_pools(node, [pool], node.block("latest"), base="WETH")
    assert isinstance(depth, PoolV3)
    return book, depth


def positions(draw: random.Random) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """(supplies, debts): most owe dollars on ETH, some ETH on dollars, and none is far from breaking."""
    weth = BY_SYMBOL["WETH"]
    for k in range(ACCOUNTS):
        eth = draw.randrange(10**18, 12 * 10**18)
        worth = eth * weth.final // 10**26  # whole dollars
        safety = Fraction(draw.randrange(104, 135), 100)
        if k % 4 == 3:
            threshold = Fraction(BY_SYMBOL["USDC"].threshold, 10_000)
            yield {"USDC": int(worth * 10**6 * safety / threshold)}, {"WETH": eth}
            continue
        supplies, borrowable = {"WETH": eth}, worth * Fraction(weth.threshold, 10_000) / safety
        if draw.random() < 0.4:
            supplies["WBTC"] = draw.randrange(10**6, 5 * 10**6)
            wbtc = BY_SYMBOL["WBTC"]
            more = Fraction(supplies["WBTC"] * wbtc.final, 10**16)
            borrowable += more * Fraction(wbtc.threshold, 10_000) / safety
        owed = draw.sample(sorted(DOLLARS), draw.choice((1, 1, 2)))
        yield supplies, {symbol: int(borrowable / len(owed) * 10 ** DOLLARS[symbol]) for symbol in owed}


def make_pool(lab: Lab) -> tuple[Contract, str]:
    """Uniswap's own factory with a pool of the lab's WETH and USDC, at the oracle's price, and its trader."""
    chain, tokens = lab.chain, lab.market.tokens
    factory, trader = chain.deploy(core("UniswapV3Factory")), chain.deploy(solidity.own()["PoolTrader"])
    ends = [tokens[symbol].address for symbol in ("WETH", "USDC")]
    chain.send(factory, "createPool", *ends, FEE_PIPS)
    pool = Contract(chain.call(factory, "getPool", *ends, FEE_PIPS), core("UniswapV3Pool").abi)
    for symbol in ("WETH", "USDC"):
        chain.send(tokens[symbol], "mint(address,uint256)", trader.address, 10**30)
    price = Fraction(lab.price("WETH") * 10**6, lab.price("USDC") * 10**18)
    ratio = price if int(ends[0], 16) < int(ends[1], 16) else 1 / price
    root = isqrt((ratio.numerator << 192) // ratio.denominator)
    chain.send(pool, "initialize", root)
    here = int(chain.call(pool, "slot0")[1]) // SPACING * SPACING
    unit = isqrt(price.numerator * (400 * 10**18) ** 2 // price.denominator)
    full = 887_220
    ranges = [(-full, full, unit), (here - 600, here + 600, 2 * unit), (here - 3_000, here - 1_200, unit)]
    chain.send(trader, "mint", pool.address, [*ranges, (here + 900, here + 2_400, unit // 2)])
    return trader, str(pool.address)


def calls_at(
    place: Place, accounts: Sequence[Account], answer: int
) -> tuple[list[tuple[Account, Liquidation]], list[Account]]:
    """All calls that go through with the oracle at an answer, account by account, and what they leave."""
    market, made, left = place.at(answer), [], []
    for account in accounts:
        done = in_a_row(aave_v3, account, market, MOST_CALLS)
        assert len(done) < MOST_CALLS
        made += done
        left.append(aave_v3.after(*_end(done, market)) if done else account)
    return made, left


def _end(
    done: Sequence[tuple[Account, Liquidation]], market: AaveMarket
) -> tuple[Account, AaveMarket, Liquidation]:
    account, taken = done[-1]
    return account, market, taken


def traded(place: Place, made: Sequence[tuple[Account, Liquidation]]) -> int:
    """What of WETH the liquidator is left with, in wei; below 0 what it lacks."""
    weth = next(k for k, reserve in enumerate(place.book.market.reserves) if reserve.symbol == "WETH")
    seized = sum(one.amount for _, taken in made for one in taken.seizures if one.reserve == weth)
    return seized - sum(taken.repaid for _, taken in made if taken.repay_reserve == weth)


def happened(place: Place, rounds: Sequence[Sequence[Tx]]) -> list[Happened]:
    """Mine all transactions of all rounds in the one block that the market is accrued to; what they did."""
    lab = place.lab
    lab.chain.send_all([tx for part in rounds for tx in part], place.book.market.timestamp)
    block = lab.rpc("eth_getBlockByNumber", "latest", False)
    assert int(block["timestamp"], 16) == place.book.market.timestamp
    asked = [("eth_getTransactionReceipt", (each,)) for each in block["transactions"]]
    receipts = iter(lab.rpc.batch(asked))
    return [_round([next(receipts) for _ in part]) for part in rounds]


def _round(receipts: Sequence[Any]) -> Happened:
    logs = [log for receipt in receipts for log in receipt["logs"]]
    calls = [
        Called(
            *(str(to_checksum_address("0x" + word[-40:])) for word in log["topics"][1:4]),
            *words_of(log["data"])[:2],
        )
        for log in logs
        if log["topics"][0] == LIQUIDATION_CALL
    ]
    swaps = [words_of(log["data"]) for log in logs if log["topics"][0] == SWAP]
    assert len(swaps) <= 1
    swap = Swapped(*(_signed(word) for word in swaps[0][:4])) if swaps else None
    return Happened(tuple(calls), swap)


def _signed(word: int) -> int:
    return word - (1 << 256) if word >> 255 else word
