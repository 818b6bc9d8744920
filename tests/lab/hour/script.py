"""The hour itself: block after block of prices, people, governance and a bot, all drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address

from tests.lab.bot import realised
from tests.lab.chain import DEPLOYER, MAX_UINT256, Overrides, Tx
from tests.lab.hour.governance import DECISIONS
from tests.lab.hour.hunter import LEAST_BASE, MOST_BASE, Choice, broken, choose, survey
from tests.lab.hour.mining import GWEI, Mined, Planned, mine
from tests.lab.hour.people import People
from tests.lab.hour.prices import QUOTED, Path
from tests.lab.hour.stage import Stage, oracle_ratio, root_x96
from tests.lab.hour.truth import Block, Change, Sent, Taken, Truth, Why
from tests.lab.lab import AccountData
from tests.lab.liquidation import DEFICIT_CREATED, LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.receipts import words_of
from tests.lab.reserves import RATIO

INTEREST_S = 2 * 86_400
INTEREST_AT, HEARTBEAT_AT, OUTAGE, CRASH_AT, NEW_SOURCE = 37, 57, (66, 72), 78, 92
"""Percents of the hour: a block so long after the last; an answer that is only written again; no answer of
one source; one price falls by half; nobody asks the source any more that was out of order."""
OUT_OF_ORDER, STEADY, CRASHING, CRASH_PCT = "CRV/USD", "GHO/USD", "LINK/USD", 45
BACKRUN, FLASH, A_TOKENS, TOLD = 0.5, 0.8, 0.15, 0.4
"""Chances: to liquidate right behind a price; by flash loan; for aTokens; an account that is broken."""
MOST_TOLD = 2


class Aimed(NamedTuple):
    """A liquidation that is in a block's plan."""

    planned: Planned
    choice: Choice
    why: Why
    by_bot: bool


