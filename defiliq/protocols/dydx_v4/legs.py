"""What a subaccount's legs count before any price: sizes, scales and margin fractions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from defiliq.protocols.dydx_v4.market import DydxMarket, Perpetual
from defiliq.protocols.dydx_v4.risk import scale_of
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.types import Account, Leg


class Counted(NamedTuple):
    """One position with everything but its price settled."""

    feed: int
    numerator: int
    """Notional is price * numerator / denominator, rounded down ..."""
    denominator: int
    """... where the numerator holds the size of the position."""
    initial_ppm: int
    """At no open interest: what maintenance is a part of."""
    maintenance_ppm: int
    """Of the initial margin."""
    is_long: bool
    perpetual: Perpetual


def size_of(leg: Leg) -> int:
    """A balance or a position with its sign: long and owned are positive."""
    return leg.collateral - leg.debt


def usdc_of(account: Account) -> int:
    """The settled USDC of an account, quote balances included."""
    return sum(size_of(leg) for leg in account.legs if leg.reserve == USDC)


def positions_of(account: Account) -> Iterator[tuple[int, int]]:
    """(place in the market's reserves, signed base quantums) of every position."""
    return ((leg.reserve, size_of(leg)) for leg in account.legs if leg.reserve != USDC and size_of(leg))


def counted_legs(account: Account, market: DydxMarket) -> tuple[Counted, ...]:
    """The positions that an account's health hangs on."""
    legs = []
    for place, size in positions_of(account):
        perpetual = market.reserves[place]
        numerator, denominator = scale_of(perpetual.quantum_exponent)
        legs.append(
            Counted(
                feed=perpetual.feed,
                numerator=abs(size) * numerator,
                denominator=denominator,
                initial_ppm=perpetual.initial_margin_ppm,
                maintenance_ppm=perpetual.maintenance_fraction_ppm,
                is_long=size > 0,
                perpetual=perpetual,
            )
        )
    return tuple(legs)
