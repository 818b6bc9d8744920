"""Real liquidationCall transactions: at p* they succeed to the wei, one integer nearer they are refused.

Each is mined in a block of an exact timestamp, with the feeds written into storage, and undone afterwards.
Compared: the event's repaid and seized amounts, what reached the liquidator, the value of the aToken's
Transfer to the treasury, and from v3.3 on the DeficitCreated events, before that the debt that stays.
"""

from __future__ import annotations

from collections import Counter

import pytest

from defiliq.protocols.aave_v3 import AaveMarket, rule, take
from defiliq.protocols.aave_v3.rules_take import CLOSE_FACTOR_HF_THRESHOLD
from defiliq.types import Account, Level, Liquidation
from defiliq.units import MAX_UINT256, ray_div_half_up, ray_div_up
from tests.lab import Lab
from tests.lab.build import VERSIONS
from tests.lab.liquidation import Outcome
from tests.protocols.aave_v3.contract_says import price_of, toward_spot
from tests.protocols.aave_v3.stage import (
    Stage,
    all_pairs,
    amounts_of,
    deficits_base,
    lower,
    open_position,
    open_stage,
    set_stage,
    spread,
)
from tests.takings import sole

pytestmark = pytest.mark.lab
PER_SHAPE = 5
DEEPER = (0, 4, 15, 45, 80)
NEVER_BROKEN = {"supplier", "repaid"}
SHAPES = [(f"lab_{name.replace('.', '')}", shape) for name in VERSIONS for shape in VERSIONS[name].shapes]


@pytest.fixture(params=["lab_v36", "lab_v30"])
def stage(request: pytest.FixtureRequest) -> Stage:
    lab: Lab = request.getfixturevalue(request.param)
    return open_stage(lab)


def predicted(stage: Stage, level: Level, price: int) -> Liquidation:
    found = take(stage.account(level), stage.at(level.driver, price))
    assert isinstance(found, Liquidation), (stage.shape(level), found)
    return found


def same(stage: Stage, level: Level, price: int, ours: Liquidation, done: Outcome) -> None:
    """Everything that a liquidation moved is what we said."""
    where = stage.shape(level), level.driver.name, level.side, price
    assert done.success, (where, done.error, ours)
    assert done.timestamp == stage.market.timestamp
    assert amounts_of(done) == amounts_of(ours), where
    assert done.received == done.seized, where
    collateral_left, debt_left = done.account_after[:2]
    if stage.lab.revision >= 7:
        assert deficits_base(stage.at(level.driver, price), done) == ours.bad_debt_base, where
        assert debt_left == 0 or ours.bad_debt_base == 0, where
    else:
        assert (debt_left if collateral_left == 0 else 0) == ours.bad_debt_base, where


@pytest.mark.parametrize(("fixture", "shape"), SHAPES)
def test_at_the_price_it_succeeds_and_at_its_neighbour_it_is_refused(
    request: pytest.FixtureRequest, fixture: str, shape: str
) -> None:
    stage = open_stage(request.getfixturevalue(fixture))
    levels = [level for level in stage.levels if stage.shape(level) == shape]
    broken = [level for level in stage.broken if stage.shape(level) == shape]
    assert shape not in NEVER_BROKEN or not (levels or broken)
    for level in broken:
        ours = predicted(stage, level, price_of(level))
        same(stage, level, price_of(level), ours, stage.call(level, price_of(level), ours))
    refused = stage.error("HealthFactorNotBelowThreshold", "45")
    for level in spread(levels, PER_SHAPE):
        price = price_of(level)
        ours = predicted(stage, level, price)
        same(stage, level, price, ours, stage.call(level, price, ours))
        nearer = stage.call(level, price + toward_spot(level), ours)
        assert (nearer.success, nearer.error) == (False, refused), (shape, level)


def test_there_are_many_of_them(stage: Stage) -> None:
    """What the test above ran over, counted: far beyond 20 on each version."""
    chosen: list[Level] = []
    shapes = VERSIONS[stage.lab.version].shapes
    for shape in shapes:
        chosen += spread([level for level in stage.levels if stage.shape(level) == shape], PER_SHAPE)
    seen = {stage.shape(level) for level in (*chosen, *stage.broken)}
    assert len(seen) >= len(shapes) - len(NEVER_BROKEN) - 3, "few shapes are left without a level or a break"
    assert len(chosen) >= 60
    assert len({level.account for level in chosen}) >= 40
    assert len({level.driver.name for level in chosen}) >= 8
    assert {level.side for level in chosen} == {"long", "short"}


def test_the_health_factor_error_is_the_one_that_aave_names(lab_v36: Lab, lab_v30: Lab) -> None:
    name = "HealthFactorNotBelowThreshold"
    assert open_stage(lab_v36).error(name, "45") == "0x930bb771"
    assert open_stage(lab_v30).error(name, "45") == "45"


