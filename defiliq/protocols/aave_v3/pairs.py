"""The pairs of legs that a liquidation may name: one collateral, one debt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from defiliq.protocols.aave_v3.legs import FIRST_DIRECTED_REVISION, Counted, emode_of, is_in_emode
from defiliq.protocols.aave_v3.market import AaveMarket, EMode
from defiliq.types import Account, Leg
from defiliq.units import mul_div_down, mul_div_up


@dataclass(frozen=True, slots=True)
class Pair:
    """A collateral leg and a debt leg, with what the arithmetic of one call needs of them."""

    revision: int
    collateral: Counted
    debt: Counted
    collateral_price: int
    debt_price: int
    bonus_bps: int
    fee_bps: int
    scaled_collateral: int
    scaled_debt: int
    """Variable debt alone."""
    income_ray: int
    debt_ray: int

    @property
    def collateral_base(self) -> int:
        """Value of the collateral leg, rounded down."""
        return self._collateral_value(self.collateral.supplied)

    @property
    def debt_base(self) -> int:
        """Value of the debt leg, rounded as the revision does."""
        return self.debt_value(self.debt.owed)

    def _collateral_value(self, amount: int) -> int:
        return mul_div_down(amount, self.collateral_price, self.collateral.unit)

    def debt_value(self, amount: int) -> int:
        """Base value of an amount of the debt asset: down before revision 9, up since."""
        rounded = mul_div_down if self.revision < FIRST_DIRECTED_REVISION else mul_div_up
        return rounded(amount, self.debt_price, self.debt.unit)


def pairs(account: Account, market: AaveMarket, legs: tuple[Counted, ...]) -> Iterator[Pair]:
    """Every collateral leg with every debt leg of an account."""
    for collateral, held in zip(legs, account.legs, strict=True):
        for debt, borrowed in zip(legs, account.legs, strict=True):
            if collateral.supplied and debt.owed:
                yield _pair((collateral, held), (debt, borrowed), emode_of(account, market), market)


def _pair(
    collateral_leg: tuple[Counted, Leg],
    debt_leg: tuple[Counted, Leg],
    emode: EMode | None,
    market: AaveMarket,
) -> Pair:
    (collateral, held), (debt, borrowed) = collateral_leg, debt_leg
    reserve = market.reserves[collateral.reserve]
    in_emode = emode is not None and is_in_emode(reserve, emode)
    # An eMode price source prices every debt of its users, category or not (_getConfigurationData, v3.0).
    debt_feed = emode.feed if emode is not None and emode.feed is not None else debt.feed
    return Pair(
        revision=market.revision,
        collateral=collateral,
        debt=debt,
        collateral_price=market.prices[collateral.feed],
        debt_price=market.prices[debt_feed],
        bonus_bps=emode.liquidation_bonus_bps
        if emode is not None and in_emode
        else reserve.liquidation_bonus_bps,
        fee_bps=reserve.liquidation_protocol_fee_bps,
        scaled_collateral=held.collateral,
        scaled_debt=borrowed.debt,
        income_ray=reserve.income_ray,
        debt_ray=market.reserves[debt.reserve].debt_ray,
    )
