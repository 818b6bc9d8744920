"""What a liquidation takes, against a whole operation by the contract's arithmetic written a second time."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_solo import LIQUID, NORMAL, VAPOR, SoloMarket, health, take
from defiliq.protocols.dydx_solo.take import liquidate, owed_price, spread_wad, to_par, to_wei
from defiliq.types import Account, Liquidation, Refusal, Seizure, Untold
from defiliq.units import WAD
from tests.protocols.dydx_solo.contract_says import Reverted, Signed, State, par_to_wei, wei_to_par
from tests.protocols.dydx_solo.states import DOLLAR, accounts, at_the_edge, holding, listed, markets, solo
from tests.protocols.dydx_solo.told import state_of

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ETHER, CENTS = 200 * 10**18, 10**30
"""Prices of a token of 18 decimals at 200 dollars, and of one of 6 decimals at one."""


@st.composite
def scenes(draw: st.DrawFn) -> tuple[SoloMarket, Account]:
    """Mostly accounts that are liquidatable, of some debts, with about the least that may be left of them."""
    prices = draw(st.sampled_from([st.integers(1, 300), st.integers(1, 10**30)]))
    market = draw(markets(prices=prices, fewest=2))
    account = draw(st.one_of(at_the_edge(market), accounts(market, most=2**90)))
    worse = draw(st.sampled_from([1, 1, 2, 10]))
    legs = tuple(replace(leg, debt=min(2**120, leg.debt * worse)) for leg in account.legs)
    account = replace(account, mode=draw(st.sampled_from([NORMAL, LIQUID])), legs=legs)
    share = draw(st.sampled_from([0, 0, 10, 25, 50, 90, 100, 150]))
    return replace(market, min_borrowed_value_base=health(account, market).debt_base * share // 100), account


def goes_through(state: State, held: int, owed: int, amount: int) -> tuple[int, int] | None:
    """What the operation moves; None where it is refused."""
    try:
        return deepcopy(state).liquidate(held, owed, amount)
    except Reverted:
        return None


@MANY
@given(scenes())
def test_the_call_goes_through_and_moves_what_is_told(scene: tuple[SoloMarket, Account]) -> None:
    market, account = scene
    state = state_of(account, market)
    try:
        state.account_values(adjust=True)
    except Reverted:
        assume(False)
    taken = take(account, market)
    event(type(taken).__name__)
    assert isinstance(taken, Refusal) is not health(account, market).liquidatable
    if not isinstance(taken, Liquidation) or not taken.seizures:
        return
    (seizure,), owed = taken.seizures, taken.repay_reserve
    assert taken.debt_to_cover is not None
    moved = goes_through(state, seizure.reserve, owed, taken.debt_to_cover)
    assert moved == (seizure.amount, taken.repaid)
    assert seizure.base == seizure.amount * market.price_of(seizure.reserve)
    assert taken.repaid_base == taken.repaid * market.price_of(owed)
    assert taken.bonus_base == seizure.base - taken.repaid_base


@MANY
@given(scenes())
def test_nothing_larger_goes_through_and_no_other_pair_pays_more(scene: tuple[SoloMarket, Account]) -> None:
    """Each pair at all that is owed, and at one more than what is told."""
    market, account = scene
    state, taken = state_of(account, market), take(account, market)
    if isinstance(taken, Refusal):
        return
    for owed, debt in enumerate(state.balances):
        for held, supply in enumerate(state.balances):
            if not (debt.is_negative and supply.is_positive):
                continue
            everything = goes_through(state, held, owed, state.wei(owed).value)
            if everything is None:
                continue
            assert isinstance(taken, Liquidation)
            gain = everything[0] * market.price_of(held) - everything[1] * market.price_of(owed)
            assert gain <= taken.bonus_base
    if isinstance(taken, Liquidation) and taken.remark and taken.seizures:
        event("bounded by the least debt")
        assert taken.debt_to_cover is not None
        more = taken.debt_to_cover + 1
        assert goes_through(state, taken.seizures[0].reserve, taken.repay_reserve, more) is None


@MANY
@given(scenes())
def test_where_no_single_call_is_told_none_goes_through(scene: tuple[SoloMarket, Account]) -> None:
    market, account = scene
    if not isinstance(take(account, market), Untold):
        return
    state = state_of(account, market)
    for owed, debt in enumerate(state.balances):
        for held, supply in enumerate(state.balances):
            if debt.is_negative and supply.is_positive:
                most = state.wei(owed).value
                for amount in {1, 2, most // 2, most - 1, most} - {0}:
                    assert goes_through(state, held, owed, amount) is None


@MANY
@given(markets(), st.integers(-(2**127), 2**127), st.integers(-(2**127), 2**127))
def test_pars_and_tokens(market: SoloMarket, par: int, wei: int) -> None:
    index = state_of(holding(), market).indices[0]
    sign, value = par_to_wei(Signed(par > 0, abs(par)), index)
    assert to_wei(market, 0, par) == (value if sign else -value)
    sign, value = wei_to_par(Signed(wei > 0, abs(wei)), index)
    assert to_par(market, 0, wei) == (value if sign else -value)


def ether_and_dollars(**changes: int) -> SoloMarket:
    """A spread of 5%."""
    return solo([listed(0), listed(1, 6)], [ETHER, CENTS], **changes)


def test_all_that_is_owed_with_the_spread() -> None:
    """179 dollars of debt want 205.85 dollars of supply; repaying them is worth 187.95 in ether."""
    taken = take(holding(10**18, -179 * 10**6), ether_and_dollars())
    seized = 179 * 105 * 10**16 // 200
    assert taken == Liquidation(
        seizures=(Seizure(0, seized, seized * ETHER),),
        repay_reserve=1,
        repaid=179 * 10**6,
        repaid_base=179 * DOLLAR,
        bonus_base=179 * 5 * DOLLAR // 100,
        bad_debt_base=0,
        debt_to_cover=179 * 10**6,
    )


def test_a_supply_that_does_not_suffice() -> None:
    """An ether pays for 190.476191 dollars, rounded up for the liquidator; the rest of 300 is bad debt."""
    taken = take(holding(10**18, -300 * 10**6), ether_and_dollars())
    assert isinstance(taken, Liquidation)
    assert taken.seizures == (Seizure(0, 10**18, 200 * DOLLAR),)
    assert taken.repaid == -(-200 * 10**6 * 100 // 105)
    assert taken.bad_debt_base == (300 * 10**6 - taken.repaid) * CENTS
    assert taken.debt_to_cover == 300 * 10**6


def test_spread_premiums_of_both_markets() -> None:
    """5% by 1.5 and by 1.2: 9%. It goes on the owed token's price, and is cut there."""
    reserves = [listed(0, spread_premium_wad=WAD // 2), listed(1, 6, spread_premium_wad=WAD // 5)]
    market = solo(reserves, [ETHER, CENTS])
    assert spread_wad(market, 0, 1) == spread_wad(market, 1, 0) == 9 * WAD // 100
    assert owed_price(market, 0, 1) == CENTS * 109 // 100
    assert owed_price(solo([listed(0, 36), listed(1, 36)], [1, 19]), 0, 1) == 19
    assert owed_price(solo([listed(0, 36), listed(1, 36)], [1, 20]), 0, 1) == 21


def test_who_is_liquid_is_liquidated_however_well_covered() -> None:
    market, covered = ether_and_dollars(), holding(10**20, -(10**6))
    assert isinstance(take(covered, market), Refusal)
    taken = take(replace(covered, mode=LIQUID), market)
    assert isinstance(taken, Liquidation)
    assert taken.repaid == 10**6
    assert isinstance(take(replace(covered, mode=VAPOR), market), Refusal)
    assert isinstance(take(holding(10**20, mode=LIQUID), market), Refusal)


def test_a_debt_that_nothing_backs() -> None:
    """A liquidation moves nothing; what repays it is no supply of the account's."""
    taken = take(holding(0, -(10**6)), ether_and_dollars())
    assert isinstance(taken, Liquidation)
    assert (taken.seizures, taken.repaid, taken.bonus_base) == ((), 0, 0)
    assert taken.bad_debt_base == DOLLAR
    assert "vaporize" in taken.remark


def test_the_pair_that_pays_best() -> None:
    """More dollars than ether are owed, but those come with a larger spread."""
    reserves = [listed(0), listed(1, 6), listed(2, spread_premium_wad=WAD)]
    market = solo(reserves, [ETHER, CENTS, 10**18])
    taken = take(holding(10**18, -120 * 10**6, -80 * 10**18), market)
    assert isinstance(taken, Liquidation)
    assert (taken.repay_reserve, taken.repaid) == (2, 80 * 10**18)
    assert taken.bonus_base == 8 * DOLLAR
    assert taken.bad_debt_base == 0


def test_no_less_debt_may_be_left_than_the_least() -> None:
    """300 dollars owed against an ether of 200, whose 190.48 are all it pays for; 109.52 are left."""
    account = holding(10**18, -300 * 10**6)
    enough = take(account, ether_and_dollars(min_borrowed_value_base=109 * DOLLAR))
    assert isinstance(enough, Liquidation)
    assert enough.remark == ""
    bounded = take(account, ether_and_dollars(min_borrowed_value_base=150 * DOLLAR))
    assert isinstance(bounded, Liquidation)
    assert (bounded.repaid, bounded.debt_to_cover) == (150 * 10**6, 150 * 10**6)
    assert "Borrow value too low" in bounded.remark
    assert bounded.bad_debt_base == 0  # a supply is left, too
    untold = take(account, ether_and_dollars(min_borrowed_value_base=301 * DOLLAR))
    assert isinstance(untold, Untold)
    assert "several actions" in untold.reason


def test_the_least_debt_is_that_of_all_markets_by_their_premiums() -> None:
    """Repaying all dollars leaves 80 dollars of another debt, which count 96."""
    reserves = [listed(0), listed(1, 6), listed(2, margin_premium_wad=WAD // 5)]
    account = holding(10**18, -120 * 10**6, -80 * 10**18)
    for least, is_bounded in ((96, False), (97, True)):
        market = solo(reserves, [ETHER, CENTS, 10**18], min_borrowed_value_base=least * DOLLAR)
        taken = take(account, market)
        assert isinstance(taken, Liquidation)
        assert taken.repay_reserve == 1
        assert bool(taken.remark) is is_bounded
        assert taken.repaid == (119 if is_bounded else 120) * 10**6


def test_a_repayment_of_less_than_a_par_moves_nothing() -> None:
    """At an index of three a par of one is three tokens: one token less still rounds up to it."""
    market = solo([listed(0, 36), listed(1, 36, borrow_index_wad=3 * WAD)], [1, 1])
    pars = {0: 100, 1: -10}
    assert liquidate(market, pars, 0, 1, 1) == (0, 0, pars)
    assert liquidate(market, pars, 0, 1, 3) == (3, 3, {0: 97, 1: -9})


def test_a_supply_that_suffices_exactly_is_not_bounded() -> None:
    """11 at a price of 7 are worth 7 at 10, as 10 are: all 11 are repaid where 7 are there to hand over."""
    market = solo([listed(0, 36), listed(1, 36)], [10, 7], liquidation_spread_wad=0)
    assert liquidate(market, {0: 7, 1: -11}, 0, 1, 11) == (7, 11, {0: 0, 1: 0})
    assert liquidate(market, {0: 6, 1: -11}, 0, 1, 11) == (6, 9, {0: 0, 1: -2})


def test_a_par_that_nothing_moves_stays_whatever_its_rounding() -> None:
    """At an index of 1.9 a supply of a par of 1 is one token, a par of 0; a debt of it is two, a par of 2."""
    grown = {"supply_index_wad": 19 * WAD // 10, "borrow_index_wad": 19 * WAD // 10}
    market = solo([listed(0, 36, **grown), listed(1, 36, **grown)], [1000, 1])
    assert liquidate(market, {0: 1, 1: -10}, 0, 1, 2) == (0, 2, {0: 1, 1: -9})
    cheap = solo([listed(0, 36, **grown), listed(1, 36, **grown)], [1, 1000])
    assert liquidate(cheap, {0: 0, 1: -1}, 0, 1, 2) == (0, 0, {0: 0, 1: -1})


def test_stored_indices_are_accrued_before_anything_is_taken() -> None:
    market = solo([listed(0), listed(1, 6, borrow_rate_wad=WAD // 100)], [ETHER, CENTS]).at_time(
        1_764_000_001
    )
    account = holding(10**18, -173 * 10**6)
    assert not health(account, market.as_stored()).liquidatable
    assert take(account, market.as_stored()) == take(account, market)
    assert isinstance(take(account, market), Liquidation)
