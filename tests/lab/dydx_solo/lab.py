"""A Solo market with a population, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.lab import states
from tests.lab.chain import GAS, Overrides, Tx, revert_reason
from tests.lab.dydx_solo.actions import Amount, Info, deposit, liquidate, operate, wei
from tests.lab.dydx_solo.last import finish
from tests.lab.dydx_solo.outcome import Outcome, outcome
from tests.lab.dydx_solo.plan import draw
from tests.lab.dydx_solo.population import SOLID, build
from tests.lab.dydx_solo.solo import from_plain
from tests.lab.dydx_solo.specs import IDS, MARKETS, PERCENT
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import RpcError
from tests.lab.running import Member, Running

NAME = "dydx-solo"
ACCOUNTS_SLOT = 2
"""State.accounts: owner, then number, lead to an account's balances by market, and its status beside them."""
LEAST_RATIO = 16 * PERCENT
"""How far over-collateralized dYdX's liquidator is to stay."""
UNLIQUIDATABLE = "OperationImpl: Unliquidatable account"
NOT_BY_PROXY = "LiquidatorProxyV1ForSoloMargin: Liquid account not liquidatable"
TOO_LOW = "Storage: Borrow value too low"
SOURCES = (
    "dydx_solo/actions.py",
    "dydx_solo/plan.py",
    "dydx_solo/population.py",
    "dydx_solo/solo.py",
    "dydx_solo/specs.py",
    "liquidation.py",
    "plan.py",
    "population.py",
    "reserves.py",
    "solidity/CometProxy.sol",
    "solidity/OperationImpl.sol",
    "solidity/SoloBalances.sol",
    "solidity/SoloLayout.sol",
    "solidity/SoloTexts.sol",
)


@dataclass(frozen=True, slots=True)
class SoloMember(Member):
    """One account of the population: an owner and a number."""

    number: int

    @property
    def info(self) -> Info:
        """As the contract takes it."""
        return self.owner, self.number

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.owner}/{self.number}"


