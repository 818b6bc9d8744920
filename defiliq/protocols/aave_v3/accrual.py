"""Interest between a reserve's last update and a timestamp (Aave MathUtils and ReserveLogic).

Supply interest is linear. Debt compounds by a polynomial that changed with revision 8 (v3.4): before, a
binomial in seconds whose powers of the rate are rounded first; since, three Taylor terms of rate * time.
"""

from __future__ import annotations

from typing import Protocol

from defiliq.types import StableDebt
from defiliq.units import RAY, ray_mul_half_up

SECONDS_PER_YEAR = 365 * 24 * 60 * 60
FIRST_TAYLOR_REVISION = 8


class Accruing(Protocol):
    """The part of a reserve that interest works on."""

    @property
    def liquidity_index_ray(self) -> int:
        """The supply index at the last update."""
        ...

    @property
    def liquidity_rate_ray(self) -> int:
        """Yearly, since the last update."""
        ...

    @property
    def variable_borrow_index_ray(self) -> int:
        """The variable debt index at the last update."""
        ...

    @property
    def variable_borrow_rate_ray(self) -> int:
        """Yearly, since the last update."""
        ...

    @property
    def updated_at(self) -> int:
        """The last update's timestamp."""
        ...


def linear_interest(rate_ray: int, seconds: int) -> int:
    """1 + rate * time as a ray (MathUtils.calculateLinearInterest)."""
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR


def compounded_binomial(rate_ray: int, seconds: int) -> int:
    """Compounded interest of revisions <= 7 as a ray (MathUtils.calculateCompoundedInterest)."""
    if seconds == 0:
        return RAY
    minus_one = seconds - 1
    minus_two = seconds - 2 if seconds > 2 else 0
    rate_squared = ray_mul_half_up(rate_ray, rate_ray) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    rate_cubed = ray_mul_half_up(rate_squared, rate_ray) // SECONDS_PER_YEAR
    second = seconds * minus_one * rate_squared // 2
    third = seconds * minus_one * minus_two * rate_cubed // 6
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR + second + third


def compounded_taylor(rate_ray: int, seconds: int) -> int:
    """Compounded interest of revisions >= 8 as a ray (MathUtils.calculateCompoundedInterest)."""
    x = rate_ray * seconds // SECONDS_PER_YEAR
    return RAY + x + ray_mul_half_up(x, x // 2 + ray_mul_half_up(x, x // 6))


def compounded_interest(rate_ray: int, seconds: int, revision: int) -> int:
    """Compounded interest as the pool's revision computes it."""
    if revision < FIRST_TAYLOR_REVISION:
        return compounded_binomial(rate_ray, seconds)
    return compounded_taylor(rate_ray, seconds)


def normalized_income(reserve: Accruing, timestamp: int) -> int:
    """The supply index at `timestamp`, a ray (ReserveLogic.getNormalizedIncome)."""
    return ray_mul_half_up(
        linear_interest(reserve.liquidity_rate_ray, timestamp - reserve.updated_at),
        reserve.liquidity_index_ray,
    )


def normalized_debt(reserve: Accruing, timestamp: int, revision: int) -> int:
    """The variable debt index at `timestamp`, a ray (ReserveLogic.getNormalizedDebt)."""
    return ray_mul_half_up(
        compounded_interest(reserve.variable_borrow_rate_ray, timestamp - reserve.updated_at, revision),
        reserve.variable_borrow_index_ray,
    )


def stable_balance(debt: StableDebt, timestamp: int) -> int:
    """A stable-rate debt at `timestamp`, in token base units (StableDebtToken.balanceOf)."""
    return ray_mul_half_up(debt.principal, compounded_binomial(debt.rate_ray, timestamp - debt.updated_at))
