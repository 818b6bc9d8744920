"""Aave v3's liquidationCall over float columns, for sweeps. The law is in rules_take.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from defiliq.book import Book
from defiliq.calls import (
    BARE,
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
_CUT = 1e-7
"""An average threshold this little below a whole basis point is that one: doubles fell short of it."""


@dataclass(frozen=True, slots=True)
class AaveCalls:
    """liquidationCall on the legs of one book."""

    revision: int
    close_factor: CloseFactor
    threshold_bps: Floats
    """(L,)"""
    bonus: Floats
    """(L,) 1.05 for 5%, as the account's category has it; 0 where the collateral has none."""
    fee_share: Floats
    """(L,) the protocol's share of the bonus."""
    income: Floats
    """(L,) aTokens per scaled one."""
    debt_growth: Floats
    """(L,) debt per scaled debt."""
    seize_reason: Ints
    """(L,) why the pool refuses the leg as collateral; WENT where it does not."""
    repay_reason: Ints
    """(L,) why the pool refuses the leg as debt; WENT where it does not."""
    is_guarded: bool
    """Whether a sentinel holds back calls at a health factor of 0.95 and above."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """As rules_take.py says them."""
        return REASONS

    @property
    def lasting(self) -> int:
        """BARE to LASTING."""
        return LASTING

    @property
    def untold(self) -> tuple[int, ...]:
        """What only the law tells."""
        return (OUTSIDE,)

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
        weighted = standing.sum(supplied * self.threshold_bps.take(standing.legs))
        if self.revision < FIRST_UNAVERAGED_REVISION:
            average = np.divide(weighted, collateral, out=np.zeros_like(weighted), where=collateral > 0)
            weighted = collateral * np.floor(average + _CUT)
        factor = np.divide(weighted, debt * BPS, out=np.full_like(debt, np.inf), where=debt > 0)
        return Values(supplied, owed, collateral, debt, factor)

    def calls(self, standing: Standing) -> Calls:
        """The call that pays best on each account, all of which break."""
        values = self._values(standing)
        pairs = pairs_of(standing, standing.supplied > 0, standing.owed > 0)
        seize, repay = standing.legs.take(pairs.seize), standing.legs.take(pairs.repay)
        reason = self.seize_reason.take(seize)
        reason = np.where(reason == WENT, self.repay_reason.take(repay), reason)
        if self.is_guarded:
            waits = (values.factor >= SENTINEL_HF_THRESHOLD / WAD).take(pairs.account)
            reason = np.where((reason == WENT) & waits, SENTINEL, reason)
        bonus, fee_share = self.bonus.take(seize), self.fee_share.take(seize)
        worths = standing.worth.take(pairs.seize), standing.worth.take(pairs.repay)
        supplied = standing.supplied.take(pairs.seize)

        def call(cover: Floats) -> Moved:
            return self._moved(cover, supplied, worths, bonus, fee_share)

        most = self.close_factor.most(pairs, standing, values)
        moved = call(most)
        less = self.close_factor.without_dust(most, moved, pairs, standing)
        if less is not None:
            most, moved = less, call(less)
        reason = np.where((reason == WENT) & (most <= 0), DUST, reason)
        clears = self._clears(values, pairs, standing, moved)
        reason = np.where(
            (reason == WENT) & self._burns_nothing(pairs, standing, moved, clears), NO_BURN, reason
        )
        calls = best_pairs(standing, pairs, moved, reason.astype(np.int8), BARE)
        self._write_off(standing, values, calls)
        return calls

    def _moved(
        self, cover: Floats, supplied: Floats, worths: tuple[Floats, Floats], bonus: Floats, fee_share: Floats
    ) -> Moved:
        """What repaying `cover` moves (LiquidationLogic._calculateAvailableCollateralToLiquidate)."""
        seize_worth, repay_worth = worths
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

    def _clears(self, values: Values, pairs: Pairs, standing: Standing, moved: Moved) -> Bools:
        """(p,) whether the pool finds no collateral left (hasNoCollateralLeft)."""
        taken_base = whole(moved.taken * standing.worth.take(pairs.seize))
        all_base = values.collateral.take(pairs.account)
        clears: Bools = all_base - taken_base <= 0.5 + all_base * 2.0**-50
        return clears

    def _burns_nothing(self, pairs: Pairs, standing: Standing, moved: Moved, clears: Bools) -> Bools:
        """(p,) whether a token would be told to burn no scaled unit."""
        burnt = (
            np.where(clears, standing.owed.take(pairs.repay), moved.repaid)
            if self.close_factor.writes_off
            else moved.repaid
        )
        scaled_debt = burnt / self.debt_growth.take(standing.legs.take(pairs.repay))
        seized = moved.taken - moved.fee
        if self.revision >= FIRST_DIRECTED_REVISION:
            nothing: Bools = (seized <= 0) | (whole(scaled_debt) < 1)
        else:
            scaled = seized / self.income.take(standing.legs.take(pairs.seize))
            nothing = (scaled < 0.5) | (scaled_debt < 0.5)
        return nothing

    def _write_off(self, standing: Standing, values: Values, calls: Calls) -> None:
        """Count the debt that nothing backs after the calls, and let it go where the pool writes it off."""
        left_base = standing.sum(whole(calls.supplied_left * standing.worth))
        clears = (calls.reason == WENT) & (left_base <= 0.5 + values.collateral * 2.0**-50)
        owed_base = calls.owed_left * standing.worth
        rounded = whole(owed_base) if self.revision < FIRST_DIRECTED_REVISION else np.ceil(owed_base)
        calls.bad_debt_base[:] = np.where(clears, standing.sum(rounded), 0.0)
        if self.close_factor.writes_off:
            gone = clears.take(standing.account) & (self.repay_reason.take(standing.legs) != INACTIVE)
            calls.owed_left[gone] = 0.0


def call_terms(book: Book[AaveMarket]) -> CallTerms:
    """The book's legs as liquidationCall sees them."""
    market, account_of_leg = book.market, book.account_of_leg
    cell = book.modes.astype(np.intp).take(account_of_leg) * len(market.reserves) + book.reserves

    def per_leg(number: Callable[[AaveReserve, int, EMode | None], float]) -> Floats:
        """(L,) a number of each leg's reserve in its account's category."""
        modes = [market.emodes.get(mode) for mode in range(max([0, *market.emodes]) + 1)]
        table = [number(reserve, k, mode) for mode in modes for k, reserve in enumerate(market.reserves)]
        return np.array(table, dtype=np.float64).take(cell)

    income = per_leg(lambda reserve, *_: reserve.income_ray / RAY)
    debt_growth = per_leg(lambda reserve, *_: reserve.debt_ray / RAY)
    counts = (
        per_leg(lambda reserve, *_: backs_debt(Leg(0, 0, 0, True), reserve, market.revision)) * book.counted
    )
    threshold = per_leg(lambda _, k, emode: threshold_bps(market, k, emode))
    averaged = market.revision < FIRST_UNAVERAGED_REVISION
    is_whole = market.revision >= FIRST_WHOLE_DEBT_REVISION
    rule = AaveCalls(
        revision=market.revision,
        close_factor=HalfOfWholeDebt() if is_whole else HalfOfOneDebt(),
        threshold_bps=threshold,
        bonus=per_leg(lambda reserve, _, emode: _bonus_bps(reserve, emode) / BPS),
        fee_share=per_leg(lambda reserve, *_: reserve.liquidation_protocol_fee_bps / BPS),
        income=income,
        debt_growth=debt_growth,
        seize_reason=per_leg(lambda reserve, _, emode: _seize_reason(reserve, emode, market)).astype(np.intp),
        repay_reason=per_leg(lambda reserve, _, emode: _repay_reason(reserve, emode, market)).astype(np.intp),
        is_guarded=not market.liquidations_allowed and market.revision < FIRST_FLOORED_SEIZURE_REVISION,
    )
    return CallTerms(
        first_leg=book.first_leg,
        reserves=book.reserves.astype(np.intp),
        feeds=per_leg(lambda reserve, _, emode: price_feed(reserve, emode)).astype(np.intp),
        unit=per_leg(lambda reserve, *_: float(reserve.unit)),
        supplied=_rounded(book.collateral.to_float() * income, market.revision, is_debt=False) * counts,
        owed=_owed(book, debt_growth),
        weight=threshold / BPS,
        least_weight=np.maximum(0.0, threshold - 1.0) / BPS if averaged else threshold / BPS,
        burden=np.ones(book.legs),
        always=np.zeros(len(book), dtype=np.bool_),
        rule=rule,
    )


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
