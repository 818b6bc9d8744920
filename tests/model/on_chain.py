"""A seeded Aave market beside real Uniswap pools, and rounds of a cascade that are made there for real."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
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

BTC, ETH = "BTC/USD", "ETH/USD"
TRADED = {BTC: "WBTC", ETH: "WETH"}
"""Driver to what is traded along it, each in a pool against USDC."""
TOKENS_DEEP = {"WBTC": 17, "WETH": 400}
"""About so much of each lies around the price: a million dollars."""
SWAP = topic("Swap(address,address,int256,int256,uint160,uint128,int24)")
ACCOUNTS = 16
MOST_CALLS = 64
FEE_PIPS, SPACING, LAST_TICK = 3_000, 60, 887_220
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
    """One round on the chain: its calls in order, and the trade that followed in each pool."""

    calls: tuple[Called, ...]
    swaps: Mapping[str, Swapped]
    """By the pool's address."""


@dataclass(frozen=True)
class Place:
    """The lab with its seeded accounts and pools, as read at one block and accrued to the next."""

    lab: Lab
    trader: Contract
    book: Book[AaveMarket]
    pools: Mapping[str, PoolV3]
    """By driver."""

    def driver(self, name: str) -> Driver:
        return find_driver(self.book.market, name)

    def at(self, answers: Mapping[str, int]) -> AaveMarket:
        """The market with some aggregators elsewhere."""
        moved: dict[int, int] = {}
        for name, answer in answers.items():
            moved |= self.driver(name).moved_inputs(answer)
        return self.book.market.at_inputs(moved)

    def token(self, name: str) -> int:
        """The reserve that is traded along a driver."""
        reserves = self.book.market.reserves
        return next(k for k, reserve in enumerate(reserves) if reserve.symbol == TRADED[name])

    def swap(self, name: str, zero_for_one: bool, specified: int, limit_x96: int) -> Tx:
        """A swap in a driver's pool, out of what the trader holds."""
        given = (self.pools[name].address, zero_for_one, specified, limit_x96)
        return Tx(DEPLOYER, self.trader, "swap", given)

    def arbitrage(self, name: str, to: PoolV3) -> Tx:
        """Bring a pool to a price."""
        is_down = to.sqrt_price_x96 < self.pools[name].sqrt_price_x96
        return self.swap(name, is_down, MAX_INT256, to.sqrt_price_x96)

    def trade(self, name: str, amount: int) -> list[Tx]:
        """The liquidator sells so much into a pool, or, below 0, so much is bought back there."""
        if amount == 0:
            return []
        zero_for_one = self.pools[name].base_is_token0 == (amount > 0)
        limit = LOWEST_LIMIT if zero_for_one else HIGHEST_LIMIT
        swap = self.swap(name, zero_for_one, amount, limit)
        if amount < 0:
            return [swap]
        token = self.lab.market.tokens[TRADED[name]]
        return [Tx(LIQUIDATOR, token, "transfer", (self.trader.address, amount)), swap]

    def tell(self, answers: Mapping[str, int]) -> list[Tx]:
        """The oracle is told prices."""
        feeds = self.lab.market.aggregators
        return [Tx(DEPLOYER, feeds[name], "setAnswer", (value,)) for name, value in answers.items()]

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


def seeded(lab: Lab, seed: int, names: Sequence[str]) -> Place:
    """Make accounts, and a pool per driver, and read them. Inside `rewinding`: it takes blocks."""
    owners = [
        open_position(lab, f"cascade {seed} {k}", *legs)
        for k, legs in enumerate(positions(random.Random(seed)))
    ]
    trader, pools = make_pools(lab, [TRADED[name] for name in names])
    book, depths = read_again(lab, keys(AaveMarket, owners), pools)
    market = book.market.at_time(book.market.block.timestamp + BLOCK_SECONDS)
    return Place(lab, trader, replace(book, market=market), dict(zip(names, depths, strict=True)))


def read_again(
    lab: Lab, owners: NDArray[np.uint8], pools: Sequence[str]
) -> tuple[Book[AaveMarket], list[PoolV3]]:
    """Some accounts with all that they have, and pools, at the last block."""
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        book = read(node, listing, "latest", owners=owners, uncounted=True)
        depths = read_pools(node, pools, node.block("latest"))
    return book, [depth for depth in depths if isinstance(depth, PoolV3)]


def positions(draw: random.Random) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """(supplies, debts): most owe dollars on ETH, some of them on BTC too, and some owe ETH on dollars."""
    weth = BY_SYMBOL["WETH"]
    for k in range(ACCOUNTS):
        eth = draw.randrange(10**18, 12 * 10**18)
        worth = eth * weth.final // 10**26  # whole dollars
        safety = Fraction(draw.randrange(104, 125), 100)
        if k % 4 == 3:
            threshold = Fraction(BY_SYMBOL["USDC"].threshold, 10_000)
            yield {"USDC": int(worth * 10**6 * safety / threshold)}, {"WETH": eth}
            continue
        supplies, borrowable = {"WETH": eth}, worth * Fraction(weth.threshold, 10_000) / safety
        if k % 4 == 1:
            safety = max(safety, Fraction(108, 100))  # that much its LTV asks for
            borrowable = worth * Fraction(weth.threshold, 10_000) / safety
            wbtc = BY_SYMBOL["WBTC"]
            supplies["WBTC"] = 2 * worth * 10**16 // wbtc.final
            borrowable += 2 * worth * Fraction(wbtc.threshold, 10_000) / safety
        owed = draw.sample(sorted(DOLLARS), draw.choice((1, 1, 2)))
        yield supplies, {symbol: int(borrowable / len(owed) * 10 ** DOLLARS[symbol]) for symbol in owed}


