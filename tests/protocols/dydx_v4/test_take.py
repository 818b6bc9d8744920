"""What the chain's order takes, which position it is for, and why there is none."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_v4.liquidation import (
    bankruptcy_quote_quantums,
    fillable_price,
    size_at,
)
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.take import take
from defiliq.types import Account, Liquidation, Refusal, Seizure
from defiliq.units import PPM
from tests.protocols.dydx_v4.states import CONFIG, at_the_edge, chain, chains, holding, perpetual

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FINE: dict[str, Any] = {"quantum_conversion_exponent": -6}


def taken(account: Account, market: DydxMarket) -> Liquidation:
    found = take(account, market)
    assert isinstance(found, Liquidation), found
    return found


def test_closing_a_long_gives_quantums_for_usdc() -> None:
    """A long of 100,000 with 2,000 of 3,000 left: a third of the spread of 300 below the oracle, a fee of all
    that a part of 5 in 1,000 allows.
    """
    found = taken(holding(-98_000, 100), chain([perpetual(1, **FINE)], [1000]))
    assert found.seizures == (Seizure(1, 100, 100_000),)
    assert (found.repay_reserve, found.repaid, found.repaid_base) == (0, 99_900, 99_900)
    assert (found.bonus_base, found.bad_debt_base) == (100, 0)
    assert "a fee of 0.000499 USDC goes to the insurance fund" in found.remark


def test_closing_a_short_gives_usdc_for_quantums() -> None:
    found = taken(holding(102_000, -100), chain([perpetual(1, **FINE)], [1000]))
    assert found.seizures == (Seizure(0, 100_100, 100_100, protocol_fee=500),)
    assert (found.repay_reserve, found.repaid, found.repaid_base) == (1, 100, 100_000)
    assert (found.bonus_base, found.bad_debt_base) == (100, 0)


def test_what_the_insurance_fund_pays_is_bad_debt() -> None:
    """Nothing is left: the whole spread is lost at the worst fill."""
    found = taken(holding(-100_100, 100), chain([perpetual(1, **FINE)], [1000]))
    assert (found.repaid, found.bad_debt_base) == (99_700, 400)
    assert "the insurance fund pays 0.000400 USDC" in found.remark
    assert "opposite positions take it over at the bankruptcy price" in found.remark
    alone = chain([perpetual(1, is_isolated=True, **FINE)], [1000])
    assert "its own insurance fund pays" in taken(holding(-100_100, 100), alone).remark
    poor = chain(
        [perpetual(1, **FINE)], [1000], liquidations=replace(CONFIG, max_quantums_insurance_lost=399)
    )
    assert "more than it may in one block" in taken(holding(-100_100, 100), poor).remark


def test_what_is_told_begins_where_it_is_so() -> None:
    """Collateral of exactly 0 is not bankrupt, and a loss of exactly the block's limit is within it."""
    market = chain([perpetual(1, **FINE)], [1000])
    assert "opposite positions" not in taken(holding(-100_000, 100), market).remark
    assert "opposite positions" in taken(holding(-100_001, 100), market).remark
    enough = chain(
        [perpetual(1, **FINE)], [1000], liquidations=replace(CONFIG, max_quantums_insurance_lost=400)
    )
    assert "more than it may" not in taken(holding(-100_100, 100), enough).remark


def test_the_largest_open_position_is_taken_and_the_draw_is_told() -> None:
    market = chain([perpetual(1, **FINE), perpetual(2, **FINE)], [1000, 1000])
    found = taken(holding(-70_000, 50, 20), market)
    assert found.seizures[0].reserve == 1
    assert "of 2 positions" in found.remark
    paused = chain([perpetual(1, clob_status="paused", **FINE), perpetual(2, **FINE)], [1000, 1000])
    assert taken(holding(-70_000, 50, 20), paused).seizures[0].reserve == 2


def test_a_block_takes_no_more_than_its_limit() -> None:
    config = replace(CONFIG, max_notional_liquidated=25_000)
    found = taken(holding(-98_000, 100), chain([perpetual(1, **FINE)], [1000], liquidations=config))
    assert found.seizures == (Seizure(1, 25, 25_000),)
    assert "in this block" in found.remark


@pytest.mark.parametrize(
    ("account", "status", "told"),
    [
        (holding(-97_000, 100), "active", "ErrSubaccountNotLiquidatable"),
        (holding(-1), "active", "ErrSubaccountNotLiquidatable"),
        (holding(-98_000, 100), "paused", "P1-USD is paused"),
        (holding(-98_000, 100), "none", "P1-USD has no order book"),
        (holding(-98_000, 100), "final_settlement", "P1-USD is in final settlement"),
    ],
)
def test_why_nothing_is_taken(account: Account, status: str, told: str) -> None:
    market = chain([perpetual(1, clob_status=status, **FINE)], [1000])
    found = take(account, market)
    assert isinstance(found, Refusal)
    assert told in found.reason


def test_a_price_that_the_chain_could_not_state_is_refused() -> None:
    """Votes may set a spread beyond the whole price: there the chain has no order."""
    config = replace(CONFIG, spread_to_maintenance_margin_ratio_ppm=60 * PPM)
    found = take(holding(-200_000, 100), chain([perpetual(1, **FINE)], [1000], liquidations=config))
    assert found == Refusal("GetFillablePrice: calculated fillable price is negative")


def test_a_price_beyond_64_bits_of_subticks_is_stated_as_the_highest() -> None:
    market = chain([perpetual(1, atomic_resolution=4)], [10**7])
    found = taken(holding(-98 * 10**15, 1), market)
    assert found.seizures == (Seizure(1, 1, 10**17),)
    assert found.repaid == (2**64 - 1) // 1000
    assert found.bad_debt_base == 98 * 10**15 - found.repaid


@MANY
@given(st.data())
def test_a_taking_is_worth_what_it_says(data: st.DataObject) -> None:
    """Seized less repaid is the filler's, at the order's price; the rest is the fund's or the account's."""
    market = data.draw(chains())
    account = data.draw(at_the_edge(market, most=2**50))
    found = take(account, market)
    if isinstance(found, Refusal):
        assert not account_risk(account, market).is_liquidatable
        return
    assert isinstance(found, Liquidation)
    (seizure,) = found.seizures
    event("long" if seizure.reserve else "short")
    assert found.bonus_base == found.seized_base - found.repaid_base
    place = seizure.reserve or found.repay_reserve
    size = size_at(account, place)
    quantums = seizure.amount if seizure.reserve else found.repaid
    assert 0 < quantums <= abs(size)
    delta = -quantums if size > 0 else quantums
    received = found.repaid_base if size > 0 else -seizure.base
    bankrupt = bankruptcy_quote_quantums(account, market, place, delta)
    assert found.bad_debt_base == max(0, bankrupt - received)
    assert found.bad_debt_base == 0 or seizure.protocol_fee == 0
    limit = fillable_price(account, market, place, delta) * quantums
    # an order states no price below one tick, and none beyond 64 bits of them
    lowest, highest = Fraction(quantums, 1000), Fraction(quantums * (2**64 - 1), 1000)
    if size > 0:
        assert received >= min(limit, highest) - 1
    else:
        assert -received <= max(limit, lowest)
