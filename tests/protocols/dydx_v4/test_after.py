"""What a filled order leaves of a subaccount: as the chain's own test asserts, and as its updates do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols import dydx_v4
from defiliq.protocols.dydx_v4.after import after, filled
from defiliq.protocols.dydx_v4.legs import positions_of, usdc_of
from defiliq.protocols.dydx_v4.liquidation import bankruptcy_quote_quantums
from defiliq.protocols.dydx_v4.rules import rule
from defiliq.protocols.dydx_v4.settle import USDC, settled, to_account
from defiliq.protocols.dydx_v4.take import take
from defiliq.protocols.dydx_v4.updates import PositionChange, Update, updated
from defiliq.types import Liquidation
from defiliq.units import PPM
from tests.protocols.dydx_v4.states import CONFIG, at_the_edge, chain, chains, holding, perpetual, subaccounts
from tests.protocols.dydx_v4.vectors import CLOB_PAIR_BTC, Case, constants, market_of
from tests.takings import in_a_row

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BTC_CLOB: Case = {**CLOB_PAIR_BTC, "Metadata": {"PerpetualClobMetadata": {"PerpetualId": 0}}}
WHOLE, HALF, QUARTER = 100_000_000, 50_000_000, 25_000_000
AT_50000, AT_50498, AT_50500 = 50_000_000_000, 50_498_000_000, 50_500_000_000
MOST_IN_A_ROW = 400


@pytest.mark.parametrize(
    ("usdc", "short", "fills", "fee_ppm", "left"),
    [
        (54_999_000_000, WHOLE, [(WHOLE, AT_50000)], 5_000, (4_999_000_000 - 250_000_000, 0)),
        (50_499_000_000, WHOLE, [(WHOLE, AT_50500)], 5_000, (0, 0)),
        (54_999_000_000, WHOLE, [(QUARTER, AT_50000)] * 2, 5_000, (29_999_000_000 - 125_000_000, HALF)),
        (50_499_000_000, WHOLE, [(QUARTER, AT_50500)] * 2, 5_000, (25_249_500_000, HALF)),
        (50_499_000_000, WHOLE, [(3 * QUARTER, AT_50498), (QUARTER, AT_50500)], 5_000, (0, 0)),
        (50_499_000_000, WHOLE, [(3 * QUARTER, AT_50498), (QUARTER, AT_50500)], 10, (0, 0)),
        (54_999_000_000, WHOLE, [(HALF, AT_50000)], 5_000, (29_999_000_000 - 125_000_000, HALF)),
        (5_499, 10, [(10, AT_50000)], 5_000, (5_499 - 5_000 - 25, 0)),
    ],
)
def test_the_chains_own_fills(
    usdc: int, short: int, fills: list[tuple[int, int]], fee_ppm: int, left: tuple[int, int]
) -> None:
    """What Carl has after a short of BTC was liquidated, and still owes of it.

    TestProcessProposerMatches_Liquidation_Success of v4-chain at 84d4664 (x/clob/keeper,
    process_operations_liquidations_test.go): expectedQuoteBalances and expectedPerpetualPositions; of the
    last case, which has none, what its bank is asked to send to the insurance fund.
    """
    market = market_of([constants()["BtcUsd_100PercentMarginRequirement"]], (BTC_CLOB,))
    market = replace(market, liquidations=replace(CONFIG, max_liquidation_fee_ppm=fee_ppm))
    account = holding(usdc, -short)
    for quantums, subticks in fills:
        account = filled(account, market, 1, quantums, subticks)
    assert (usdc_of(account), [-size for _, size in positions_of(account)]) == (
        left[0],
        [left[1]] if left[1] else [],
    )


def test_an_order_is_filled_at_its_own_price() -> None:
    """The long of test_take: 100 quantums for 99,900, of which a part of 5 in 1,000 is the fund's."""
    market = chain([perpetual(1, quantum_conversion_exponent=-6, funding_index=7)], [1000])
    account = holding(-98_000, 100)
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    assert after(account, market, taken) == holding(-98_000 + 99_900 - 499)


def test_positions_that_stay_are_settled() -> None:
    fine = {"quantum_conversion_exponent": -6}
    market = chain(
        [perpetual(1, funding_index=7, **fine), perpetual(2, funding_index=-9, **fine)], [1000] * 2
    )
    account = holding(-70_000, 50, 20)
    taken = take(account, market)
    assert isinstance(taken, Liquidation)
    left = after(account, market, taken)
    assert [(leg.reserve, leg.funding_index) for leg in left.legs] == [(0, None), (2, -9)]


@MANY
@given(st.data())
def test_it_is_what_the_chains_update_leaves(data: st.DataObject) -> None:
    """The raw subaccount, settled and updated by what `take` says, read as an account again."""
    market = data.draw(chains())
    raw = data.draw(subaccounts(market, most=2**50))
    lacking = rule(to_account(raw, market), market).margin(market.prices) + data.draw(st.integers(1, 2**50))
    raw = replace(raw, assets=((USDC, raw.usdc - lacking),))
    account = to_account(raw, market)
    taken = take(account, market)
    if not isinstance(taken, Liquidation):
        return
    (seizure,) = taken.seizures
    place = seizure.reserve or taken.repay_reserve
    event("long" if seizure.reserve else "short")
    received = taken.repaid if seizure.reserve else -seizure.amount
    quantums = -seizure.amount if seizure.reserve else taken.repaid
    beyond = received - bankruptcy_quote_quantums(account, market, place, quantums)
    most = abs(received) * market.liquidations.max_liquidation_fee_ppm // PPM
    to_fund = min(beyond, most)
    event("the fund pays" if to_fund < 0 else "a fee")
    change = PositionChange(market.reserves[place].id, quantums)
    update = Update(settled(raw, market), ((USDC, received - to_fund),), (change,))
    assert after(account, market, taken) == to_account(updated(update, market), market)


@MANY
@given(st.data())
def test_it_comes_to_an_end(data: st.DataObject) -> None:
    """Block after block, with less and less; every order closes a part of a position and opens none."""
    market = data.draw(chains())
    account = data.draw(at_the_edge(market, most=2**40))
    worth = dydx_v4.health(account, market)
    a_hundredth = (worth.collateral_base + worth.debt_base) // 100
    config = replace(
        CONFIG,
        max_position_portion_liquidated_ppm=data.draw(st.sampled_from([PPM, PPM // 2, PPM // 4])),
        max_notional_liquidated=data.draw(st.sampled_from([max(10**14, a_hundredth), 10**30])),
    )
    market = replace(market, liquidations=config)
    done = in_a_row(dydx_v4, account, market, MOST_IN_A_ROW)
    assert len(done) < MOST_IN_A_ROW
    event(f"{min(len(done), 5)} orders")
    for (before, taken), (later, _) in pairwise(done):
        assert dict(positions_of(later)).items() != dict(positions_of(before)).items(), taken
        for place, size in positions_of(later):
            was = dict(positions_of(before))[place]
            assert was * size > 0
            assert abs(size) <= abs(was)
