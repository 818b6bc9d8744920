"""A market with a population, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tests.lab.build import VERSIONS, start, word
from tests.lab.cache import LabError
from tests.lab.chain import GAS, MAX_UINT256, Overrides
from tests.lab.liquidation import LIQUIDATOR, Outcome, outcome
from tests.lab.plan import Plan
from tests.lab.reserves import PEGGED, RATIO, STABLE_CAPS, STAKED
from tests.lab.running import Member, Running

ANSWER_FROM_SLOT_0 = "0x5f545f5260205ff3"
"""Runtime code that answers every call with storage word 0: what stands in for a feed that computes."""
COMPUTED = frozenset({STAKED, PEGGED, *STABLE_CAPS})
"""Reserves whose source is an adapter over other contracts."""
PARAMETERS_FROM_SLOT = 1
"""Where an adapter's storage holds what may be set: see `solidity/Adapters.sol`."""
SCALING_FACTOR, BPS_YEAR = 10**6, 10_000 * 365 * 86_400


class AccountData(NamedTuple):
    """What Pool.getUserAccountData says."""

    collateral_base: int
    debt_base: int
    available_borrows_base: int
    threshold_bps: int
    ltv_bps: int
    factor_wad: int


@dataclass(frozen=True, slots=True)
class User(Member):
    """One account of the population; its shape is one of `plan.SHAPES`."""

    emode: int


