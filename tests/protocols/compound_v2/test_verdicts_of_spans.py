"""Verdicts over stretches of a driver against the verdict at each integer of them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.compound_v2.rules import rule
from defiliq.units import WAD
from tests.protocols.compound_v2.contract_says import surplus
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v2.states import accounts, markets

MANY = settings(max_examples=750, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SPOT, HIGHEST = 40, 90


@st.composite
def drivers(draw: st.DrawFn, feeds: int, spot: int) -> Driver:
    """Some feeds, each in a proportion of its own."""
    moved = draw(st.sets(st.integers(0, feeds - 1), min_size=1))
    ratio = st.one_of(st.just((1, 1)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
    return driver_of_feeds("drawn", spot, 1, [Move(feed, *draw(ratio)) for feed in sorted(moved)])


@MANY
@given(st.data(), st.integers(1, 70), st.integers(-60, 60))
def test_a_verdict_holds_at_each_integer(data: st.DataObject, start: int, way: int) -> None:
    market = data.draw(markets())
    account = data.draw(accounts(market))
    driver = data.draw(drivers(len(market.feeds), 30))
    law, end = rule(account, market), max(0, start + way)
    verdict = law.verdict_over(driver.stretch(market.prices, start, end))
    walk = range(min(start, end), max(start, end) + 1)
    said = {surplus(account, market, driver.lead(market.prices, at)) < 0 for at in walk}
    if verdict is None:
        assert start != end
    else:
        assert said == {verdict}


@MANY
@given(st.data())
def test_levels_are_the_nearest_of_all(data: st.DataObject) -> None:
    """Against every integer of a coarse driver, both ways from spot, as far as HIGHEST."""
    market = data.draw(markets())
    account = data.draw(accounts(market))
    driver = data.draw(drivers(len(market.feeds), SPOT))
    driver = replace(driver, highest=min(driver.highest, HIGHEST))
    prices = tuple(driver.lead(market.prices, SPOT))
    assume(min(prices) > 0)
    levels = find_levels(rule(account, market), 0, prices, driver)
    walk = range(driver.lowest, driver.highest + 1)
    broken = [at for at in walk if surplus(account, market, driver.lead(prices, at)) < 0]
    if SPOT in broken:
        assert [level.outcome for level in levels] == ["already"]
        return
    found = {level.side: level.price for level in levels}
    below, above = [at for at in broken if at < SPOT], [at for at in broken if at > SPOT]
    assert found.get("long") == max(below, default=None)
    assert found.get("short") == min(above, default=None)


def test_lines_decide_where_joins_do_not() -> None:
    """Collateral and debt double together: only their straight lines tell that it stays safe, or broken."""
    market = comptroller([ctoken(0, "A"), ctoken(1, "B", feed=0)], [1000, 1])
    driver = driver_of_feeds("A", 1000, 1, (Move(0),))
    for owed, expected in ((740, False), (760, True)):
        law = rule(owner(holds(0, 1000 * WAD), holds(1, 0, owed * WAD)), market)
        stretch = driver.stretch(market.prices, 1000, 2000)
        assert law.verdict_over(stretch) is expected


def test_a_flickering_verdict_is_never_taken_for_one() -> None:
    """Half of a price, cut, twice against the whole of it: an odd price breaks, an even one does not."""
    reserves = [ctoken(0, "A", collateral_factor_wad=WAD // 2), ctoken(1, "B", feed=0)]
    prices = (40, 1)
    law = rule(owner(holds(0, 2 * WAD), holds(1, 0, WAD)), comptroller(reserves, prices))
    driver = driver_of_feeds("A", 40, 1, (Move(0),))
    verdicts = [law.liquidatable(driver.lead(prices, at)) for at in range(1, 60)]
    assert verdicts == [at % 2 == 1 for at in range(1, 60)]
    assert law.verdict_over(driver.stretch(prices, 1, 59)) is None
    for at in range(1, 60):
        assert law.verdict_over(driver.stretch(prices, at, at)) is verdicts[at - 1]


def test_cut_debts_alone_make_a_verdict_flicker() -> None:
    """Two halves of a price, each cut, and one more, against the whole of it: safe where the price is odd."""
    whole = ctoken(0, "A", collateral_factor_wad=WAD)
    halves = [ctoken(k, f"B{k}", feed=0) for k in (1, 2)]
    prices = (41, 1, 1, 1)
    account = owner(holds(0, WAD), holds(1, 0, WAD // 2), holds(2, 0, WAD // 2), holds(3, 0, WAD))
    law = rule(account, comptroller([whole, *halves, ctoken(3, "C")], prices))
    driver = driver_of_feeds("A", 41, 1, (Move(0),))
    verdicts = [law.liquidatable(driver.lead(prices, at)) for at in (40, 41, 42, 43)]
    assert verdicts == [True, False, True, False]
    assert law.verdict_over(driver.stretch(prices, 41, 43)) is None
    assert law.verdict_over(driver.stretch(prices, 40, 42)) is None
