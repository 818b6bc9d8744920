"""Exact sums over accounts: what they hold and owe, by reserve, and how much of it nothing backs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from defiliq.types import Liquidation, Market


class Held(NamedTuple):
    """Collateral of one account in one reserve that a liquidator may take."""

    reserve: int
    amount: int
    base: int


class Owed(NamedTuple):
    """Debt of one account in one reserve."""

    reserve: int
    amount: int
    base: int


@dataclass(slots=True)
class Heap:
    """Some accounts' amounts of one reserve, on one side."""

    accounts: int = 0
    amount: int = 0
    """Token base units."""
    base: int = 0
    moved: int = 0
    """Token base units that the first calls seize, or repay."""
    moved_base: int = 0

    def put(self, leg: Held | Owed) -> None:
        """One account's leg more."""
        self.accounts += 1
        self.amount += leg.amount
        self.base += leg.base


@dataclass(slots=True)
class Sums:
    """What some accounts hold and owe, exactly, in a market's base currency and by reserve."""

    collateral: list[Heap]
    debt: list[Heap]
    bad_debt_accounts: int = 0
    bad_debt_base: int = 0
    """What debts exceed collaterals by, over the accounts whose debt does."""

    @classmethod
    def of(cls, market: Market) -> Sums:
        """Nothing yet, of each reserve."""
        return cls([Heap() for _ in market.reserves], [Heap() for _ in market.reserves])

    @property
    def collateral_base(self) -> int:
        """All collateral."""
        return sum(heap.base for heap in self.collateral)

    @property
    def debt_base(self) -> int:
        """All debt."""
        return sum(heap.base for heap in self.debt)

    def add(self, held: Sequence[Held], owed: Sequence[Owed]) -> tuple[int, int]:
        """Add one account; its collateral and debt in base currency."""
        for collateral_leg in held:
            self.collateral[collateral_leg.reserve].put(collateral_leg)
        for debt_leg in owed:
            self.debt[debt_leg.reserve].put(debt_leg)
        collateral, debt = sum(leg.base for leg in held), sum(leg.base for leg in owed)
        if debt > collateral:
            self.bad_debt_accounts += 1
            self.bad_debt_base += debt - collateral
        return collateral, debt

    def take(self, taken: Liquidation) -> None:
        """Add what one liquidation moves."""
        for seizure in taken.seizures:
            seized = self.collateral[seizure.reserve]
            seized.moved += seizure.amount
            seized.moved_base += seizure.base
        repaid = self.debt[taken.repay_reserve]
        repaid.moved += taken.repaid
        repaid.moved_base += taken.repaid_base