def make_pools(lab: Lab, symbols: Sequence[str]) -> tuple[Contract, list[str]]:
    """Uniswap's own factory with pools of some tokens and USDC, at the oracle's prices, and their trader."""
    chain, tokens = lab.chain, lab.market.tokens
    factory, trader = chain.deploy(core("UniswapV3Factory")), chain.deploy(solidity.own()["PoolTrader"])
    for symbol in ("USDC", *symbols):
        chain.send(tokens[symbol], "mint(address,uint256)", trader.address, 10**30)
    return trader, [_make_pool(lab, factory, trader, symbol) for symbol in symbols]


def _make_pool(lab: Lab, factory: Contract, trader: Contract, symbol: str) -> str:
    chain, unit = lab.chain, BY_SYMBOL[symbol].unit
    ends = [lab.market.tokens[each].address for each in (symbol, "USDC")]
    chain.send(factory, "createPool", *ends, FEE_PIPS)
    pool = Contract(chain.call(factory, "getPool", *ends, FEE_PIPS), core("UniswapV3Pool").abi)
    price = Fraction(lab.price(symbol) * 10**6, lab.price("USDC") * unit)
    ratio = price if int(ends[0], 16) < int(ends[1], 16) else 1 / price
    chain.send(pool, "initialize", isqrt((ratio.numerator << 192) // ratio.denominator))
    here = int(chain.call(pool, "slot0")[1]) // SPACING * SPACING
    some = isqrt(price.numerator * (TOKENS_DEEP[symbol] * unit) ** 2 // price.denominator)
    ranges = [
        (-LAST_TICK, LAST_TICK, some),
        (here - 600, here + 600, 2 * some),
        (here - 3_000, here - 1_200, some),
        (here + 900, here + 2_400, some // 2),
    ]
    chain.send(trader, "mint", pool.address, ranges)
    return str(pool.address)


def calls_at(
    market: AaveMarket, accounts: Sequence[Account]
) -> tuple[list[tuple[Account, Liquidation]], list[Account]]:
    """All calls that go through at some prices, account by account, and what they leave of each."""
    made: list[tuple[Account, Liquidation]] = []
    left = []
    for account in accounts:
        done = in_a_row(aave_v3, account, market, MOST_CALLS)
        assert len(done) < MOST_CALLS
        made += done
        for before, taken in done[-1:]:
            account = aave_v3.after(before, market, taken)
        left.append(account)
    return made, left


def left_with(made: Sequence[tuple[Account, Liquidation]], reserve: int) -> int:
    """What of a token the liquidator is left with, in base units; below 0 what it lacks."""
    seized = sum(one.amount for _, taken in made for one in taken.seizures if one.reserve == reserve)
    return seized - sum(taken.repaid for _, taken in made if taken.repay_reserve == reserve)


def happened(place: Place, rounds: Sequence[Sequence[Tx]], later_s: int = 0) -> list[Happened]:
    """Mine all transactions of some rounds in one block, so long after the time of the market.

    What each round did.
    """
    lab, at = place.lab, place.book.market.timestamp + later_s
    lab.chain.send_all([tx for part in rounds for tx in part], at)
    block = lab.rpc("eth_getBlockByNumber", "latest", False)
    assert int(block["timestamp"], 16) == at
    asked = [("eth_getTransactionReceipt", (each,)) for each in block["transactions"]]
    receipts = iter(lab.rpc.batch(asked))
    return [_round([next(receipts) for _ in part]) for part in rounds]


def _round(receipts: Sequence[Any]) -> Happened:
    logs = [log for receipt in receipts for log in receipt["logs"]]
    swaps = [log for log in logs if log["topics"][0] == SWAP]
    found = {
        _address(log["address"]): Swapped(*(_signed(word) for word in words_of(log["data"])[:4]))
        for log in swaps
    }
    assert len(found) == len(swaps)
    return Happened(tuple(_called(log) for log in logs if log["topics"][0] == LIQUIDATION_CALL), found)


def _called(log: Any) -> Called:
    seized_asset, repaid_asset, owner = (_address("0x" + word[-40:]) for word in log["topics"][1:4])
    repaid, seized = words_of(log["data"])[:2]
    return Called(seized_asset, repaid_asset, owner, repaid, seized)


def _address(text: str) -> str:
    return str(to_checksum_address(text))


def _signed(word: int) -> int:
    return word - (1 << 256) if word >> 255 else word