def kinds(account: Account, market: AaveMarket, ours: Liquidation) -> set[str]:
    """What a liquidation is an example of, from the account's legs and what it takes of them."""
    pair = all_pairs(account, market)[sole(ours).reserve, ours.repay_reserve]
    above = rule(account, market).health(market.prices).factor_wad > CLOSE_FACTOR_HF_THRESHOLD
    whole_leg, exhausted = (
        ours.repaid == pair.debt.owed,
        sole(ours).amount + sole(ours).protocol_fee == pair.collateral.supplied,
    )
    backing = [leg for leg in account.legs if leg.counted and leg.collateral]
    owing = [leg for leg in account.legs if leg.debt or leg.stable is not None]
    reserve = market.reserves[sole(ours).reserve]
    found = {
        "eMode": account.mode != 0,
        "own eMode price": account.mode != 0 and pair.debt_price != market.price_of(ours.repay_reserve),
        "several collaterals": len(backing) > 1,
        "several debts": len(owing) > 1,
        "stable rate": any(leg.stable is not None and leg.reserve == ours.repay_reserve for leg in owing),
        "same asset on both sides": sole(ours).reserve == ours.repay_reserve,
        "fee": sole(ours).protocol_fee > 0,
        "no fee": reserve.liquidation_protocol_fee_bps == 0 and sole(ours).protocol_fee == 0,
        "whale": ours.repaid_base > 2**63,
        "dust": ours.repaid_base < 10**7,
        "all of a leg at or below 0.95": whole_leg and not above,
        "all of a leg above 0.95": whole_leg and above,
        "a part above 0.95": not whole_leg and not exhausted and above,
        "collateral exhausted": exhausted,
        "less than the close factor for the dust rule": ours.debt_to_cover != MAX_UINT256,
        "bad debt": ours.bad_debt_base > 0,
    }
    return {kind for kind, holds in found.items() if holds}


def test_deeper_prices_take_what_the_contract_takes(stage: Stage) -> None:
    """From p* down to a fifth of it: every branch of the close factor, exhausted collateral, bad debt."""
    seen: Counter[str] = Counter()
    candidates = [*stage.levels, *stage.broken]
    for account in sorted({level.account for level in candidates}):
        levels = [level for level in candidates if level.account == account]
        level = levels[account % len(levels)]
        for percent in DEEPER:
            price = lower(level, percent)
            market = stage.at(level.driver, price)
            if not rule(stage.account(level), market).liquidatable(market.prices):
                seen["safe again beyond its price"] += 1
                continue
            ours = predicted(stage, level, price)
            same(stage, level, price, ours, stage.call(level, price, ours))
            seen.update(kinds(stage.account(level), market, ours))
            seen["all"] += 1
    print(stage.lab.version, dict(seen))
    expected = {
        "eMode", "several collaterals", "several debts", "fee", "no fee", "whale",
        "same asset on both sides", "all of a leg at or below 0.95", "a part above 0.95",
        "collateral exhausted", "bad debt",
    }  # fmt: skip
    expected |= {"all of a leg above 0.95"} if stage.lab.revision >= 7 else {"stable rate", "own eMode price"}
    assert expected <= set(seen)
    assert seen["all"] >= 400


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_dust(request: pytest.FixtureRequest, fixture: str) -> None:
    """A few cents, from p* down to a fifth of it."""
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        owner = open_position(lab, "dust", {"WETH": 4 * 10**13}, {"USDC": 50_000})
        stage = set_stage(lab, [owner])
        level = next(level for level in stage.levels if level.driver.name == "WETH/USD")
        for percent in DEEPER:
            price = lower(level, percent)
            ours = predicted(stage, level, price)
            same(stage, level, price, ours, stage.call(level, price, ours))
            assert "dust" in kinds(stage.account(level), stage.at(level.driver, price), ours)


def test_the_treasury_holds_what_the_fee_is_worth(stage: Stage) -> None:
    """Beyond events: scaled aTokens, before and after a call that is mined for good and then undone.

    The pool turns the fee into scaled units rounding up since v3.5, half up before; a fee that is capped at
    what the seizure leaves is all of the borrower's scaled rest, to which the same rounding leads back.
    """
    lab, grown = stage.lab, 0
    to_scaled = ray_div_up if lab.revision >= 9 else ray_div_half_up
    for level in spread([level for level in stage.levels if not stage.is_whale(level)], 25):
        for percent in (0, 30):
            price = lower(level, percent)
            ours = take(stage.account(level), stage.at(level.driver, price))
            if not isinstance(ours, Liquidation):
                continue
            reserve = stage.market.reserves[sole(ours).reserve]
            grew = stage.treasury_growth(level, price, ours)
            assert grew == to_scaled(sole(ours).protocol_fee, reserve.income_ray), stage.shape(level)
            grown += grew > 0
    assert grown >= 30


def test_paid_in_a_tokens(stage: Stage) -> None:
    """The amounts do not hang on what the liquidator is paid in."""
    for level in spread([level for level in stage.levels if not stage.is_whale(level)], 12):
        ours = predicted(stage, level, price_of(level))
        done = stage.call(level, price_of(level), ours, a_tokens=True)
        same(stage, level, price_of(level), ours, done)
