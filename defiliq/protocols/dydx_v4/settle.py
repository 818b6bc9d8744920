"""A subaccount as the chain keeps it, and as it judges it: with funding settled.

Funding is a signed index per perpetual. What a position has not been charged since its own index was written
is summed over all positions in millionths of a quote quantum and rounded down once, onto the USDC balance
(x/subaccounts/lib GetSettledSubaccountWithPerpetuals, x/perpetuals/lib GetSettlementPpmWithPerpetual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.types import Account, Leg
from defiliq.units import PPM

USDC = 0
"""Both the chain's id of the asset and its place in a market's reserves."""


@dataclass(frozen=True, slots=True)
class Position:
    """One perpetual position as a subaccount stores it."""

    perpetual_id: int
    quantums: int
    """Base quantums: positive for a long, negative for a short."""
    funding_index: int
    """The perpetual's index when the position was last settled."""
    quote_balance: int = 0
    """Quote quantums that are set aside for this position and count as collateral all the same."""


@dataclass(frozen=True, slots=True)
class Subaccount:
    """One subaccount as the chain stores it."""

    owner: str
    number: int
    assets: tuple[tuple[int, int], ...] = ()
    """(asset id, quantums); asset 0 is USDC, in quote quantums."""
    positions: tuple[Position, ...] = ()
    margin_enabled: bool = False

    @property
    def name(self) -> str:
        """As accounts are named here."""
        return f"{self.owner}/{self.number}"

    @property
    def usdc(self) -> int:
        """The USDC balance, which may be negative (GetUsdcPosition)."""
        return sum(quantums for asset, quantums in self.assets if asset == USDC)

    def position(self, perpetual_id: int) -> Position | None:
        """Its position in a perpetual, if it has one."""
        return next((held for held in self.positions if held.perpetual_id == perpetual_id), None)


def places_of(market: DydxMarket) -> dict[int, int]:
    """Perpetual id to place in the market's reserves."""
    return {reserve.id: place for place, reserve in enumerate(market.reserves) if place != USDC}


def settlement_ppm(now: int, then: int, quantums: int) -> int:
    """What funding from one index to another brings a position, in millionths of a quote quantum.

    A long pays as the index grows, a short is paid.
    """
    return (then - now) * quantums


def funding_due(raw: Subaccount, market: DydxMarket, places: Mapping[int, int]) -> int:
    """The quote quantums that settling adds to the USDC balance."""
    total_ppm = sum(
        settlement_ppm(
            market.reserves[places[held.perpetual_id]].funding_index, held.funding_index, held.quantums
        )
        for held in raw.positions
    )
    return total_ppm // PPM


def settled(raw: Subaccount, market: DydxMarket) -> Subaccount:
    """The subaccount with all funding paid and its positions' indices written anew."""
    places = places_of(market)
    usdc = raw.usdc + funding_due(raw, market, places)
    others = tuple((asset, quantums) for asset, quantums in raw.assets if asset != USDC)
    positions = tuple(
        replace(held, funding_index=market.reserves[places[held.perpetual_id]].funding_index)
        for held in raw.positions
    )
    return replace(raw, assets=((USDC, usdc), *others) if usdc else others, positions=positions)


def unjudged(raw: Subaccount, market: DydxMarket, places: Mapping[int, int] | None = None) -> str:
    """Why the chain would not judge a subaccount, or could not have made it; '' where it judges it.

    No asset but USDC is collateral or debt on it.
    """
    known = places_of(market) if places is None else places
    for asset, quantums in raw.assets:
        if asset != USDC and quantums > 0:
            return f"it holds asset {asset}, and only USDC is collateral (ErrNotImplementedMulticollateral)"
        if asset != USDC and quantums < 0:
            return f"it owes asset {asset}, and only USDC can be owed (ErrNotImplementedMargin)"
    for held in raw.positions:
        if held.perpetual_id not in known:
            return f"it has a position in unknown perpetual {held.perpetual_id} (ErrPerpetualDoesNotExist)"
    if len({asset for asset, _ in raw.assets}) < len(raw.assets):
        return "it has two balances of one asset"
    if len({held.perpetual_id for held in raw.positions}) < len(raw.positions):
        return "it has two positions in one perpetual"
    return ""


def to_account(raw: Subaccount, market: DydxMarket, places: Mapping[int, int] | None = None) -> Account:
    """The account that is judged: settled USDC with every position's quote balance, and the positions.

    Ask `unjudged` first: it must have nothing to say.
    """
    known = places_of(market) if places is None else places
    usdc = raw.usdc + funding_due(raw, market, known) + sum(held.quote_balance for held in raw.positions)
    legs = [Leg(USDC, max(0, usdc), max(0, -usdc), True)]
    legs += [
        Leg(
            known[held.perpetual_id],
            max(0, held.quantums),
            max(0, -held.quantums),
            True,
            funding_index=held.funding_index,
        )
        for held in raw.positions
        if held.quantums
    ]
    return Account(raw.name, 0, tuple(legs))
