"""One owner in one market, as exact integers in the protocol's own units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StableDebt:
    """A stable-rate debt (Aave v2, v3.0, v3.1): it compounds at the account's own rate."""

    principal: int
    rate_ray: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Leg:
    """One reserve of one account, in the protocol's own units (Aave: scaled balances)."""

    reserve: int
    """Position in `Market.reserves`."""
    collateral: int
    debt: int
    counted: bool
    """Whether the collateral backs debt: the account's own collateral flag."""
    stable: StableDebt | None = None
    debt_index: int | None = None
    """The borrow index at which `debt` was last settled, where the protocol keeps one per account."""
    funding_index: int | None = None
    """The funding index at which a perpetual's position was last settled; signed, in the protocol's unit."""


@dataclass(frozen=True, slots=True)
class Account:
    """One owner in one market."""

    owner: str
    """Its name, as `Market.account_name` spells it."""
    mode: int
    """The account's eMode category; 0 where the protocol has none or the account uses none."""
    legs: tuple[Leg, ...]
