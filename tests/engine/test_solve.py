"""The exact solver against brute force over every integer, on states where rounding is large."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from defiliq.engine import solve
from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import rule
from defiliq.types import Account, Leg, Level, Rule
from defiliq.units import RAY
from tests.builders import plain_market, plain_reserve
from tests.protocols.aave_v3.states import (
    ALL_REVISIONS,
    AVERAGING_REVISIONS,
    DIRECT_REVISIONS,
    accounts,
    drivers,
    markets,
)
from tests.protocols.aave_v3.witness import witness

COARSE = st.sampled_from([0, 1, 2])
OWNER = "0x" + "11" * 20
SCENES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def scenes(
    draw: st.DrawFn, revisions: tuple[int, ...] = ALL_REVISIONS, *, coarse: bool = True
) -> tuple[AaveMarket, Account, Driver]:
    """A market, an account and a driver; coarse ones have prices and balances of a few integers."""
    if coarse:
        market = draw(markets(revisions, decimals=COARSE, prices=st.integers(1, 120)))
        account = draw(accounts(market, most=2000))
    else:
        market = draw(markets(revisions))
        account = draw(accounts(market))
    return market, account, draw(drivers(market))


@st.composite
def cancelling_scenes(draw: st.DrawFn) -> tuple[AaveMarket, Account, Driver]:
    """Collateral and debt that move together and nearly cancel: rounding decides for long stretches."""
    market = draw(markets(decimals=COARSE, prices=st.integers(1, 120)))
    listed = [replace(r, liquidity_index_ray=RAY, variable_borrow_index_ray=RAY) for r in market.reserves]
    listed = [replace(r, liquidity_rate_ray=0, variable_borrow_rate_ray=0) for r in listed]
    market = replace(market, reserves=tuple(listed)).at_time(market.timestamp)
    seized, owed = draw(st.integers(0, len(listed) - 1)), draw(st.integers(0, len(listed) - 1))
    moves = [Move(seized)]
    if owed != seized:
        moves.append(Move(owed, draw(st.integers(1, 7)), draw(st.integers(1, 7))))
    driver = driver_of_feeds("drawn", 100, 1, tuple(moves))
    at_spot = driver.lead(market.prices, driver.spot)
    collateral = draw(st.integers(1, 3000))
    legs = [Leg(seized, collateral, 0, True), Leg(owed, 0, 1, False)]
    law = rule(Account(OWNER, 0, (legs[0],)), market)
    backing = max(0, law.margin(at_spot)) // 10_000
    debt = backing * listed[owed].unit // at_spot[owed] + draw(st.integers(-2, 2))
    legs[1] = replace(legs[1], debt=max(1, debt))
    return market, Account(OWNER, 0, tuple(legs)), driver


def brute_force(law: Rule, market: AaveMarket, driver: Driver, walk: range) -> tuple[int | None, int | None]:
    """Where the first liquidatable stretch of `walk` starts, and the last one if that is another."""
    verdicts = [law.liquidatable(driver.lead(market.prices, at)) for at in walk]
    starts = [k for k, bad in enumerate(verdicts) if bad and (k == 0 or not verdicts[k - 1])]
    if not starts:
        return None, None
    return walk[starts[0]], walk[starts[-1]] if len(starts) > 1 else None


def resolved(law: Rule, account: int, prices: tuple[int, ...], driver: Driver) -> list[Level]:
    """The levels, where the solver finds them; draws in which only rounding decides are passed over."""
    try:
        return find_levels(law, account, prices, driver)
    except UnresolvedLevel:
        assume(False)
        raise


def on_side(levels: list[Level], side: str) -> Level | None:
    found = [level for level in levels if level.side == side and level.outcome == "price"]
    return found[0] if found else None


@SCENES
@given(st.one_of(scenes(), cancelling_scenes()))
def test_levels_below_spot_equal_brute_force(scene: tuple[AaveMarket, Account, Driver]) -> None:
    market, account, driver = scene
    law = rule(account, market)
    levels = resolved(law, 7, market.prices, driver)
    if law.liquidatable(driver.lead(market.prices, driver.spot)):
        assert [level.outcome for level in levels] == ["already"]
        assert levels[0].price == driver.spot
        return
    found = on_side(levels, "long")
    price, band = brute_force(law, market, driver, range(driver.spot - 1, driver.lowest - 1, -1))
    assert (None, None) if found is None else (found.price, found.band) == (price, band)
    assert (found is None) == (price is None)
    assert all(level.account == 7 for level in levels)


@SCENES
@given(scenes())
def test_levels_above_spot_equal_brute_force(scene: tuple[AaveMarket, Account, Driver]) -> None:
    market, account, driver = scene
    law = rule(account, market)
    levels = resolved(law, 0, market.prices, driver)
    if levels[0].outcome == "already":
        return
    found = on_side(levels, "short")
    horizon = driver.spot + 2000
    price, _ = brute_force(law, market, driver, range(driver.spot + 1, horizon))
    if price is not None:
        assert found is not None
        assert found.price == price
    elif found is not None:
        assert found.price is not None
        assert found.price >= horizon


@SCENES
@given(st.one_of(scenes(), cancelling_scenes()), st.integers(1, 400), st.integers(0, 60))
def test_a_verdict_over_a_stretch_holds_at_each_of_its_integers(
    scene: tuple[AaveMarket, Account, Driver], start: int, width: int
) -> None:
    market, account, driver = scene
    law = rule(account, market)
    walk = range(max(start, driver.lowest), max(start, driver.lowest) + width + 1)
    verdicts = {law.liquidatable(driver.lead(market.prices, at)) for at in walk}
    for verdict in (
        law.verdict_over(driver.stretch(market.prices, walk[0], walk[-1])),
        law.verdict_over(driver.stretch(market.prices, walk[-1], walk[0])),
    ):
        assert verdict is None or verdicts == {verdict}
        assert verdict is not None or len(walk) > 1


@SCENES
@given(scenes(coarse=False))
def test_real_sized_levels_hold_at_the_price_and_not_before(
    scene: tuple[AaveMarket, Account, Driver],
) -> None:
    market, account, driver = scene
    law = rule(account, market)
    for level in resolved(law, 0, market.prices, driver):
        if level.outcome == "price" and level.price is not None:
            toward_spot = 1 if level.side == "long" else -1
            assert law.liquidatable(driver.lead(market.prices, level.price))
            assert not law.liquidatable(driver.lead(market.prices, level.price + toward_spot))
            if level.band is not None:
                assert law.liquidatable(driver.lead(market.prices, level.band))
                assert not law.liquidatable(driver.lead(market.prices, level.band + toward_spot))


@st.composite
def one_sided(draw: st.DrawFn, revisions: tuple[int, ...]) -> tuple[AaveMarket, Account, int]:
    market = draw(markets(revisions))
    return market, draw(accounts(market, both=False)), draw(st.integers(0, len(market.feeds) - 1))


@SCENES
@given(one_sided(DIRECT_REVISIONS), st.integers(1, 10**14), st.integers(1, 10**14))
def test_health_is_monotone_in_price_from_revision_9_on(
    scene: tuple[AaveMarket, Account, int], one: int, other: int
) -> None:
    market, account, feed = scene
    law = rule(account, market)
    low = law.health(market.at_prices({feed: min(one, other)}).prices).factor_wad
    high = law.health(market.at_prices({feed: max(one, other)}).prices).factor_wad
    leg = account.legs[feed]
    assert high >= low if leg.debt == 0 else high <= low


def test_health_can_fall_when_a_collateral_rises_before_revision_9() -> None:
    """The witness is found, not assumed: two collaterals of different thresholds, over a walk of prices."""
    market, account, driver = witness(revision=8)
    law = rule(account, market)
    level = on_side(find_levels(law, 0, market.prices, driver), "long")
    assert level is not None
    assert level.price is not None
    assert level.band is not None
    assert level.band < level.price < driver.spot
    at = [law.liquidatable(driver.lead(market.prices, price)) for price in (level.price, level.band + 1)]
    assert at == [True, False], "below its first crossing the account is safe again, down to the band's end"
    same, owner, _ = witness(revision=10)
    modern = on_side(find_levels(rule(owner, same), 0, same.prices, driver), "long")
    assert modern is not None
    assert modern.band is None


def test_averaging_and_direct_revisions_cover_all() -> None:
    assert set(AVERAGING_REVISIONS) | set(DIRECT_REVISIONS) == set(ALL_REVISIONS)


def test_a_level_that_only_rounding_decides_is_given_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collateral at p and debt at p * 2 / 3 cancel exactly but for the rounding, which never tips them."""
    monkeypatch.setattr(solve, "MOST_LOOKS", 1000)
    market, account, _ = witness(revision=10)
    reserves = tuple(
        replace(reserve, decimals=0, liquidation_threshold_bps=5000) for reserve in market.reserves
    )
    market = replace(market, reserves=reserves, prices=(300, 200, 1)).at_time(market.timestamp)
    account = replace(account, legs=(Leg(0, 4, 0, True), Leg(1, 0, 3, False)))
    driver = driver_of_feeds("both", 300, 1, (Move(0), Move(1, 2, 3)))
    with pytest.raises(UnresolvedLevel, match="no exact level on both after 1000 looks"):
        find_levels(rule(account, market), 0, market.prices, driver)


def test_a_surplus_of_exactly_nothing_at_an_end_is_safe() -> None:
    """2e18 * W = (2e22 - 1) * D at D = 2e18: a health factor of 1, reached without any rounding."""
    owed = 2 * 10**18
    listed = [plain_reserve(k, f"T{k}", 0, liquidation_threshold_bps=(10_000, 9_999, 0)[k]) for k in range(3)]
    market = plain_market(listed, [owed - 1, 1, owed])
    owner = Account(OWNER, 0, (Leg(0, 1, 0, True), Leg(1, 1, 0, True), Leg(2, 0, 1, False)))
    law = rule(owner, market)
    driver = driver_of_feeds("owed", owed, 1, [Move(2)])
    assert not law.liquidatable(driver.lead(market.prices, owed))
    assert law.verdict_over(driver.stretch(market.prices, owed, owed + 5)) is None
    assert law.verdict_over(driver.stretch(market.prices, owed + 1, owed + 5)) is True
