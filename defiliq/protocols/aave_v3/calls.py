"""Aave v3's liquidationCall over float columns, for sweeps. The law is in rules_take.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.calls import (
    WENT,
    Calls,
    CallTerms,
    Moved,
    Pairs,
    Standing,
    best_pairs,
    is_short,
    pairs_of,
    raised,
    whole,
)
from defiliq.calls.terms import Bools, Floats, Ints
from defiliq.protocols.aave_v3.accrual import stable_balance
from defiliq.protocols.aave_v3.close_factor import (
    CloseFactor,
    HalfOfOneDebt,
    HalfOfWholeDebt,
    PairLegs,
    Values,
)
from defiliq.protocols.aave_v3.legs import (
    FIRST_DECOUPLED_REVISION,
    FIRST_DIRECTED_REVISION,
    backs_debt,
    is_in_emode,
    price_feed,
)
from defiliq.protocols.aave_v3.margin import threshold_bps
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.protocols.aave_v3.rules import FIRST_UNAVERAGED_REVISION
from defiliq.protocols.aave_v3.rules_take import (
    FIRST_FLOORED_SEIZURE_REVISION,
    FIRST_GRACE_REVISION,
    FIRST_WHOLE_DEBT_REVISION,
    SENTINEL_HF_THRESHOLD,
)
from defiliq.types import Leg
from defiliq.units import BPS, RAY, WAD

REASONS: Final = (
    "",
    "no collateral is enabled",
    "ReserveInactive",
    "ReservePaused",
    "LiquidationGracePeriod",
    "CollateralCannotBeLiquidated",
    "no liquidation bonus",
    "a debt outside its category, at the category's price",
    "PriceOracleSentinel",
    "MustNotLeaveDust",
    "InvalidBurnAmount",
)
INACTIVE, PAUSED, GRACE, NO_THRESHOLD, NO_BONUS, OUTSIDE, SENTINEL, DUST, NO_BURN = range(2, 11)
LASTING: Final = OUTSIDE
_FEW: Final = 1e6
"""Token base units, far more than one scaled unit is: only less than that can round to none."""
_CUT = 1e-7
"""An average threshold this little below a whole basis point is that one: doubles fell short of it."""


@dataclass(frozen=True, slots=True)
class AaveCalls:
    """liquidationCall on the legs of one book."""

    revision: int
    close_factor: CloseFactor
    threshold_bps: Floats
    """(K,) as all that follows: of each reserve in each category."""
    bonus: Floats
    """1.05 for 5%, as the category has it; 0 where the collateral has none."""
    fee_share: Floats
    """The protocol's share of the bonus."""
    income: Floats
    """ATokens per scaled one."""
    debt_growth: Floats
    """Debt per scaled debt."""
    seize_reason: NDArray[np.int8]
    """Why the pool refuses the reserve as collateral; WENT where it does not."""
    repay_reason: NDArray[np.int8]
    """Why the pool refuses the reserve as debt; WENT where it does not."""
    is_guarded: bool
    """Whether a sentinel holds back calls at a health factor of 0.95 and above."""

    reasons: ClassVar[tuple[str, ...]] = REASONS
    """As rules_take.py says them."""
    lasting: ClassVar[int] = LASTING
    """BARE to LASTING."""
    untold: ClassVar[tuple[int, ...]] = (OUTSIDE,)
    """What only the law tells."""

    def breaks(self, standing: Standing) -> Bools:
        """(n,) whether the health factor is below 1; before v3.5 by the average threshold in whole bps."""
        if self.revision >= FIRST_UNAVERAGED_REVISION:
            return is_short(standing)
        broken: Bools = (self._values(standing).factor < 1.0) & standing.any(standing.owed > 0)
        return broken

    def _values(self, standing: Standing) -> Values:
        supplied = whole(standing.supplied * standing.worth)
        owed = standing.owed * standing.worth
        owed = whole(owed) if self.revision < FIRST_DIRECTED_REVISION else raised(owed)
        collateral, debt = standing.sum(supplied), standing.sum(owed)
        weighted = standing.sum(supplied * self.threshold_bps.take(standing.kind))
        if self.revision < FIRST_UNAVERAGED_REVISION:
            average = np.divide(weighted, collateral, out=np.zeros_like(weighted), where=collateral > 0)
            weighted = collateral * np.floor(average + _CUT)
        factor = np.divide(weighted, debt * BPS, out=np.full_like(debt, np.inf), where=debt > 0)
        return Values(supplied, owed, collateral, debt, factor)

    def calls(self, standing: Standing) -> Calls:
        """The call that pays best on each account, all of which break."""
        values = self._values(standing)
        pairs = pairs_of(standing, standing.supplied > 0, standing.owed > 0)
        legs = PairLegs.of(pairs, standing)
        held, lent = standing.kind.take(pairs.seize), standing.kind.take(pairs.repay)
        reason = self.seize_reason.take(held)
        reason = np.where(reason == WENT, self.repay_reason.take(lent), reason)
        if self.is_guarded:
            waits = (values.factor >= SENTINEL_HF_THRESHOLD / WAD).take(pairs.account)
            reason[(reason == WENT) & waits] = SENTINEL
        bonus, fee_share = self.bonus.take(held), self.fee_share.take(held)
        most = self.close_factor.most(pairs, legs, values)
        moved = self._moved(most, legs, bonus, fee_share)
        dusty, less = self.close_factor.without_dust(most, moved, legs)
        if len(dusty):
            most[dusty] = less
            of_dusty = PairLegs(*(column.take(dusty) for column in legs))
            redone = self._moved(less, of_dusty, bonus.take(dusty), fee_share.take(dusty))
            for column, values_now in zip(moved, redone, strict=True):
                column[dusty] = values_now
        reason[(reason == WENT) & (most <= 0)] = DUST
        few = np.flatnonzero((moved.taken - moved.fee < _FEW) | (moved.repaid < _FEW))
        if len(few):
            nothing = few[self._burns_nothing(few, pairs, legs, moved, values, (held, lent))]
            reason[nothing] = np.where(reason[nothing] == WENT, NO_BURN, reason[nothing])
        calls = best_pairs(standing, pairs, moved, reason)
        self._write_off(standing, values, calls)
        return calls

    def _moved(self, cover: Floats, legs: PairLegs, bonus: Floats, fee_share: Floats) -> Moved:
        """What repaying `cover` moves (LiquidationLogic._calculateAvailableCollateralToLiquidate)."""
        supplied, _, seize_worth, repay_worth = legs
        is_floored = self.revision >= FIRST_FLOORED_SEIZURE_REVISION
        amount = whole(cover * repay_worth / seize_worth) * bonus
        amount = whole(amount) if is_floored else np.floor(amount + 0.5)
        is_capped = amount > supplied
        amount = np.where(is_capped, supplied, amount)
        safe_bonus = np.where(bonus > 0, bonus, 1.0)
        needed = whole(supplied * seize_worth / repay_worth) / safe_bonus
        needed = np.floor(needed + 0.5) if self.revision < FIRST_DIRECTED_REVISION else np.ceil(needed)
        above = amount - (whole(amount / safe_bonus) if is_floored else np.floor(amount / safe_bonus + 0.5))
        fee = np.ceil(above * fee_share) if is_floored else np.floor(above * fee_share + 0.5)
        return Moved(amount, fee, np.where(is_capped, needed, cover))

    def _burns_nothing(
        self,
        few: Ints,
        pairs: Pairs,
        legs: PairLegs,
        moved: Moved,
        values: Values,
        kinds: tuple[Ints, Ints],
    ) -> Bools:
        """(f,) of a few pairs, whether a token would be told to burn no scaled unit."""
        taken, fee, repaid = (column.take(few) for column in moved)
        held, lent = (column.take(few) for column in kinds)
        if self.close_factor.writes_off:
            all_base = values.collateral.take(pairs.account.take(few))
            clears = _is_gone(all_base - whole(taken * legs.seize_worth.take(few)), all_base)
            repaid = np.where(clears, legs.owed.take(few), repaid)
        scaled_debt, seized = repaid / self.debt_growth.take(lent), taken - fee
        if self.revision >= FIRST_DIRECTED_REVISION:
            nothing: Bools = (seized <= 0) | (whole(scaled_debt) < 1)
        else:
            nothing = (seized / self.income.take(held) < 0.5) | (scaled_debt < 0.5)
        return nothing

    def _write_off(self, standing: Standing, values: Values, calls: Calls) -> None:
        """Count the debt that nothing backs after the calls, and let it go where the pool writes it off."""
        left_base = standing.sum(whole(calls.supplied_left * standing.worth))
        clears = (calls.reason == WENT) & _is_gone(left_base, values.collateral)
        if not clears.any():
            return
        owed_base = calls.owed_left * standing.worth
        rounded = whole(owed_base) if self.revision < FIRST_DIRECTED_REVISION else np.ceil(owed_base)
        calls.bad_debt_base[:] = np.where(clears, standing.sum(rounded), 0.0)
        if self.close_factor.writes_off:
            gone = clears.take(standing.account) & (self.repay_reason != INACTIVE).take(standing.kind)
            calls.owed_left[gone] = 0.0


