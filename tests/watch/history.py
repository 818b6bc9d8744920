"""A short, seeded life of the v3.6 market: the same blocks on every node that it is played on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.chain import DEPLOYER, MAX_UINT256, Tx
from tests.lab.lab import AccountData, Lab
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.reserves import BY_SYMBOL

WAD: Final = 10**18
MOVING: Final = ("ETH/USD", "BTC/USD", "LINK/USD")
VARIABLE: Final = 2
GOVERNED, THRESHOLD_CUT = "WETH", 25


class History:
    """Plays blocks on a lab. Two labs of one size and seed get the same blocks, hashes included."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.first = lab.chain.height() + 1
        self._owners = list(lab.borrowers)
        self._spot = {
            name: int(lab.chain.call(lab.market.aggregators[name], "latestAnswer")) for name in MOVING
        }

    @property
    def last(self) -> int:
        """The newest block."""
        return self.lab.chain.height()

    def play(self, blocks: int, seed: int) -> None:
        """Add blocks: prices fall and recover, people come, repay and borrow, some are liquidated, and the
        threshold of one reserve is cut."""
        rnd = random.Random(seed)
        for k in range(blocks):
            fall = rnd.choice((-9, -5, -2, 3, 7)) if 3 * k < 2 * blocks else rnd.choice((-2, 2, 6, 11))
            txs = self._prices(rnd, fall) if rnd.random() < 0.6 else []
            txs += self._somebody(rnd, f"{seed} {k}") if rnd.random() < 0.5 else []
            txs += self._governed() if k == blocks // 2 else []
            if rnd.random() < 0.35 and not txs:
                txs = self._liquidation(rnd)
            self._block(txs)

    def _block(self, txs: Sequence[Tx]) -> None:
        at = self.lab.chain.now() + BLOCK_SECONDS
        if txs:
            self.lab.chain.send_all(txs, at)
        else:
            self.lab.chain.mine(at)

    def _prices(self, rnd: random.Random, fall_permille: int) -> list[Tx]:
        moved = rnd.sample(MOVING, rnd.randint(1, 2))
        for name in moved:
            self._spot[name] = self._spot[name] * (1000 + fall_permille) // 1000 + rnd.randrange(1000)
        feeds = self.lab.market.aggregators
        return [Tx(DEPLOYER, feeds[name], "setAnswer", (self._spot[name],)) for name in moved]

    def _somebody(self, rnd: random.Random, name: str) -> list[Tx]:
        """The liquidator, who is rich, pays in somebody's name; or somebody new comes and borrows."""
        pool, tokens = self.lab.market.pool, self.lab.tokens
        act = rnd.choice(("supply", "repay", "come"))
        if act == "come":
            owner = str(to_checksum_address(keccak(text=f"defiliq history {name}")[-20:]))
            self.lab.rpc("anvil_setBalance", owner, hex(WAD))
            self._owners.append(owner)
            debt = 1000 * self.lab.price("WETH") // self.lab.price("USDC") * rnd.randint(780, 800)
            return [
                Tx(LIQUIDATOR, pool, "supply", (tokens["WETH"], WAD, owner, 0)),
                Tx(owner, pool, "borrow", (tokens["USDC"], debt, VARIABLE, 0, owner)),
            ]
        owner = rnd.choice(self._owners)
        if act == "supply":
            return [Tx(LIQUIDATOR, pool, "supply", (tokens["WETH"], WAD // 50, owner, 0))]
        owed = [symbol for symbol in BY_SYMBOL if self._balance("debt_tokens", symbol, owner) > 10**6]
        if not owed:
            return []
        symbol = rnd.choice(owed)
        some = self._balance("debt_tokens", symbol, owner) // 100
        return [Tx(LIQUIDATOR, pool, "repay", (tokens[symbol], some, VARIABLE, owner))]

    def _governed(self) -> list[Tx]:
        spec, configurator = BY_SYMBOL[GOVERNED], self.lab.market.configurator
        limits = (spec.ltv, spec.threshold - THRESHOLD_CUT, spec.bonus)
        return [
            Tx(DEPLOYER, configurator, "configureReserveAsCollateral", (self.lab.tokens[GOVERNED], *limits))
        ]

    def _liquidation(self, rnd: random.Random) -> list[Tx]:
        """One account that the contract lets be liquidated right now, by a pair that works."""
        answers = self.lab.chain.call_many(
            self.lab.market.pool, "getUserAccountData", [[owner] for owner in self._owners]
        )
        data = {owner: AccountData(*answer) for owner, answer in zip(self._owners, answers, strict=True)}
        broken = [owner for owner, said in data.items() if 0 < said.factor_wad < WAD and said.debt_base]
        for owner in rnd.sample(broken, min(3, len(broken))):
            for collateral, debt in product(BY_SYMBOL, BY_SYMBOL):
                if (
                    not self._balance("a_tokens", collateral, owner)
                    > 0
                    < self._balance("debt_tokens", debt, owner)
                ):
                    continue
                tokens = self.lab.tokens[collateral], self.lab.tokens[debt]
                tx = Tx(
                    LIQUIDATOR, self.lab.market.pool, "liquidationCall", (*tokens, owner, MAX_UINT256, False)
                )
                if self._works(tx):
                    return [tx]
        return []

    def _works(self, tx: Tx) -> bool:
        request = {
            "from": tx.sender,
            "to": tx.contract.address,
            "data": tx.contract.data(tx.function, *tx.arguments),
        }
        return not self.lab.chain.reason(request)

    def _balance(self, kind: str, symbol: str, owner: str) -> int:
        tokens: Mapping[str, Any] = getattr(self.lab.market, kind)
        return int(self.lab.chain.call(tokens[symbol], "balanceOf", owner))
