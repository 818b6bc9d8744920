"""Orders where insurance funds pay no more than they have, and positions that are shared out instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_v4.after import after, to_fund
from defiliq.protocols.dydx_v4.backed import (
    BACKING,
    line_up,
    share_out,
    store_key,
    take_backed,
    to_subaccount,
)
from defiliq.protocols.dydx_v4.insurance import balances_of, with_balance
from defiliq.protocols.dydx_v4.legs import positions_of, usdc_of
from defiliq.protocols.dydx_v4.liquidation import LiquidationOrder, oracle_subticks
from defiliq.protocols.dydx_v4.market import DydxMarket, InsuranceFund
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.settle import settled, to_account
from defiliq.protocols.dydx_v4.take import order_of, take
from defiliq.types import Account, Liquidation, Refusal, Shortfall
from tests.protocols.dydx_v4.states import (
    CONFIG,
    accounts,
    at_the_edge,
    chain,
    chains,
    holding,
    perpetual,
    subaccounts,
)

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FINE: dict[str, Any] = {"quantum_conversion_exponent": -6, "open_interest": 10**6}
LONG = holding(-100_100, 100)
"""Worth 100,000 and 100,100 in debt: its order takes 99,700 at worst; 100,100 would leave it at nothing."""


def market(**changes: Any) -> DydxMarket:
    return chain([perpetual(1, **{**FINE, **changes})], [1000])


def placed(account: Account, there: DydxMarket) -> LiquidationOrder:
    order = order_of(account, there)
    assert isinstance(order, LiquidationOrder), order
    return order


def named(account: Account, name: str) -> Account:
    return replace(account, owner=f"dydx1{name}/0")


@pytest.mark.parametrize(
    ("fund", "repaid", "paid"),
    [(10**9, 99_700, 400), (400, 99_700, 400), (399, 99_701, 399), (100, 100_000, 100)],
)
def test_the_worst_fill_that_the_fund_can_pay(fund: int, repaid: int, paid: int) -> None:
    found = take_backed(placed(LONG, market()), market(), {0: fund})
    assert isinstance(found, Liquidation)
    assert (found.repaid, found.bad_debt_base, to_fund(found)) == (repaid, paid, -paid)
    assert after(LONG, market(), found) == holding(0)


@pytest.mark.parametrize("fund", [99, 1, 0])
def test_what_no_fill_at_the_oracle_price_can_save_is_shared_out(fund: int) -> None:
    assert take_backed(placed(LONG, market()), market(), {0: fund}) == Shortfall(1, -100)
    short = holding(99_900, -100)
    assert take_backed(placed(short, market()), market(), {0: fund}) == Shortfall(1, 100)


def test_a_short_is_bought_back_at_what_the_fund_bears() -> None:
    """100,000 to buy back with 99,900: at worst 100,300, of which the fund pays 400."""
    short = holding(99_900, -100)
    for fund, paid in ((400, 100_300), (399, 100_299), (100, 100_000)):
        found = take_backed(placed(short, market()), market(), {0: fund})
        assert isinstance(found, Liquidation)
        assert (found.seized_base, -to_fund(found)) == (paid, fund)


def test_a_fund_that_is_not_known_pays_always() -> None:
    assert take_backed(placed(LONG, market()), market(), {}) == take(LONG, market())
    assert take_backed(placed(LONG, market()), market(), {1: 0}) == take(LONG, market())


def test_no_more_than_a_block_lets_the_fund_lose() -> None:
    poor = replace(market(), liquidations=replace(CONFIG, max_quantums_insurance_lost=150))
    found = take_backed(placed(LONG, poor), poor, {0: 10**9})
    assert isinstance(found, Liquidation)
    assert found.bad_debt_base == 150


def test_an_isolated_market_has_a_fund_of_its_own() -> None:
    alone = market(is_isolated=True)
    assert isinstance(take_backed(placed(LONG, alone), alone, {0: 10**9, 1: 0}), Shortfall)
    found = take_backed(placed(LONG, alone), alone, {0: 0, 1: 400})
    assert isinstance(found, Liquidation)
    assert BACKING.paid(alone, found) == (1, -400)
    assert BACKING.paid(market(), found) == (0, -400)


def test_whoever_is_not_bankrupt_is_left_where_the_fund_cannot_pay() -> None:
    """Ticks of 3: the order takes 999 a quantum, where 999.9 is due and 1,002 is beyond the oracle price."""
    coarse = market(subticks_per_tick=3 * 10**6)
    order = placed(holding(-99_990, 100), coarse)
    found = take_backed(order, coarse, {0: 0})
    assert found == Refusal("ErrInsuranceFundHasInsufficientFunds: net collateral is not negative yet")


def test_two_opposite_positions_take_it_over_at_the_bankruptcy_price() -> None:
    """1,001 a quantum, where the oracle says 1,000: all 30 of the first, and 70 of the second."""
    bankrupt, first, second = (
        named(LONG, "aaa"),
        named(holding(60_000, -30), "bbb"),
        named(holding(300_000, -90), "ccc"),
    )
    idle = named(holding(10**6, 5), "abc")
    shared = share_out(bankrupt, iter([idle, first, second]), market(), Shortfall(1, -100))
    assert (shared.closed, shared.closed_base) == (100, 100_000)
    assert shared.account == named(holding(0), "aaa")
    assert dict(shared.others) == {
        1: named(holding(60_000 - 30_030), "bbb"),
        2: named(replace(held := holding(300_000 - 70_070, -20), legs=_settled(held)), "ccc"),
    }
    assert shared.market.reserves[1].open_interest == 10**6 - 100


def _settled(account: Account) -> Any:
    return tuple(leg if leg.reserve == 0 else replace(leg, funding_index=0) for leg in account.legs)


def test_nobody_opposite_leaves_it_as_it_is() -> None:
    others = [named(holding(10**6, 50), "bbb"), named(holding(-200_000, -90), "ccc")]
    shared = share_out(LONG, iter(others), market(), Shortfall(1, -100))
    assert (shared.closed, shared.others, shared.account.legs) == (0, {}, _settled(LONG))


def test_subaccounts_go_by_the_keys_of_the_store() -> None:
    """Marshalled ids: a shorter owner first; numbers as varints, low bits first, and no byte for 0."""
    names = ["dydx1b/0", "dydx1b/1", "dydx1b/128", "dydx1b/127", "dydx1a/256", "dydx1aa/0"]
    ranked = sorted(names, key=store_key)
    assert ranked == ["dydx1a/256", "dydx1b/0", "dydx1b/1", "dydx1b/127", "dydx1b/128", "dydx1aa/0"]


def test_the_most_underwater_is_liquidated_first() -> None:
    worse, better = named(LONG, "zzz"), named(holding(-99_000, 100), "aaa")
    twin = named(holding(-99_000, 100), "aab")
    orders = [placed(each, market()) for each in (twin, better, worse)]
    assert line_up(orders, market()) == [2, 1, 0]


def test_the_common_fund_can_be_set() -> None:
    alone = replace(
        chain([perpetual(1), perpetual(2, is_isolated=True)], [1000, 1000]),
        insurance_funds=(InsuranceFund(place=0, quote_quantums=5), InsuranceFund(place=2, quote_quantums=7)),
    )
    assert balances_of(with_balance(alone, 11)) == {0: 11, 2: 7}
    assert with_balance(alone, None).insurance_funds is None
    assert balances_of(with_balance(market(), 0)) == {0: 0}


@MANY
@given(st.data())
def test_a_fill_never_costs_more_than_there_is(data: st.DataObject) -> None:
    there = data.draw(chains())
    account = data.draw(at_the_edge(there, most=2**40))
    lost = data.draw(st.sampled_from([0, 1, 10**3, 2**38]))
    account = holding(usdc_of(account) - lost, *_sizes(account, there))
    order = order_of(account, there)
    if isinstance(order, Refusal):
        return
    fund = data.draw(st.one_of(st.just(0), st.integers(0, 2**42)))
    found = take_backed(order, there, {0: fund})
    event(type(found).__name__)
    if isinstance(found, Liquidation):
        assert to_fund(found) >= -min(fund, CONFIG.max_quantums_insurance_lost)
        own = take(account, there)
        assert isinstance(own, Liquidation)
        if to_fund(own) < -fund:
            price = abs(oracle_subticks(there, order.place) - order.subticks)
            event(f"dearer, {'at' if not price else 'off'} the oracle price")
    elif isinstance(found, Shortfall):
        assert account_risk(account, there).net_collateral < 0


def _sizes(account: Account, there: DydxMarket) -> list[int]:
    held = dict(positions_of(account))
    return [held.get(k, 0) for k in range(1, len(there.reserves))]


@MANY
@given(st.data())
def test_sharing_out_keeps_usdc_and_every_quantum(data: st.DataObject) -> None:
    there = market()
    side = data.draw(st.sampled_from([1, -1]))
    size = side * data.draw(st.integers(1, 1000))
    bankrupt = named(holding(-size * 1000 - data.draw(st.integers(1, 10**5)), size), "aaa")
    others = [
        named(replace(data.draw(accounts(there, most=10**7)), mode=0), f"b{k:03d}")
        for k in range(data.draw(st.sampled_from([0, 1, 3, 70])))
    ]
    shared = share_out(bankrupt, iter(others), there, Shortfall(1, -size))
    event("some" if shared.closed else "none")
    before = [bankrupt, *(others[k] for k in shared.others)]
    left = [shared.account, *shared.others.values()]
    assert sum(map(usdc_of, before)) == sum(map(usdc_of, left))
    assert sum(_sizes(each, there)[0] for each in before) == sum(_sizes(each, there)[0] for each in left)
    assert abs(_sizes(shared.account, there)[0]) == abs(size) - shared.closed
    assert all(_sizes(others[k], there)[0] * side < 0 for k in shared.others)


@MANY
@given(st.data())
def test_an_account_is_a_settled_subaccount(data: st.DataObject) -> None:
    there = data.draw(chains())
    account = to_account(settled(data.draw(subaccounts(there)), there), there)
    assert to_account(to_subaccount(account, there), there) == account
