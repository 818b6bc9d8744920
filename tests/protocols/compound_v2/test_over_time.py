"""The law over seconds against the law at each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.errors import UnsupportedReserve
from defiliq.pricing.graph import Growing, PriceGraph
from defiliq.pricing.span import Span, straight
from defiliq.protocols import compound_v2
from defiliq.protocols.compound_v2.accrual import accrued
from defiliq.protocols.compound_v2.market import CompoundMarket, ProductRounding
from defiliq.protocols.compound_v2.over_time import Values, indices_over, rule_over_time, ticks_over, verdict
from defiliq.protocols.compound_v2.rules import rule
from defiliq.types import Account
from defiliq.units import WAD
from tests.builders import BLOCK, NOW
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v2.moments import moments, steep_markets
from tests.verdicts import assert_holds_at_seconds, assert_is_the_law, assert_spans

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(MANY, max_examples=500)
@given(steep_markets(), st.integers(0, 100), st.integers(0, 60))
def test_clocks_and_indices_stay_in_their_spans(market: CompoundMarket, later: int, width: int) -> None:
    walk = range(NOW + later, NOW + later + width + 1)
    ticks = [market.tick_at(at) for at in walk]
    assert_spans(ticks_over(market, walk[0], walk[-1]), ticks)
    for reserve in market.reserves:
        now = [accrued(reserve, tick) for tick in ticks]
        spans = indices_over(market, reserve, walk[0], walk[-1])
        assert_spans(spans.exchange_rate_wad, [there.exchange_rate_wad for there in now])
        assert_spans(spans.borrow_index_wad, [there.borrow_index_wad for there in now])


def test_an_accrual_ahead_of_the_clock_changes_nothing_until_then() -> None:
    """As in `accrual.accrued`: no ticks have passed, and from then on they do."""
    ahead = ctoken(0, "A", accrued_at=BLOCK.number + 3, borrow_rate_wad=WAD // 10)
    market = replace(comptroller([ahead], [1]), pace_seconds=1)
    walk = range(NOW, NOW + 8)
    indices = [accrued(ahead, market.tick_at(at)).borrow_index_wad for at in walk]
    assert indices[3] == WAD < indices[4]
    assert_spans(indices_over(market, ahead, walk[0], walk[-1]).borrow_index_wad, indices)


@MANY
@given(moments(), st.integers(0, 400))
def test_at_one_second_it_is_the_law(scene: tuple[CompoundMarket, Account], later: int) -> None:
    assert_is_the_law(compound_v2, *scene, later)


@settings(MANY, max_examples=500)
@given(moments(), st.integers(0, 150), st.integers(0, 60))
def test_a_verdict_over_seconds_holds_at_each_of_them(
    scene: tuple[CompoundMarket, Account], later: int, width: int
) -> None:
    assert_holds_at_seconds(compound_v2, *scene, later, width)


def test_lines_decide_where_joins_do_not() -> None:
    """Collateral and debt double together in some ticks."""
    for owed, expected in ((740, False), (760, True)):
        growing = Span(owed, 2 * owed, owed, 2 * owed, 3)
        assert verdict([Values(Span(750, 1500, 750, 1500, 3), growing)]) is expected
        rough = Span(owed, 2 * owed, owed, 2 * owed, 9)
        assert verdict([Values(Span(750, 1500, 750, 1500, 3), rough)]) is None


def test_collateral_grows_while_debt_stands() -> None:
    """What suppliers earn, one tick in twelve seconds, makes a broken account safe again, to the second."""
    earning = ctoken(0, "A", total_supply=100 * WAD, total_borrows=100 * WAD, borrow_rate_wad=WAD // 100)
    market = comptroller([earning, ctoken(1, "B")], [WAD, WAD]).at_time(NOW)
    account = owner(holds(0, 100), holds(1, 0, 80))
    law = rule_over_time(account, market)
    safe_from = next(s for s in range(400) if not law.health(NOW + s).liquidatable)
    assert safe_from == 7 * 12
    assert law.verdict_over(NOW, NOW + safe_from - 1) is True
    assert law.verdict_over(NOW, NOW + safe_from) is None
    assert law.verdict_over(NOW + safe_from, NOW + 400) is False


def test_a_price_that_grows_with_time_alone() -> None:
    graph = PriceGraph((Growing(100, NOW, 1, 1),), (0,))
    market = comptroller([ctoken(0, "A"), ctoken(1, "B", feed=0)], [100])
    market = replace(market, graph=graph).at_time(NOW)
    account = owner(holds(0, 4 * WAD), holds(1, 0, 3 * WAD))
    law = rule_over_time(account, market)
    assert [law.health(NOW + s).debt_base for s in (0, 1, 10)] == [300, 303, 330]
    verdicts = [law.health(NOW + s).liquidatable for s in range(8)]
    assert verdicts == [False, True, True, True] * 2  # floor(0.75 p) * 4 is below 3 p but where 4 divides p


def test_a_deprecated_debt_is_liquidatable_at_any_time() -> None:
    market = comptroller([ctoken(0, "A"), ctoken(1, "B", is_deprecated=True)], [WAD, WAD])
    law = rule_over_time(owner(holds(0, 100), holds(1, 0, 1)), market)
    assert law.health(NOW).liquidatable
    assert law.verdict_over(NOW, NOW + 10**6) is True


def test_stored_indices_stand_still() -> None:
    """getAccountLiquidity answers by them until somebody accrues."""
    growing = ctoken(1, "B", borrow_rate_wad=WAD // 10, total_borrows=0, borrow_index_now_wad=0)
    market = comptroller([ctoken(0, "A"), growing], [WAD, WAD]).at_time(NOW + 120)
    stored, account = market.as_stored(), owner(holds(0, 100 * WAD), holds(1, 0, 50 * WAD))
    assert rule(account, market).liquidatable(market.prices)
    law = rule_over_time(account, stored)
    assert law.health(NOW + 120) == law.health(NOW + 10**6) == rule(account, stored).health(stored.prices)
    assert law.verdict_over(NOW + 120, NOW + 10**9) is False


def test_what_accrues_in_its_own_way_has_no_later_time() -> None:
    own = ctoken(
        0,
        "DAI",
        accrues_plainly=False,
        exchange_rate_at_block_wad=2 * WAD,
        borrow_index_at_block_wad=3 * WAD,
    )
    market = comptroller([own], [WAD]).at_time(NOW)
    law = rule_over_time(owner(holds(0, 100, 40)), market)
    assert law.health(NOW).debt_base == 120
    assert law.health(NOW + 11) == law.health(NOW)  # the same block
    assert law.verdict_over(NOW, NOW + 11) is False
    with pytest.raises(UnsupportedReserve, match="in its own way"):
        law.verdict_over(NOW, NOW + 12)
    with pytest.raises(UnsupportedReserve, match="in its own way"):
        law.health(NOW + 12)
    assert ticks_over(replace(market, clock="timestamp"), NOW, NOW + 5) == straight(NOW, NOW + 5)


@pytest.mark.parametrize(("rounding", "is_safe"), [("half_up", True), ("down", False)])
def test_factor_times_rate_is_rounded_as_the_comptroller_does(
    rounding: ProductRounding, is_safe: bool
) -> None:
    """Half a unit: 1 or nothing, for a wad of cTokens at a price of 1."""
    tiny = ctoken(0, "A", collateral_factor_wad=WAD // 2, total_supply=0, initial_exchange_rate_wad=1)
    market = comptroller([tiny, ctoken(1, "B")], [WAD, WAD], product_rounding=rounding).at_time(NOW)
    law = rule_over_time(owner(holds(0, WAD), holds(1, 0, 1)), market)
    assert law.verdict_over(NOW, NOW) is law.health(NOW).liquidatable is not is_safe
