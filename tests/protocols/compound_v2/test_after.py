"""What a liquidation leaves of an account: cTokens, and a debt that is settled at today's index."""

from __future__ import annotations

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols import compound_v2
from defiliq.protocols.compound_v2.after import after
from defiliq.protocols.compound_v2.legs import owed_balance
from defiliq.protocols.compound_v2.take import call_amounts, take
from defiliq.types import Account, Liquidation
from defiliq.units import WAD
from tests.builders import NOW
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.protocols.compound_v2.states import (
    COARSE_AMOUNTS,
    COARSE_PRICES,
    COARSE_RATES,
    USUAL_AMOUNTS,
    USUAL_PRICES,
    USUAL_RATES,
    accounts,
    markets,
)
from tests.takings import in_a_row, sole

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = st.sampled_from(
    [(COARSE_PRICES, COARSE_RATES, COARSE_AMOUNTS), (USUAL_PRICES, USUAL_RATES, USUAL_AMOUNTS)]
)
MOST_IN_A_ROW = 1_500
"""A third of up to four debts of 128 bits at a time, 219 times each; and until a third of it is nothing."""


def owed(account: Account, market: compound_v2.CompoundMarket) -> dict[int, int]:
    return {leg.reserve: owed_balance(leg, market.reserves[leg.reserve]) for leg in account.legs}


def test_half_of_a_debt_goes_and_the_rest_is_settled() -> None:
    """200 at the index 1 are 300 at 1.5; the half for 165 of 320 cTokens at an incentive of 1.1."""
    reserves = [
        ctoken(0, "A", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=WAD, seize_share_wad=WAD // 10),
        ctoken(1, "B", borrow_index_now_wad=3 * WAD // 2),
    ]
    market = comptroller(
        reserves, [WAD, WAD], close_factor_wad=WAD // 2, liquidation_incentive_wad=11 * WAD // 10
    )
    account = owner(holds(0, 320), holds(1, 0, 200, index_wad=WAD))
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    left = after(account, market, taken)
    assert [(leg.reserve, leg.collateral, leg.debt) for leg in left.legs] == [(0, 155, 0), (1, 0, 150)]
    assert left.legs[1].debt_index == 3 * WAD // 2


def test_a_debt_of_nothing_has_no_index_and_a_leg_of_nothing_is_gone() -> None:
    reserves = [
        ctoken(0, "A", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=WAD),
        ctoken(1, "B", collateral_factor_wad=WAD // 2, exchange_rate_now_wad=WAD),
    ]
    market = comptroller(reserves, [WAD, WAD], close_factor_wad=WAD, liquidation_incentive_wad=WAD)
    for beside in (0, 5):
        account = owner(holds(0, 320), holds(1, beside, 200, index_wad=WAD))
        taken = take(account, market)
        assert isinstance(taken, Liquidation)
        left = after(account, market, taken)
        assert left.legs == (holds(0, 120), *([holds(1, beside)] if beside else []))


@MANY
@given(st.data())
def test_what_is_lost_is_what_is_taken(data: st.DataObject) -> None:
    """To the unit: cTokens are counted whole, and a principal at today's index is what is owed."""
    prices, rates, amounts = data.draw(KINDS)
    market = data.draw(markets(prices, rates))
    account = data.draw(accounts(market, amounts))
    taken = take(account, market)
    if not isinstance(taken, Liquidation):
        return
    held, debt = sole(taken).reserve, taken.repay_reserve
    left = after(account, market, taken)
    call = call_amounts(market, debt, held, taken.repaid)
    assert call is not None
    assert sole(taken).received == call.liquidator_tokens
    was, now = owed(account, market), owed(left, market)
    assert was == {k: now.get(k, 0) + (taken.repaid if k == debt else 0) for k in was}
    had, has = ({leg.reserve: leg.collateral for leg in one.legs} for one in (account, left))
    assert had == {k: has.get(k, 0) + (call.seize_tokens if k == held else 0) for k in had}
    event("the same market" if held == debt else "two markets")
    event("all of it" if held not in has or debt not in now else "a part")
    entered = {leg.reserve: leg.counted for leg in account.legs}
    assert all(leg.counted == entered[leg.reserve] for leg in left.legs)


@MANY
@given(st.data())
def test_it_comes_to_an_end(data: st.DataObject) -> None:
    prices, rates, amounts = data.draw(KINDS)
    market = data.draw(markets(prices, rates))
    account = data.draw(accounts(market, amounts))
    done = in_a_row(compound_v2, account, market, MOST_IN_A_ROW)
    assert len(done) < MOST_IN_A_ROW
    event(f"{len(done) // 50} times 50 liquidations and more")
    debts = [sum(owed(one, market).values()) for one, _ in done]
    assert debts == sorted(debts, reverse=True)


def test_stored_indices_are_accrued_as_the_call_does() -> None:
    reserves = [
        ctoken(0, "A", collateral_factor_wad=WAD // 2, accrued_at=NOW),
        ctoken(1, "B", borrow_rate_wad=WAD // 100, accrued_at=NOW - 10),
    ]
    market = comptroller(reserves, [WAD, WAD], clock="timestamp")
    account = owner(holds(0, 420), holds(1, 0, 200, index_wad=WAD))
    taken = take(account, market.as_stored())
    assert isinstance(taken, Liquidation)
    left = after(account, market.as_stored(), taken)
    assert left == after(account, market.as_accrued(), taken)
    assert left.legs[1].debt_index == 11 * WAD // 10