class Lab(Running[User]):
    """A running node with an Aave market and its population. Close it, or use it as a context."""

    def __init__(self, version: str, users: int, seed: int, port: int | None) -> None:
        node, chain, self.market, plans = start(version, users, seed, port)
        super().__init__(node, chain, tuple(_user(plan) for plan in plans))
        self.version = version
        self._version = VERSIONS[version]
        self.revision = self._version.revision

    @property
    def provider(self) -> str:
        """The PoolAddressesProvider, which is all that a market file names."""
        return self.market.provider.address

    @property
    def pool(self) -> str:
        """The Pool's address."""
        return self.market.pool.address

    @property
    def oracle(self) -> str:
        """The AaveOracle's address."""
        return self.market.oracle.address

    @property
    def tokens(self) -> dict[str, str]:
        """Underlying tokens by symbol."""
        return {symbol: contract.address for symbol, contract in self.market.tokens.items()}

    @property
    def feeds(self) -> dict[str, str]:
        """Price sources by symbol."""
        return {symbol: contract.address for symbol, contract in self.market.feeds.items()}

    @property
    def aggregators(self) -> dict[str, str]:
        """The feeds that move by themselves, by what they quote: ETH/USD, wBTC/BTC, USDC/USD."""
        return {name: contract.address for name, contract in self.market.aggregators.items()}

    @property
    def ratio_provider(self) -> str:
        """What the staked token's adapter asks for its ratio."""
        return self.market.ratio.address

    @property
    def drivers(self) -> dict[str, str]:
        """Everything that moves a price, by name: the aggregators, and the staking ratio."""
        return {**self.aggregators, RATIO: self.ratio_provider}

    def market_file(self, path: Path | str) -> Path:
        """Write the file that names this market to defiliq."""
        return self.write_listing(
            path, "aave-v3", f"Local {self.version}", {"pool_addresses_provider": self.provider}
        )

    def price(self, symbol: str, block: int | str = "latest") -> int:
        """What the oracle says an asset costs."""
        return int(self.chain.call(self.market.oracle, "getAssetPrice", self.tokens[symbol], block=block))

    def account_data(
        self,
        owner: str,
        *,
        timestamp: int | None = None,
        prices: Mapping[str, int] | None = None,
        drivers: Mapping[str, int] | None = None,
        block: int | str = "latest",
    ) -> AccountData:
        """The contract's own answer, by state override at other prices and by block override at another time.

        `prices` maps symbols, or feed addresses, to oracle integers: the reserve's source answers just that.
        `drivers` maps names of `drivers` to integers: what hangs on them follows through its own code.
        """
        overrides = {**self.moved({} if drivers is None else drivers)}
        overrides |= self._pinned({} if prices is None else prices)
        at = int(self.rpc("eth_getBlockByNumber", _tag(block), False)["timestamp"], 16)
        return AccountData(
            *self.chain.call(
                self.market.pool,
                "getUserAccountData",
                owner,
                block=block,
                overrides=overrides,
                timestamp=at if timestamp is None else timestamp,
            )
        )

    def all_account_data(self) -> list[AccountData]:
        """Everybody's answer at the latest block, in `users` order."""
        answers = self.chain.call_many(
            self.market.pool, "getUserAccountData", [[owner] for owner in self.owners]
        )
        return [AccountData(*answer) for answer in answers]

    def set_price(self, symbol: str, price: int) -> None:
        """Write a feed's answer into its storage: no block is mined.

        A feed that computes is replaced by one that does not, so it follows nothing any more; use it inside
        `rewinding`, or move what drives it with `set_driver` instead.
        """
        feed = self._feed(symbol)
        if feed in {self.feeds[computed] for computed in COMPUTED}:
            self.rpc("anvil_setCode", feed, ANSWER_FROM_SLOT_0)
        self.rpc("anvil_setStorageAt", feed, word(0), word(price))

    def set_driver(self, name: str, value: int) -> None:
        """Write the answer of an aggregator, or the staking ratio, into its storage: no block is mined."""
        self.rpc("anvil_setStorageAt", self.drivers[name], word(0), word(value))

    def set_cap(self, symbol: str, cap: int, *, since: int | None = None, yearly_growth_bps: int = 0) -> None:
        """Write what a reserve's adapter caps with into its storage: no block is mined.

        A stablecoin's cap is a price. The staked token's is a ratio with 18 decimals, which grows from a
        timestamp on, the latest block's if none is named.
        """
        parameters = [cap]
        if symbol == STAKED:
            growth = cap * yearly_growth_bps * SCALING_FACTOR // BPS_YEAR
            parameters += [self.chain.now() if since is None else since, growth, yearly_growth_bps]
        elif symbol not in STABLE_CAPS:
            raise LabError(f"the source of {symbol} has no cap")
        for slot, value in enumerate(parameters, PARAMETERS_FROM_SLOT):
            self.rpc("anvil_setStorageAt", self.feeds[symbol], word(slot), word(value))

    def set_sequencer(self, *, is_up: bool, since: int, grace_s: int = 3_600) -> None:
        """Give the market a price oracle sentinel, as on an L2, and tell it about the sequencer.

        It takes blocks: use it inside `rewinding`.
        """
        market, chain = self.market, self.chain
        chain.send(market.sequencer, "set", 0 if is_up else 1, since)
        code = self._version.code()["sentinel"]
        sentinel = chain.deploy(code, market.provider.address, market.sequencer.address, grace_s)
        chain.send(market.provider, "setPriceOracleSentinel", sentinel.address)

    def liquidate(
        self,
        owner: str,
        *,
        collateral: str,
        debt: str,
        debt_to_cover: int = MAX_UINT256,
        timestamp: int | None = None,
        prices: Mapping[str, int] | None = None,
        drivers: Mapping[str, int] | None = None,
        takes_a_token: bool = False,
    ) -> Outcome:
        """Send a real liquidationCall in a block of exactly `timestamp`, say what it did, and undo it.

        `prices` and `drivers` mean what they mean in `account_data`, and are really written.
        """
        at = self.chain.now() + 1 if timestamp is None else timestamp
        market = self.market
        with self.rewinding():
            for name, value in {} if drivers is None else drivers.items():
                self.set_driver(name, value)
            for symbol, price in {} if prices is None else prices.items():
                self.set_price(symbol, price)
            tokens = market.tokens[collateral].address, market.tokens[debt].address
            request = {
                "from": LIQUIDATOR,
                "to": market.pool.address,
                "data": market.pool.data("liquidationCall", *tokens, owner, debt_to_cover, takes_a_token),
                "gas": hex(GAS),
            }
            error = self.chain.reason(request, at)
            receipt = self.chain.mine_one(request, at)
            done = outcome(market, receipt, self.chain.now(), error, collateral)
            after = self.chain.call(market.pool, "getUserAccountData", owner)
        return replace(done, account_after=tuple(after))

    def moved(self, drivers: Mapping[str, int]) -> Overrides:
        """The state override that puts drivers elsewhere, in the storage of what answers for them."""
        found = self.drivers
        return {found[name]: {"stateDiff": {word(0): word(value)}} for name, value in drivers.items()}

    def _feed(self, name: str) -> str:
        return name if name.startswith("0x") else self.feeds[name]

    def _pinned(self, prices: Mapping[str, int]) -> Overrides:
        computed = {self.feeds[symbol] for symbol in COMPUTED}
        pinned: dict[str, dict[str, object]] = {}
        for name, price in prices.items():
            feed = self._feed(name)
            pinned[feed] = {"stateDiff": {word(0): word(price)}}
            if feed in computed:
                pinned[feed]["code"] = ANSWER_FROM_SLOT_0
        return pinned


def start_lab(version: str, *, users: int = 300, seed: int = 7, port: int | None = None) -> Lab:
    """Start a node with the real market of a version ("v3.6") and its population.

    The first start of a version fetches and compiles; the first of a size and seed sends the transactions;
    all later ones load what was kept, in about half a second.
    """
    return Lab(version, users, seed, port)


def _user(plan: Plan) -> User:
    return User(plan.owner, plan.shape, bool(plan.debts), plan.emode)


def _tag(block: int | str) -> str:
    return block if isinstance(block, str) else hex(block)
