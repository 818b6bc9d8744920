"""The law of Solo against dYdX's own liquidator contract, which accrues, counts and judges by itself.

LiquidatorProxyV1ForSoloMargin is real bytecode that asks SoloMargin's getters, also real: nothing of the
lab's is in between but prices. It counts no margin premiums, so its verdict is held against accounts in
markets without one, and once against all with every premium at 0; the values that its refusal tells,
against everybody's. Last, it liquidates.
"""

from __future__ import annotations

from collections import Counter

import pytest

from defiliq.protocols.dydx_solo import SoloMarket, health
from defiliq.protocols.dydx_solo.take import liquidate, to_wei
from defiliq.types import Account, Level
from tests.lab import SoloLab
from tests.lab.dydx_solo.lab import NOT_BY_PROXY
from tests.lab.dydx_solo.specs import BY_SYMBOL
from tests.solo_stage import Stage, info_of, open_book, open_stage
from tests.stages import price_of, spread, toward_spot

pytestmark = pytest.mark.lab
LATER_S = (0, 1, 1_234_567)


def has_premium(account: Account, market: SoloMarket) -> bool:
    return any(market.reserves[leg.reserve].margin_premium_wad for leg in account.legs)


def refusal(account: Account, market: SoloMarket) -> str:
    """What the proxy says of an account that it finds well collateralized."""
    found = health(account, market)
    return f"{NOT_BY_PROXY} <{found.collateral_base}, {found.debt_base}>"


@pytest.mark.parametrize("seconds", LATER_S)
def test_every_verdict_and_the_values_behind_it(lab_dydx_solo: SoloLab, seconds: int) -> None:
    lab, book = lab_dydx_solo, open_book(lab_dydx_solo, seconds)
    at = lab.time() + seconds
    seen: Counter[str] = Counter()
    for row, user in enumerate(lab.users):
        account = book.account(row)
        if any(leg.collateral for leg in account.legs):
            said = lab.word_of_proxy(user.info, timestamp=at)
            assert said in ("", refusal(account, book.market)), user
            seen["refused"] += said != ""
            if health(account, book.market).debt_base and not has_premium(account, book.market):
                assert (said == "") is health(account, book.market).liquidatable, user
                seen[user.shape] += 1
                seen["judged"] += 1
                seen["liquidatable"] += said == ""
    assert seen["refused"] >= 170
    assert seen["judged"] >= 80
    assert seen["liquidatable"] >= 25
    assert min(seen[shape] for shape in ("exact", "exact-rich", "exact-short", "exact-owing", "edge")) >= 2


@pytest.fixture(scope="module", params=LATER_S)
def stage(request: pytest.FixtureRequest, lab_dydx_solo: SoloLab) -> Stage:
    return open_stage(lab_dydx_solo, request.param)


def judged(stage: Stage) -> list[Level]:
    return [level for level in stage.priced() if not has_premium(stage.account(level), stage.market)]


def hold_against_proxy(stage: Stage, levels: list[Level]) -> None:
    """Fail where the proxy would not send anything at p*, or does not refuse with our values next to it."""
    for level in levels:
        info, driver = info_of(stage.book.owner(level.account)), level.driver
        for price, is_safe in ((price_of(level), False), (price_of(level) + toward_spot(level), True)):
            said = stage.lab.word_of_proxy(
                info, drivers=stage.moved(driver, price), timestamp=stage.market.timestamp
            )
            there = stage.at(driver, price)
            assert said == (refusal(stage.account(level), there) if is_safe else "")


def test_every_level_and_its_neighbour(stage: Stage) -> None:
    levels = judged(stage)
    hold_against_proxy(stage, levels)
    assert len(levels) >= 100
    counted = Counter((level.driver.name, level.side) for level in levels)
    assert min(counted["ETH/USD", "long"], counted["ETH/USD", "short"], counted["USDC/USD", "short"]) >= 5


def test_every_level_of_every_market_without_premiums(lab_dydx_solo: SoloLab) -> None:
    lab = lab_dydx_solo
    with lab.rewinding():
        for market in range(len(BY_SYMBOL)):
            lab.chain.send(lab.solo.margin, "ownerSetMarginPremium", market, (0,))
        stage = open_stage(lab, 0)
        levels = judged(stage)
        assert levels == stage.priced()
        hold_against_proxy(stage, levels)
    assert len(levels) >= 450
    counted = Counter((level.driver.name, level.side) for level in levels)
    assert len(counted) == 2 * len(BY_SYMBOL)
    assert min(counted.values()) >= 10


def test_it_liquidates_and_takes_what_the_law_says(lab_dydx_solo: SoloLab) -> None:
    """At p*, one pair of markets. A second later: no block can have the time of the one that was read."""
    stage, done = open_stage(lab_dydx_solo, 1), 0
    for level in spread(judged(stage), 25):
        market, account = stage.at(level.driver, price_of(level)), stage.account(level)
        pars = {leg.reserve: leg.collateral - leg.debt for leg in account.legs}
        held, owed = max(pars, key=lambda k: pars[k]), min(pars, key=lambda k: pars[k])
        ours = liquidate(market, pars, held, owed, -to_wei(market, owed, pars[owed]))
        symbols = [market.reserves[k].symbol for k in (owed, held)]
        assert set(symbols) <= set(BY_SYMBOL)
        found = stage.lab.liquidate_through_proxy(
            info_of(account.owner),
            owed=symbols[0],
            held=symbols[1],
            drivers=stage.moved(level.driver, price_of(level)),
            timestamp=market.timestamp,
        )
        assert found.success, (stage.shape(level), found.error)
        assert (found.repaid, found.seized) == (ours.owed, ours.held)
        assert (found.owed_par, found.held_par) == (ours.after[owed], ours.after[held])
        done += 1
    assert done >= 20
