"""Before the hour: pools to sell in, a bot, flash loans, and accounts close to their levels."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab import compile as solidity
from tests.lab.bot import Bot
from tests.lab.build import word
from tests.lab.chain import DEPLOYER, Overrides, Tx
from tests.lab.contract import Contract
from tests.lab.lab import Lab
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.reserves import BY_SYMBOL, ETH_MODE, GHO_MODE, RATIO
from tests.lab.uniswap_v3.pools import core

WAD = 10**18
PREMIUM_BPS = 5
FEE_PIPS, SPACING, LAST_TICK = 3_000, 60, 887_220
PAIRS = {
    ("WETH", "USDC"): 20_000_000,
    ("WBTC", "USDC"): 20_000_000,
    ("LINK", "USDC"): 8_000_000,
    ("wstETH", "WETH"): 20_000_000,
    ("WETH", "USDT"): 20_000_000,
}
"""Pools by their tokens, and so many dollars lie about the price of each."""
HIGH = {"ETH/USD": 106, "BTC/USD": 109, "LINK/USD": 125}
"""Percent of their answers at which the aggregators stand while the accounts borrow, to lie near 1 after."""
LONGS = (("WETH", "USDC"), ("WBTC", "USDC"), ("LINK", "USDC"), ("WETH", "USDT"), ("WETH", "USDC"))
NEAR_BPS = (10_020, 10_700)
"""Where health factors of the longs lie at the start."""
INTEREST_BLOCKS = 4
"""The account that breaks by interest alone does so about so many blocks into the hour."""
INTEREST, INTEREST_LINK = "by interest", 2_000 * WAD + 77


@dataclass(frozen=True)
class Stage:
    """All that the hour is played with."""

    lab: Lab
    bot: Bot
    trader: Contract
    pools: Mapping[tuple[str, str], Contract]
    """By (collateral, debt), both ways."""
    accounts: tuple[str, ...]
    """Borrowers made for the hour."""
    spare_feed: Contract
    """A source that governance may list for CRV."""
    by_interest: str
    """The account that needs no move of a price to break."""

    @property
    def several(self) -> tuple[Contract, ...]:
        """Each pool once."""
        return tuple(dict.fromkeys(self.pools.values()))


def set_stage(lab: Lab, seed: int, count: int = 20) -> Stage:
    """Make pools, bot and accounts, in some blocks of their own."""
    chain, market, draw = lab.chain, lab.market, random.Random(f"stage {seed}")
    for symbol in ("WETH", "WBTC", "USDC", "USDT", "LINK", "wstETH", "GHO"):
        chain.send(market.configurator, "setReserveFlashLoaning", lab.tokens[symbol], True)
    chain.send(market.configurator, "updateFlashloanPremium", PREMIUM_BPS)
    chain.send(market.configurator, "setAssetBorrowableInEMode", lab.tokens["CRV"], GHO_MODE.id, True)
    bot = Bot.deploy(chain, market)
    trader, pools = _make_pools(lab)
    for symbol in ("USDC", "USDT", "WETH"):
        to = bot.contract.address
        chain.send(market.tokens[symbol], "mint(address,uint256)", to, 10**8 * BY_SYMBOL[symbol].unit)
    spare = chain.deploy(solidity.own()["SettableFeed"], BY_SYMBOL["CRV"].final * 97 // 100, 8, "CRV / USD")
    accounts = _make_accounts(lab, draw, count)
    by_interest = _break_by_interest(lab)
    feeds = [*market.aggregators.values(), spare]
    chain.send_all([Tx(DEPLOYER, feed, "setWrittenAt", (chain.now() - 60,)) for feed in feeds])
    return Stage(lab, bot, trader, pools, (*accounts, by_interest), spare, by_interest)


def named(name: str) -> str:
    """An address that nobody else has."""
    return str(to_checksum_address(keccak(text=f"defiliq hour {name}")[-20:]))


def opening(
    lab: Lab, owner: str, supplies: Mapping[str, int], debts: Mapping[str, int], emode: int = 0
) -> list[Tx]:
    """What makes a position, in this order; the liquidator pays what is supplied."""
    pool, tokens = lab.market.pool, lab.tokens
    lab.rpc("anvil_setBalance", owner, hex(10**20))
    supplied = [
        Tx(LIQUIDATOR, pool, "supply", (tokens[symbol], amount, owner, 0))
        for symbol, amount in supplies.items()
    ]
    chosen = [Tx(owner, pool, "setUserEMode", (emode,))] if emode else []
    owed = [
        Tx(owner, pool, "borrow", (tokens[symbol], amount, 2, 0, owner)) for symbol, amount in debts.items()
    ]
    return [*supplied, *chosen, *owed]


def oracle_ratio(lab: Lab, first: str, second: str, moved: Overrides | None = None) -> Fraction:
    """Base units of the second token for one of the first, as the oracle has it, or would by overrides."""
    oracle, tokens = lab.market.oracle, lab.tokens
    worth, price = (
        int(lab.chain.call(oracle, "getAssetPrice", tokens[symbol], overrides=moved))
        for symbol in (first, second)
    )
    return Fraction(worth * BY_SYMBOL[second].unit, price * BY_SYMBOL[first].unit)


def root_x96(lab: Lab, pair: tuple[str, str], ratio: Fraction) -> tuple[int, bool]:
    """A pair's price as its pool writes prices, and whether the first is its token0."""
    is_first = int(lab.tokens[pair[0]], 16) < int(lab.tokens[pair[1]], 16)
    if not is_first:
        ratio = 1 / ratio
    return isqrt((ratio.numerator << 192) // ratio.denominator), is_first


def _make_pools(lab: Lab) -> tuple[Contract, dict[tuple[str, str], Contract]]:
    chain = lab.chain
    factory, trader = chain.deploy(core("UniswapV3Factory")), chain.deploy(solidity.own()["PoolTrader"])
    for symbol in sorted({symbol for pair in PAIRS for symbol in pair}):
        chain.send(lab.market.tokens[symbol], "mint(address,uint256)", trader.address, 10**30)
    pools: dict[tuple[str, str], Contract] = {}
    for pair, depth_usd in PAIRS.items():
        ends = [lab.tokens[symbol] for symbol in pair]
        chain.send(factory, "createPool", *ends, FEE_PIPS)
        pool = Contract(chain.call(factory, "getPool", *ends, FEE_PIPS), core("UniswapV3Pool").abi)
        ratio = oracle_ratio(lab, *pair)
        chain.send(pool, "initialize", root_x96(lab, pair, ratio)[0])
        amount = depth_usd * 10**8 * BY_SYMBOL[pair[0]].unit // lab.price(pair[0])
        chain.send(trader, "mint", pool.address, _ranges(lab, pool, amount, ratio))
        pools[pair] = pools[pair[1], pair[0]] = pool
    return trader, pools


def _ranges(lab: Lab, pool: Contract, amount: int, ratio: Fraction) -> list[tuple[int, int, int]]:
    here = int(lab.chain.call(pool, "slot0")[1]) // SPACING * SPACING
    some = isqrt(ratio.numerator * amount**2 // ratio.denominator)
    return [
        (-LAST_TICK, LAST_TICK, some),
        (here - 600, here + 600, 2 * some),
        (here - 3_000, here - 1_200, some),
        (here + 900, here + 2_400, some // 2),
    ]


def _make_accounts(lab: Lab, draw: random.Random, count: int) -> list[str]:
    """Longs near their levels, loops of eMode 1, and shorts that a rise breaks."""
    chain, market = lab.chain, lab.market
    before = {name: int(chain.call(market.aggregators[name], "latestAnswer")) for name in HIGH}
    chain.send_all(
        [
            Tx(DEPLOYER, market.aggregators[name], "setAnswer", (before[name] * HIGH[name] // 100,))
            for name in HIGH
        ]
    )
    made: list[str] = []
    for k in range(count):
        held, owed = LONGS[k % len(LONGS)]
        usd = draw.randrange(4_000, 120_000)
        held_base = usd * 10**8 * 100 // HIGH[_aggregator(held)]
        bps = draw.randrange(*NEAR_BPS)
        _open(lab, made, f"long {k}", (held, usd), (owed, held_base * BY_SYMBOL[held].threshold // bps), 0)
    for k in range(count // 5):
        usd = draw.randrange(20_000, 90_000)
        _open(
            lab,
            made,
            f"loop {k}",
            ("wstETH", usd),
            ("WETH", usd * 10**4 * draw.randrange(9_150, 9_290)),
            ETH_MODE.id,
        )
    worth = INTEREST_LINK * lab.price("LINK") * 100 // HIGH["LINK/USD"]
    debt = worth * BY_SYMBOL["LINK"].threshold // 10_010 // 10**20
    for tx in opening(lab, named(INTEREST), {"LINK": INTEREST_LINK}, {"USDC": debt}):
        chain.send_all([tx])
    back = [Tx(DEPLOYER, market.aggregators[name], "setAnswer", (before[name],)) for name in HIGH]
    chain.send_all(back)
    for k in range(count // 5):
        usd = draw.randrange(20_000, 90_000)
        _open(lab, made, f"short {k}", ("USDC", usd), ("WETH", usd * 10**8 * 7_480 // 10_000), 0)
    return made


def _open(
    lab: Lab, made: list[str], name: str, held: tuple[str, int], owed: tuple[str, int], emode: int
) -> None:
    """`held` is worth so many dollars, `owed` so much base currency, at the oracle's prices of now."""
    owner = named(name)
    supply = held[1] * 10**8 * BY_SYMBOL[held[0]].unit // lab.price(held[0])
    debt = owed[1] * BY_SYMBOL[owed[0]].unit // lab.price(owed[0])
    for tx in opening(lab, owner, {held[0]: supply}, {owed[0]: debt}, emode):
        lab.chain.send_all([tx])
    made.append(owner)


def _break_by_interest(lab: Lab) -> str:
    """Set LINK's price so that one account's health factor is 1 some blocks from now."""
    chain, market, owner = lab.chain, lab.market, named(INTEREST)
    feed = market.aggregators["LINK/USD"]
    at = chain.now() + (INTEREST_BLOCKS + 2) * BLOCK_SECONDS

    def factor(price: int) -> int:
        moved: Overrides = {feed.address: {"stateDiff": {word(0): word(price)}}}
        answer = chain.call(market.pool, "getUserAccountData", owner, overrides=moved, timestamp=at)
        return int(answer[5])

    low, high = 1, lab.price("LINK") * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if factor(middle) >= WAD else (middle + 1, high)
    chain.send(feed, "setAnswer", low)
    return owner


def _aggregator(symbol: str) -> str:
    return {"WETH": "ETH/USD", "WBTC": "BTC/USD", "LINK": "LINK/USD"}[symbol]


def drivers_of(lab: Lab) -> Sequence[str]:
    """What moves in the hour, by name."""
    return (*(name for name in lab.aggregators if name not in {"AAVE/USD", "GHO/USD"}), RATIO)
