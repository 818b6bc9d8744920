"""How bankrupt positions are shared out among opposite ones (x/clob deleveraging.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from defiliq.protocols.dydx_v4.liquidation import bankruptcy_quote_quantums
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import Risk, quote_quantums
from defiliq.protocols.dydx_v4.settle import USDC, Subaccount, places_of, settled, to_account
from defiliq.protocols.dydx_v4.updates import PositionChange, Update, matched

DeleveragePrice: TypeAlias = Literal["bankruptcy", "oracle"]

_PASSED_OVER: Final = ("ErrFailedToUpdateSubaccounts", "division by zero")
"""What lets the next one be asked. The second: what is left of a position is dust that needs no margin."""


class Deleveraged(NamedTuple):
    """Both subaccounts and the market after one of them took the other's position over."""

    liquidated: Subaccount
    offsetting: Subaccount
    market: DydxMarket


class Offset(NamedTuple):
    """What came of sharing a position out."""

    subaccounts: tuple[Subaccount, ...]
    """The liquidated one, then the others in the order given; settled where they took part."""
    fills: tuple[tuple[str, int], ...]
    """(name, base quantums) of those that took a part."""
    remaining: int
    """Signed base quantums that nobody took."""
    market: DydxMarket


def deleverage_price(risk: Risk, market: DydxMarket, place: int) -> DeleveragePrice | None:
    """The price at which a subaccount's position would be shared out, None where it is not
    (CanDeleverageSubaccount).

    Bankrupt ones at the bankruptcy price; any other at the oracle price, once its market is settled for good.
    """
    if risk.net_collateral < 0:
        return "bankruptcy"
    return "oracle" if market.reserves[place].clob_status == "final_settlement" else None


def fund_can_pay(balance: int, insurance_fund_delta: int) -> bool:
    """Whether an insurance fund covers what a fill takes of it (IsValidInsuranceFundDelta)."""
    return insurance_fund_delta >= 0 or balance + insurance_fund_delta >= 0


def deleveraged_quote_quantums(
    liquidated: Subaccount, market: DydxMarket, perpetual_id: int, delta: int, price: DeleveragePrice
) -> int:
    """What the liquidated subaccount receives for `delta` (getDeleveragingQuoteQuantumsDelta)."""
    place = places_of(market)[perpetual_id]
    if price == "oracle":
        return quote_quantums(-delta, market.price_of(place), market.reserves[place])
    return bankruptcy_quote_quantums(to_account(liquidated, market), market, place, delta)


def deleverage(
    liquidated: Subaccount,
    offsetting: Subaccount,
    market: DydxMarket,
    perpetual_id: int,
    delta: int,
    quote_delta: int,
) -> Deleveraged:
    """Both subaccounts once `delta` of the liquidated one's position has gone over to the other
    (ProcessDeleveraging); ChainRefused where one of them cannot bear it.
    """
    closes, opens = _size(liquidated, perpetual_id), _size(offsetting, perpetual_id)
    within = abs(delta) <= min(abs(closes), abs(opens))
    if closes * delta >= 0 or opens * delta <= 0 or not within:
        raise ChainRefused("ErrInvalidPerpetualPositionSizeDelta", f"{delta} of {closes} against {opens}")
    updates = [
        Update(
            settled(raw, market), ((USDC, sign * quote_delta),), (PositionChange(perpetual_id, sign * delta),)
        )
        for raw, sign in ((liquidated, 1), (offsetting, -1))
    ]
    (one, other), there = matched(updates, market)
    return Deleveraged(one, other, there)


def _size(raw: Subaccount, perpetual_id: int) -> int:
    held = raw.position(perpetual_id)
    return 0 if held is None else held.quantums


def offset_position(
    liquidated: Subaccount,
    others: Sequence[Subaccount],
    market: DydxMarket,
    perpetual_id: int,
    delta: int,
    price: DeleveragePrice,
) -> Offset:
    """What is left of a position after one subaccount after another took of it what it could
    (OffsetSubaccountPerpetualPosition).

    The chain begins with a pseudo-random one of those on the opposite side: `others` are in that order. Whose
    own bankruptcy price does not overlap with that of the liquidated one is passed over.
    """
    remaining, fills, after = delta, [], list(others)
    for k, other in enumerate(others):
        held = _size(other, perpetual_id)
        if remaining == 0:
            break
        if held * remaining <= 0:
            continue
        part = held if abs(remaining) > abs(held) else remaining
        try:
            quote_delta = deleveraged_quote_quantums(liquidated, market, perpetual_id, part, price)
            done = deleverage(liquidated, other, market, perpetual_id, part, quote_delta)
        except ChainRefused as refused:
            if refused.error not in _PASSED_OVER:
                raise
            continue
        liquidated, after[k], market = done
        remaining -= part
        fills.append((other.name, abs(part)))
    return Offset((liquidated, *after), tuple(fills), remaining, market)
