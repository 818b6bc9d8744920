"""What indices do from one second to another while nobody touches the reserve: `accrual`, as spans.

Time and rates only enter through sums and products of quantities that never fall, so each index grows from
its value at the first second to its value at the last. How far it may lie from the straight line between
them follows step by step, each rounding of the contract included.
"""

from __future__ import annotations

from functools import lru_cache

from defiliq.pricing.span import Span, constant, linear, mul_div, straight, times, total
from defiliq.protocols.aave_v3.accrual import FIRST_TAYLOR_REVISION, SECONDS_PER_YEAR, Accruing
from defiliq.types import StableDebt
from defiliq.units import RAY, mul_div_half_up, ray_mul_half_up

_ONE = constant(RAY)
_KEPT = 1 << 12
"""All accounts of a market are first asked about one stretch: each rate's answer is kept."""


def income_over(reserve: Accruing, first: int, last: int) -> Span:
    """The supply index from `first` to `last` (`accrual.normalized_income`)."""
    seconds = straight(first - reserve.updated_at, last - reserve.updated_at)
    linear_interest = total((_ONE, mul_div(seconds, reserve.liquidity_rate_ray, SECONDS_PER_YEAR)))
    return _ray_mul(linear_interest, reserve.liquidity_index_ray)


def debt_over(reserve: Accruing, first: int, last: int, revision: int) -> Span:
    """The variable debt index from `first` to `last` (`accrual.normalized_debt`)."""
    compounded = binomial_over if revision < FIRST_TAYLOR_REVISION else taylor_over
    since = reserve.updated_at
    interest = compounded(reserve.variable_borrow_rate_ray, first - since, last - since)
    return _ray_mul(interest, reserve.variable_borrow_index_ray)


def stable_over(debt: StableDebt, first: int, last: int) -> Span:
    """A stable-rate debt from `first` to `last`, in token base units (`accrual.stable_balance`)."""
    since = debt.updated_at
    return _ray_mul(binomial_over(debt.rate_ray, first - since, last - since), debt.principal)


@lru_cache(_KEPT)
def binomial_over(rate_ray: int, first_s: int, last_s: int) -> Span:
    """`accrual.compounded_binomial` while the seconds since the update go from `first_s` to `last_s`."""
    rate_squared = ray_mul_half_up(rate_ray, rate_ray) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    rate_cubed = ray_mul_half_up(rate_squared, rate_ray) // SECONDS_PER_YEAR
    seconds = straight(first_s, last_s)
    pairs = times(seconds, _without(first_s, last_s, 1))
    triples = times(pairs, _without(first_s, last_s, 2))
    return total(
        (
            _ONE,
            mul_div(seconds, rate_ray, SECONDS_PER_YEAR),
            mul_div(pairs, rate_squared, 2),
            mul_div(triples, rate_cubed, 6),
        )
    )


@lru_cache(_KEPT)
def taylor_over(rate_ray: int, first_s: int, last_s: int) -> Span:
    """`accrual.compounded_taylor` while the seconds since the update go from `first_s` to `last_s`."""
    x = mul_div(straight(first_s, last_s), rate_ray, SECONDS_PER_YEAR)
    third = mul_div(times(x, mul_div(x, 1, 6)), 1, RAY, mul_div_half_up)
    rest = mul_div(times(x, total((mul_div(x, 1, 2), third))), 1, RAY, mul_div_half_up)
    return total((_ONE, x, rest))


def _without(first_s: int, last_s: int, some: int) -> Span:
    """max(0, seconds - some), which has a kink of at most `some` where it leaves 0."""
    kink = some if first_s < some else 0
    return linear(max(0, first_s - some), max(0, last_s - some), bend=kink)


def _ray_mul(index: Span, other: int) -> Span:
    return mul_div(index, other, RAY, mul_div_half_up)
