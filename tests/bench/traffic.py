"""Blocks as a busy market has them: oracle updates, people who borrow and repay, a few liquidations."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.bench.crowd import Borrower, Crowd
from tests.lab.chain import DEPLOYER, MAX_UINT256, Tx
from tests.lab.lab import AccountData, Lab
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS

WAD: Final = 10**18
MOVING: Final = ("ETH/USD", "BTC/USD", "LINK/USD")
MOVE_EVERY: Final = 10
"""Blocks from one oracle update to the next."""
MOVE_PER_100K: Final = (100, 500)
"""A move is 0.1% to 0.5%, towards where the price was at first."""
ACTS: Final = (5, 20)
"""Accounts that borrow or are repaid for, per block."""
EDGE: Final = 200
"""So many accounts with the lowest health factors are looked after by a liquidator, this many at a time:"""
LIQUIDATED: Final = 2
VARIABLE: Final = 2
LATE_S: Final = 0.1
SLACK_BPS: Final = 15_000
"""Who borrows more has at least this health factor."""


@dataclass(slots=True)
class Traffic:
    """Mines blocks on a lab with a crowd. Seeded: the same blocks each time."""

    lab: Lab
    crowd: Crowd
    seed: int
    acted: int = 0
    """Transactions that succeeded."""
    failed: int = 0
    liquidated: int = 0
    mined_at: dict[int, float] = field(default_factory=dict)
    """When each block was mined, by the monotonic clock."""
    late: int = 0
    """Blocks whose mining began late, which is the node's or the machine's fault, not the watch's."""

    def run(self, blocks: int, every_s: float, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """So many blocks, one every so many seconds, while they are wanted."""
        rnd = random.Random(self.seed)
        feeds = self.lab.market.aggregators
        spot = {name: int(self.lab.chain.call(feeds[name], "latestAnswer")) for name in MOVING}
        home = dict(spot)
        borrowing = [one for one in self.crowd.borrowers if one.factor_bps > SLACK_BPS]
        edge = self.crowd.nearest(EDGE)
        self._endow(borrowing)
        due = time.monotonic()
        for k in range(blocks):
            txs: list[Tx] = []
            if k % MOVE_EVERY == MOVE_EVERY - 1:
                name = rnd.choice(MOVING)
                up = spot[name] < home[name] if rnd.random() < 0.7 else rnd.random() < 0.5
                move = rnd.randrange(*MOVE_PER_100K) * (1 if up else -1)
                spot[name] = spot[name] * (100_000 + move) // 100_000
                txs.append(Tx(DEPLOYER, feeds[name], "setAnswer", (spot[name],)))
            txs += [self._act(rnd, borrowing) for _ in range(rnd.randint(*ACTS))]
            if k % MOVE_EVERY == 1:
                taken = self._liquidations(rnd, edge)
                txs += taken
                self.liquidated += len(taken)
            self._mine(txs, due)
            due += every_s
            if not is_wanted():
                return

    def _endow(self, borrowing: list[Borrower]) -> None:
        """Who borrows pays for it."""
        self.lab.rpc.batch([("anvil_setBalance", (one.owner, hex(WAD))) for one in borrowing])

    def _act(self, rnd: random.Random, borrowing: list[Borrower]) -> Tx:
        pool, tokens = self.lab.market.pool, self.lab.tokens
        if rnd.random() < 0.5:
            one = rnd.choice(borrowing)
            symbol, owed = next(iter(one.debt.items()))
            return Tx(one.owner, pool, "borrow", (tokens[symbol], owed // 1000 + 1, VARIABLE, 0, one.owner))
        one = rnd.choice(self.crowd.borrowers)
        symbol, owed = next(iter(one.debt.items()))
        return Tx(LIQUIDATOR, pool, "repay", (tokens[symbol], owed // 500 + 1, VARIABLE, one.owner))

    def _liquidations(self, rnd: random.Random, edge: list[Borrower]) -> list[Tx]:
        pool, tokens = self.lab.market.pool, self.lab.tokens
        answers = self.lab.chain.call_many(pool, "getUserAccountData", [[one.owner] for one in edge])
        broken = [
            one
            for one, said in zip(edge, answers, strict=True)
            if AccountData(*said).factor_wad < WAD and AccountData(*said).debt_base
        ]
        chosen = rnd.sample(broken, min(LIQUIDATED, len(broken)))
        return [
            Tx(
                LIQUIDATOR,
                pool,
                "liquidationCall",
                (
                    tokens[next(iter(one.collateral))],
                    tokens[next(iter(one.debt))],
                    one.owner,
                    MAX_UINT256,
                    False,
                ),
            )
            for one in chosen
        ]

    def _mine(self, txs: list[Tx], due: float) -> None:
        """Send all, and mine at the time that is due, not before."""
        rpc, chain = self.lab.rpc, self.lab.chain
        at = chain.now() + BLOCK_SECONDS
        rpc("evm_setAutomine", False)
        hashes = rpc.batch([("eth_sendTransaction", (chain.request(tx),)) for tx in txs])
        number = chain.height() + 1
        time.sleep(max(0.0, due - time.monotonic()))
        self.late += time.monotonic() > due + LATE_S
        chain.mine(at)
        self.mined_at[number] = time.monotonic()
        receipts = rpc.batch([("eth_getTransactionReceipt", (each,)) for each in hashes])
        failed = sum(receipt is None or int(receipt["status"], 16) != 1 for receipt in receipts)
        self.failed += failed
        self.acted += len(receipts) - failed
