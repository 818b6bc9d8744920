"""Solo's arithmetic once more, after its Solidity libraries and not after the law: signed structs, uint256.

Every operation is SafeMath's: what leaves uint256, or divides by zero, raises Reverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

BASE = 10**18


class Reverted(Exception):
    """What SafeMath and Require do."""


def u256(value: int) -> int:
    if not 0 <= value < 2**256:
        raise Reverted
    return value


def get_partial(target: int, numerator: int, denominator: int) -> int:
    """Math.getPartial"""
    if denominator == 0:
        raise Reverted
    return u256(target * numerator) // denominator


def get_partial_round_up(target: int, numerator: int, denominator: int) -> int:
    """Math.getPartialRoundUp"""
    if denominator == 0:
        raise Reverted
    if target == 0 or numerator == 0:
        return 0
    return (u256(target * numerator) - 1) // denominator + 1


class Signed(NamedTuple):
    """Types.Par and Types.Wei: zero has either sign."""

    sign: bool
    value: int

    def add(self, other: Signed) -> Signed:
        if self.sign == other.sign:
            return Signed(self.sign, u256(self.value + other.value))
        if self.value >= other.value:
            return Signed(self.sign, self.value - other.value)
        return Signed(other.sign, other.value - self.value)

    @property
    def negative(self) -> Signed:
        return Signed(not self.sign, self.value)

    @property
    def is_negative(self) -> bool:
        return not self.sign and self.value > 0

    @property
    def is_positive(self) -> bool:
        return self.sign and self.value > 0


class Index(NamedTuple):
    borrow: int
    supply: int
    last_update: int


ZERO = Signed(False, 0)


def par_to_wei(par: Signed, index: Index) -> Signed:
    if par.sign:
        return Signed(True, get_partial(par.value, index.supply, BASE))
    return Signed(False, get_partial_round_up(par.value, index.borrow, BASE))


def wei_to_par(wei: Signed, index: Index) -> Signed:
    if wei.sign:
        return Signed(True, get_partial(wei.value, BASE, index.supply))
    return Signed(False, get_partial_round_up(wei.value, BASE, index.borrow))


def new_index(
    index: Index, rate: int, borrow_par: int, supply_par: int, earnings_rate: int, now: int
) -> Index:
    """Interest.calculateNewIndex"""
    supply_wei = par_to_wei(Signed(True, supply_par), index).value
    borrow_wei = par_to_wei(Signed(False, borrow_par), index).value
    borrow_interest = u256(rate * u256(now - index.last_update))
    supply_interest = 0
    if supply_wei != 0:
        supply_interest = get_partial(borrow_interest, earnings_rate, BASE)
        if borrow_wei < supply_wei:
            supply_interest = get_partial(supply_interest, borrow_wei, supply_wei)
    return Index(
        get_partial(index.borrow, borrow_interest, BASE) + index.borrow,
        get_partial(index.supply, supply_interest, BASE) + index.supply,
        now,
    )


@dataclass
class State:
    """Storage.State for one account, after its markets were updated and their prices cached."""

    indices: Sequence[Index]
    prices: Sequence[int]
    margin_premiums: Sequence[int]
    spread_premiums: Sequence[int]
    margin_ratio: int
    liquidation_spread: int
    min_borrowed_value: int
    balances: list[Signed] = field(default_factory=list)
    status: int = 0

    def wei(self, market: int) -> Signed:
        par = self.balances[market]
        return ZERO if par.value == 0 else par_to_wei(par, self.indices[market])

    def account_values(self, *, adjust: bool) -> tuple[int, int]:
        """Storage.getAccountValues"""
        supply_value = borrow_value = 0
        for market, price in enumerate(self.prices):
            user_wei = self.wei(market)
            if user_wei.value == 0:
                continue
            asset_value = u256(user_wei.value * price)
            weight = BASE + self.margin_premiums[market] if adjust else BASE
            if user_wei.sign:
                supply_value = u256(supply_value + get_partial(asset_value, BASE, weight))
            else:
                borrow_value = u256(borrow_value + get_partial(asset_value, weight, BASE))
        return supply_value, borrow_value

    def is_collateralized(self, *, require_min_borrow: bool) -> bool:
        supply_value, borrow_value = self.account_values(adjust=True)
        if borrow_value == 0:
            return True
        if require_min_borrow and borrow_value < self.min_borrowed_value:
            raise Reverted
        return supply_value >= u256(borrow_value + get_partial(borrow_value, self.margin_ratio, BASE))

    def spread(self, held: int, owed: int) -> int:
        found = get_partial(self.liquidation_spread, BASE + self.spread_premiums[held], BASE)
        return get_partial(found, BASE + self.spread_premiums[owed], BASE)

    def set_par_from_delta(self, market: int, delta: Signed) -> None:
        if delta.value:
            new_wei = self.wei(market).add(delta)
            self.balances[market] = wei_to_par(new_wei, self.indices[market])

    def liquidate(self, held: int, owed: int, amount: int) -> tuple[int, int]:
        """A whole operation of one Liquidate action of an amount in wei, a difference; (held, owed) moved.

        The solid account has tokens of its own in plenty, so that only the liquidated one is judged.
        """
        if self.status != 1:
            if self.is_collateralized(require_min_borrow=False):
                raise Reverted
            self.status = 1
        max_held = self.wei(held)
        if max_held.is_negative:
            raise Reverted
        owed_par, owed_wei = self._new_owed(owed, amount)
        held_price, price = self.prices[held], self.prices[owed]
        owed_price = u256(price + get_partial(price, self.spread(held, owed), BASE))
        held_wei = Signed(False, get_partial(owed_wei.value, owed_price, held_price))
        if held_wei.value > max_held.value:
            held_wei = max_held.negative
            owed_wei = Signed(True, get_partial_round_up(held_wei.value, held_price, owed_price))
            self.balances[held] = ZERO
            self.set_par_from_delta(owed, owed_wei)
        else:
            self.balances[owed] = owed_par
            self.set_par_from_delta(held, held_wei)
        self.is_collateralized(require_min_borrow=True)
        return held_wei.value, owed_wei.value

    def _new_owed(self, market: int, amount: int) -> tuple[Signed, Signed]:
        """Storage.getNewParAndDeltaWeiForLiquidation"""
        old = self.balances[market]
        if old.is_positive:
            raise Reverted
        new, delta = old, ZERO
        if amount:
            delta = Signed(True, amount)
            new = wei_to_par(par_to_wei(old, self.indices[market]).add(delta), self.indices[market])
        if new.is_positive:
            new, delta = ZERO, self.wei(market).negative
        if delta.is_negative or old.value < new.value:
            raise Reverted
        if old.value == new.value and (old.value == 0 or old.sign == new.sign):
            delta = ZERO
        return new, delta
