"""Two Comets with a population, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.chain import GAS, Chain, Overrides
from tests.lab.compound_v3.build import start
from tests.lab.compound_v3.comet import Comet, name_target
from tests.lab.compound_v3.liquidation import Absorption, Purchase, absorption, error_name, purchase
from tests.lab.compound_v3.population import DEPOT
from tests.lab.contract import Contract
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.market import ZERO
from tests.lab.running import RunningNode


class CometLab(RunningNode):
    """A running node with both markets and a population in each. Close it, or use it as a context."""

    def __init__(self, users: int, seed: int, port: int | None) -> None:
        node, chain, self._all, self._plans = start(users, seed, port)
        super().__init__(node, chain)

    @property
    def markets(self) -> Mapping[str, Comet]:
        """By name: the contracts and what they were made with."""
        return self._all.markets

    @property
    def comets(self) -> dict[str, str]:
        """The address of each market, by name."""
        return {name: comet.contract.address for name, comet in self.markets.items()}

    @property
    def drivers(self) -> dict[str, str]:
        """Everything that moves a price, by name: aggregators and rates. Their answer lies in slot 0."""
        return {name: contract.address for name, contract in self._all.drivers.items()}

    @property
    def aggregators(self) -> dict[str, str]:
        """The feeds that move by themselves, by what they quote: ETH/USD."""
        return {name: address for name, address in self.drivers.items() if not name.endswith(" rate")}

    def owners(self, name: str) -> tuple[str, ...]:
        """Every account of one market's population, EIP-55."""
        return tuple(plan.owner for plan in self._plans[name])

    def borrowers(self, name: str) -> tuple[str, ...]:
        """Those of one market that owe at the latest block."""
        return tuple(plan.owner for plan in self._plans[name] if plan.owes)

    def discoverable(self, name: str) -> tuple[str, ...]:
        """Whom SupplyCollateral.dst or TransferCollateral.to names: discovery must find them."""
        held = tuple(plan.owner for plan in self._plans[name] if plan.collateral)
        return (*held, DEPOT) if any(plan.received for plan in self._plans[name]) else held

    def of_shape(self, name: str, shape: str) -> tuple[str, ...]:
        """The accounts of one market that are examples of one shape of `plan.SHAPES`."""
        return tuple(plan.owner for plan in self._plans[name] if plan.shape == shape)

    def market_file(self, name: str, path: Path | str) -> Path:
        """Write the file that names one market to defiliq."""
        return self.write_listing(path, "compound-v3", f"Local {name}", {"comet": self.comets[name]})

    def ask(
        self,
        name: str,
        function: str,
        *arguments: object,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
        accrued: bool = False,
        block: int | str = "latest",
    ) -> Any:
        """One getter's answer: with drivers elsewhere, at another time, and after accrual if asked so."""
        contract, chain = self.markets[name].contract, self.chain
        overrides = self.moved({} if drivers is None else drivers)
        at = _time_of(chain, block) if timestamp is None else timestamp
        if not accrued:
            return chain.call(contract, function, *arguments, block=block, overrides=overrides, timestamp=at)
        calls = [("accrueAccount", (ZERO,)), (function, arguments)]
        packed = [(contract.address, False, _bytes(contract, *call)) for call in calls]
        answers = chain.call(
            chain.multicall, "aggregate3", packed, block=block, overrides=overrides, timestamp=at
        )
        return contract.functions[function].answer("0x" + answers[1][1].hex())

    def is_liquidatable(
        self,
        name: str,
        owner: str,
        *,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
        accrued: bool = False,
        block: int | str = "latest",
    ) -> bool:
        """What isLiquidatable says; `accrued`: after interest up to the timestamp, as absorb does."""
        return bool(
            self.ask(
                name,
                "isLiquidatable",
                owner,
                drivers=drivers,
                timestamp=timestamp,
                accrued=accrued,
                block=block,
            )
        )

    def absorb(
        self,
        name: str,
        owner: str,
        *,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
    ) -> Absorption:
        """Send a real absorb in a block of exactly `timestamp`, say what it did, and undo it."""
        with self.rewinding():
            return self._absorb(name, owner, drivers, timestamp)

    def buy(
        self,
        name: str,
        owner: str,
        symbol: str,
        *,
        base_amount: int | None = None,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
    ) -> tuple[Absorption, Purchase]:
        """Absorb, buy one collateral from the Comet in the block of the next second, and undo both.

        Without a `base_amount`: the most that buys no more than what was absorbed of that collateral.
        """
        comet = self.markets[name]
        with self.rewinding():
            done = self._absorb(name, owner, drivers, timestamp)
            asset = comet.tokens[symbol].address
            amount = base_amount
            if amount is None:
                amount = self._price_of(name, asset, done.collateral.get(symbol, (0, 0))[0])
            before = self._held(comet, symbol)
            arguments = (asset, 0, amount, LIQUIDATOR)
            receipt, error = self._sent(comet, "buyCollateral", arguments, done.timestamp + 1)
            after = self._held(comet, symbol)
        return done, purchase(receipt, error, before, after)

    def set_driver(self, name: str, value: int) -> None:
        """Write the answer of an aggregator, or a rate, into its storage: no block is mined."""
        self.rpc("anvil_setStorageAt", self.drivers[name], _word(0), _word(value))

    def set_target(self, name: str, target_wad: int) -> None:
        """Let one market answer targetHealthFactor. It takes blocks: use it inside `rewinding`."""
        name_target(self.chain, self.markets[name], target_wad)

    def set_paused(self, name: str, *, absorb: bool = False, buy: bool = False) -> None:
        """Pause two of the actions of one market. It takes a block: use it inside `rewinding`."""
        self.chain.send(self.markets[name].contract, "pause", False, False, False, absorb, buy)

    def moved(self, drivers: Mapping[str, int]) -> Overrides:
        """The state override that puts drivers elsewhere."""
        found = self.drivers
        return {found[name]: {"stateDiff": {_word(0): _word(value)}} for name, value in drivers.items()}

    def _absorb(
        self, name: str, owner: str, drivers: Mapping[str, int] | None, timestamp: int | None
    ) -> Absorption:
        comet, at = self.markets[name], self.chain.now() + 1 if timestamp is None else timestamp
        for driver, value in {} if drivers is None else drivers.items():
            self.set_driver(driver, value)
        receipt, error = self._sent(comet, "absorb", (LIQUIDATOR, [owner]), at)
        principal = self.chain.call(comet.contract, "userBasic", owner)[0]
        balance = self.chain.call(comet.contract, "balanceOf", owner, timestamp=at)
        return absorption(comet, receipt, error, at, principal, balance)

    def _sent(
        self, comet: Comet, function: str, arguments: Sequence[object], at: int
    ) -> tuple[dict[str, Any], str]:
        """A receipt, and the name of the error if it failed."""
        request = {
            "from": LIQUIDATOR,
            "to": comet.contract.address,
            "data": comet.contract.data(function, *arguments),
            "gas": hex(GAS),
        }
        error = error_name(comet.contract, self.chain.reason(request, at))
        return self.chain.mine_one(request, at), error

    def _price_of(self, name: str, asset: str, wanted: int) -> int:
        """The largest base amount that is quoted no more than `wanted` of a collateral."""
        high = 1
        while self.ask(name, "quoteCollateral", asset, high) <= wanted:
            high *= 2
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.ask(name, "quoteCollateral", asset, middle) <= wanted
            low, high = (middle, high) if fits else (low, middle)
        return low

    def _held(self, comet: Comet, symbol: str) -> tuple[int, int]:
        """The liquidator's base and collateral."""
        tokens = comet.base, comet.tokens[symbol]
        base, collateral = (self.chain.call(token, "balanceOf", LIQUIDATOR) for token in tokens)
        return base, collateral


def start_compound_v3(*, users: int = 300, seed: int = 7, port: int | None = None) -> CometLab:
    """Start a node with two Compound III markets, "usdc" and "weth", and so many accounts in each."""
    return CometLab(users, seed, port)


def _time_of(chain: Chain, block: int | str) -> int:
    tag = block if isinstance(block, str) else hex(block)
    return int(chain.rpc("eth_getBlockByNumber", tag, False)["timestamp"], 16)


def _bytes(contract: Contract, name: str, arguments: Sequence[object]) -> bytes:
    return bytes.fromhex(contract.data(name, *arguments)[2:])


def _word(value: int) -> str:
    return f"0x{value:064x}"
