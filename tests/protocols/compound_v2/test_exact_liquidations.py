"""Real liquidateBorrow transactions: at p* they succeed to the cToken, at its neighbour they are refused.

Aggregators are written, blocks are mined, every market accrues first in the block of the liquidation, and all
is undone afterwards. Compared: the event's repayment and seizeTokens, the cTokens that reached the
liquidator, and the account's liquidity or shortfall right after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest

from defiliq.protocols.compound_v2 import CompoundMarket, rule, take
from defiliq.protocols.compound_v2.market import COIN
from defiliq.types import Leg, Level, Liquidation
from tests.lab import CompoundV2Lab
from tests.lab.compound_v2 import Failure
from tests.lab.compound_v2.listing import NATIVE
from tests.protocols.compound_v2.calls import (
    AHEAD,
    NATIVE_REFUSES,
    NO_SHORTFALL,
    SEIZE_TOO_MUCH,
    TOO_MUCH_REPAY,
    Case,
)
from tests.protocols.compound_v2.stage import Stage, open_stage
from tests.stages import price_of, spread, toward_spot
from tests.takings import sole

pytestmark = pytest.mark.lab
MINED = 40
DEEPER_PERCENT = (0, 6, 30, 70)


@pytest.fixture(scope="module")
def stage(lab_compound_v2: CompoundV2Lab) -> Stage:
    """Supplies that were never entered are in: liquidators may seize them."""
    return open_stage(lab_compound_v2, AHEAD, uncounted=True)


def lower(level: Level, percent: int) -> int:
    """A price beyond a level's own, by so much of it."""
    further = price_of(level) * percent // 100
    return max(1, price_of(level) - toward_spot(level) * further)


def selection(stage: Stage) -> list[Level]:
    """Levels of every driver, side and shape, no account twice, whose whole call is not dust of nothing."""
    chosen: dict[int, Level] = {}
    levels = [level for level in stage.priced() if isinstance(take_at(stage, level), Liquidation)]
    for key in sorted({(level.driver.name, level.side) for level in levels}):
        some = [level for level in levels if (level.driver.name, level.side) == key]
        chosen |= {level.account: level for level in spread(some, 4) if level.account not in chosen}
    for shape in sorted({stage.shape(level) for level in levels}):
        some = [level for level in levels if stage.shape(level) == shape and level.account not in chosen]
        chosen |= {level.account: level for level in some[:1]}
    return list(chosen.values())


def take_at(stage: Stage, level: Level) -> object:
    return take(stage.account(level), stage.at(level.driver, price_of(level)))


def test_at_the_price_it_succeeds_and_at_its_neighbour_it_is_refused(stage: Stage) -> None:
    seen: Counter[str] = Counter()
    levels = selection(stage)
    for level in levels:
        case = Case(stage, level, price_of(level))
        debt, collateral, call = case.chosen()
        case.same(case.send(debt, collateral, call.repaid), debt, collateral, call)
        case.nearer().refused(case.nearer().send(debt, collateral, call.repaid), NO_SHORTFALL, debt)
        seen.update((level.driver.name, level.side, stage.shape(level), f"owes {case.symbol(debt)}"))
        seen.update((f"holds {case.symbol(collateral)}",))
    assert len(levels) >= MINED
    assert {*stage.lab.drivers, "long", "short"} <= set(seen)
    assert {f"owes {symbol}" for symbol in stage.lab.markets} <= set(seen)
    assert {f"holds {symbol}" for symbol in stage.lab.markets} <= set(seen)
    assert {"same-asset-ETH", "same-asset-USDC", "native-debt", "not-entered", "exited", "dust"} <= set(seen)


def test_one_unit_more_than_the_largest_repayment_is_refused(stage: Stage) -> None:
    """By the close factor, or because the account does not hold so many cTokens."""
    seen: Counter[object] = Counter()
    for level, percent in product(spread(selection(stage), 12), DEEPER_PERCENT):
        case = Case(stage, level, lower(level, percent))
        law = rule(case.account, case.market)
        if not law.liquidatable(case.market.prices) or not isinstance(
            take(case.account, case.market), Liquidation
        ):
            continue
        debt, collateral, call = case.chosen()
        case.same(case.send(debt, collateral, call.repaid), debt, collateral, call)
        why = case.limit(debt, call)
        case.refused(case.send(debt, collateral, call.repaid + 1), why, debt)
        seen[why] += 1
    assert seen[TOO_MUCH_REPAY] >= 15
    assert seen[SEIZE_TOO_MUCH] >= 3


def pairs(case: Case) -> Iterator[tuple[Leg, Leg]]:
    """Every debt with everything that is supplied, entered or not."""
    legs = case.account.legs
    yield from ((debt, held) for debt in legs if debt.debt for held in legs if held.collateral)


def test_no_pair_of_legs_pays_more_than_the_one_that_is_chosen(stage: Stage) -> None:
    """All tried for real, each with the most that it takes; one unit more is refused."""
    seen: Counter[str] = Counter()
    rich = [level for level in stage.priced() if len(list(pairs(Case(stage, level, price_of(level))))) >= 3]
    by_account = {level.account: level for level in rich}
    for level, percent in zip(spread(list(by_account.values()), 6), DEEPER_PERCENT * 2, strict=False):
        case = Case(stage, level, lower(level, percent))
        ours, paid = case.taken(), []
        for debt, held in pairs(case):
            call = case.largest(debt, held)
            assert call is not None
            done = case.send(debt.reserve, held.reserve, call.repaid)
            case.same(done, debt.reserve, held.reserve, call)
            more = case.send(debt.reserve, held.reserve, call.repaid + 1)
            case.refused(more, case.limit(debt.reserve, call), debt.reserve)
            gain = case.pays(debt.reserve, held.reserve, done)
            paid.append((gain, (held.reserve, debt.reserve)))
            seen["pairs"] += 1
            seen["same market"] += debt.reserve == held.reserve
            seen["not entered"] += not held.counted
        best = max(gain for gain, _ in paid)
        assert ours.bonus_base == best
        assert (best, (sole(ours).reserve, ours.repay_reserve)) in paid
        seen["a choice"] += len({gain for gain, _ in paid}) > 1
    assert seen["pairs"] >= 30
    assert seen["a choice"] >= 5
    assert seen["same market"] >= 3


