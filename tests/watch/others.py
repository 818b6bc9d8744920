"""Short histories of the other protocols' labs, and what their contracts say of every block."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from eth_abi.abi import decode

from tests.lab import CometLab, CompoundV2Lab, SoloLab, acting
from tests.lab import compile as solidity
from tests.lab.acting import Acting
from tests.lab.chain import DEPLOYER, MULTICALL3, Chain, Tx
from tests.lab.contract import Contract, topic
from tests.lab.dydx_solo.actions import deposit, wei
from tests.lab.dydx_solo.solo import priced
from tests.lab.dydx_solo.specs import MARKETS
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.market import ZERO

WAD = 10**18
PEOPLE = 10
MOST_TAKEN = 3
LIQUID = 1
"""An account status of Solo's."""
Call = tuple[Contract, str, tuple[object, ...]]


@dataclass(frozen=True)
class Stage:
    """One market of a lab with people in it."""

    protocol: str
    market_file: Path
    lab: Any
    actors: Acting
    kinds: Sequence[str]
    """What people do there."""
    prices: Callable[[random.Random], list[Tx]]
    """Transactions that move some prices."""
    broken: Callable[[int], set[str]]
    """Who may be liquidated after a block, with interest up to it, by the contract."""
    attempts: Callable[[str], Iterator[Tx]]
    """Ways to liquidate an account."""
    liquidated: str
    """The topic of the event that every liquidation emits."""
    taken: dict[str, str] = field(default_factory=dict)
    """Transactions that were sent to liquidate, by hash: whom."""

    @property
    def chain(self) -> Chain:
        """Its chain."""
        return self.actors.chain

    def play(self, draw: random.Random, blocks: int) -> tuple[int, int]:
        """So many blocks; the one before the first, and the last."""
        first = self.chain.height()
        for number in range(blocks):
            if number % 3 == 0:
                self.chain.send_all(self.prices(draw))
            elif number % 3 == 1:
                self._liquidate(draw)
            else:
                self.actors.block(draw, draw.randrange(1, 4), self.kinds)
        assert self.chain.height() == first + blocks
        return first, self.chain.height()

    def _liquidate(self, draw: random.Random) -> None:
        """Some of those who were broken after the block before."""
        waiting = sorted(self.broken(self.chain.height()))
        chosen: list[tuple[str, Tx]] = []
        for account in draw.sample(waiting, len(waiting)):
            found = next((tx for tx in self.attempts(account) if self.actors._is_possible(tx)), None)
            if found is not None and len(chosen) < MOST_TAKEN:
                chosen.append((account, found))
        receipts = self.chain.mine_all([self.chain.request(tx) for _, tx in chosen])
        for (account, _), receipt in zip(chosen, receipts, strict=True):
            self.taken[receipt["transactionHash"]] = account

    def happened(self, first: int, last: int) -> list[tuple[int, str, str]]:
        """(block, transaction, whom) of every liquidation that the logs tell of."""
        asked = {"fromBlock": hex(first), "toBlock": hex(last), "topics": [self.liquidated]}
        logs = self.chain.rpc("eth_getLogs", asked)
        return [
            (int(log["blockNumber"], 16), log["transactionHash"], self.taken[log["transactionHash"]])
            for log in logs
        ]


def answers(chain: Chain, first: Sequence[Call], calls: Sequence[Call], block: int) -> list[bytes]:
    """Many calls in one on the state after a block, behind some that prepare them."""
    packed = [
        (contract.address, False, bytes.fromhex(contract.data(name, *given)[2:]))
        for contract, name, given in (*first, *calls)
    ]
    found = chain.call(chain.multicall, "aggregate3", packed, block=block)
    return [bytes(raw) for _, raw in found[len(first) :]]


