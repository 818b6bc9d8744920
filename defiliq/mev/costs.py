"""What stands between a liquidation bonus and a profit: gas, flash loan, exit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias

from defiliq.mev.deal import BOT, FLASH, SWAP, Deal, Step
from defiliq.mev.exits import Exit
from defiliq.mev.gas import measured_units
from defiliq.types import Market
from defiliq.units import WAD, percent_mul_half_up, percent_mul_up

Rounding: TypeAlias = Literal["up", "half up"]


@dataclass(frozen=True, slots=True)
class Flash:
    """A flash loan of what is repaid."""

    bps: int
    """The premium, in basis points of the loan."""
    rounding: Rounding = "up"
    """Aave v3 rounds half up before revision 9 (v3.5), and up since: FlashLoanLogic, percentMul(Ceil)."""
    refused: frozenset[int] = frozenset()
    """Reserves that the lender gives none of."""

    def fee(self, amount: int) -> int:
        """The premium on a loan, in the same token's base units."""
        percent_mul = percent_mul_up if self.rounding == "up" else percent_mul_half_up
        return percent_mul(amount, self.bps)


@dataclass(frozen=True, slots=True)
class Native:
    """The coin that gas is paid in: priced as a reserve of the market, or by hand."""

    symbol: str
    reserve: int | None = None
    """The reserve that is this coin or wraps it."""
    price_base: Fraction | None = None
    """Base currency integers of one whole coin, where it is given by hand."""

    def worth_base(self, wei: int, market: Market) -> Fraction | None:
        """An amount of the coin in base currency integers; None where no price is known."""
        if self.price_base is not None:
            return self.price_base * wei / WAD
        if self.reserve is None:
            return None
        price_unit = market.price_unit(market.reserves[self.reserve].feed)
        return Fraction(wei * market.price_of(self.reserve) * market.base_unit, WAD * price_unit)


@dataclass(frozen=True, slots=True)
class Costs:
    """All costs of liquidating in one market at one block. Reserves are positions in `Market.reserves`."""

    gas_price_wei: int | None
    """What one unit of gas costs, priority fee included; None where it is not known."""
    native: Native
    exits: Mapping[tuple[int, int], Exit] = field(default_factory=dict)
    """(sold reserve, bought reserve) to how it is sold."""
    flash: Flash | None = None
    """None: the liquidator's own funds."""
    gas_units: int | None = None
    """Of everything together, by hand; None takes what was measured."""
    spot: tuple[int, ...] | None = None
    """The market's prices as the pools were read; None: pools stay as they are, whatever the prices."""
    no_exit: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Why there is no exit, where one was looked for."""
    lacks: str = ""
    """Why it is not known what a loan costs, so that there is no net; '' where nothing is lacking."""
    remarks: tuple[str, ...] = ()
    """What is taken for granted, of all liquidations alike."""
    note: str = ""
    """What is not in these costs: said with every one of them."""

    def flash_fee(self, deal: Deal) -> int | None:
        """Premium of what a deal repays; 0 with own funds, None where `lacks` says why it is not known."""
        if self.flash is not None:
            return self.flash.fee(deal.paid)
        return None if self.lacks else 0

    def units(self, deal: Deal, swaps: int, market: Market) -> int | None:
        """Gas of a deal with so many swaps behind it; None where some call of it was never measured."""
        if self.gas_units is not None:
            return self.gas_units
        total = 0
        for step in self._steps(deal, swaps):
            units = measured_units(market.protocol, market.version, step.name, step.legs)
            if units is None:
                return None
            total += units * step.times
        own_code = measured_units(market.protocol, market.version, BOT, 0)
        return total if own_code is None else total + own_code

    def unmeasured(self, deal: Deal, market: Market) -> tuple[str, ...]:
        """The calls of a deal whose gas was never measured in a market's protocol; none where it is given."""
        steps = [] if self.gas_units is not None else self._steps(deal, 0)
        return tuple(
            step.name
            for step in steps
            if measured_units(market.protocol, market.version, step.name, step.legs) is None
        )

    def _steps(self, deal: Deal, swaps: int) -> list[Step]:
        steps = [*deal.steps, *([Step(SWAP, times=swaps)] if swaps else [])]
        return [*steps, Step(FLASH)] if self.flash is not None and deal.paid else steps

    def in_debt_token(self, wei: int, deal: Deal, market: Market) -> Fraction | None:
        """An amount of the native coin in base units of what the deal repays; None without a price."""
        base = self.native.worth_base(wei, market)
        if base is None:
            return None
        reserve = market.reserves[deal.paid_reserve]
        price_unit = market.price_unit(reserve.feed)
        return base * reserve.unit * price_unit / (market.price_of(deal.paid_reserve) * market.base_unit)

    def moved(self, sold: int, bought: int, market: Market) -> Fraction:
        """How many times higher the oracle has one reserve against another than at `spot`."""
        if self.spot is None:
            return Fraction(1)
        feeds = market.reserves[sold].feed, market.reserves[bought].feed
        now, then = ([prices[feed] for feed in feeds] for prices in (market.prices, self.spot))
        return Fraction(now[0] * then[1], now[1] * then[0])
