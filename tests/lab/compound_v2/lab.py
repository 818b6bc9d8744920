"""A Compound v2 market with a population, ready to be asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.lab import states
from tests.lab.chain import Chain, Overrides, Tx, revert_reason
from tests.lab.compound_v2.listing import BY_SYMBOL, NATIVE
from tests.lab.compound_v2.market import Market, from_plain, set_stage
from tests.lab.compound_v2.outcome import AccountLiquidity, Outcome, outcome
from tests.lab.compound_v2.plan import SHAPES
from tests.lab.compound_v2.population import build
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.plan import draw
from tests.lab.running import Member, Running

ACCOUNT_BORROWS_SLOT = 16
"""VTokenStorage.accountBorrows, which has no getter."""
NAME = "compound-v2"
SOURCES = (
    "compound_v2/listing.py",
    "compound_v2/market.py",
    "compound_v2/plan.py",
    "compound_v2/population.py",
    "liquidation.py",
    "plan.py",
    "population.py",
    "reserves.py",
    "solidity/CompoundOracle.sol",
    "solidity/Feeds.sol",
)
FINAL_TICKS_PPM = (1_000_450, 999_120)
"""What the ETH price is in the blocks before the last, of the final one."""


class CompoundV2Lab(Running[Member]):
    """A running node with a Compound v2 market and its population. Close it, or use it as a context.

    Symbols are those of underlying tokens; the native coin's is "ETH". Interest accrues by block number. A
    call at `latest` sees the latest block's own number, not the next one's; a transaction sees the number of
    the block that it is mined in, which is at least one more.
    """

    def __init__(self, users: int, seed: int, port: int | None) -> None:
        plans = draw(users, seed, SHAPES)
        recipe = states.Recipe(f"{NAME}-{users}-{seed}", SOURCES, partial(build, plans, seed))
        node, chain, kept = states.start(recipe, port)
        try:
            self.market = finish(chain, kept)
        except BaseException:
            node.stop()
            raise
        members = (Member(plan.owner, plan.shape, bool(plan.debts)) for plan in plans)
        super().__init__(node, chain, tuple(members))

    @property
    def comptroller(self) -> str:
        """The Unitroller's address, which is all that a market file names."""
        return self.market.comptroller.address

    @property
    def oracle(self) -> str:
        """The price oracle's address."""
        return self.market.oracle.address

    @property
    def markets(self) -> dict[str, str]:
        """The markets by the symbol of their underlying; "ETH" is the one without underlying()."""
        return {symbol: contract.address for symbol, contract in self.market.markets.items()}

    @property
    def tokens(self) -> dict[str, str]:
        """Underlying tokens by symbol: none for the native coin."""
        return {symbol: contract.address for symbol, contract in self.market.tokens.items()}

    @property
    def drivers(self) -> dict[str, str]:
        """The aggregators that move prices, by what they quote. ETH/USD moves two markets."""
        return {name: contract.address for name, contract in self.market.aggregators.items()}

    def market_file(self, path: Path | str) -> Path:
        """Write the file that names this market to defiliq."""
        return self.write_listing(path, "compound-v2", "Local Compound v2", {"comptroller": self.comptroller})

    def answer(self, driver: str) -> int:
        """What an aggregator says now."""
        return int(self.chain.call(self.market.aggregators[driver], "latestAnswer"))

    def price(
        self, symbol: str, *, drivers: Mapping[str, int] | None = None, block: int | str = "latest"
    ) -> int:
        """The oracle's getUnderlyingPrice: dollars of one base unit, times 10**36."""
        overrides = self.moved({} if drivers is None else drivers)
        market = self.markets[symbol]
        return int(
            self.chain.call(
                self.market.oracle, "getUnderlyingPrice", market, block=block, overrides=overrides
            )
        )

    def account_liquidity(
        self,
        owner: str,
        *,
        drivers: Mapping[str, int] | None = None,
        block_number: int | None = None,
        accrued: bool | Collection[str] = False,
        block: int | str = "latest",
    ) -> AccountLiquidity:
        """The comptroller's own getAccountLiquidity on the state after `block`, with drivers put elsewhere.

        `accrued` False: rates and indices as they are stored; no block number enters the answer.
        `accrued` True: accrueInterest of every market runs first in the same call, up to `block_number`;
        left out, up to the number of `block` itself. A transaction in the next block accrues to one block
        more: ask with `block_number=lab.chain.height() + 1`. Symbols instead of True accrue those markets
        only, as liquidateBorrow does with the debt's and the collateral's.
        """
        symbols = self.markets if accrued is True else accrued or ()
        comptroller = self.market.comptroller
        calls = [(self.market.markets[symbol], "accrueInterest", ()) for symbol in symbols]
        packed = [
            (contract.address, False, bytes.fromhex(contract.data(name, *arguments)[2:]))
            for contract, name, arguments in [*calls, (comptroller, "getAccountLiquidity", (owner,))]
        ]
        answers = self.chain.call(
            self.chain.multicall,
            "aggregate3",
            packed,
            block=block,
            overrides=self.moved({} if drivers is None else drivers),
            number=block_number,
        )
        function = comptroller.functions["getAccountLiquidity"]
        return AccountLiquidity(*function.answer("0x" + answers[-1][1].hex()))

    def held(self, owner: str) -> dict[str, int]:
        """An account's balances of the markets' own tokens, by symbol; entered or not."""
        return self._of_each_market("balanceOf", owner)

    def owed(self, owner: str) -> dict[str, int]:
        """An account's debts as they are stored, by symbol."""
        return self._of_each_market("borrowBalanceStored", owner)

    def entered(self, owner: str) -> set[str]:
        """The markets that an account has entered, by symbol."""
        symbols = {address.lower(): symbol for symbol, address in self.markets.items()}
        found = self.chain.call(self.market.comptroller, "getAssetsIn", owner)
        return {symbols[address.lower()] for address in found}

    def borrow_snapshot(self, owner: str, symbol: str, block: int | str = "latest") -> tuple[int, int]:
        """Principal and interest index of an account's debt, as they lie in the market's storage."""
        place = int.from_bytes(keccak(encode(("address", "uint256"), (owner, ACCOUNT_BORROWS_SLOT))))
        where = block if isinstance(block, str) else hex(block)
        words = [
            self.rpc("eth_getStorageAt", self.markets[symbol], _word(place + more), where) for more in (0, 1)
        ]
        return int(words[0], 16), int(words[1], 16)

    def set_driver(self, name: str, answer: int) -> None:
        """Write the answer of an aggregator into its storage: no block is mined."""
        self.rpc("anvil_setStorageAt", self.drivers[name], _word(0), _word(answer))

    def set_direct_price(self, symbol: str, price: int) -> None:
        """Post a price with 18 decimals, which wins over the token's feed until it is 0. It takes a block."""
        self.chain.send(self.market.oracle, "setDirectPrice", self.tokens[symbol], price)

    def liquidate(
        self,
        owner: str,
        *,
        debt: str,
        collateral: str,
        repay: int,
        drivers: Mapping[str, int] | None = None,
        blocks_ahead: int = 1,
        accrue_all: bool = False,
    ) -> Outcome:
        """Send a real liquidateBorrow with the drivers really moved, say what it did, and undo it.

        It is mined in block `lab.chain.height() + blocks_ahead`, and accrues the debt's and the collateral's
        market to that number. All other markets count as they are stored, unless `accrue_all` has
        accrueInterest of every market mined before it in the same block.
        """
        market = self.market
        with self.rewinding():
            if blocks_ahead > 1:
                self.chain.mine_many(blocks_ahead - 1)
            for name, answer in {} if drivers is None else drivers.items():
                self.set_driver(name, answer)
            held = self.chain.call(market.markets[collateral], "balanceOf", LIQUIDATOR)
            first = [Tx(LIQUIDATOR, each, "accrueInterest", ()) for each in market.markets.values()]
            sent = [*(first if accrue_all else ()), self._liquidation(owner, debt, collateral, repay)]
            receipt = self.chain.mine_all([self.chain.request(tx) for tx in sent])[-1]
            received = self.chain.call(market.markets[collateral], "balanceOf", LIQUIDATOR) - held
            return outcome(receipt, self._error(receipt), received, self.account_liquidity(owner))

    def moved(self, drivers: Mapping[str, int]) -> Overrides:
        """The state override that puts drivers elsewhere, in the storage of what answers for them."""
        found = self.drivers
        return {found[name]: {"stateDiff": {_word(0): _word(value)}} for name, value in drivers.items()}

    def _of_each_market(self, function: str, owner: str) -> dict[str, int]:
        found = {s: self.chain.call(market, function, owner) for s, market in self.market.markets.items()}
        return {symbol: amount for symbol, amount in found.items() if amount}

    def _liquidation(self, owner: str, debt: str, collateral: str, repay: int) -> Tx:
        asked, taken = self.market.markets[debt], self.markets[collateral]
        if debt == NATIVE:
            return Tx(LIQUIDATOR, asked, "liquidateBorrow", (owner, taken), repay)
        return Tx(LIQUIDATOR, asked, "liquidateBorrow", (owner, repay, taken))

    def _error(self, receipt: Mapping[str, Any]) -> str:
        """What a mined transaction reverted with; empty if it did not."""
        if int(receipt["status"], 16) == 1:
            return ""
        trace = self.rpc("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        return revert_reason(trace.get("output", "0x")) or "no reason"


def start_compound_v2(*, users: int = 300, seed: int = 7, port: int | None = None) -> CompoundV2Lab:
    """Start a node with the Compound v2 market and its population.

    The first start of a size and seed sends the transactions; all later ones load what was kept.
    """
    return CompoundV2Lab(users, seed, port)


def finish(chain: Chain, kept: Mapping[str, Any]) -> Market:
    """The last blocks, on every start anew: a loaded node knows no state older than the one it loaded.

    The first of them names its time: a loaded node would go on from the time of its own first block.
    """
    market = from_plain(kept)
    eth = BY_SYMBOL[NATIVE]
    chain.wait(BLOCK_SECONDS)
    for tick in FINAL_TICKS_PPM:
        chain.send(market.aggregators[eth.driver], "setAnswer", eth.answer("final") * tick // 10**6)
    set_stage(chain, market, "final")
    return market


def _word(value: int) -> str:
    return f"0x{value:064x}"
