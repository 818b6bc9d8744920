"""What a protocol says of an account, and what a liquidation takes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from defiliq.units import MAX_UINT256


@dataclass(frozen=True, slots=True)
class Health:
    """The protocol's answer about one account. `liquidatable` is the verdict; the rest explains it."""

    collateral_base: int
    debt_base: int
    available_borrows_base: int
    threshold_bps: int
    """Average liquidation threshold, cut to whole basis points as the contract's view shows it."""
    ltv_bps: int
    factor_wad: int
    """2**256 - 1 where there is no debt, as the contract answers."""
    liquidatable: bool
    margin: int
    """Weighted collateral minus debt, in a unit of the protocol's own. Negative when that alone makes the
    account liquidatable; it says where to look for a level and never decides."""


NO_DEBT_FACTOR = MAX_UINT256


class Seizure(NamedTuple):
    """Collateral of one reserve that a liquidation takes."""

    reserve: int
    amount: int
    """What leaves the account and does not go to the protocol as a fee, in token base units."""
    base: int
    """`amount` at oracle prices."""
    protocol_fee: int = 0
    """Collateral that goes to the protocol, in base units of the same token."""
    received: int | None = None
    """Base units of `Reserve.receipt` that are handed over for `amount`; None where that is the asset."""


class Backstop(NamedTuple):
    """What the protocol's own reserves or insurance fund give a liquidated account besides."""

    reserve: int
    amount: int
    """Token base units; negative where the fund takes them."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """What one liquidation takes, to the wei: of those the protocol offers, the one that pays best."""

    seizures: tuple[Seizure, ...]
    """One where the liquidator chooses a pair of legs; every collateral where the whole account is taken."""
    repay_reserve: int
    repaid: int
    """Debt that goes away, in token base units."""
    repaid_base: int
    bonus_base: int
    """What the liquidator gains at oracle prices, before gas."""
    bad_debt_base: int
    """Debt that no collateral has paid for, or that nothing backs any more after the call."""
    debt_to_cover: int | None = None
    """What to ask for where the call takes an amount: 2**256 - 1, or less where a rule refuses so much."""
    remark: str = ""
    """What a liquidator should know besides."""
    backstop: Backstop | None = None
    """None where seizure and repayment are all that the account's balances show."""

    @property
    def seized_base(self) -> int:
        """All that is seized, at oracle prices."""
        return sum(seizure.base for seizure in self.seizures)


@dataclass(frozen=True, slots=True)
class Untold:
    """The protocol lets the liquidation through, but how much it takes is not known here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the protocol would refuse every liquidation of an account."""

    reason: str


Taking: TypeAlias = Liquidation | Untold | Refusal
"""What the protocol answers to whoever would liquidate an account."""
