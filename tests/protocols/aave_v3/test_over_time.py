"""The law over seconds against the law at each of them."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.pricing.span import Span
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3 import rule, rule_over_time
from defiliq.protocols.aave_v3.accrual import (
    compounded_binomial,
    compounded_taylor,
    normalized_debt,
    normalized_income,
    stable_balance,
)
from defiliq.protocols.aave_v3.accrual_over import (
    binomial_over,
    debt_over,
    income_over,
    stable_over,
    taylor_over,
)
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, StableDebt
from defiliq.units import RAY
from tests.builders import NOW, plain_reserve
from tests.protocols.aave_v3.moments import STEEP, moments
from tests.verdicts import assert_holds_at_seconds, assert_spans

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RATES = st.one_of(STEEP, st.integers(0, 4 * RAY))


def holds(span: Span, values: list[int]) -> None:
    """All that a span says is true of the values on the way, which never fall."""
    assert values == sorted(values)
    assert_spans(span, values)


@MANY
@given(RATES, st.integers(0, 50), st.integers(0, 40), st.sampled_from([1, 3600, 86_400 * 90]))
def test_compounded_interest_stays_in_its_span(rate_ray: int, first: int, width: int, step: int) -> None:
    """Over consecutive seconds, and over years by steps: bends hold at any of the seconds in between."""
    walk = range(first * step, (first + width) * step + 1, step)
    holds(binomial_over(rate_ray, walk[0], walk[-1]), [compounded_binomial(rate_ray, s) for s in walk])
    holds(taylor_over(rate_ray, walk[0], walk[-1]), [compounded_taylor(rate_ray, s) for s in walk])


@MANY
@given(
    RATES,
    st.integers(RAY, 3 * RAY),
    st.integers(0, 3000),
    st.integers(0, 100),
    st.integers(0, 40),
    st.sampled_from([1, 4, 7, 8, 11]),
)
def test_indices_and_stable_debts_stay_in_their_spans(
    rate_ray: int, index_ray: int, since: int, later: int, width: int, revision: int
) -> None:
    reserve = plain_reserve(
        0,
        "T",
        0,
        updated_at=NOW - since,
        liquidity_rate_ray=rate_ray,
        variable_borrow_rate_ray=rate_ray,
        liquidity_index_ray=index_ray,
        variable_borrow_index_ray=index_ray,
    )
    stable = StableDebt(index_ray % 5000, rate_ray, NOW - since)
    walk = range(NOW + later, NOW + later + width + 1)
    holds(income_over(reserve, walk[0], walk[-1]), [normalized_income(reserve, at) for at in walk])
    debts = [normalized_debt(reserve, at, revision) for at in walk]
    holds(debt_over(reserve, walk[0], walk[-1], revision), debts)
    holds(stable_over(stable, walk[0], walk[-1]), [stable_balance(stable, at) for at in walk])


@MANY
@given(moments(), st.integers(0, 400))
def test_at_one_second_it_is_the_law(scene: tuple[AaveMarket, Account], later: int) -> None:
    market, account = scene
    at = market.timestamp + later
    there = market.at_time(at)
    health = rule(account, there).health(there.prices)
    over_time = rule_over_time(account, market)
    ours = over_time.health(at)
    assert ours.liquidatable == health.liquidatable
    assert (ours.collateral_base, ours.debt_base) == (health.collateral_base, health.debt_base)
    assert ours.factor_wad == health.factor_wad
    assert over_time.verdict_over(at, at) is health.liquidatable


@settings(MANY, max_examples=500)
@given(moments(), st.integers(0, 150), st.integers(0, 60))
def test_a_verdict_over_seconds_holds_at_each_of_them(
    scene: tuple[AaveMarket, Account], later: int, width: int
) -> None:
    assert_holds_at_seconds(aave_v3, *scene, later, width)
