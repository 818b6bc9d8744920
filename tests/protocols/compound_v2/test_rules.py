"""The law at the edge: exactly covered is safe, and every rounding and every debt counts as it should."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols.compound_v2.explain import explain
from defiliq.protocols.compound_v2.market import CompoundMarket, ProductRounding
from defiliq.protocols.compound_v2.rules import health, rule
from defiliq.types import NO_DEBT_FACTOR
from defiliq.units import WAD
from tests.protocols.compound_v2.contract_says import borrow_balance, surplus
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v2.states import (
    USUAL_AMOUNTS,
    USUAL_PRICES,
    USUAL_RATES,
    accounts,
    markets,
)

MANY = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ETH, USDC = 0, 1


def eth_and_usdc(**changes: object) -> CompoundMarket:
    """cETH at 3000 dollars with a factor of 0.75 and an exchange rate of 0.02, and cUSDC at 1 with 0.8."""
    return comptroller(
        [
            ctoken(ETH, "ETH", 18, exchange_rate_now_wad=2 * 10**26),
            ctoken(USDC, "USDC", 6, exchange_rate_now_wad=2 * 10**14, collateral_factor_wad=8 * 10**17),
        ],
        [3000 * WAD, 10**30],
        **changes,
    )


@MANY
@given(st.data(), st.booleans())
def test_liquidity_is_the_contracts(data: st.DataObject, usual: bool) -> None:
    market = data.draw(markets(USUAL_PRICES, USUAL_RATES) if usual else markets())
    account = data.draw(accounts(market, USUAL_AMOUNTS) if usual else accounts(market))
    law, expected = rule(account, market), surplus(account, market)
    assert law.margin(market.prices) == expected
    assert law.liquidatable(market.prices) is (expected < 0)
    ours = health(account, market)
    assert (ours.margin, ours.available_borrows_base) == (expected, max(0, expected))
    assert ours.liquidatable is (expected < 0)
    assert (ours.factor_wad < WAD) is (expected < 0)


def test_a_plain_account_in_numbers() -> None:
    account = owner(holds(ETH, 100 * 10**8), holds(USDC, 0, 4000 * 10**6))
    ours = health(account, eth_and_usdc())
    assert ours.collateral_base == 6000 * WAD
    assert ours.debt_base == 4000 * WAD
    assert ours.available_borrows_base == 500 * WAD
    assert (ours.threshold_bps, ours.ltv_bps) == (7500, 7500)
    assert ours.factor_wad == 1_125_000_000_000_000_000
    assert not ours.liquidatable
    assert ours.margin == 500 * WAD


def test_exactly_covered_is_safe_and_one_unit_more_is_not() -> None:
    market = eth_and_usdc()
    for owed, expected in ((4500 * 10**6, False), (4500 * 10**6 + 1, True)):
        ours = health(owner(holds(ETH, 100 * 10**8), holds(USDC, 0, owed)), market)
        assert ours.liquidatable is expected
        assert (ours.factor_wad == WAD) is not expected
    at_the_edge = owner(holds(ETH, 100 * 10**8), holds(USDC, 0, 4500 * 10**6))
    law = rule(at_the_edge, market)
    assert law.margin(market.prices) == 0
    assert law.liquidatable([3000 * WAD - 1, 10**30])
    assert law.liquidatable([3000 * WAD, 10**30 + 10**9])


def test_no_debt_is_safe_at_any_price() -> None:
    ours = health(owner(holds(ETH, 1)), eth_and_usdc())
    assert not ours.liquidatable
    assert ours.factor_wad == NO_DEBT_FACTOR
    assert health(owner(), eth_and_usdc()).factor_wad == NO_DEBT_FACTOR


def test_a_debt_too_small_for_one_base_unit_is_none() -> None:
    """One base unit of a coin worth less than 1e-18 dollars a unit is cut to nothing."""
    market = comptroller([ctoken(0, "DUST", 18)], [WAD - 1])
    assert not health(owner(holds(0, 0, 1)), market).liquidatable
    assert health(owner(holds(0, 0, 2)), market).liquidatable
    assert health(owner(holds(0, 0, 1)), market.at_prices({0: WAD})).liquidatable


def test_only_entered_markets_count() -> None:
    market = eth_and_usdc()
    debt = holds(USDC, 0, 4000 * 10**6)
    assert not health(owner(holds(ETH, 100 * 10**8), debt), market).liquidatable
    left = owner(holds(ETH, 100 * 10**8, entered=False), debt)
    assert health(left, market).liquidatable
    assert health(left, market).collateral_base == 0
    shown = explain(left, market)
    assert [(leg.supplied, leg.counted) for leg in shown] == [(2 * WAD, False), (0, True)]
    elsewhere = owner(holds(ETH, 0, 0), holds(USDC, 0, 4000 * 10**6, entered=False))
    assert not health(elsewhere, market).liquidatable
    assert health(elsewhere, market).debt_base == 0


def test_collateral_and_debt_in_one_market() -> None:
    """Supplied 1000, owed 800 at a factor of 0.8: covered at every price that is cut alike on both sides."""
    market = eth_and_usdc()
    law = rule(owner(holds(USDC, 50_000 * 10**8, 800 * 10**6)), market)
    assert law.margin(market.prices) == 0
    assert not law.liquidatable(market.prices)
    assert rule(owner(holds(USDC, 50_000 * 10**8, 800 * 10**6 + 1)), market).liquidatable(market.prices)


def test_whales_are_counted_in_full() -> None:
    """Beyond 64 bits and beyond what a double tells apart."""
    tokens, market = 2**90, eth_and_usdc()
    backing = (75 * 10**24 * 2) * 3000 * tokens // WAD
    owed = backing * WAD // 10**30
    covered = owner(holds(ETH, tokens), holds(USDC, 0, owed))
    assert owed > 2**64
    assert not health(covered, market).liquidatable
    assert health(owner(holds(ETH, tokens), holds(USDC, 0, owed + 1)), market).liquidatable


@pytest.mark.parametrize(("rounding", "expected"), [("down", (0, 1, 0)), ("half_up", (1, 2, 1))])
def test_each_product_is_rounded_as_the_comptroller_does(
    rounding: ProductRounding, expected: tuple[int, int, int]
) -> None:
    first = ctoken(0, "A", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=1)
    second = ctoken(0, "B", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=2)
    drawn = ((first, WAD), (second, 3 * WAD // 2), (second, WAD // 2))
    for (reserve, price), backed in zip(drawn, expected, strict=True):
        market = comptroller([reserve], [price], product_rounding=rounding)
        assert rule(owner(holds(0, WAD)), market).margin([price]) == backed


def test_products_are_cut_before_they_meet_ctokens() -> None:
    """0.5 * 1.000000000000000001 is half a unit: nothing of it is left for 1e18 cTokens."""
    market = comptroller(
        [ctoken(0, "A", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=WAD + 1)], [WAD]
    )
    assert rule(owner(holds(0, 4 * WAD)), market).margin([WAD]) == 2 * WAD
    assert rule(owner(holds(0, 4 * WAD + 1)), market).margin([WAD]) == 2 * WAD


def test_a_debt_grows_with_its_index_and_is_cut() -> None:
    market = comptroller([ctoken(0, "A", borrow_index_now_wad=2 * WAD)], [WAD])
    account = owner(holds(0, 0, 10, index_wad=3 * WAD // 2))
    assert health(account, market).debt_base == 13
    assert borrow_balance(market, account.legs[0]) == 13
    with pytest.raises(ValueError, match="cA"):
        health(owner(replace(account.legs[0], debt_index=None)), market)


def test_who_owes_in_a_deprecated_market_is_liquidatable_at_any_price() -> None:
    """Without any shortfall, and even where the market was left."""
    whole = eth_and_usdc()
    reserves = (whole.reserves[0], replace(whole.reserves[1], collateral_factor_wad=0, is_deprecated=True))
    market = replace(whole, reserves=reserves)
    for entered in (True, False):
        account = owner(holds(ETH, 100 * 10**8), holds(USDC, 0, 1, entered=entered))
        law = rule(account, market)
        assert law.liquidatable(market.prices)
        ours = law.health(market.prices)
        assert ours.liquidatable
        assert ours.margin > 0
        driver = driver_of_feeds("ETH", market.prices[ETH], WAD, (Move(ETH),))
        assert law.verdict_over(driver.stretch(market.prices, 1, 10**30)) is True
        assert [level.outcome for level in find_levels(law, 0, market.prices, driver)] == ["already"]
    only_supplied = owner(holds(ETH, 100 * 10**8), holds(USDC, 10**8))
    assert not rule(only_supplied, market).liquidatable(market.prices)


@MANY
@given(st.data())
def test_legs_that_count_add_up_to_the_health(data: st.DataObject) -> None:
    market = data.draw(markets(USUAL_PRICES, USUAL_RATES))
    account = data.draw(accounts(market, USUAL_AMOUNTS))
    ours, legs = health(account, market), explain(account, market)
    assert sum(leg.supplied_base for leg in legs if leg.counted) == ours.collateral_base
    assert sum(leg.owed_base for leg in legs if leg.counted) == ours.debt_base
    for leg, shown in zip(account.legs, legs, strict=True):
        reserve = market.reserves[leg.reserve]
        assert shown.owed == borrow_balance(market, leg)
        assert shown.supplied == leg.collateral * reserve.exchange_rate_now_wad // WAD
        assert shown.threshold_bps == reserve.collateral_factor_wad * 10_000 // WAD
        assert (shown.reserve, shown.feed) == (leg.reserve, reserve.feed)
