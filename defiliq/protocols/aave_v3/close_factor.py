"""How much of a debt one liquidationCall may repay, over float columns: the rule that v3.3 changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from defiliq.calls import Moved, Pairs, Standing, whole
from defiliq.calls.terms import Floats, Ints
from defiliq.protocols.aave_v3.rules_take import (
    CLOSE_FACTOR_HF_THRESHOLD,
    DEFAULT_CLOSE_FACTOR_BPS,
    MIN_BASE_MAX_CLOSE_FACTOR,
    MIN_LEFTOVER_BASE,
)
from defiliq.units import BPS, WAD


@dataclass(frozen=True, slots=True)
class Values:
    """What a standing is worth, rounded as the pool does."""

    supplied: Floats
    """(m,) base currency."""
    owed: Floats
    """(m,) base currency."""
    collateral: Floats
    """(n,) base currency."""
    debt: Floats
    """(n,) base currency."""
    factor: Floats
    """(n,) health factors."""


class PairLegs(NamedTuple):
    """The two legs of each pair."""

    supplied: Floats
    """(p,) token base units of the collateral."""
    owed: Floats
    """(p,) token base units of the debt."""
    seize_worth: Floats
    """(p,) base currency per token base unit of the collateral."""
    repay_worth: Floats
    """(p,) base currency per token base unit of the debt."""

    @classmethod
    def of(cls, pairs: Pairs, standing: Standing) -> PairLegs:
        """Of some pairs."""
        return cls(
            standing.supplied.take(pairs.seize),
            standing.owed.take(pairs.repay),
            standing.worth.take(pairs.seize),
            standing.worth.take(pairs.repay),
        )


class CloseFactor(Protocol):
    """How much of a debt one call may repay, and what it may leave: what v3.3 changed."""

    writes_off: bool
    """Whether debts go once nothing backs them any more."""

    def most(self, pairs: Pairs, legs: PairLegs, values: Values) -> Floats:
        """(p,) token base units of each pair's debt."""
        ...

    def without_dust(self, most: Floats, moved: Moved, legs: PairLegs) -> tuple[Ints, Floats]:
        """(d,) the pairs of which `most` would leave too little; (d,) less, 0 where no call leaves enough."""
        ...


class HalfOfOneDebt:
    """Up to v3.2: half of the debt leg, all of it once the health factor is at most 0.95."""

    writes_off = False

    def most(self, pairs: Pairs, legs: PairLegs, values: Values) -> Floats:
        """(p,) token base units of each pair's debt."""
        is_deep = (values.factor <= CLOSE_FACTOR_HF_THRESHOLD / WAD).take(pairs.account)
        return np.where(is_deep, legs.owed, np.floor(legs.owed * (DEFAULT_CLOSE_FACTOR_BPS / BPS) + 0.5))

    def without_dust(self, most: Floats, moved: Moved, legs: PairLegs) -> tuple[Ints, Floats]:
        """None: whatever is left is left."""
        return np.zeros(0, dtype=np.intp), np.zeros(0)


class HalfOfWholeDebt:
    """From v3.3 on: half of the whole debt through one leg; all of a small or deeply unhealthy one."""

    writes_off = True

    def most(self, pairs: Pairs, legs: PairLegs, values: Values) -> Floats:
        """(p,) token base units of each pair's debt."""
        owed_base = values.owed.take(pairs.repay)
        half_base = np.floor(values.debt * (DEFAULT_CLOSE_FACTOR_BPS / BPS) + 0.5).take(pairs.account)
        is_bounded = (
            (values.factor > CLOSE_FACTOR_HF_THRESHOLD / WAD).take(pairs.account)
            & (values.supplied.take(pairs.seize) >= MIN_BASE_MAX_CLOSE_FACTOR)
            & (owed_base >= MIN_BASE_MAX_CLOSE_FACTOR)
            & (owed_base > half_base)
        )
        return np.where(is_bounded, whole(half_base / legs.repay_worth), legs.owed)

    def without_dust(self, most: Floats, moved: Moved, legs: PairLegs) -> tuple[Ints, Floats]:
        """A call leaves nothing of one leg, or MIN_LEFTOVER_BASE of both; the less it takes, the more.

        What a call takes of the collateral grows with what it repays, in one proportion but for roundings.
        """
        debt_left, collateral_left = legs.owed - moved.repaid, legs.supplied - moved.taken
        is_dust = (debt_left > 0) & (collateral_left > 0)
        is_dust &= (debt_left * legs.repay_worth < MIN_LEFTOVER_BASE) | (
            collateral_left * legs.seize_worth < MIN_LEFTOVER_BASE
        )
        dusty = np.flatnonzero(is_dust)
        if not len(dusty):
            return dusty, np.zeros(0)
        supplied, owed, seize_worth, repay_worth = (column.take(dusty) for column in legs)
        taken = moved.taken.take(dusty)
        for_debt = whole(owed - MIN_LEFTOVER_BASE / repay_worth)
        per_repaid = np.divide(taken, most.take(dusty), out=np.full_like(taken, np.inf), where=taken > 0)
        for_collateral = whole((supplied - MIN_LEFTOVER_BASE / seize_worth) / per_repaid)
        return dusty, np.maximum(0.0, np.minimum(for_debt, for_collateral))
