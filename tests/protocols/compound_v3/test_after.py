"""What an absorption leaves of an account, and that it leaves nothing to absorb."""

from __future__ import annotations

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols import compound_v3
from defiliq.protocols.compound_v3.accrual import present_value
from defiliq.protocols.compound_v3.after import after
from defiliq.protocols.compound_v3.take import absorbed, accrued, take
from defiliq.types import Leg, Liquidation
from defiliq.units import WAD
from tests.protocols.compound_v3.states import (
    UNITY,
    at_the_edge,
    base_asset,
    collateral,
    comet,
    comets,
    owing,
)
from tests.takings import in_a_row

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_what_the_collateral_is_credited_beyond_the_debt_stays() -> None:
    """2 tokens at 60 are credited 108 for a debt of 105; at an index of 1.5 that is a principal of 2."""
    market = comet(
        [base_asset(0), collateral(1, 0)],
        [10**8, 60 * 10**8],
        supply_index=3 * UNITY // 2,
    )
    account = owing(-105, 2)
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    assert after(account, market, taken).legs == (Leg(0, 2, 0, counted=False),)


def test_a_loss_leaves_nothing() -> None:
    market = comet([base_asset(0), collateral(1, 0)], [10**8, 50 * 10**8])
    account = owing(-105, 2)
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    assert taken.bad_debt_base > 0
    assert after(account, market, taken).legs == ()


def test_a_collateral_that_it_is_not_in_stays() -> None:
    market = comet([base_asset(0), collateral(1, 0), collateral(2, 0)], [10**8, 50 * 10**8, 10**8])
    account = owing(-105, 2, 7)
    idle = Leg(2, 7, 0, counted=False)
    account = type(account)(account.owner, account.mode, (*account.legs[:2], idle))
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    assert [seizure.reserve for seizure in taken.seizures] == [1]
    assert after(account, market, taken).legs == (idle,)


@MANY
@given(st.data())
def test_what_is_lost_is_what_is_taken(data: st.DataObject) -> None:
    """Collateral to the unit; of what is left over, a principal can lack less than one unit and an index."""
    market = data.draw(comets())
    account = data.draw(at_the_edge(market))
    taken = take(account, market)
    if not isinstance(taken, Liquidation):
        return
    left = after(account, market, taken)
    assert all(leg.debt == 0 for leg in left.legs)
    held = {leg.reserve: leg.collateral for leg in account.legs if leg.reserve and leg.collateral}
    kept = {leg.reserve: leg.collateral for leg in left.legs if leg.reserve}
    gone = {seizure.reserve: seizure.amount for seizure in taken.seizures if seizure.amount}
    assert held == {**kept, **gone}
    assert not kept.keys() & gone.keys()
    whole, now = absorbed(account, market), accrued(market)
    credit = sum(leg.collateral for leg in left.legs if leg.reserve == 0)
    stays = present_value(credit, now.supply_index)
    event("something stays" if stays else "nothing stays")
    assert 0 <= whole.new_balance - stays <= 1 + now.supply_index // UNITY
    assert whole.new_balance == max(0, whole.delta_balance - taken.repaid)
    credited = sum(
        seizure.base * market.reserves[seizure.reserve].liquidation_factor_wad // WAD
        for seizure in taken.seizures
    )
    assert whole.delta_balance == credited * market.reserves[0].unit // market.price_of(0)


@MANY
@given(st.data())
def test_nobody_is_absorbed_twice(data: st.DataObject) -> None:
    market = data.draw(comets())
    account = data.draw(at_the_edge(market))
    done = in_a_row(compound_v3, account, market, 2)
    event(f"{len(done)} absorptions")
    assert len(done) < 2