def test_coins_that_are_sent_count_for_the_borrower_while_its_shortfall_is_asked_for(stage: Stage) -> None:
    """Who owes the native coin and has entered a supply of it: near p* less may be repaid than half."""
    held_back = 0
    coin = next(k for k, reserve in enumerate(stage.market.reserves) if reserve.asset == COIN)
    for level in spread([level for level in stage.priced() if owes_what_it_holds(stage, level, coin)], 6):
        case = Case(stage, level, price_of(level))
        (debt,) = [leg for leg in case.account.legs if leg.reserve == coin]
        call = case.largest(debt, debt)
        if call is None:
            case.refused(case.send(coin, coin, 1), NO_SHORTFALL, coin)
            continue
        assert case.limit(coin, call) == NO_SHORTFALL
        case.same(case.send(coin, coin, call.repaid), coin, coin, call)
        case.refused(case.send(coin, coin, call.repaid + 1), NO_SHORTFALL, coin)
        held_back += 1
    assert held_back >= 4


def owes_what_it_holds(stage: Stage, level: Level, reserve: int) -> bool:
    """Whether an account owes a reserve of which it also has an entered supply."""
    legs = [leg for leg in stage.account(level).legs if leg.reserve == reserve and leg.counted]
    return any(leg.debt and leg.collateral for leg in legs)


def test_supplies_that_were_never_entered_are_seized(stage: Stage) -> None:
    seized = 0
    for level in [level for level in stage.priced() if stage.shape(level) in ("not-entered", "exited")][::3]:
        case = Case(stage, level, price_of(level))
        for debt, held in pairs(case):
            call = case.largest(debt, held)
            if not held.counted and call is not None:
                done = case.send(debt.reserve, held.reserve, call.repaid)
                case.same(done, debt.reserve, held.reserve, call)
                assert done.account_after.shortfall == 0, "its collateral is all there, and it owes less"
                nearer = case.nearer()
                nearer.refused(
                    nearer.send(debt.reserve, held.reserve, call.repaid), NO_SHORTFALL, debt.reserve
                )
                seized += 1
    assert seized >= 8


class Partly(NamedTuple):
    """What a liquidation of one pair sees that nobody has accrued the other markets before."""

    case: Case
    debt: int
    collateral: int
    is_short: bool
    repay: int


def accrued_in(market: CompoundMarket, named: set[int]) -> CompoundMarket:
    """The market with some reserves accrued and the others as they are stored."""
    now, stored = market.reserves, market.as_stored().reserves
    return replace(market, reserves=tuple(now[k] if k in named else stored[k] for k in range(len(now))))


def partly(stage: Stage) -> list[Partly]:
    """Pairs whose own verdict differs from the one that all accrued markets give, at p* and its neighbour."""
    found = []
    for level in stage.priced():
        for case in (Case(stage, level, price_of(level)), Case(stage, level, price_of(level)).nearer()):
            whole = rule(case.account, case.market).liquidatable(case.market.prices)
            for debt, held in pairs(case):
                market = accrued_in(case.market, {debt.reserve, held.reserve})
                is_short = rule(case.account, market).liquidatable(market.prices)
                call = case.largest(debt, held)
                if is_short != whole and call is not None:
                    found.append(Partly(case, debt.reserve, held.reserve, is_short, call.repaid))
    return found


def test_a_market_that_the_call_does_not_name_counts_as_it_is_stored(stage: Stage) -> None:
    """liquidateBorrow accrues its two markets alone.

    So whom we call liquidatable may be refused until somebody accrues the third: a liquidator sends
    accrueInterest of every market first, in the same block. And whom we call safe may be liquidated while
    interest on a third market's supply is not yet written down. Our verdict is that of all accrued markets.
    """
    found = partly(stage)
    refused = [one for one in found if not one.is_short]
    early = [one for one in found if one.is_short]
    assert min(len({one.case.level.account for one in some}) for some in (refused, early)) >= 8
    for one in spread(refused, 10):
        alone = one.case.send(one.debt, one.collateral, one.repay, accrue_all=False)
        expected = NATIVE_REFUSES[NO_SHORTFALL] if one.case.symbol(one.debt) == NATIVE else ""
        assert (alone.success, alone.error) == (False, expected)
        assert alone.failure == (None if expected else Failure(3, 18, 3))
        assert one.case.send(one.debt, one.collateral, one.repay).success
    for one in spread(early, 10):
        assert not one.case.send(one.debt, one.collateral, one.repay).success
        assert one.case.send(one.debt, one.collateral, one.repay, accrue_all=False).success


def test_dust(stage: Stage) -> None:
    """A few base units: half of a debt of 3 is 1, and what it takes is counted in cTokens."""
    tiny = []
    for level in [level for level in stage.priced("USDC/USD", "ETH/USD") if stage.shape(level) == "dust"]:
        case = Case(stage, level, price_of(level))
        debt, collateral, call = case.chosen()
        case.same(case.send(debt, collateral, call.repaid), debt, collateral, call)
        tiny.append(call.repaid)
    assert len(tiny) >= 3
