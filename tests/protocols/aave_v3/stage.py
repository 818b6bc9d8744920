"""A lab's accounts brought to prices where they break, and real liquidation calls at an exact second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.oracle.drivers import group_driver
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols.aave_v3 import AaveMarket
from defiliq.protocols.aave_v3.legs import counted_legs
from defiliq.protocols.aave_v3.pairs import Pair, pairs
from defiliq.types import Account, Level, Liquidation, Listing
from defiliq.units import MAX_UINT256
from tests.lab import Lab
from tests.lab.chain import GAS, Tx, revert_reason
from tests.lab.liquidation import LIQUIDATOR, Outcome
from tests.lab.market import TREASURY
from tests.lab.node import RpcError
from tests.protocols.aave_v3.conftest import packed
from tests.protocols.aave_v3.contract_says import answers_of, feed_drivers, moved_feeds, price_of
from tests.takings import cover, sole

AFTER_S = 777
"""The liquidations happen so long after the block that was read: balances accrue until then."""
WITH_ADAPTER = "ETHER"
"""The driver that moves the ETH feed alone, and leaves the staked token to its real adapter."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One lab as read, accrued to the second of the liquidations, with all its levels."""

    lab: Lab
    book: Book[AaveMarket]
    levels: tuple[Level, ...]
    broken: tuple[Level, ...]
    """Of accounts that break without a move: one each, which stands at spot."""
    shapes: Mapping[str, str]

    @property
    def market(self) -> AaveMarket:
        return self.book.market

    def at(self, driver: Driver, price: int) -> AaveMarket:
        """The market with a driver elsewhere."""
        return self.market.at_prices(driver.prices(price))

    def account(self, level: Level) -> Account:
        return self.book.account(level.account)

    def shape(self, level: Level) -> str:
        """What the population has the account for; empty for accounts that a test made."""
        return self.shapes.get(self.book.owner(level.account), "")

    def is_whale(self, level: Level) -> bool:
        return self.shape(level).startswith("whale")

    def symbol(self, reserve: int) -> str:
        return self.market.reserves[reserve].symbol

    def feeds(self, driver: Driver, price: int) -> dict[str, int]:
        """What to write into which source, so that the driver stands at `price` on chain."""
        moved = moved_feeds(self.lab, self.market, driver, price)
        if driver.name == WITH_ADAPTER:
            del moved[self.lab.feeds["wstETH"]]
        return moved

    def call(
        self,
        level: Level,
        price: int,
        taken: Liquidation | tuple[int, int],
        *,
        debt_to_cover: int | None = None,
        a_tokens: bool = False,
    ) -> Outcome:
        """A real liquidationCall of the level's account with its driver at `price`.

        Whales are paid in aTokens: the pool does not hold so much of the underlying.
        """
        if isinstance(taken, Liquidation):
            seize, repay, asked = sole(taken).reserve, taken.repay_reserve, cover(taken)
        else:
            (seize, repay), asked = taken, MAX_UINT256
        return self.lab.liquidate(
            self.book.owner(level.account),
            collateral=self.symbol(seize),
            debt=self.symbol(repay),
            debt_to_cover=asked if debt_to_cover is None else debt_to_cover,
            timestamp=self.market.timestamp,
            prices=self.feeds(level.driver, price),
            takes_a_token=a_tokens or self.is_whale(level),
        )

    def treasury_growth(self, level: Level, price: int, taken: Liquidation) -> int:
        """By how many scaled aTokens of the seized reserve one real call lets the treasury grow."""
        lab, (seized, repaid) = self.lab, (self.symbol(sole(taken).reserve), self.symbol(taken.repay_reserve))
        a_token, pool = lab.market.a_tokens[seized], lab.market.pool
        arguments = (lab.tokens[seized], lab.tokens[repaid], self.book.owner(level.account))
        with lab.rewinding():
            for source, answer in self.feeds(level.driver, price).items():
                lab.set_price(source, answer)
            before = lab.chain.call(a_token, "scaledBalanceOf", TREASURY)
            call = Tx(LIQUIDATOR, pool, "liquidationCall", (*arguments, cover(taken), False))
            lab.chain.send_all([call], self.market.timestamp)
            return int(lab.chain.call(a_token, "scaledBalanceOf", TREASURY)) - int(before)

    def refusal(
        self,
        level: Level,
        price: int,
        pair: tuple[int, int],
        debt_to_cover: int = MAX_UINT256,
        *,
        a_tokens: bool = False,
    ) -> str:
        """What the same call would revert with; empty where it would succeed. Nothing is mined."""
        pool, tokens = self.lab.market.pool, [self.lab.tokens[self.symbol(reserve)] for reserve in pair]
        owner, in_a_tokens = self.book.owner(level.account), a_tokens or self.is_whale(level)
        data = pool.data("liquidationCall", *tokens, owner, debt_to_cover, in_a_tokens)
        request = {"from": LIQUIDATOR, "to": pool.address, "data": data, "gas": hex(GAS)}
        adapter_stays = level.driver.name == WITH_ADAPTER
        overrides = answers_of(self.lab, self.feeds(level.driver, price), adapter_stays=adapter_stays)
        time = {"time": hex(self.market.timestamp)}
        try:
            self.lab.rpc("eth_call", request, "latest", overrides, time)
        except RpcError as error:
            return revert_reason(error.data) or str(error)
        return ""

    def error(self, name: str, code: str) -> str:
        """How the pool spells an error: a selector from v3.4 on, a number before."""
        return selector(name) if self.lab.revision >= 8 else code