class SoloLab(Running[SoloMember]):
    """A running node with a Solo market and its population. Close it, or use it as a context.

    SoloMargin's getters of values count with the indices as they are stored; those of tokens, and every
    operation, with indices accrued to the block's time.
    """

    def __init__(self, users: int, seed: int, port: int | None) -> None:
        plans = draw(users, seed)
        recipe = states.Recipe(f"{NAME}-{users}-{seed}", SOURCES, partial(build, plans, seed))
        node, chain, kept = states.start(recipe, port)
        try:
            self.solo = from_plain(kept)
            finish(chain, self.solo, plans)
        except BaseException:
            node.stop()
            raise
        members = (SoloMember(plan.owner, plan.shape, bool(plan.debts), plan.number) for plan in plans)
        super().__init__(node, chain, tuple(members))

    @property
    def solo_margin(self) -> str:
        """SoloMargin's address, which is all that a market file names."""
        return self.solo.margin.address

    @property
    def drivers(self) -> dict[str, str]:
        """What moves each market's price, by symbol: it lies in slot 0. WETH's is a medianizer."""
        return {symbol: contract.address for symbol, contract in self.solo.sources.items()}

    @property
    def liquidator(self) -> Info:
        """The account that liquidates: it has a balance in every market."""
        return SOLID

    def market_file(self, path: Path | str) -> Path:
        """Write the file that names this market to defiliq."""
        return self.write_listing(path, "dydx-solo", "Local Solo Margin", {"solo_margin": self.solo_margin})

    def ask(
        self,
        function: str,
        *arguments: object,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
        accrued: bool = False,
        block: int | str = "latest",
    ) -> Any:
        """One getter's answer: with prices elsewhere, at another time, with all accrued if asked so."""
        margin, chain = self.solo.margin, self.chain
        overrides = self.moved({} if drivers is None else drivers)
        at = self.time(block) if timestamp is None else timestamp
        if not accrued:
            return chain.call(margin, function, *arguments, block=block, overrides=overrides, timestamp=at)
        sender = chain.multicall.address
        touches = [deposit(0, spec.symbol, wei(0), sender) for spec in MARKETS]
        calls = [("operate", ([(sender, 0)], touches)), (function, arguments)]
        packed = [
            (margin.address, False, bytes.fromhex(margin.data(name, *given)[2:])) for name, given in calls
        ]
        answers = chain.call(
            chain.multicall, "aggregate3", packed, block=block, overrides=overrides, timestamp=at
        )
        return margin.functions[function].answer("0x" + answers[1][1].hex())

    def values(
        self,
        account: Info,
        *,
        adjusted: bool = True,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
        accrued: bool = False,
    ) -> tuple[int, int]:
        """What an account holds and owes, as getAccountValues says; `adjusted` by the margin premiums."""
        name = "getAdjustedAccountValues" if adjusted else "getAccountValues"
        answer = self.ask(name, account, drivers=drivers, timestamp=timestamp, accrued=accrued)
        return int(answer[0][0]), int(answer[1][0])

    def pars(self, account: Info) -> dict[str, int]:
        """Signed par by symbol, as getAccountPar says; no market without."""
        found = {
            symbol: _signed(self.ask("getAccountPar", account, market)) for symbol, market in IDS.items()
        }
        return {symbol: par for symbol, par in found.items() if par}

    def held(self, account: Info, *, timestamp: int | None = None) -> dict[str, int]:
        """Signed tokens by symbol, as getAccountWei says: with interest up to the timestamp."""
        found = {
            symbol: _signed(self.ask("getAccountWei", account, market, timestamp=timestamp))
            for symbol, market in IDS.items()
        }
        return {symbol: amount for symbol, amount in found.items() if amount}

    def status(self, account: Info) -> int:
        """0 is normal, 1 liquid, 2 vapor."""
        return int(self.ask("getAccountStatus", account))

    def price(self, symbol: str) -> int:
        """What a market's oracle says now."""
        return int(self.ask("getMarketPrice", IDS[symbol])[0])

    def refusal(
        self, account: Info, *, drivers: Mapping[str, int] | None = None, timestamp: int | None = None
    ) -> str:
        """What a liquidation that repays nothing reverts with at the latest block; empty if it would pass."""
        pars = self.pars(account)
        owed = min(IDS, key=lambda symbol: pars.get(symbol, 0))
        held = max((symbol for symbol in IDS if symbol != owed), key=lambda symbol: pars.get(symbol, 0))
        request = _request(self._liquidation(account, owed, held, wei(0)))
        at = self.time() if timestamp is None else timestamp
        return self._reverts(request, {} if drivers is None else drivers, at)

    def is_liquidatable(
        self, account: Info, *, drivers: Mapping[str, int] | None = None, timestamp: int | None = None
    ) -> bool:
        """Whether a liquidation gets past the question, with interest up to the timestamp."""
        return not self.refusal(account, drivers=drivers, timestamp=timestamp).startswith(UNLIQUIDATABLE)

    def word_of_proxy(
        self, account: Info, *, drivers: Mapping[str, int] | None = None, timestamp: int | None = None
    ) -> str:
        """What dYdX's own liquidator reverts with before it would send anything; empty if it would.

        It accrues and judges by itself, and counts no margin premiums.
        """
        at = self.time() if timestamp is None else timestamp
        request = _request(self._through_proxy(account, (), ()))
        return self._reverts(request, {} if drivers is None else drivers, at)

    def liquidate_through_proxy(
        self, account: Info, *, owed: str, held: str, drivers: Mapping[str, int], timestamp: int
    ) -> Outcome:
        """A real liquidation by dYdX's own liquidator, which chooses the amount; undone afterwards."""
        with self.rewinding():
            for symbol, price in drivers.items():
                self.set_driver(symbol, price)
            request = _request(self._through_proxy(account, (IDS[owed],), (IDS[held],)))
            error = self._reverts(request, {}, timestamp)
            return outcome(self.chain.mine_one(request, timestamp), error, timestamp)

    def set_driver(self, symbol: str, price: int) -> None:
        """Write a price into its storage: no block is mined."""
        self.rpc("anvil_setStorageAt", self.drivers[symbol], _word(0), _word(price))

    def set_status(self, account: Info, status: int) -> None:
        """Write an account's status into storage: no block is mined. Use it inside `rewinding`."""
        place = int.from_bytes(self._place(account)) + 1
        self.rpc("anvil_setStorageAt", self.solo_margin, _word(place), _word(status))

    def liquidate(
        self,
        account: Info,
        *,
        owed: str,
        held: str,
        amount: int,
        drivers: Mapping[str, int] | None = None,
        timestamp: int | None = None,
    ) -> Outcome:
        """Send a real liquidation in a block of exactly `timestamp`, say what it did, and undo it.

        The amount is in tokens of the owed market; more than is owed is bounded by the contract. Left out,
        the timestamp is one second after the latest block's: no block can have the same.
        """
        at = self.time() + 1 if timestamp is None else timestamp
        with self.rewinding():
            for symbol, price in {} if drivers is None else drivers.items():
                self.set_driver(symbol, price)
            request = _request(self._liquidation(account, owed, held, wei(amount)))
            error = self._reverts(request, {}, at)
            return outcome(self.chain.mine_one(request, at), error, at)

    def moved(self, drivers: Mapping[str, int]) -> Overrides:
        """The state override that puts prices elsewhere."""
        found = self.drivers
        return {found[symbol]: {"stateDiff": {_word(0): _word(price)}} for symbol, price in drivers.items()}

    def time(self, block: int | str = "latest") -> int:
        """A block's timestamp."""
        tag = block if isinstance(block, str) else hex(block)
        return int(self.rpc("eth_getBlockByNumber", tag, False)["timestamp"], 16)

    def _through_proxy(self, account: Info, owed: Sequence[int], held: Sequence[int]) -> Tx:
        given = (SOLID, account, (LEAST_RATIO,), 0, owed, held)
        return Tx(LIQUIDATOR, self.solo.proxy, "liquidate", given)

    def _liquidation(self, account: Info, owed: str, held: str, amount: Amount) -> Tx:
        """The liquidator brings what it repays along."""
        brought = deposit(0, owed, amount, LIQUIDATOR)
        action = liquidate(0, 1, owed, held, amount)
        return operate(self.solo.margin, LIQUIDATOR, (SOLID, account), [brought, action])

    def _reverts(self, request: Mapping[str, object], drivers: Mapping[str, int], at: int) -> str:
        try:
            self.rpc("eth_call", request, "latest", self.moved(drivers), {"time": hex(at)})
        except RpcError as error:
            return revert_reason(error.data) or str(error)
        return ""

    def _place(self, account: Info) -> bytes:
        """Where an account's storage begins."""
        owner, number = account
        outer = keccak(encode(("address", "uint256"), (owner, ACCOUNTS_SLOT)))
        return keccak(encode(("uint256", "bytes32"), (number, outer)))


def start_dydx_solo(*, users: int = 300, seed: int = 7, port: int | None = None) -> SoloLab:
    """Start a node with the Solo market and its population.

    The first start of a size and seed sends the transactions; all later ones load what was kept.
    """
    return SoloLab(users, seed, port)


def _request(tx: Tx) -> dict[str, object]:
    return {
        "from": tx.sender,
        "to": tx.contract.address,
        "data": tx.contract.data(tx.function, *tx.arguments),
        "gas": hex(GAS),
    }


def _signed(answer: Sequence[Any]) -> int:
    sign, value = answer
    return int(value) if sign else -int(value)


def _word(value: int) -> str:
    return f"0x{value:064x}"
