"""Changes of settled subaccounts, and which of them the chain lets through (x/subaccounts lib and keeper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import Risk, Transition, position_risk, undercollateralized_transition
from defiliq.protocols.dydx_v4.settle import Position, Subaccount, places_of, unjudged

_NO_LEVERAGE: Mapping[int, int] = MappingProxyType({})


class PositionChange(NamedTuple):
    """What a perpetual position grows by; negative where it shrinks."""

    perpetual_id: int
    quantums: int
    quote_balance: int = 0


class Update(NamedTuple):
    """What happens to one settled subaccount."""

    subaccount: Subaccount
    assets: tuple[tuple[int, int], ...] = ()
    """(asset id, quantums that it grows by)"""
    positions: tuple[PositionChange, ...] = ()


def updated(update: Update, market: DydxMarket) -> Subaccount:
    """The subaccount after its update; what falls to nothing is gone (CalculateUpdatedSubaccount)."""
    assets = dict(update.subaccount.assets)
    for asset, quantums in update.assets:
        assets[asset] = assets.get(asset, 0) + quantums
    positions = {held.perpetual_id: held for held in update.subaccount.positions}
    places = places_of(market)
    for change in update.positions:
        held = positions.get(change.perpetual_id)
        if held is None:
            if change.perpetual_id not in places:
                raise ChainRefused("ErrPerpetualDoesNotExist", f"{change.perpetual_id}")
            index = market.reserves[places[change.perpetual_id]].funding_index
            held = Position(change.perpetual_id, 0, index)
        positions[change.perpetual_id] = replace(
            held,
            quantums=held.quantums + change.quantums,
            quote_balance=held.quote_balance + change.quote_balance,
        )
    return replace(
        update.subaccount,
        assets=tuple((asset, quantums) for asset, quantums in sorted(assets.items()) if quantums),
        positions=tuple(held for _, held in sorted(positions.items()) if held.quantums or held.quote_balance),
    )


def subaccount_risk(
    settled: Subaccount, market: DydxMarket, custom_imf_ppm: Mapping[int, int] = _NO_LEVERAGE
) -> Risk:
    """A settled subaccount's net collateral and margins (GetRiskForSubaccount).

    `custom_imf_ppm` maps perpetual ids to the least initial margin that the owner has asked for.
    """
    reason = unjudged(settled, market)
    if reason:
        raise ChainRefused("GetRiskForSubaccount", reason)
    total, places = Risk(net_collateral=settled.usdc), places_of(market)
    for held in settled.positions:
        place, custom = places[held.perpetual_id], custom_imf_ppm.get(held.perpetual_id, 0)
        total += position_risk(market.reserves[place], market.price_of(place), held.quantums, custom)
        total += Risk(net_collateral=held.quote_balance)
    return total


def open_interest_delta(updates: Sequence[Update]) -> tuple[int, int] | None:
    """(perpetual id, base quantums) that a match of two subaccounts adds to open interest, None where nothing
    (GetDeltaOpenInterestFromUpdates): what both become longer, counting what is short as 0.
    """
    if len(updates) != 2:
        raise ChainRefused("ErrMatchUpdatesMustHaveTwoUpdates", f"{len(updates)} updates")
    if any(len(update.positions) != 1 for update in updates):
        raise ChainRefused("ErrMatchUpdatesMustUpdateOnePerp", "one position change in each update")
    one, other = (update.positions[0] for update in updates)
    if one.perpetual_id != other.perpetual_id:
        raise ChainRefused("ErrMatchUpdatesMustBeSamePerpId", f"{one.perpetual_id}, {other.perpetual_id}")
    if one.quantums + other.quantums:
        raise ChainRefused("ErrMatchUpdatesInvalidSize", f"{one.quantums} against {other.quantums}")
    delta = 0
    for update in updates:
        held = update.subaccount.position(one.perpetual_id)
        before = 0 if held is None else held.quantums
        delta += max(0, before + update.positions[0].quantums) - max(0, before)
    return (one.perpetual_id, delta) if delta else None


def with_open_interest(market: DydxMarket, change: tuple[int, int] | None) -> DydxMarket:
    """The market after a match has changed one perpetual's open interest."""
    if change is None:
        return market
    place = places_of(market)[change[0]]
    reserves = list(market.reserves)
    perpetual = reserves[place]
    reserves[place] = replace(perpetual, open_interest=perpetual.open_interest + change[1])
    return replace(market, reserves=tuple(reserves))


def transition(update: Update, after: Subaccount, market: DydxMarket) -> Transition:
    """What the chain says of one update, at the market's open interest (internalCanUpdateSubaccounts)."""
    risk = subaccount_risk(after, market)
    if risk.is_initial_collateralized:
        return "success"
    return undercollateralized_transition(subaccount_risk(update.subaccount, market), risk)


def matched(updates: Sequence[Update], market: DydxMarket) -> tuple[tuple[Subaccount, ...], DydxMarket]:
    """Both subaccounts and the market after a match; ChainRefused where one of them may not end there
    (UpdateSubaccounts).

    Margins are judged at the open interest after the match. A subaccount whose last isolated position closes
    takes its USDC back to the common pool, which the chain refuses where that is negative.
    """
    there = with_open_interest(market, open_interest_delta(updates))
    after = tuple(updated(update, there) for update in updates)
    for update, subaccount in zip(updates, after, strict=True):
        verdict = transition(update, subaccount, there)
        if verdict != "success":
            raise ChainRefused("ErrFailedToUpdateSubaccounts", f"{subaccount.name}: {verdict}")
    for update, subaccount in zip(updates, after, strict=True):
        place = places_of(market)[update.positions[0].perpetual_id]
        closes_isolated = market.reserves[place].is_isolated and not subaccount.positions
        if closes_isolated and subaccount.usdc < 0:
            raise ChainRefused("ErrFailedToUpdateSubaccounts", f"{subaccount.name} owes its collateral pool")
    return after, there
