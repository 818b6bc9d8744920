"""Calls that name a pair of legs: one collateral, one debt. Which pairs there are, and which pays best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from defiliq.calls.terms import BARE, WENT, Bools, Calls, Floats, Ints, Standing

_ALIKE = 2.0**-47
"""Bonuses that differ by less, as a share of what is seized, are one: doubles cannot tell them apart."""


class Pairs(NamedTuple):
    """Every pair of some accounts: accounts in order, of each its collaterals in order, of each the debts."""

    account: Ints
    """(p,) in the standing."""
    seize: Ints
    """(p,) legs of the standing."""
    repay: Ints
    """(p,) legs of the standing."""


class Moved(NamedTuple):
    """What the call on each pair moves, in token base units."""

    taken: Floats
    """What leaves the account of the collateral: all of it, exactly, where it is all."""
    fee: Floats
    """What of that the protocol keeps; the rest is the liquidator's."""
    repaid: Floats


def pairs_of(standing: Standing, may_seize: Bools, may_repay: Bools) -> Pairs:
    """The pairs of legs that two masks (m,) allow."""
    seizable, repayable = np.flatnonzero(may_seize), np.flatnonzero(may_repay)
    account = standing.account.take(seizable)
    debts = np.bincount(standing.account.take(repayable), minlength=len(standing))
    first_debt = np.cumsum(debts) - debts
    counts = debts.take(account)
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    pair_account = np.repeat(account, counts)
    return Pairs(
        pair_account, np.repeat(seizable, counts), repayable.take(first_debt.take(pair_account) + within)
    )


def best_pairs(standing: Standing, pairs: Pairs, moved: Moved, reason: NDArray[np.int8]) -> Calls:
    """The call on each account's best pair of those whose reason is WENT, applied to its legs.

    Best as the laws say: the most seized less repaid at oracle prices, then the larger seizure, then the
    order of reserves. An account without such a pair has the last reason of its pairs, or BARE without any.
    Bad debt is for the rule to add.
    """
    calls = Calls.none(standing, BARE)
    refused, open_pairs = np.flatnonzero(reason != WENT), np.flatnonzero(reason == WENT)
    np.maximum.at(calls.reason, pairs.account.take(refused), reason.take(refused))
    seized_base = np.floor((moved.taken - moved.fee) * standing.worth.take(pairs.seize))
    bonus_base = seized_base - np.ceil(moved.repaid * standing.worth.take(pairs.repay))
    chosen = _best(pairs.account, bonus_base, seized_base, open_pairs)
    rows, seize, repay = (column.take(chosen) for column in pairs)
    taken, fee, repaid = (column.take(chosen) for column in moved)
    calls.reason[rows] = WENT
    calls.seized_base[rows] = seized_base.take(chosen)
    calls.repaid_base[rows] = seized_base.take(chosen) - bonus_base.take(chosen)
    calls.bonus_base[rows] = bonus_base.take(chosen)
    calls.fee_base[rows] = fee * standing.worth.take(seize)
    calls.seize_leg[rows], calls.repay_leg[rows] = standing.legs.take(seize), standing.legs.take(repay)
    calls.seized[seize], calls.fees[seize], calls.repaid[repay] = taken - fee, fee, repaid
    calls.supplied_left[seize] = np.maximum(0.0, calls.supplied_left.take(seize) - taken)
    calls.owed_left[repay] = np.maximum(0.0, calls.owed_left.take(repay) - repaid)
    return calls


def _best(account: Ints, bonus_base: Floats, seized_base: Floats, pairs: Ints) -> Ints:
    """(a,) the best of some of the pairs, in their order, for each account that has any of them."""
    account, bonus, size = account.take(pairs), bonus_base.take(pairs), seized_base.take(pairs)
    doubt = _ALIKE * _largest(size, account)
    among = np.flatnonzero(bonus >= _largest(bonus, account) - doubt)
    account, size, doubt = account.take(among), size.take(among), doubt.take(among)
    largest = np.flatnonzero(size >= _largest(size, account) - doubt)
    account = account.take(largest)
    is_first = np.ones(len(account), dtype=np.bool_)
    np.not_equal(account[1:], account[:-1], out=is_first[1:])
    return pairs.take(among).take(largest)[is_first]


def _largest(values: Floats, account: Ints) -> Floats:
    """(p,) beside each value the largest of its account."""
    largest = np.full(account[-1] + 1 if len(account) else 0, -np.inf)
    np.maximum.at(largest, account, values)
    return largest.take(account)
