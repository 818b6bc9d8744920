"""One subaccount's legs as a person reads them, and what its numbers do not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from defiliq.protocols.dydx_v4.legs import positions_of, size_of
from defiliq.protocols.dydx_v4.market import ClobStatus, DydxMarket
from defiliq.protocols.dydx_v4.risk import maintenance_margin_ppm, quote_quantums
from defiliq.protocols.dydx_v4.rules import account_risk
from defiliq.protocols.dydx_v4.settle import USDC, settlement_ppm
from defiliq.protocols.explained import LegValue
from defiliq.types import Account, Leg
from defiliq.units import BPS, PPM, mul_div_down

CLOSED: Final[Mapping[ClobStatus, str]] = {
    "none": "has no order book",
    "paused": "is paused",
    "cancel_only": "only takes cancellations",
    "post_only": "only takes orders that rest",
    "initializing": "is not open yet",
    "final_settlement": "is in final settlement, where positions are closed at the oracle price",
}
"""What every status but `active` means; none of them lets a liquidation order on the book."""


def explain(account: Account, market: DydxMarket) -> tuple[LegValue, ...]:
    """The account's legs: USDC as it is worth, longs as supplies, shorts as debts.

    All that is owned may be taken, because all of it pays for what is owed: on the book, or where that is
    closed, by deleveraging and at final settlement.
    """
    values = []
    for leg in account.legs:
        reserve = market.reserves[leg.reserve]
        values.append(
            LegValue(
                reserve=leg.reserve,
                feed=reserve.feed,
                supplied=leg.collateral,
                supplied_base=_value(leg.reserve, leg.collateral, market),
                owed=leg.debt,
                owed_base=_value(leg.reserve, leg.debt, market),
                counted=leg.collateral > 0,
                seizable=leg.collateral > 0,
                threshold_bps=mul_div_down(PPM - maintenance_margin_ppm(reserve), BPS, PPM),
                is_position=leg.reserve != USDC,
            )
        )
    return tuple(values)


def is_open(market: DydxMarket, place: int) -> bool:
    """Whether a perpetual's book takes liquidation orders (validateLiquidationAgainstClobPairStatus)."""
    return market.reserves[place].clob_status == "active"


def _value(place: int, quantums: int, market: DydxMarket) -> int:
    if place == USDC:
        return quantums
    return quote_quantums(quantums, market.price_of(place), market.reserves[place])


def remarks(account: Account, market: DydxMarket) -> tuple[str, ...]:
    """What no number of an account says: isolation, closed books, bankruptcy, funding not yet settled."""
    return (
        *_about_positions(account, market),
        *_about_bankruptcy(account, market),
        *_about_funding(account, market),
    )


def _about_positions(account: Account, market: DydxMarket) -> Iterator[str]:
    for place, _ in positions_of(account):
        perpetual = market.reserves[place]
        if perpetual.is_isolated:
            yield (
                f"{perpetual.symbol} is isolated: no other position may stand beside it, and its losses fall "
                "on an insurance fund of its own"
            )
        if perpetual.clob_status in CLOSED:
            yield f"{perpetual.symbol} {CLOSED[perpetual.clob_status]}: its book takes no liquidations"


def _about_bankruptcy(account: Account, market: DydxMarket) -> Iterator[str]:
    risk = account_risk(account, market)
    if risk.net_collateral >= 0:
        return
    if risk.maintenance_margin > 0:
        yield (
            "net collateral is negative: what the insurance fund does not pay is shared out among opposite "
            "positions (deleveraging), and withdrawals of its collateral pool are halted meanwhile"
        )
    else:
        yield "net collateral is negative with no margin required: the chain has nothing to liquidate"


def unsettled_funding(account: Account, market: DydxMarket) -> int:
    """Quote quantums of funding in the account's USDC that the chain has not written down yet."""
    return sum(unsettled_ppm(leg, market) for leg in account.legs) // PPM


def unsettled_ppm(leg: Leg, market: DydxMarket) -> int:
    """One leg's part of it, in millionths of a quote quantum; 0 for USDC."""
    if leg.funding_index is None:
        return 0
    return settlement_ppm(market.reserves[leg.reserve].funding_index, leg.funding_index, size_of(leg))


def _about_funding(account: Account, market: DydxMarket) -> Iterator[str]:
    due = unsettled_funding(account, market)
    if due:
        whole, rest = divmod(abs(due), market.base_unit)
        verb = "pays" if due < 0 else "receives"
        yield f"it {verb} {whole}.{rest:06d} USDC of funding, which counts and is not settled on chain yet"
