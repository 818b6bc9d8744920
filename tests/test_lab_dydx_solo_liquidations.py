"""Real liquidations on the Solo lab: at p* they succeed to the wei, at its neighbour they are refused.

Prices are written, a block of the second after is mined, and all is undone afterwards. Compared: what
LogLiquidate says was repaid and taken, and both pars that it says are left. SoloMargin, its storage and its
getters are dYdX's; the operation behind it is the lab's own, written after the published one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import pytest

from defiliq.protocols.dydx_solo import SoloMarket, rule, take
from defiliq.protocols.dydx_solo.take import liquidate
from defiliq.types import Account, Level, Liquidation, Refusal, Untold
from tests.lab import SoloLab
from tests.lab.dydx_solo import Outcome
from tests.lab.dydx_solo.lab import TOO_LOW, UNLIQUIDATABLE
from tests.lab.dydx_solo.specs import IDS
from tests.solo_stage import Stage, info_of, open_stage
from tests.stages import price_of, spread, toward_spot
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
AHEAD_S = 1
"""No block can have the time of the one that was read."""
DEEPER_PERCENT = (4, 25, 60)
MINED = 60


@dataclass(frozen=True)
class Case:
    """One account at one price of one driver."""

    stage: Stage
    level: Level
    price: int

    @cached_property
    def market(self) -> SoloMarket:
        return self.stage.at(self.level.driver, self.price)

    @cached_property
    def account(self) -> Account:
        return self.stage.account(self.level)

    @cached_property
    def taken(self) -> Liquidation | Refusal | Untold:
        return take(self.account, self.market)

    @property
    def pars(self) -> dict[int, int]:
        return {leg.reserve: leg.collateral - leg.debt for leg in self.account.legs}

    def nearer(self) -> Case:
        return replace(self, price=self.price + toward_spot(self.level))

    def deeper(self, percent: int) -> Case:
        further = self.price * percent // 100
        return replace(self, price=max(1, self.price - toward_spot(self.level) * further))

    def send(self, owed: int, held: int, amount: int) -> Outcome:
        """A real liquidation of one pair of markets."""
        symbols = [self.market.reserves[k].symbol for k in (owed, held)]
        return self.stage.lab.liquidate(
            info_of(self.account.owner),
            owed=symbols[0],
            held=symbols[1],
            amount=amount,
            drivers=self.stage.moved(self.level.driver, self.price),
            timestamp=self.market.timestamp,
        )

    def same(self, done: Outcome, owed: int, held: int, amount: int) -> None:
        """The chain did what the law says one action does."""
        ours = liquidate(self.market, self.pars, held, owed, amount)
        assert (done.success, done.error) == (True, "")
        assert (done.repaid, done.seized) == (ours.owed, ours.held)
        assert (done.owed_par, done.held_par) == (ours.after[owed], ours.after[held])


@pytest.fixture(scope="module")
def stage(lab_dydx_solo: SoloLab) -> Stage:
    return open_stage(lab_dydx_solo, AHEAD_S)


def selection(stage: Stage) -> list[Level]:
    """Levels of every driver, side and shape, no account twice."""
    chosen: dict[int, Level] = {}
    levels = [level for level in stage.priced() if stage.shape(level) != "dust"]
    for key in sorted({(level.driver.name, level.side) for level in levels}):
        some = [level for level in levels if (level.driver.name, level.side) == key]
        chosen |= {level.account: level for level in spread(some, 6) if level.account not in chosen}
    for shape in sorted({stage.shape(level) for level in levels}):
        some = [level for level in levels if stage.shape(level) == shape and level.account not in chosen]
        chosen |= {level.account: level for level in some[:2]}
    return list(chosen.values())


def test_at_the_price_it_succeeds_and_at_its_neighbour_it_is_refused(stage: Stage) -> None:
    seen: Counter[str] = Counter()
    levels = selection(stage)
    for level in levels:
        case = Case(stage, level, price_of(level))
        assert isinstance(case.taken, Liquidation)
        owed, held, amount = case.taken.repay_reserve, sole(case.taken).reserve, cover(case.taken)
        done = case.send(owed, held, amount)
        case.same(done, owed, held, amount)
        assert (done.repaid, done.seized) == (case.taken.repaid, sole(case.taken).amount)
        refused = case.nearer().send(owed, held, amount)
        assert refused.error.startswith(UNLIQUIDATABLE)
        assert isinstance(case.nearer().taken, Refusal)
        seen.update((level.driver.name, level.side, stage.shape(level)))
        seen.update(
            (f"owes {case.market.reserves[owed].symbol}", f"holds {case.market.reserves[held].symbol}")
        )
    assert len(levels) >= MINED
    assert {f"{side} {symbol}" for side in ("owes", "holds") for symbol in IDS} <= set(seen)
    assert {
        "premium-both",
        "everywhere",
        "closing",
        "received",
        "bought",
        "sold",
        "traded",
        "edge",
        "giant",
    } <= set(seen)


def test_what_is_there_bounds_what_is_repaid(stage: Stage) -> None:
    """Deep below, the supply of one market no longer pays for the debt of another."""
    bounded = whole = 0
    for level in spread(selection(stage), 16):
        for percent in DEEPER_PERCENT:
            case = Case(stage, level, price_of(level)).deeper(percent)
            if isinstance(case.taken, Liquidation):
                owed, held, amount = case.taken.repay_reserve, sole(case.taken).reserve, cover(case.taken)
                done = case.send(owed, held, amount)
                case.same(done, owed, held, amount)
                bounded += done.held_par == 0 and done.owed_par < 0
                whole += done.owed_par == 0
    assert bounded >= 8
    assert whole >= 8


def test_no_pair_pays_more_than_the_one_that_is_chosen(stage: Stage) -> None:
    """All tried for real, each with all that is owed, and with less."""
    pairs, choices = 0, 0
    rich = [level for level in selection(stage) if len(stage.account(level).legs) >= 3]
    for level in spread(rich, 8):
        case = Case(stage, level, price_of(level)).deeper(3)
        ours, paid = case.taken, []
        assert isinstance(ours, Liquidation)
        for owed in [reserve for reserve, par in case.pars.items() if par < 0]:
            for held in [reserve for reserve, par in case.pars.items() if par > 0]:
                leg = next(leg for leg in case.account.legs if leg.reserve == owed)
                everything = -(-leg.debt * case.market.reserves[owed].borrow_index_now_wad // 10**18)
                for amount in (everything, everything // 3, everything + 10**9):
                    done = case.send(owed, held, amount)
                    case.same(done, owed, held, amount)
                    gain = done.seized * case.market.price_of(held) - done.repaid * case.market.price_of(owed)
                    if amount == everything:
                        paid.append(gain)
                    pairs += 1
        assert ours.bonus_base == max(paid)
        choices += len(set(paid)) > 1
    assert pairs >= 40
    assert choices >= 5


def test_whoever_is_liquid_is_liquidated_at_any_price(stage: Stage) -> None:
    lab, found = stage.lab, 0
    for row, user in enumerate(lab.users):
        account = stage.book.account(row)
        if user.shape != "liquidated":
            continue
        law = rule(account, stage.market)
        if law.margin(stage.market.prices) < 0:
            continue
        ours = take(account, stage.market)
        assert isinstance(ours, Liquidation)
        owed, held = (stage.market.reserves[k].symbol for k in (ours.repay_reserve, sole(ours).reserve))
        at = stage.market.timestamp
        done = lab.liquidate(user.info, owed=owed, held=held, amount=cover(ours), timestamp=at)
        assert (done.success, done.repaid, done.seized) == (True, ours.repaid, sole(ours).amount)
        with lab.rewinding():
            lab.set_status(user.info, 0)
            done = lab.liquidate(user.info, owed=owed, held=held, amount=cover(ours), timestamp=at)
        assert done.error.startswith(UNLIQUIDATABLE)
        found += 1
    assert found >= 2


def test_debts_that_nothing_backs_move_nothing(stage: Stage) -> None:
    """Sunk accounts are Liquid, or Vapor: the call passes, and neither side pays."""
    for row, user in enumerate(stage.lab.users):
        if user.shape in ("sunk", "vapor"):
            ours = take(stage.book.account(row), stage.market)
            assert isinstance(ours, Liquidation)
            assert (ours.seizures, ours.repaid) == ((), 0)
            owed = stage.market.reserves[ours.repay_reserve].symbol
            at = stage.market.timestamp
            done = stage.lab.liquidate(user.info, owed=owed, held="USDC", amount=10**18, timestamp=at)
            assert (done.success, done.repaid, done.seized) == (True, 0, 0)


def test_dust_leaves_too_little_or_nothing(stage: Stage) -> None:
    """All of a debt of a few base units may be repaid; a part of it may not."""
    found = 0
    for level in [level for level in stage.priced() if stage.shape(level) == "dust"]:
        case = Case(stage, level, price_of(level))
        if not isinstance(case.taken, Liquidation):
            continue
        owed, held, amount = case.taken.repay_reserve, sole(case.taken).reserve, cover(case.taken)
        case.same(case.send(owed, held, amount), owed, held, amount)
        if amount > 1:
            assert case.send(owed, held, 1).error.startswith(TOO_LOW)
        found += 1
    assert found >= 1
