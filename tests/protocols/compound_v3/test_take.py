"""What absorb takes and what the storefront then pays, in the contract's own order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from defiliq.protocols.compound_v3 import CometMarket, RateCurve, rule, take
from defiliq.protocols.compound_v3.storefront import (
    Purchase,
    best_sale,
    discounted_price,
    largest_payment,
    quote_collateral,
    reserves,
    smallest_payment,
)
from defiliq.protocols.compound_v3.take import absorbed, accrued, after_absorb, base_value
from defiliq.types import Account, Liquidation, Refusal, Seizure, Untold
from defiliq.units import WAD, mul_div_trunc
from tests.builders import NOW
from tests.protocols.compound_v3.states import (
    DECIMALS,
    FACTORS,
    SMALL_DECIMALS,
    UNITY,
    at_the_edge,
    base_asset,
    collateral,
    comet,
    comets,
    owing,
)

MANY = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DOLLAR = 10**8
RICH = 10**18


def dollars(**changes: object) -> CometMarket:
    """A dollar market that holds what suppliers are owed, with collaterals at $100 and $50,000."""
    held = 10**15 - 8 * 10**14
    return comet(
        [base_asset(6, held=held), collateral(1), collateral(2, 8)],
        [DOLLAR, 100 * DOLLAR, 50_000 * DOLLAR],
        **changes,
    )


def taken_from(account: Account, market: CometMarket) -> Liquidation:
    taken = take(account, market)
    assert isinstance(taken, Liquidation), taken
    return taken


def test_a_covered_debt_leaves_the_rest_with_the_account() -> None:
    """$86 of debt, $100 of collateral credited at 90%: $4 stay, and the discount is 60% of 10%."""
    market = dollars(supply_index=2 * UNITY)
    market = replace(market, reserves=(replace(market.reserves[0], held=10**15), *market.reserves[1:]))
    account = owing(-86 * 10**6, 10**18)
    taken = taken_from(account, market)
    assert taken.seizures == (Seizure(1, 10**18, 100 * DOLLAR),)
    assert (taken.repay_reserve, taken.repaid, taken.repaid_base) == (0, 86 * 10**6, 86 * DOLLAR)
    assert (taken.bad_debt_base, taken.bonus_base, taken.remark) == (0, 6 * DOLLAR, "")
    assert taken.debt_to_cover is None
    gone = absorbed(account, market)
    assert (gone.old_balance, gone.delta_balance, gone.new_balance) == (-86 * 10**6, 90 * 10**6, 4 * 10**6)
    assert gone.new_principal == 2 * 10**6
    assert gone.base_paid_out == 90 * 10**6
    assert base_value(market, gone.base_paid_out) == 90 * DOLLAR


def test_a_debt_that_is_not_covered_is_the_reserves_loss() -> None:
    account = owing(-120 * 10**6, 10**18)
    taken = taken_from(account, dollars())
    assert taken.bad_debt_base == 30 * DOLLAR
    assert taken.repaid_base == 120 * DOLLAR
    gone = absorbed(account, dollars())
    assert (gone.new_balance, gone.new_principal, gone.base_paid_out) == (0, 0, 120 * 10**6)


def test_all_counted_collateral_is_taken_and_nothing_else() -> None:
    market = dollars()
    owes, first, second = owing(-60_000 * 10**6, 10**18, 10**8).legs
    both = taken_from(Account("", 0, (owes, first, second)), market)
    assert [s.reserve for s in both.seizures] == [1, 2]
    assert both.seized_base == 50_100 * DOLLAR
    one = taken_from(Account("", 0, (owes, replace(first, counted=False), second)), market)
    assert [s.reserve for s in one.seizures] == [2]
    assert taken_from(Account("", 0, (owes,)), market).seizures == ()


def test_every_value_is_cut_where_the_contract_cuts() -> None:
    """1.9 by price is 1, of which 90% is 0; 39 are 3 and then 2; 2 buy 0 base units at a price of 3."""
    market = comet(
        [base_asset(0), collateral(1, 1), collateral(2, 1)], [3, 1, 1], supply_index=UNITY + UNITY // 2
    )
    gone = absorbed(owing(-5, 19, 39), market)
    assert [s.base for s in gone.seizures] == [1, 3]
    assert gone.delta_balance == 0
    rich = replace(market, prices=(1, 10, 10))
    gone = absorbed(owing(-5, 19, 39), rich)
    assert gone.delta_balance == 17 + 35
    assert (gone.new_balance, gone.new_principal) == (47, 31)  # 47 / 1.5, cut


def test_refusals_name_the_contracts_reason() -> None:
    safe, broken = owing(-10 * 10**6, 10**18), owing(-86 * 10**6, 10**18)
    refused = take(safe, dollars())
    assert isinstance(refused, Refusal)
    assert "NotLiquidatable" in refused.reason
    paused = take(broken, dollars(absorb_paused=True))
    assert isinstance(paused, Refusal)
    assert "absorb is paused" in paused.reason
    assert rule(broken, dollars(absorb_paused=True)).liquidatable(dollars().prices)


def test_a_partial_liquidation_is_not_told() -> None:
    market = dollars(target_health_factor_wad=105 * WAD // 100)
    untold = take(owing(-86 * 10**6, 10**18), market)
    assert isinstance(untold, Untold)
    assert "targetHealthFactor" in untold.reason
    assert isinstance(take(owing(-10 * 10**6, 10**18), market), Refusal)


def test_absorb_accrues_before_it_judges() -> None:
    """Interest alone breaks the account: absorb takes it, although the stored verdict is still safe."""
    rates = RateCurve(kink_wad=WAD, slope_low_wad=0, slope_high_wad=0, base_wad=10**10)
    market = dollars(borrow_rates=rates, accrued_at=NOW - 10**7)
    account, stored = owing(-80 * 10**6, 10**18), market.as_stored()
    assert not rule(account, stored).liquidatable(stored.prices)
    assert taken_from(account, stored).repaid == 88 * 10**6
    assert taken_from(account, stored) == taken_from(account, market)
    assert reserves(stored) == reserves(market) == reserves(accrued(market))


def test_nothing_is_for_sale_while_buying_is_paused() -> None:
    taken = taken_from(owing(-86 * 10**6, 10**18), dollars(buy_paused=True))
    assert taken.bonus_base == 0
    assert "buyCollateral is paused" in taken.remark


@pytest.mark.parametrize(("above", "for_sale"), [(0, False), (1, True)])
def test_reserves_at_their_target_sell_nothing(above: int, for_sale: bool) -> None:
    """The reserves after the absorb count: before it they are 90 dollars richer."""
    account = owing(-86 * 10**6, 10**18)
    market = dollars()
    before, after = reserves(market), reserves(after_absorb(absorbed(account, market), market))
    assert before - after == 90 * 10**6
    taken = taken_from(account, replace(market, target_reserves=max(0, after) + above))
    assert after < 0
    assert taken.bonus_base == 6 * DOLLAR  # negative reserves are below any target
    rich = replace(market, reserves=(replace(market.reserves[0], held=RICH), *market.reserves[1:]))
    after = reserves(after_absorb(absorbed(account, rich), rich))
    taken = taken_from(account, replace(rich, target_reserves=after + above))
    assert (taken.bonus_base > 0) is for_sale
    assert ("NotForSale: C1" in taken.remark) is (not for_sale)


def test_a_purchase_may_lift_the_reserves_to_their_target() -> None:
    """Room for one purchase only: the better one is made, and the remark says so."""
    account = owing(-60_000 * 10**6, 10**18, 10**8)
    market = dollars()
    market = replace(market, reserves=(replace(market.reserves[0], held=RICH), *market.reserves[1:]))
    after = reserves(after_absorb(absorbed(account, market), market))
    both = taken_from(account, replace(market, target_reserves=after + 94 * 10**6 + 1))
    price = 47_000 * 10**6  # of one bitcoin; 469 more buy no satoshi beyond it
    assert largest_payment(market, 2, 10**8) == price + 469
    assert smallest_payment(market, 2, 10**8) == price
    assert (both.bonus_base, both.remark) == (3006 * DOLLAR, "")
    one = taken_from(account, replace(market, target_reserves=after + 94 * 10**6))
    assert one.bonus_base == 3000 * DOLLAR
    assert "NotForSale: C1" in one.remark


def test_the_best_sale_ends_with_what_leaves_no_room() -> None:
    small, middle, large = Purchase(1, 5, 1, 1), Purchase(2, 6, 1, 4), Purchase(3, 90, 1, 3)
    offers = (large, small, middle)
    assert best_sale(offers, 0, 12) == [small, middle, large]
    assert best_sale(offers, 0, 11) == [middle, small]
    assert best_sale(offers, -4, 2) == [small, middle]
    assert best_sale(offers, 0, 1) == best_sale(offers, -1, 0) == [middle]
    assert best_sale(offers, 3, 3) == best_sale((), 0, 12) == ()


def test_a_discount_that_leaves_nothing_has_no_price() -> None:
    """A price of 1 is cut to 0 by any discount: quoteCollateral would divide by it."""
    market = comet([base_asset(0), collateral(1, 0)], [1, 1], target_reserves=RICH)
    assert discounted_price(market, 1) == 0
    with pytest.raises(ZeroDivisionError):
        quote_collateral(market, 1, 1)
    taken = taken_from(owing(-100, 5), market)
    assert taken.bonus_base == 0
    assert "no price for C1" in taken.remark


def test_a_discount_and_what_is_paid_are_cut() -> None:
    """A third of a penalty of 2 parts in 1e18 is nothing; 62,667 units at 1.5 are worth 94,000."""
    slight = collateral(1, 0, liquidation_factor_wad=WAD - 2)
    market = comet([base_asset(0), slight], [1, 1000], store_front_factor_wad=WAD // 3)
    assert discounted_price(market, 1) == 1000
    market = comet([base_asset(1), collateral(1, 0)], [15, 100])
    assert largest_payment(market, 1, 1000) == 62_729
    assert smallest_payment(market, 1, 1000) == 62_667
    assert taken_from(owing(-60_000, 1000), market).bonus_base == 100_000 - 94_000


def test_only_what_the_comet_has_is_sold() -> None:
    """It holds half a token less than accounts supplied: that half is missing when it sells."""
    account, whole = owing(-86 * 10**6, 10**18), dollars()
    short = replace(whole.reserves[1], held=6 * 10**18 - 5 * 10**17, supplied=6 * 10**18)
    taken = taken_from(account, replace(whole, reserves=(whole.reserves[0], short, whole.reserves[2])))
    assert (taken.bonus_base, taken.repaid) == (3 * DOLLAR, 86 * 10**6)
    assert taken.remark == "InsufficientReserves: the Comet holds too little of C1"
    none = replace(short, held=5 * 10**18 - 1)
    taken = taken_from(account, replace(whole, reserves=(whole.reserves[0], none, whole.reserves[2])))
    assert taken.bonus_base == 0


def test_without_a_discount_nobody_gains() -> None:
    taken = taken_from(owing(-86 * 10**6, 10**18), dollars(store_front_factor_wad=0))
    assert (taken.bonus_base, taken.remark) == (0, "")


@MANY
@given(st.data())
def test_the_largest_payment_is_the_largest(data: st.DataObject) -> None:
    decimals = data.draw(st.sampled_from([DECIMALS, SMALL_DECIMALS]))
    market = comet(
        [
            base_asset(data.draw(decimals)),
            collateral(1, data.draw(decimals), liquidation_factor_wad=data.draw(FACTORS)),
        ],
        [data.draw(st.integers(1, 10**13)), data.draw(st.integers(1, 10**13))],
        store_front_factor_wad=data.draw(st.one_of(FACTORS, st.just(0))),
    )
    assume(discounted_price(market, 1) > 0)
    amount = data.draw(st.one_of(st.integers(0, 1000), st.integers(0, 2**100)))
    paid = largest_payment(market, 1, amount)
    assert paid >= 0
    bought = quote_collateral(market, 1, paid)
    assert bought <= amount < quote_collateral(market, 1, paid + 1)
    least = smallest_payment(market, 1, bought)
    assert quote_collateral(market, 1, least) == bought
    assert least == 0 or quote_collateral(market, 1, least - 1) < bought


@MANY
@given(st.data())
def test_absorbing_is_the_contracts(data: st.DataObject) -> None:
    """Signed balances as the contract keeps them, and totals that change by what it says."""
    market = data.draw(comets())
    edge = data.draw(at_the_edge(market))
    more = market.reserves[0].unit * data.draw(st.integers(1, 10)) + 4
    owes = replace(edge.legs[0], debt=edge.legs[0].debt + more)
    account = replace(edge, legs=(owes, *edge.legs[1:]))
    assume(rule(account, market).liquidatable(market.prices))
    gone = absorbed(account, market)
    supply_index, borrow_index = market.supply_index_now, market.borrow_index_now
    old = mul_div_trunc(-account.legs[0].debt, borrow_index, UNITY)
    delta_value = 0
    for leg in account.legs[1:]:
        if leg.counted:
            reserve = market.reserves[leg.reserve]
            value = leg.collateral * market.price_of(leg.reserve) // reserve.unit
            delta_value += value * reserve.liquidation_factor_wad // WAD
    new = old + delta_value * market.reserves[0].unit // market.price_of(0)
    assert gone.old_balance == old
    assert gone.new_balance == max(new, 0)
    assert gone.not_covered == max(-new, 0)
    assert gone.new_principal == max(new, 0) * UNITY // supply_index
    after = after_absorb(gone, market)
    assert after.total_borrow == market.total_borrow - account.legs[0].debt
    assert after.total_supply == market.total_supply + gone.new_principal
    assert reserves(after) == (
        market.reserves[0].held
        - after.total_supply * supply_index // UNITY
        + after.total_borrow * borrow_index // UNITY
    )
    taken = taken_from(account, market)
    assert taken.repaid == -old
    assert taken.bonus_base >= 0
    assert taken.seizures == gone.seizures