def moved(lab: Any, feeds: Mapping[str, Contract], draw: random.Random) -> list[Tx]:
    """Each of some aggregators goes elsewhere."""
    return [
        Tx(DEPLOYER, feed, "setAnswer", (int(lab.chain.call(feed, "latestAnswer")) * percent // 100,))
        for feed in feeds.values()
        for percent in [draw.choice((90, 95, 98, 103, 107))]
    ]


@contextmanager
def compound_v2(lab: CompoundV2Lab, folder: Path) -> Iterator[Stage]:
    """The fork of Compound v2."""
    market, markets = lab.market, lab.market.markets
    accrued = [(each, "accrueInterest", ()) for each in markets.values()]

    def broken(block: int) -> set[str]:
        calls = [(market.comptroller, "getAccountLiquidity", (owner,)) for owner in lab.owners]
        found = answers(lab.chain, accrued, calls, block)
        told = [decode(["uint256"] * 3, raw) for raw in found]
        return {owner for owner, (_, _, lacks) in zip(lab.owners, told, strict=True) if lacks}

    def attempts(owner: str) -> Iterator[Tx]:
        for debt, owed in lab.owed(owner).items():
            for held in lab.held(owner):
                if owed >= 100 and debt != held:
                    yield lab._liquidation(owner, debt, held, owed // 10)

    with lab.rewinding():
        people = lab.borrowers[:: len(lab.borrowers) // PEOPLE]
        actors = acting.compound_v2(lab, people)
        feeds = {name: market.aggregators[name] for name in ("ETH/USD", "BTC/USD", "LINK/USD")}
        kinds = [kind for kind in sorted(actors.kinds) if kind != "liquidate"]
        event = topic("LiquidateBorrow(address,address,uint256,address,uint256)")
        path = lab.market_file(folder / "market.json")
        yield Stage(
            "compound-v2", path, lab, actors, kinds, partial(moved, lab, feeds), broken, attempts, event
        )


@contextmanager
def comet(lab: CometLab, folder: Path, name: str) -> Iterator[Stage]:
    """One of the two Comets; nobody pays anybody, which its logs do not tell of."""
    contract, owners = lab.markets[name].contract, lab.owners(name)

    def broken(block: int) -> set[str]:
        calls = [(contract, "isLiquidatable", (owner,)) for owner in owners]
        found = answers(lab.chain, [(contract, "accrueAccount", (ZERO,))], calls, block)
        return {owner for owner, raw in zip(owners, found, strict=True) if int.from_bytes(raw)}

    def attempts(owner: str) -> Iterator[Tx]:
        yield Tx(LIQUIDATOR, contract, "absorb", (LIQUIDATOR, [owner]))

    with lab.rewinding():
        people = lab.borrowers(name)[:: len(lab.borrowers(name)) // PEOPLE]
        actors = acting.comet(lab, name, people)
        abi = solidity.own()["SettableFeed"].abi
        feeds = {each: Contract(lab.aggregators[each], abi) for each in ("ETH/USD", "BTC/USD")}
        kinds = [kind for kind in sorted(actors.kinds) if kind not in ("absorb", "pay somebody")]
        event = topic("AbsorbDebt(address,address,uint256,uint256)")
        path = lab.market_file(name, folder / "market.json")
        yield Stage(
            "compound-v3", path, lab, actors, kinds, partial(moved, lab, feeds), broken, attempts, event
        )


@contextmanager
def solo(lab: SoloLab, folder: Path) -> Iterator[Stage]:
    """Solo Margin. Its rule, `_isCollateralized`, on the values that its own getters give once accrued."""
    margin, users = lab.solo.margin, {user.name: user for user in lab.users}
    ratio = int(lab.ask("getMarginRatio")[0])
    touches = [deposit(0, spec.symbol, wei(0), MULTICALL3) for spec in MARKETS]

    def broken(block: int) -> set[str]:
        calls: list[Call] = []
        for user in lab.users:
            calls.append((margin, "getAdjustedAccountValues", (user.info,)))
            calls.append((margin, "getAccountStatus", (user.info,)))
        touch = [(margin, "operate", ([(MULTICALL3, 0)], touches))]
        found = answers(lab.chain, touch, calls, block)
        values = [decode(["uint256", "uint256"], raw) for raw in found[::2]]
        statuses = [int.from_bytes(raw) for raw in found[1::2]]
        return {
            user.name
            for user, (held, owed), status in zip(lab.users, values, statuses, strict=True)
            if owed and (status == LIQUID or held < owed + owed * ratio // WAD)
        }

    def attempts(name: str) -> Iterator[Tx]:
        account = users[name].info
        amounts = lab.held(account)
        for owed in sorted(symbol for symbol in amounts if amounts[symbol] < 0):
            for held in sorted(symbol for symbol in amounts if amounts[symbol] > 0):
                yield lab._liquidation(account, owed, held, wei(-amounts[owed] // 3))

    def prices(draw: random.Random) -> list[Tx]:
        return [
            priced(lab.solo, symbol, lab.price(symbol) * draw.choice((90, 95, 98, 103, 107)) // 100)
            for symbol in ("WETH", "WBTC", "REP")
        ]

    with lab.rewinding():
        borrowers = [user.info for user in lab.users if user.borrowed]
        actors = acting.solo(lab, borrowers[:: len(borrowers) // PEOPLE])
        kinds = [kind for kind in sorted(actors.kinds) if kind != "liquidate"]
        event = topic(LOG_LIQUIDATE)
        path = lab.market_file(folder / "market.json")
        yield Stage("dydx-solo", path, lab, actors, kinds, prices, broken, attempts, event)


_UPDATE = "((bool,uint256),(bool,uint128))"
LOG_LIQUIDATE = f"LogLiquidate(address,uint256,address,uint256,uint256,uint256,{','.join([_UPDATE] * 4)})"