def _is_gone(left_base: Floats, all_base: Floats) -> Bools:
    """Whether the pool finds no collateral left (hasNoCollateralLeft)."""
    gone: Bools = left_base <= 0.5 + all_base * 2.0**-50
    return gone


def call_terms(book: Book[AaveMarket]) -> CallTerms:
    """The book's legs as liquidationCall sees them."""
    market, account_of_leg = book.market, book.account_of_leg
    kind = book.modes.astype(np.intp).take(account_of_leg) * len(market.reserves) + book.reserves

    def table(number: Callable[[AaveReserve, int, EMode | None], float]) -> Floats:
        """(K,) a number of each reserve in each category."""
        modes = [market.emodes.get(mode) for mode in range(max([0, *market.emodes]) + 1)]
        rows = [number(reserve, k, mode) for mode in modes for k, reserve in enumerate(market.reserves)]
        return np.array(rows, dtype=np.float64)

    income = table(lambda reserve, *_: reserve.income_ray / RAY)
    debt_growth = table(lambda reserve, *_: reserve.debt_ray / RAY)
    backs = table(lambda reserve, *_: backs_debt(Leg(0, 0, 0, True), reserve, market.revision))
    threshold = table(lambda _, k, emode: threshold_bps(market, k, emode))
    weight = threshold / BPS
    averaged = market.revision < FIRST_UNAVERAGED_REVISION
    is_whole = market.revision >= FIRST_WHOLE_DEBT_REVISION
    rule = AaveCalls(
        revision=market.revision,
        close_factor=HalfOfWholeDebt() if is_whole else HalfOfOneDebt(),
        threshold_bps=threshold,
        bonus=table(lambda reserve, _, emode: _bonus_bps(reserve, emode) / BPS),
        fee_share=table(lambda reserve, *_: reserve.liquidation_protocol_fee_bps / BPS),
        income=income,
        debt_growth=debt_growth,
        seize_reason=table(lambda reserve, _, emode: _seize_reason(reserve, emode, market)).astype(np.int8),
        repay_reason=table(lambda reserve, _, emode: _repay_reason(reserve, emode, market)).astype(np.int8),
        is_guarded=not market.liquidations_allowed and market.revision < FIRST_FLOORED_SEIZURE_REVISION,
    )
    return CallTerms(
        first_leg=book.first_leg,
        kind=kind,
        supplied=_supplied(book, income.take(kind)) * backs.take(kind),
        owed=_owed(book, debt_growth.take(kind)),
        always=np.zeros(len(book), dtype=np.bool_),
        reserves=table(lambda _, k, emode: k).astype(np.intp),
        feeds=table(lambda reserve, _, emode: price_feed(reserve, emode)).astype(np.intp),
        unit=table(lambda reserve, *_: float(reserve.unit)),
        weight=weight,
        least_weight=np.maximum(0.0, weight - 1.0 / BPS) if averaged else weight,
        burden=np.ones(len(weight)),
        rule=rule,
    )


