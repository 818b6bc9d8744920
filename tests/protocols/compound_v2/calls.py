"""Real liquidateBorrow transactions of one account at one price, held against what defiliq says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from defiliq.protocols.compound_v2 import CompoundMarket, take
from defiliq.protocols.compound_v2.legs import owed_balance
from defiliq.protocols.compound_v2.take import (
    CallAmounts,
    Holding,
    largest_call,
    most_repayable,
    most_sendable,
)
from defiliq.types import Account, Leg, Level, Liquidation
from defiliq.units import WAD
from tests.lab.compound_v2 import Failure
from tests.lab.compound_v2 import Outcome as Done
from tests.lab.compound_v2.listing import NATIVE
from tests.protocols.compound_v2.stage import Stage, said_of
from tests.stages import toward_spot
from tests.takings import cover, sole

AHEAD = 3
"""The liquidations are mined so many blocks after the one that was read."""
Refused: TypeAlias = tuple[Failure | None, str]
"""The event of a refusal, or what the transaction reverted with."""
NO_SHORTFALL: Refused = Failure(3, 18, 3), ""
TOO_MUCH_REPAY: Refused = Failure(3, 18, 17), ""
SEIZE_TOO_MUCH: Refused = None, "LIQUIDATE_SEIZE_TOO_MUCH"
NATIVE_REFUSES = {NO_SHORTFALL: "liquidateBorrow failed (03)", TOO_MUCH_REPAY: "liquidateBorrow failed (03)"}
"""Its market reverts where the others log: the text holds the error alone, COMPTROLLER_REJECTION."""


@dataclass(frozen=True)
class Case:
    """One account at one price of one driver."""

    stage: Stage
    level: Level
    price: int

    @cached_property
    def market(self) -> CompoundMarket:
        return self.stage.at(self.level.driver, self.price)

    @cached_property
    def account(self) -> Account:
        return self.stage.account(self.level)

    def symbol(self, reserve: int) -> str:
        """The lab's name of a market."""
        names = {address: symbol for symbol, address in self.stage.lab.markets.items()}
        return names[self.stage.market.reserves[reserve].c_token]

    def nearer(self) -> Case:
        return replace(self, price=self.price + toward_spot(self.level))

    def taken(self) -> Liquidation:
        found = take(self.account, self.market)
        assert isinstance(found, Liquidation), (self.stage.shape(self.level), found)
        return found

    def send(self, debt: int, collateral: int, repay: int, *, accrue_all: bool = True) -> Done:
        """A real liquidateBorrow of one pair of reserves."""
        done = self.stage.lab.liquidate(
            self.account.owner,
            debt=self.symbol(debt),
            collateral=self.symbol(collateral),
            repay=repay,
            drivers=self.stage.moved(self.level.driver, self.price),
            blocks_ahead=AHEAD,
            accrue_all=accrue_all,
        )
        assert done.block_number == self.stage.market.block.number + AHEAD
        return done

    def refused(self, done: Done, why: Refused, debt: int) -> None:
        """The refusal is just this one, and nothing has moved."""
        expected = (None, NATIVE_REFUSES[why]) if self.symbol(debt) == NATIVE and why[0] else why
        assert (done.success, done.failure, done.error) == (False, *expected), self.stage.shape(self.level)
        assert (done.repaid, done.seize_tokens, done.received_tokens) == (0, 0, 0)
        assert done.account_after == said_of(self.account, self.market)

    def same(self, done: Done, debt: int, collateral: int, call: CallAmounts) -> None:
        """Everything that the call moved is what we say."""
        where = (
            self.stage.shape(self.level),
            self.level.driver.name,
            self.symbol(debt),
            self.symbol(collateral),
        )
        assert (done.success, done.failure, done.error) == (True, None, ""), where
        moved = done.repaid, done.seize_tokens, done.received_tokens
        assert moved == (call.repaid, call.seize_tokens, call.liquidator_tokens), where
        after = self.after(debt, collateral, call)
        assert done.account_after == said_of(after, self.market), where

    def after(self, debt: int, collateral: int, call: CallAmounts) -> Account:
        """The account that a call leaves: its debt is settled at today's index."""
        legs = []
        for leg in self.account.legs:
            reserve = self.market.reserves[leg.reserve]
            if leg.reserve == collateral:
                leg = replace(leg, collateral=leg.collateral - call.seize_tokens)
            if leg.reserve == debt:
                left = owed_balance(leg, reserve) - call.repaid
                leg = replace(leg, debt=left, debt_index=reserve.borrow_index_now_wad)
            legs.append(leg)
        return replace(self.account, legs=tuple(legs))

    def largest(self, debt: Leg, collateral: Leg) -> CallAmounts | None:
        """The most that a call of one pair may repay."""
        held = [
            Holding(leg.reserve, leg.collateral, owed_balance(leg, self.market.reserves[leg.reserve]))
            for leg in (debt, collateral)
        ]
        most = most_repayable(self.market, held[0], has_shortfall=True)
        most = most_sendable(self.account, self.market, debt.reserve, most)
        return largest_call(self.market, held[0], held[1], most)

    def chosen(self) -> tuple[int, int, CallAmounts]:
        """What `take` says, as one call."""
        ours = self.taken()
        legs = {leg.reserve: leg for leg in self.account.legs}
        debt, collateral = ours.repay_reserve, sole(ours).reserve
        call = self.largest(legs[debt], legs[collateral])
        assert call is not None
        assert call.repaid == ours.repaid == cover(ours)
        assert sole(ours).received == call.liquidator_tokens
        rate = self.market.reserves[collateral].exchange_rate_now_wad
        assert sole(ours).amount == call.liquidator_tokens * rate // WAD
        return debt, collateral, call

    def pays(self, debt: int, collateral: int, done: Done) -> int:
        """What the liquidator of a real call gained, at the oracle's prices."""
        market = self.market
        got = done.received_tokens * market.reserves[collateral].exchange_rate_now_wad // WAD
        return got * market.price_of(collateral) // WAD - done.repaid * market.price_of(debt) // WAD

    def limit(self, debt: int, call: CallAmounts) -> Refused:
        """How one unit more than the largest call of a pair is refused."""
        leg = next(leg for leg in self.account.legs if leg.reserve == debt)
        market, owed = self.market, owed_balance(leg, self.market.reserves[debt])
        if call.repaid == owed * market.close_factor_wad // WAD:
            return TOO_MUCH_REPAY
        sendable = most_sendable(self.account, market, debt, owed)
        return NO_SHORTFALL if call.repaid == sendable else SEIZE_TOO_MUCH
