"""Liquidatable, yet not callable: what take() refuses, the real contracts refuse, for the same reason."""

from __future__ import annotations

import pytest

from defiliq.protocols.aave_v3 import rule, take
from defiliq.protocols.aave_v3.rules_take import SENTINEL_HF_THRESHOLD, why_refused
from defiliq.types import Level, Liquidation, Refusal
from tests.lab import Lab
from tests.protocols.aave_v3.contract_says import price_of
from tests.protocols.aave_v3.stage import (
    Stage,
    all_pairs,
    amounts_of,
    lower,
    open_position,
    set_stage,
)
from tests.takings import sole

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
GRACE_S = 1_800
WETH = 10**18


def simple(lab: Lab) -> str:
    """An account with one collateral and one debt."""
    return open_position(lab, "simple", {"WETH": 4 * WETH}, {"USDC": 7_000 * 10**6})


def ether_level(stage: Stage) -> Level:
    """Where the one account of a stage breaks on the ETH price."""
    return next(level for level in stage.levels if level.driver.name == "WETH/USD" and level.side == "long")


def pause(lab: Lab, symbol: str, *, paused: bool, grace_s: int = 0) -> None:
    asset, configurator = lab.tokens[symbol], lab.market.configurator
    if lab.revision >= 4:
        arguments = (asset, paused, grace_s)
        lab.chain.send(configurator, "setReservePause(address,bool,uint40)", *arguments)
    else:
        lab.chain.send(configurator, "setReservePause", asset, paused)


def verdict(stage: Stage, level: Level, price: int) -> tuple[str, str]:
    """Our reason, and the contract's, for the one pair of an account; empty where it may be called."""
    found = take(stage.account(level), stage.at(level.driver, price))
    (named,) = all_pairs(stage.account(level), stage.market)
    said = stage.refusal(level, price, named)
    if isinstance(found, Liquidation):
        assert amounts_of(stage.call(level, price, found)) == amounts_of(found)
        return "", said
    return found.reason, said


@BOTH
@pytest.mark.parametrize("symbol", ["WETH", "USDC"])
def test_a_paused_reserve(request: pytest.FixtureRequest, fixture: str, symbol: str) -> None:
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        owner = simple(lab)
        pause(lab, symbol, paused=True)
        stage = set_stage(lab, [owner])
        level = ether_level(stage)
        ours, said = verdict(stage, level, price_of(level))
        assert ours == f"ReservePaused: {symbol}"
        assert said == stage.error("ReservePaused", "29")
        pause(lab, symbol, paused=False)
        stage = set_stage(lab, [owner])
        assert verdict(stage, level, price_of(ether_level(stage))) == ("", "")


@BOTH
def test_a_paused_collateral_leaves_the_other_pairs(request: pytest.FixtureRequest, fixture: str) -> None:
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        owner = open_position(lab, "two", {"WETH": 4 * WETH, "WBTC": 2 * 10**7}, {"USDC": 14_000 * 10**6})
        stage = set_stage(lab, [owner])
        level = ether_level(stage)
        price = lower(level, 1)
        free = take(stage.account(level), stage.at(level.driver, price))
        assert isinstance(free, Liquidation)
        pause(lab, stage.symbol(sole(free).reserve), paused=True)
        stage = set_stage(lab, [owner])
        rest = take(stage.account(level), stage.at(level.driver, price))
        assert isinstance(rest, Liquidation)
        assert sole(rest).reserve != sole(free).reserve
        assert amounts_of(stage.call(level, price, rest)) == amounts_of(rest)
        refused = stage.refusal(level, price, (sole(free).reserve, free.repay_reserve))
        assert refused == stage.error("ReservePaused", "29")