def _supplied(book: Book[AaveMarket], income: Floats) -> Floats:
    """(L,) what backs debt where its reserve does."""
    return _rounded(book.collateral.to_float() * income, book.market.revision, is_debt=False) * book.counted


def _owed(book: Book[AaveMarket], debt_growth: Floats) -> Floats:
    """(L,) variable and stable debt."""
    owed = _rounded(book.debt.to_float() * debt_growth, book.market.revision, is_debt=True)
    for leg, debt in book.stable.items():
        owed[leg] += stable_balance(debt, book.market.timestamp)
    return owed


def _rounded(amount: Floats, revision: int, *, is_debt: bool) -> Floats:
    """Balances in whole token units, as the revision rounds them."""
    if revision < FIRST_DIRECTED_REVISION:
        return np.floor(amount + 0.5)
    return raised(amount) if is_debt else whole(amount)


def _bonus_bps(reserve: AaveReserve, emode: EMode | None) -> int:
    in_emode = emode is not None and is_in_emode(reserve, emode)
    return emode.liquidation_bonus_bps if emode is not None and in_emode else reserve.liquidation_bonus_bps


def _shut(reserve: AaveReserve, market: AaveMarket) -> int:
    """Why the pool refuses every call on a reserve; WENT where it does not."""
    if not reserve.is_active:
        return INACTIVE
    if reserve.is_paused:
        return PAUSED
    waits = market.revision >= FIRST_GRACE_REVISION and reserve.grace_period_until >= market.timestamp
    return GRACE if waits else WENT


def _seize_reason(reserve: AaveReserve, emode: EMode | None, market: AaveMarket) -> int:
    shut = _shut(reserve, market)
    if shut != WENT:
        return shut
    if market.revision < FIRST_DECOUPLED_REVISION and reserve.liquidation_threshold_bps == 0:
        return NO_THRESHOLD
    return NO_BONUS if _bonus_bps(reserve, emode) == 0 else WENT


def _repay_reason(reserve: AaveReserve, emode: EMode | None, market: AaveMarket) -> int:
    """A category with a price of its own lends it to every debt of its accounts (v3.0, v3.1), which these
    columns do for the category's own assets alone.
    """
    own_price = emode is not None and emode.feed is not None
    is_outside = own_price and price_feed(reserve, emode) != (None if emode is None else emode.feed)
    return OUTSIDE if is_outside and _shut(reserve, market) == WENT else _shut(reserve, market)