def selector(name: str) -> str:
    """The first four bytes of a custom error without arguments."""
    return "0x" + keccak(text=f"{name}()")[:4].hex()


def open_stage(lab: Lab) -> Stage:
    """Read a lab and solve it; once per lab, since tests leave a lab as they found it."""
    return _opened(lab, lab.url)


@lru_cache(maxsize=4)
def _opened(lab: Lab, url: str) -> Stage:
    return set_stage(lab)


def set_stage(lab: Lab, owners: Sequence[str] | None = None, after_s: int = AFTER_S) -> Stage:
    """Read a lab as it stands, all of its borrowers or some owners, and solve it."""
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    asked = None if owners is None else packed(tuple(owners))
    with connect(lab.url, retries=0) as node:
        book: Book[AaveMarket] = read(node, listing, "latest", owners=asked)
    market = book.market.at_time(book.market.block.timestamp + after_s)
    book = replace(book, market=market)
    ratio = lab.chain.call(lab.market.ratio, "getRatio")
    grouped = group_driver(market, f"{WITH_ADAPTER}=WETH,wstETH:{ratio}/{10**18}")
    found = solve_book(book, (grouped, *feed_drivers(market))).levels
    levels = tuple(level for level in found if level.outcome == "price")
    already = {level.account: level for level in found if level.outcome == "already"}
    shapes = {user.owner: user.shape for user in lab.users}
    return Stage(lab, book, levels, tuple(already.values()), shapes)


def open_position(
    lab: Lab, name: str, supplies: Mapping[str, int], debts: Mapping[str, int], emode: int = 0
) -> str:
    """Make an account that holds and owes so much, in base units; the liquidator pays. It takes blocks."""
    owner = str(to_checksum_address(keccak(text=f"defiliq exact {name}")[-20:]))
    pool, tokens = lab.market.pool, lab.tokens
    lab.rpc("anvil_setBalance", owner, hex(10**20))
    for symbol, amount in supplies.items():
        lab.chain.send(pool, "supply", tokens[symbol], amount, owner, 0, sender=LIQUIDATOR)
    if emode:
        lab.chain.send(pool, "setUserEMode", emode, sender=owner)
    for symbol, amount in debts.items():
        lab.chain.send(pool, "borrow", tokens[symbol], amount, 2, 0, owner, sender=owner)
    return owner


def lower(level: Level, percent: int) -> int:
    """A price so much deeper than the level, on its own side."""
    kept = 100 - percent
    price = price_of(level)
    return max(1, price * kept // 100) if level.side == "long" else price * 100 // kept


def spread(levels: Sequence[Level], most: int) -> list[Level]:
    """A few levels: of as many accounts as possible, on as many drivers and both sides."""
    chosen: list[Level] = []
    waiting = list(levels)
    while waiting and len(chosen) < most:
        waiting.sort(
            key=lambda level: (
                sum(level.account == other.account for other in chosen),
                sum((level.driver.name, level.side) == (other.driver.name, other.side) for other in chosen),
            )
        )
        chosen.append(waiting.pop(0))
    return chosen


def all_pairs(account: Account, market: AaveMarket) -> dict[tuple[int, int], Pair]:
    """Every collateral with every debt of an account, by (seized, repaid) reserve."""
    legs = counted_legs(account, market)
    return {(pair.collateral.reserve, pair.debt.reserve): pair for pair in pairs(account, market, legs)}


def deficits_base(market: AaveMarket, outcome: Outcome) -> int:
    """What DeficitCreated events say, valued as the pool values debt (rounded up from v3.5 on)."""
    total, deficits = 0, outcome.deficits
    assert deficits is not None
    for position, reserve in enumerate(market.reserves):
        total += -(-deficits.get(reserve.symbol, 0) * market.price_of(position) // reserve.unit)
    return total


def amounts_of(found: Liquidation | Outcome) -> tuple[Any, ...]:
    """What is compared to the wei. The fee is the value of the aToken's Transfer to the treasury."""
    if isinstance(found, Liquidation):
        return found.repaid, sole(found).amount, sole(found).protocol_fee
    return found.repaid, found.seized, found.protocol_fee
