"""Real absorb and buyCollateral transactions: at p* they do what we say to the unit, nearer they are refused.

Drivers are written, the block has the very second that was asked for, and all is undone afterwards.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest

from defiliq.chain.evm import connect
from defiliq.pipeline.reading import read_market
from defiliq.protocols.compound_v3 import CometMarket, health, take
from defiliq.protocols.compound_v3.storefront import BASE, purchase, reserves, sell
from defiliq.protocols.compound_v3.take import absorbed, after_absorb, base_value
from defiliq.types import Account, Level, Liquidation, Refusal, Untold
from tests.lab import CometLab
from tests.lab.compound_v3 import Absorption
from tests.protocols.compound_v3.stage import Stage, World, ask_comet, listing_of, open_stage
from tests.stages import price_of, spread, toward_spot

pytestmark = pytest.mark.lab
AFTER_S = 777
"""The absorptions are mined so long after the block that was read."""
MINED = {"usdc": 40, "weth": 24}


@pytest.fixture(scope="module", params=["usdc", "weth"])
def stage(request: pytest.FixtureRequest, lab_compound_v3: CometLab) -> Stage:
    return open_stage(lab_compound_v3, request.param, AFTER_S)


@dataclass(frozen=True)
class Case:
    """One account at one price of one driver."""

    stage: Stage
    level: Level
    price: int

    @property
    def market(self) -> CometMarket:
        return self.stage.at(self.level.driver, self.price)

    @property
    def account(self) -> Account:
        return self.stage.account(self.level)

    @property
    def drivers(self) -> dict[str, int]:
        return self.stage.moved(self.level.driver, self.price)

    def absorb(self) -> Absorption:
        """A real one."""
        stage = self.stage
        done = stage.lab.absorb(
            stage.name, self.account.owner, drivers=self.drivers, timestamp=stage.market.timestamp
        )
        assert done.timestamp == stage.market.timestamp
        return done


def same(stage: Stage, account: Account, market: CometMarket, done: Absorption) -> None:
    """Everything that an absorption moved is what we say, and so is what `take` makes of it."""
    assert (done.success, done.error) == (True, ""), account.owner
    ours = absorbed(account, market)
    assert done.base_paid_out == ours.base_paid_out, account.owner
    assert done.base_value == base_value(market, ours.base_paid_out)
    assert done.principal_after == ours.new_principal
    assert done.balance_after == ours.new_principal * after_absorb(ours, market).supply_index // 10**15
    seized = {stage.symbol(one.reserve): (one.amount, one.base) for one in ours.seizures}
    assert done.collateral == seized
    found = take(account, market)
    assert isinstance(found, Liquidation)
    assert found.seizures == ours.seizures
    assert found.repay_reserve == BASE
    # What the reserves paid is the whole debt and, where the collateral was worth more, what is left over.
    assert found.repaid == done.base_paid_out - ours.new_balance
    assert found.debt_to_cover is None


def selection(stage: Stage) -> list[Level]:
    """Some levels of every driver and side."""
    levels = stage.priced()
    keys = sorted({(level.driver.name, level.side) for level in levels})
    by_key = [[level for level in levels if (level.driver.name, level.side) == key] for key in keys]
    return [level for some in by_key for level in spread(some, 5)]


def test_at_the_price_it_is_absorbed_and_at_its_neighbour_it_is_refused(stage: Stage) -> None:
    levels, kinds = selection(stage), Counter[str]()
    for level in levels:
        case = Case(stage, level, price_of(level))
        same(stage, case.account, case.market, case.absorb())
        nearer = replace(case, price=case.price + toward_spot(level))
        refused = nearer.absorb()
        assert (refused.success, refused.error) == (False, "NotLiquidatable"), level
        assert (refused.base_paid_out, refused.collateral) == (0, {})
        found = take(nearer.account, nearer.market)
        assert isinstance(found, Refusal)
        assert found.reason.startswith(refused.error)
        held = len([leg for leg in case.account.legs if leg.counted])
        kinds.update((level.side, level.driver.name, f"{min(held, 3)} collaterals"))
    assert len(levels) >= MINED[stage.name]
    assert {level.driver.name for level in stage.priced()} | {"long", "short"} <= set(kinds)
    assert {"1 collaterals", "2 collaterals", "3 collaterals"} <= set(kinds)


def test_deeper_prices_leave_a_loss_to_the_reserves_or_a_balance_to_the_account(stage: Stage) -> None:
    draw, seen = random.Random(9), Counter[str]()
    for level in spread(stage.priced(), 40):
        price, end = price_of(level), level.driver.shallow if level.side == "long" else 4 * price_of(level)
        at = price + (end - price) * draw.randrange(1, 90) // 100
        case = Case(stage, level, max(1, at))
        same(stage, case.account, case.market, case.absorb())
        ours, found = absorbed(case.account, case.market), take(case.account, case.market)
        assert isinstance(found, Liquidation)
        seen["loss"] += ours.not_covered > 0
        seen["balance left"] += ours.new_balance > 0
        assert found.bad_debt_base == base_value(case.market, ours.not_covered)
    assert seen["loss"] >= 5
    assert seen["balance left"] >= 5


def test_who_is_broken_by_interest_alone_is_absorbed_while_the_view_says_no(stage: Stage) -> None:
    """isLiquidatable answers by stored indices, absorb writes interest down first."""
    lab, book, market = stage.lab, stage.book, stage.market
    stored = market.as_stored()
    broken_now = [account for account in book.accounts() if health(account, market).liquidatable]
    between = [account for account in broken_now if not health(account, stored).liquidatable]
    assert len(between) >= 4
    assert not any(ask_comet(lab, stage.name, [World(account.owner, {}, None) for account in between]))
    for account in between[:8]:
        assert not lab.is_liquidatable(stage.name, account.owner, timestamp=market.timestamp)
        assert isinstance(take(account, stored), Liquidation), "absorb accrues, whatever the market shows"
        done = lab.absorb(stage.name, account.owner, timestamp=market.timestamp)
        same(stage, account, market, done)
        same(stage, account, stored, done)


def test_a_buyer_pays_and_gets_what_is_predicted(stage: Stage) -> None:
    """Every collateral of an absorbed account, bought for real; together they gain what `take` says."""
    lab, bought = stage.lab, Counter[str]()
    by_account = {level.account: level for level in stage.priced()}
    kinds = spread([x for x in by_account.values() if 1 < len(stage.account(x).legs) <= 6], 6)
    for level in kinds:
        case, gain_base = Case(stage, level, price_of(level)), 0
        market, ours = case.market, absorbed(case.account, case.market)
        found = take(case.account, market)
        assert isinstance(found, Liquidation)
        assert found.remark == ""
        for seizure in ours.seizures:
            symbol = stage.symbol(seizure.reserve)
            offer = purchase(after_absorb(ours, market), seizure)
            assert offer is not None
            done, one_less, most = (
                lab.buy(
                    stage.name,
                    case.account.owner,
                    symbol,
                    base_amount=amount,
                    drivers=case.drivers,
                    timestamp=market.timestamp,
                )[1]
                for amount in (offer.paid, offer.paid - 1, None)
            )
            assert (done.success, done.error) == (True, "")
            assert (done.paid, done.received) == (offer.paid, offer.bought), symbol
            assert (done.base_amount, done.collateral_amount) == (done.paid, done.received)
            assert one_less.received < done.received == most.received <= seizure.amount
            price, unit = market.price_of(seizure.reserve), market.reserves[seizure.reserve].unit
            gain_base += done.received * price // unit - base_value(market, done.paid)
            bought[symbol] += 1
        assert gain_base == found.bonus_base > 0
    assert len(bought) >= {"usdc": 6, "weth": 3}[stage.name]


def broken(stage: Stage) -> Account:
    """Somebody with one collateral whom nothing has to move for."""
    already = {level.account: level for level in stage.levels if level.outcome == "already"}
    return next(
        account
        for account in map(stage.account, already.values())
        if len([leg for leg in account.legs if leg.counted]) == 1
    )


def reread(stage: Stage) -> CometMarket:
    """The market as it stands now."""
    with connect(stage.lab.url, retries=0) as node:
        market = read_market(node, listing_of(stage.lab, stage.name), "latest")
    assert isinstance(market, CometMarket)
    return market


def test_reserves_are_the_comets(stage: Stage) -> None:
    for later_s in (0, 1, 1_234_567):
        market = stage.market.at_time(stage.market.block.timestamp + later_s)
        assert reserves(market) == stage.lab.ask(stage.name, "getReserves", timestamp=market.timestamp)


@pytest.mark.parametrize("missing", [1, 0])
def test_full_reserves_sell_nothing(stage: Stage, missing: int) -> None:
    """One unit short of its target at the very second of the purchase the Comet sells; at it, it does not."""
    lab, account = stage.lab, broken(stage)
    comet, at = lab.markets[stage.name], lab.chain.now() + 1_000
    with lab.rewinding():
        short = comet.spec.target_reserves - missing - reserves(when_bought(stage, account, at))
        lab.chain.send(comet.base, "mint", comet.contract.address, short)
        market = when_bought(stage, account, at)
        assert reserves(market) == comet.spec.target_reserves - missing
        seizures = absorbed(account, reread(stage).at_time(at)).seizures
        gain_base, remark = sell(seizures, market)
        symbol = stage.symbol(seizures[0].reserve)
        done, bought = lab.buy(stage.name, account.owner, symbol, timestamp=at)
    assert done.success
    assert bought.success == (gain_base > 0) == (missing == 1)
    assert bought.error == ("" if missing else "NotForSale")
    assert remark.startswith(bought.error)
    assert bool(remark) == (missing == 0)


def test_a_comet_that_sells_nothing_leaves_an_absorption_and_no_gain(stage: Stage) -> None:
    lab, account = stage.lab, broken(stage)
    comet = lab.markets[stage.name]
    with lab.rewinding():
        lab.chain.send(comet.base, "mint", comet.contract.address, 2 * comet.spec.target_reserves)
        market = reread(stage)
        found = take(account, market)
        assert isinstance(found, Liquidation)
        symbol = stage.symbol(found.seizures[0].reserve)
        done, bought = lab.buy(stage.name, account.owner, symbol)
        assert (done.success, bought.error) == (True, "NotForSale")
        assert found.bonus_base == 0
        assert found.remark.startswith(f"NotForSale: {symbol}")


def when_bought(stage: Stage, account: Account, at: int) -> CometMarket:
    """The market a second after an account was absorbed, as it would be from the latest block on."""
    market = reread(stage).at_time(at)
    return after_absorb(absorbed(account, market), market).at_time(at + 1)


def test_pauses(stage: Stage) -> None:
    lab, account = stage.lab, broken(stage)
    with lab.rewinding():
        lab.set_paused(stage.name, absorb=True)
        found, done = take(account, reread(stage)), lab.absorb(stage.name, account.owner)
        assert (done.success, done.error) == (False, "Paused")
        assert isinstance(found, Refusal)
        assert found.reason.startswith(done.error)
        assert health(account, reread(stage)).liquidatable
    with lab.rewinding():
        lab.set_paused(stage.name, buy=True)
        market = reread(stage)
        paused = take(account, market)
        assert isinstance(paused, Liquidation)
        symbol = stage.symbol(paused.seizures[0].reserve)
        done, bought = lab.buy(stage.name, account.owner, symbol)
        assert (done.success, bought.success, bought.error) == (True, False, "Paused")
        assert paused.bonus_base == 0
        assert "paused" in paused.remark


def test_a_comet_that_liquidates_in_parts_has_a_verdict_and_no_amounts(stage: Stage) -> None:
    lab, account = stage.lab, broken(stage)
    with lab.rewinding():
        lab.set_target(stage.name, 105 * 10**16)
        market = reread(stage)
        assert isinstance(take(account, market), Untold)
        (said,) = ask_comet(lab, stage.name, [World(account.owner, {}, market.timestamp)])
        assert health(account, market).liquidatable
        assert said
