"""What a liquidation leaves of an account: pars and status."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols import dydx_solo
from defiliq.protocols.dydx_solo.after import after
from defiliq.protocols.dydx_solo.market import LIQUID, NORMAL, VAPOR
from defiliq.protocols.dydx_solo.take import take, to_wei
from defiliq.types import Account, Liquidation
from defiliq.units import WAD
from tests.protocols.dydx_solo.states import accounts, at_the_edge, holding, listed, markets, solo
from tests.takings import in_a_row, sole

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MOST_IN_A_ROW = 20
"""Each clears a supply or a debt, of four at most, but for what minBorrowedValue holds back."""


def pars(account: Account) -> dict[int, int]:
    return {leg.reserve: leg.collateral - leg.debt for leg in account.legs}


def test_all_that_is_owed_goes_and_the_status_stays() -> None:
    """A debt of 100 for 105 of 110, at a dollar each."""
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    account = holding(110, -100)
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    assert after(account, market, taken) == holding(5, mode=LIQUID)


def test_where_nothing_is_handed_over_only_the_status_changes() -> None:
    market = solo([listed(0), listed(1)], [10**18, 10**18])
    for mode in (NORMAL, LIQUID, VAPOR):
        account = holding(0, -100, mode=mode)
        taken = take(account, market)
        assert isinstance(taken, Liquidation)
        assert after(account, market, taken) == holding(0, -100, mode=LIQUID)


def test_stored_indices_are_accrued_as_operate_does() -> None:
    reserves = [
        listed(0),
        listed(1, borrow_rate_wad=WAD // 100, accrued_at=solo([listed(0)], [1]).timestamp - 10),
    ]
    market = solo(reserves, [10**18, 10**18])
    account = holding(1150, -1000)
    for seen in (market, market.as_stored()):
        taken = take(account, seen)
        assert isinstance(taken, Liquidation)
        assert after(account, seen, taken) == after(account, market, taken) != account


@MANY
@given(st.data())
def test_what_is_lost_is_what_is_taken(data: st.DataObject) -> None:
    """A supply that stays is cut to a par, and a debt that stays is rounded up to one and then to a unit."""
    market = data.draw(markets(fewest=2))
    account = data.draw(st.one_of(at_the_edge(market), accounts(market, most=2**90)))
    taken = take(account, market)
    if not isinstance(taken, Liquidation) or not taken.seizures:
        return
    held, owed = sole(taken).reserve, taken.repay_reserve
    was, left = pars(account), pars(after(account, market, taken))
    now = {k: to_wei(market, k, par) for k, par in left.items()}
    lost = to_wei(market, held, was[held]) - now.get(held, 0)
    paid = now.get(owed, 0) - to_wei(market, owed, was[owed])
    event("all of the supply" if held not in left else "all of the debt" if owed not in left else "a part")
    supply, borrow = market.reserves[held].supply_index_now_wad, market.reserves[owed].borrow_index_now_wad
    assert 0 <= lost - sole(taken).amount <= 1 + supply // WAD
    assert 0 <= taken.repaid - paid <= 1 + borrow // WAD
    assert {k: par for k, par in was.items() if k not in (held, owed)} == {
        k: par for k, par in left.items() if k not in (held, owed)
    }
    assert left.get(owed, 0) <= 0 <= left.get(held, 0)


@MANY
@given(st.data())
def test_it_comes_to_an_end(data: st.DataObject) -> None:
    market = data.draw(markets(fewest=2))
    account = data.draw(st.one_of(at_the_edge(market), accounts(market, most=2**90)))
    least = data.draw(st.sampled_from([0, 1, 10**6, 10**40]))
    market = replace(market, min_borrowed_value_base=least)
    done = in_a_row(dydx_solo, account, market, MOST_IN_A_ROW)
    assert len(done) < MOST_IN_A_ROW
    event(f"{len(done)} liquidations")
    assert all(account.mode == LIQUID for account, _ in done[1:])
