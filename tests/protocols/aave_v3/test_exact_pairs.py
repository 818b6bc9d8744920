"""Which pair of legs, and how much: every pair tried on the contract, the dust rule, and dust itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from defiliq.protocols.aave_v3 import rule, take
from defiliq.protocols.aave_v3.pairs import Pair
from defiliq.protocols.aave_v3.rules_take import (
    burns_nothing,
    call_amounts,
    fee_paid,
    largest_call,
    max_liquidatable_debt,
)
from defiliq.types import Level, Liquidation, Refusal
from defiliq.units import MAX_UINT256
from tests.lab import Lab
from tests.lab.liquidation import Outcome
from tests.protocols.aave_v3.contract_says import price_of
from tests.protocols.aave_v3.stage import (
    Stage,
    all_pairs,
    amounts_of,
    lower,
    open_position,
    open_stage,
    selector,
    set_stage,
    spread,
)
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
DUST = selector("MustNotLeaveDust")
WBTC, WETH, LINK = 10**8, 10**18, 10**18
ACCOUNTS = 30


def profit_base(pair: Pair, done: Outcome) -> int:
    """What the liquidator gains at the prices that the pool used."""
    seized_base = done.seized * pair.collateral_price // pair.collateral.unit
    return seized_base + -done.repaid * pair.debt_price // pair.debt.unit


def largest_by_trying(
    stage: Stage, level: Level, price: int, named: tuple[int, int], owed: int
) -> int | None:
    """The largest debtToCover that the contract accepts for a pair; None where it refuses all."""
    error = stage.refusal(level, price, named)
    if error == "":
        return MAX_UINT256
    if error != DUST:
        return None
    accepted, refused = 0, owed
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if stage.refusal(level, price, named, middle) == "":
            accepted = middle
        else:
            refused = middle
    return accepted or None


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
@pytest.mark.parametrize("percent", [0, 12])
def test_no_pair_pays_more_than_the_one_that_is_taken(
    request: pytest.FixtureRequest, fixture: str, percent: int
) -> None:
    stage = open_stage(request.getfixturevalue(fixture))
    several = [level for level in stage.levels if len(all_pairs(stage.account(level), stage.market)) > 1]
    tried = 0
    for level in spread(several, ACCOUNTS):
        price = lower(level, percent)
        market = stage.at(level.driver, price)
        ours = take(stage.account(level), market)
        if isinstance(ours, Refusal):
            assert not rule(stage.account(level), market).liquidatable(market.prices)
            continue
        profits: dict[tuple[int, int], int] = {}
        for named, pair in all_pairs(stage.account(level), market).items():
            cover = largest_by_trying(stage, level, price, named, pair.debt.owed)
            if cover is not None:
                done = stage.call(level, price, named, debt_to_cover=cover)
                assert done.success, (stage.shape(level), named, done.error)
                profits[named] = profit_base(pair, done)
        tried += len(profits)
        best = profits[sole(ours).reserve, ours.repay_reserve]
        assert best == ours.bonus_base, stage.shape(level)
        assert best == max(profits.values()), (stage.shape(level), profits)
    assert tried > 3 * ACCOUNTS


def made(lab: Lab) -> list[str]:
    """Accounts around the limits of the dust rule: $1,000 and $2,000 per leg."""
    dollars = 10**6
    wanted = {
        "two near": ({"WETH": 9 * WETH // 10, "WBTC": 5 * WBTC // 100}, {"USDC": 3_900 * dollars}),
        "thin": ({"WETH": 11 * WETH // 10, "LINK": 200 * LINK}, {"USDC": 3_750 * dollars}),
        "two debts": ({"WETH": 28 * WETH // 10}, {"USDC": 2_610 * dollars, "GHO": 2_700 * 10**18}),
        "three debts": (
            {"WETH": 45 * WETH // 10},
            {"USDC": 2_100 * dollars, "GHO": 4_500 * 10**18, "USDT": 2_005 * dollars},
        ),
    }
    return [open_position(lab, name, *legs) for name, legs in wanted.items()]


def pairs_limited_by_dust(stage: Stage) -> int:
    """How many pairs the dust rule limits; on each, ours is accepted, and one wei more is not."""
    limited = 0
    for level, percent in product(stage.levels, (0, 2)):
        price = lower(level, percent)
        account, market = stage.account(level), stage.at(level.driver, price)
        health = rule(account, market).health(market.prices)
        if not health.liquidatable or stage.is_whale(level):
            continue
        for named, pair in all_pairs(account, market).items():
            found = largest_call(pair, health)
            if found is None or found[1] == MAX_UINT256:
                continue
            (amounts, cover), where = found, (stage.shape(level), named)
            assert stage.refusal(level, price, named) == DUST, where
            assert stage.refusal(level, price, named, max_liquidatable_debt(pair, health)) == DUST, where
            assert stage.refusal(level, price, named, cover + 1) == DUST, where
            done = stage.call(level, price, named, debt_to_cover=cover)
            assert amounts_of(done) == (amounts.repaid, amounts.seized, fee_paid(pair, amounts)), where
            limited += 1
    return limited


def test_the_dust_rule_to_the_wei(lab_v36: Lab) -> None:
    assert pairs_limited_by_dust(open_stage(lab_v36)) >= 3
    with lab_v36.rewinding():
        assert pairs_limited_by_dust(set_stage(lab_v36, made(lab_v36))) >= 10


def test_the_best_pair_may_be_one_that_the_dust_rule_limits(lab_v36: Lab) -> None:
    """take() itself asks for less than all, and the contract accepts just that."""
    with lab_v36.rewinding():
        stage = set_stage(lab_v36, made(lab_v36))
        limited = 0
        for level in stage.levels:
            price = price_of(level)
            ours = take(stage.account(level), stage.at(level.driver, price))
            assert isinstance(ours, Liquidation)
            done = stage.call(level, price, ours)
            assert amounts_of(done) == amounts_of(ours)
            if ours.debt_to_cover != MAX_UINT256:
                named = sole(ours).reserve, ours.repay_reserve
                assert stage.refusal(level, price, named) == DUST
                assert stage.refusal(level, price, named, cover(ours) + 1) == DUST
                limited += 1
    assert limited


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_a_debt_worth_less_than_one_unit_of_the_collateral(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    """Two satoshis against millionths of a dollar: no satoshi is owed for them, and none can be burnt."""
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        stage = set_stage(lab, [open_position(lab, "satoshi", {"WBTC": 2}, {"USDC": 430})])
        assert stage.levels
        for level in stage.levels:
            price = price_of(level)
            found = take(stage.account(level), stage.at(level.driver, price))
            (named,) = all_pairs(stage.account(level), stage.market)
            assert isinstance(found, Refusal)
            assert found.reason.startswith("InvalidBurnAmount")
            assert stage.refusal(level, price, named) == stage.error("InvalidBurnAmount", "25")
            assert stage.refusal(level, price, named, a_tokens=True) == "", "in aTokens it takes nothing"


def test_a_repayment_that_burns_no_scaled_debt(lab_v36: Lab) -> None:
    """LINK for a millionth of a dollar buys back one unit of USDC, whose scaled debt rounds to none."""
    with lab_v36.rewinding():
        link = 8 * 10**10
        owner = open_position(lab_v36, "speck", {"WETH": WETH, "LINK": link}, {"USDC": 1_900 * 10**6})
        stage = set_stage(lab_v36, [owner])
        level = next(level for level in stage.levels if level.driver.name == "WETH/USD")
        price = price_of(level)
        account, market = stage.account(level), stage.at(level.driver, price)
        health = rule(account, market).health(market.prices)
        verdicts = {}
        for named, pair in all_pairs(account, market).items():
            found = largest_call(pair, health)
            assert found is not None
            verdicts[stage.symbol(named[0])] = burns_nothing(pair, found[0], health)
            expected = selector("InvalidBurnAmount") if verdicts[stage.symbol(named[0])] else ""
            assert stage.refusal(level, price, named) == expected
        assert verdicts == {"WETH": False, "LINK": True}


def test_every_refusal_of_a_pair_is_the_contracts(lab_v36: Lab, lab_v30: Lab) -> None:
    """Over all pairs of all broken accounts: what take() would not do, the contract does not let it do."""
    for lab in (lab_v36, lab_v30):
        stage = open_stage(lab)
        for level, percent in product(spread(stage.levels, 2 * ACCOUNTS), (0, 30)):
            price = lower(level, percent)
            account, market = stage.account(level), stage.at(level.driver, price)
            health = rule(account, market).health(market.prices)
            if not health.liquidatable:
                continue
            for named, pair in all_pairs(account, market).items():
                found = largest_call(pair, health)
                fits = found is not None and not burns_nothing(pair, found[0], health)
                cover = MAX_UINT256 if found is None else found[1]
                assert (stage.refusal(level, price, named, cover) == "") == fits, (stage.shape(level), named)


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_the_edge_where_the_collateral_is_exhausted(request: pytest.FixtureRequest, fixture: str) -> None:
    """Repayments that are worth one satoshi less than there is, just as much, and one more.

    The bonus skips every twenty-first satoshi, so some supplies are tried.
    """
    lab: Lab = request.getfixturevalue(fixture)
    seen = set()
    with lab.rewinding():
        for supplied in range(WBTC // 10, WBTC // 10 + 3):
            owner = open_position(lab, f"edge {supplied}", {"WBTC": supplied}, {"GHO": 4_000 * 10**18})
            seen |= offsets_at_the_edge(set_stage(lab, [owner]))
    assert {-1, 0, 1} <= seen


def offsets_at_the_edge(stage: Stage) -> set[int]:
    """Satoshis above what there is, that repayments around the edge are worth; each is sent for real."""
    level = next(level for level in stage.levels if level.driver.name == "WBTC/USD")
    price, offsets = lower(level, 40), set()
    ((named, pair),) = all_pairs(stage.account(level), stage.at(level.driver, price)).items()
    for wanted in range(pair.collateral.supplied - 2, pair.collateral.supplied + 3):
        low, high = 0, pair.debt.owed
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if worth(pair, middle) < wanted else (low, middle)
        offset = worth(pair, high) - pair.collateral.supplied
        offsets.add(offset)
        amounts = call_amounts(pair, high)
        assert (amounts.taken == pair.collateral.supplied) == (offset >= 0)
        if stage.lab.revision < 7 or offset >= 0:  # else what is left is dust
            done = stage.call(level, price, named, debt_to_cover=high)
            assert amounts_of(done) == (amounts.repaid, amounts.seized, fee_paid(pair, amounts))
    return offsets


def worth(pair: Pair, repaid: int) -> int:
    """The collateral that a repayment would buy with the bonus, if there were enough."""
    plenty = replace(pair, collateral=pair.collateral._replace(supplied=2**200))
    return call_amounts(plenty, repaid).taken
