"""What a liquidation is to whoever earns by it: what goes in, what comes out, and which calls it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from defiliq.types import Liquidation, Market
from defiliq.units import mul_div_down

Earner: TypeAlias = Literal["liquidator", "storefront buyer", "insurance fund"]

LIQUIDATE: Final = "liquidate"
REDEEM: Final = "redeem"
ABSORB: Final = "absorb"
PURCHASE: Final = "purchase"
SWAP: Final = "swap"
FLASH: Final = "flash loan"
BOT: Final = "bot"
"""What a liquidator's own contract adds to the calls it makes."""


class Step(NamedTuple):
    """A call that costs gas, as `gas.json` names it."""

    name: str
    legs: int = 0
    """How many reserves of the account it goes over; 0 where that does not matter."""
    times: int = 1


class Got(NamedTuple):
    """Tokens of one reserve that the earner is handed."""

    reserve: int
    amount: int
    """Base units of the reserve's asset, after the protocol's fee."""
    base: int
    """The same at oracle prices, in base currency integers."""
    at_hand: int | None = None
    """So much of the amount can be had as tokens at once: the rest stays a receipt, which counts for nothing.
    None: all of it."""

    @property
    def usable(self) -> int:
        """What can be sold, or used to repay."""
        return self.amount if self.at_hand is None else self.at_hand


@dataclass(frozen=True, slots=True)
class Deal:
    """One liquidation as a trade of its earner. Amounts are token base units."""

    earner: Earner
    paid_reserve: int
    paid: int
    paid_base: int
    """The same at oracle prices, in base currency integers."""
    got: tuple[Got, ...]
    protocol_fee_base: int
    """Collateral that the protocol keeps, at oracle prices; 0 where it has no fee."""
    debt_to_cover: int | None
    """What the call is to be asked for; None where it takes no amount."""
    steps: tuple[Step, ...] = ()
    remark: str = ""
    fund_gains: int | None = None
    """What an insurance fund gains, in base currency integers, where the chain itself liquidates and nobody
    else earns. Negative where the fund pays."""

    @property
    def bonus_base(self) -> int:
        """What is got less what is paid, at oracle prices and before any cost."""
        return sum(got.base for got in self.got) - self.paid_base


def deal_of(taken: Liquidation, market: Market, legs: int = 0) -> Deal:
    """The deal of a liquidator who repays and is handed collateral, in an account of so many legs.

    Where suppliers hold receipts (cTokens), what is handed over is redeemed.
    """
    redeemed = sum(seizure.received is not None for seizure in taken.seizures)
    redeem = (Step(REDEEM, times=redeemed),) if redeemed else ()
    return Deal(
        earner="liquidator",
        paid_reserve=taken.repay_reserve,
        paid=taken.repaid,
        paid_base=taken.repaid_base,
        got=tuple(Got(seizure.reserve, seizure.amount, seizure.base) for seizure in taken.seizures),
        protocol_fee_base=sum(
            worth_base(market, seizure.reserve, seizure.protocol_fee) for seizure in taken.seizures
        ),
        debt_to_cover=taken.debt_to_cover,
        steps=(Step(LIQUIDATE, legs), *redeem),
        remark=taken.remark,
    )


def worth_base(market: Market, reserve: int, amount: int) -> int:
    """Token base units of a reserve at the market's price, in base currency integers, rounded down."""
    held = market.reserves[reserve]
    price_unit = market.price_unit(held.feed)
    return mul_div_down(amount, market.price_of(reserve) * market.base_unit, held.unit * price_unit)