@pytest.mark.parametrize("later_s", [-1, 0, 1, 2])
def test_a_grace_period_ends_to_the_second(lab_v36: Lab, later_s: int) -> None:
    """Liquidation waits up to the last second of it, that second included."""
    lab = lab_v36
    with lab.rewinding():
        owner = simple(lab)
        pause(lab, "WETH", paused=True)
        pause(lab, "WETH", paused=False, grace_s=GRACE_S)
        stage = set_stage(lab, [owner], after_s=GRACE_S + later_s)
        until = stage.market.block.timestamp + GRACE_S
        level = ether_level(stage)
        ours, said = verdict(stage, level, price_of(level))
        if later_s <= 0:
            assert ours == f"LiquidationGracePeriod: WETH until {until}"
            assert said == stage.error("LiquidationGraceSentinelCheckFailed", "")
        else:
            assert (ours, said) == ("", "")


@BOTH
@pytest.mark.parametrize("state", ["down", "just up", "long up"])
def test_the_price_oracle_sentinel(request: pytest.FixtureRequest, fixture: str, state: str) -> None:
    """While the sequencer is down, and some time after, only health factors below 0.95 may be liquidated."""
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        owner = simple(lab)
        since = lab.chain.now() + (12 if state == "just up" else -30_000)
        lab.set_sequencer(is_up=state != "down", since=since, grace_s=3_600)
        stage = set_stage(lab, [owner], after_s=12)
        level = ether_level(stage)
        assert stage.market.liquidations_allowed == (state == "long up")
        waits, deep = verdict(stage, level, price_of(level)), verdict(stage, level, lower(level, 8))
        assert deep == ("", ""), "far below 1 nothing waits"
        if state == "long up":
            assert waits == ("", "")
        else:
            assert waits[0].startswith("PriceOracleSentinel")
            assert waits[1] == stage.error("PriceOracleSentinelCheckFailed", "59")
            low, high = lower(level, 8), price_of(level)
            while high - low > 1:
                middle = (low + high) // 2
                deep_enough = factor(stage, level, middle) < SENTINEL_HF_THRESHOLD
                low, high = (middle, high) if deep_enough else (low, middle)
            assert verdict(stage, level, low) == ("", ""), "below 0.95"
            assert verdict(stage, level, high) == waits, "not below 0.95"


def factor(stage: Stage, level: Level, price: int) -> int:
    """The account's health factor with its driver at `price`."""
    market = stage.at(level.driver, price)
    return rule(stage.account(level), market).health(market.prices).factor_wad


@pytest.mark.parametrize("fee_bps", [0, 1_000])
def test_collateral_that_lost_its_threshold_cannot_be_seized(lab_v36: Lab, fee_bps: int) -> None:
    """Since v3.6 it stays collateral at threshold 0 and without a bonus: the pool can seize none of it."""
    lab = lab_v36
    with lab.rewinding():
        configurator = lab.market.configurator
        owner = next(user.owner for user in lab.of_shape("emode-only"))
        lab.chain.send(configurator, "setLiquidationProtocolFee", lab.tokens["GHO"], fee_bps)
        # The configurator would want GHO to have no suppliers; older versions did not.
        lab.rpc("anvil_setBalance", configurator.address, hex(10**20))
        change = ("configureEModeCategoryCollateralBitmap", 3, 0)
        lab.chain.send(lab.market.pool, *change, sender=configurator.address)
        stage = set_stage(lab, [owner])
        ((level),) = stage.broken
        account, market, price = stage.account(level), stage.market, price_of(level)
        health = rule(account, market).health(market.prices)
        reasons = {}
        for named, pair in all_pairs(account, market).items():
            reasons[stage.symbol(named[0])] = why_refused(pair, market, health)
            assert (stage.refusal(level, price, named) == "") == (why_refused(pair, market, health) == "")
        assert reasons["GHO"] == "no liquidation bonus: GHO"
        found = take(account, market)
        if isinstance(found, Refusal):
            assert set(reasons) == {"GHO"}
        else:
            assert amounts_of(stage.call(level, price, found)) == amounts_of(found)