class Hour:
    """One scripted hour on a stage. Everything hangs on the seed and the chain."""

    def __init__(self, stage: Stage, blocks: int, seed: int) -> None:
        self.stage, self.lab, self.blocks = stage, stage.lab, blocks
        self.draw = random.Random(f"hour {seed}")
        self.people = People(stage, random.Random(f"people {seed}"))
        answers = {name: self._answer(name) for name in (*QUOTED, STEADY)}
        self.path = Path(random.Random(f"path {seed}"), answers, blocks)
        self.accounts = [*self.lab.borrowers, *stage.accounts]
        self.base_fee_wei = GWEI
        self.truth = Truth(self.lab.chain.height(), accounts=self.accounts)

    def play(self, between: Callable[[], None] = lambda: None) -> Truth:
        """All blocks; `between` is called after each, to set the pace."""
        for block in range(self.blocks):
            self.truth.blocks.append(self._block(block))
            between()
        return self.truth

    def _block(self, number: int) -> Block:
        lab = self.lab
        at = lab.chain.now() + (INTEREST_S if self._is_at(number, INTEREST_AT) else BLOCK_SECONDS)
        found = survey(lab, self.accounts)
        first = self._told(found, at)
        busy = {each.choice.job.borrower for each in first}
        if self._is_at(number, CRASH_AT):
            self.path.crash(CRASHING, CRASH_PCT)
        answers = self._outage(number) | self._heartbeat(number)
        answers |= self.path.step(number)
        after = self._backrun(answers, at, busy)
        aimed = [*first, *after]
        decisions = [
            decide(self.stage, at) for percent, decide in DECISIONS.items() if self._is_at(number, percent)
        ]
        plan = [
            *(each.planned for each in first),
            *(planned for name, (_, answer) in answers.items() for planned in self._write(name, answer, at)),
            *(each.planned for each in after),
            *self._arbitrage(answers, [each.choice for each in aimed]),
            *self._acts(number, found, at),
            *(each.planned for each in decisions),
        ]
        if self._is_at(number, NEW_SOURCE):
            self.path.paused.add(OUT_OF_ORDER)
        mined = mine(lab.chain, plan, at, self._base_fee_wei())
        changes = [change for each in decisions for change in each.changes]
        return self._record(mined, plan, aimed, changes, answers)

    def _told(self, found: Mapping[str, AccountData | None], at: int) -> list[Aimed]:
        """Of accounts that are broken now, or by the time of the block alone."""
        now = broken(found)
        waiting: list[tuple[str, Why]] = [(owner, "told") for owner in now if self.draw.random() < TOLD]
        later = broken(survey(self.lab, self.accounts, timestamp=at))
        by_time = [owner for owner in later if owner not in now]
        waiting = [(owner, "interest") for owner in by_time if self._takes_by_time(owner)] + waiting
        aimed: list[Aimed] = []
        for owner, why in waiting:
            data = found[owner]
            if len(aimed) < MOST_TOLD and data is not None and LEAST_BASE < data.debt_base < MOST_BASE:
                aimed += self._aim(owner, why, at, {})
        return aimed

    def _takes_by_time(self, owner: str) -> bool:
        return owner == self.stage.by_interest or self.draw.random() < TOLD

    def _backrun(self, answers: Mapping[str, tuple[int, int]], at: int, busy: set[str]) -> list[Aimed]:
        """Right behind the prices of the block: of one account that only they break."""
        if not answers or self.draw.random() >= BACKRUN:
            return []
        moved = self._moved(answers)
        before = survey(self.lab, self.accounts, timestamp=at)
        ahead = survey(self.lab, self.accounts, timestamp=at, overrides=moved)
        new = set(broken(ahead)) - set(broken(before)) - busy
        for owner in sorted(new):
            data = before[owner]
            if data is not None and LEAST_BASE < data.debt_base < MOST_BASE:
                aimed = self._aim(owner, "backrun", at, moved)
                if aimed:
                    return aimed
        return []

    def _aim(self, owner: str, why: Why, at: int, overrides: Overrides) -> list[Aimed]:
        choice = choose(self.stage, owner, at, overrides, flash=self.draw.random() < FLASH)
        if choice is None:
            return []
        by_bot = why != "told" or self.draw.random() >= A_TOKENS
        bot, job = self.stage.bot, choice.job
        tokens = job.collateral, job.debt
        given = (*tokens, owner, job.debt_to_cover, True)
        tx = (
            bot.transaction(job) if by_bot else Tx(LIQUIDATOR, self.lab.market.pool, "liquidationCall", given)
        )
        return [Aimed(Planned(tx, f"liquidate, {why}", (owner,)), choice, why, by_bot)]

    def _outage(self, number: int) -> dict[str, tuple[int, int]]:
        """A source that has no answer for some blocks."""
        name, path = OUT_OF_ORDER, self.path
        if self._is_at(number, OUTAGE[0]):
            path.paused.add(name)
            before, path.answers[name] = path.answers[name], 0
            return {name: (before, 0)}
        if self._is_at(number, OUTAGE[1]):
            path.paused.remove(name)  # what it said is 0, so that the next step writes
        return {}

    def _heartbeat(self, number: int) -> dict[str, tuple[int, int]]:
        answer = self.path.answers[STEADY]
        return {STEADY: (answer, answer)} if self._is_at(number, HEARTBEAT_AT) else {}

    def _write(self, name: str, answer: int, at: int) -> list[Planned]:
        market = self.lab.market
        if name == RATIO:
            return [Planned(Tx(DEPLOYER, market.ratio, "setRatio", (answer,)), name)]
        feed = market.aggregators[name]
        return [
            Planned(Tx(DEPLOYER, feed, "setAnswer", (answer,)), name),
            Planned(Tx(DEPLOYER, feed, "setWrittenAt", (at,)), name),
        ]

    def _arbitrage(self, answers: Mapping[str, tuple[int, int]], sold: Sequence[Choice]) -> list[Planned]:
        """Pools go where the oracle went, but for those that were sold into in the same block."""
        busy, moved = {choice.job.exit for choice in sold}, self._moved(answers)
        planned = []
        for pair, pool in self.stage.pools.items():
            if pool.address in busy or not answers:
                continue
            busy.add(pool.address)
            here = int(self.lab.chain.call(pool, "slot0")[0])
            there, _ = root_x96(self.lab, pair, oracle_ratio(self.lab, *pair, moved))
            if here != there:
                given = (pool.address, there < here, MAX_UINT256 >> 1, there)
                planned.append(Planned(Tx(DEPLOYER, self.stage.trader, "swap", given), "arbitrage"))
        return planned

    def _acts(self, number: int, found: Mapping[str, AccountData | None], at: int) -> list[Planned]:
        planned = self.people.acts(found, at, self.draw.randint(0, 3))
        if number % 11 == 5:
            owner, opened = self.people.arrival()
            self.accounts.append(owner)
            planned += opened
        if number % 10 == 7:
            planned.append(self._in_vain(found))
        return planned

    def _in_vain(self, found: Mapping[str, AccountData | None]) -> Planned:
        """A call on an account that nobody may liquidate: it reverts."""
        well = [owner for owner, data in found.items() if data is not None and data.factor_wad > 2 * 10**18]
        owner, tokens = self.draw.choice(well), self.lab.tokens
        given = (tokens["WETH"], tokens["USDC"], owner, 10**6, False)
        return Planned(Tx(LIQUIDATOR, self.lab.market.pool, "liquidationCall", given), "in vain", (owner,))

    def _moved(self, answers: Mapping[str, tuple[int, int]]) -> Overrides:
        return self.lab.moved({name: answer for name, (_, answer) in answers.items()})

    def _answer(self, name: str) -> int:
        market = self.lab.market
        if name == RATIO:
            return int(self.lab.chain.call(market.ratio, "getRatio"))
        return int(self.lab.chain.call(market.aggregators[name], "latestAnswer"))

    def _base_fee_wei(self) -> int:
        """A walk in steps as large as a public chain's."""
        self.base_fee_wei = self.base_fee_wei * (1_000 + self.draw.randint(-125, 125)) // 1_000
        self.base_fee_wei = min(max(self.base_fee_wei, GWEI // 2), 3 * GWEI)
        return self.base_fee_wei

    def _is_at(self, number: int, percent: int) -> bool:
        return number == self.blocks * percent // 100

    def _record(
        self,
        mined: Mined,
        plan: Sequence[Planned],
        aimed: Sequence[Aimed],
        changes: list[Change],
        answers: dict[str, tuple[int, int]],
    ) -> Block:
        block = Block(mined.number, mined.hash, mined.timestamp, changes=changes, answers=answers)
        by_plan = {id(each.planned): each for each in aimed}
        for planned, receipt in zip(plan, mined.receipts, strict=True):
            went = int(receipt["status"], 16) == 1
            block.sent.append(Sent(receipt["transactionHash"], planned.what, planned.accounts, went))
            one = by_plan.get(id(planned))
            if one is not None and went:
                block.taken.append(self._taken(one, receipt))
        return block

    def _taken(self, one: Aimed, receipt: Mapping[str, Any]) -> Taken:
        symbols = {address: symbol for symbol, address in self.lab.tokens.items()}
        deficits = {
            symbols[str(to_checksum_address("0x" + log["topics"][2][-40:]))]: words_of(log["data"])[0]
            for log in receipt["logs"]
            if log["topics"][0] == DEFICIT_CREATED
        }
        choice, job = one.choice, one.choice.job
        return Taken(
            receipt["transactionHash"],
            job.borrower,
            choice.collateral,
            choice.debt,
            job.debt_to_cover,
            job.exit if one.by_bot else "",
            job.loan > 0 and one.by_bot,
            one.why,
            deficits,
            realised(receipt),
        )
