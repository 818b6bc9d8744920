"""Collateral that belongs to one position: quote balances (x/subaccounts/keeper margining.go).

The chain carries this arithmetic and does not use it yet: every quote balance on it is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.risk import Risk, position_risk
from defiliq.protocols.dydx_v4.settle import USDC, Position, places_of
from defiliq.protocols.dydx_v4.updates import PositionChange, Update, updated


@dataclass(slots=True)
class _Moves:
    """An update while collateral is moved between the USDC balance and positions."""

    usdc: int
    """What the balance would be."""
    assets: dict[int, int]
    positions: dict[int, PositionChange]
    needs: dict[int, int] = field(default_factory=dict)
    """Perpetual ids that need more than there was."""

    def move(self, perpetual_id: int, collateral: int) -> None:
        """Give a position collateral of the USDC balance; take it back where negative."""
        if collateral == 0:
            return
        self.assets[USDC] = self.assets.get(USDC, 0) - collateral
        change = self.positions.get(perpetual_id, PositionChange(perpetual_id, 0))
        self.positions[perpetual_id] = change._replace(quote_balance=change.quote_balance + collateral)
        self.usdc -= collateral


def margined(update: Update, market: DydxMarket) -> Update:
    """An update with the collateral that it makes positions give back or need (GetMarginedUpdates).

    A closed position gives all back. One below its maintenance margin is filled up, from USDC where that
    suffices; else every position first gives what it has beyond its own margin.
    """
    after = updated(update, market)
    held = {position.perpetual_id: position for position in after.positions}
    moves = _Moves(
        usdc=after.usdc,
        assets=dict(update.assets),
        positions={change.perpetual_id: change for change in update.positions},
    )
    places = places_of(market)
    for perpetual_id in [change.perpetual_id for change in update.positions]:
        if perpetual_id in held:
            _settle(held[perpetual_id], moves, market, places)
    if moves.needs:
        for position in update.subaccount.positions:
            risk = _risk(position, market, places)
            moves.move(position.perpetual_id, -max(0, risk.net_collateral - risk.maintenance_margin))
        for perpetual_id, needed in sorted(moves.needs.items()):
            moves.move(perpetual_id, min(needed, moves.usdc))
    return Update(
        update.subaccount,
        tuple(sorted(moves.assets.items())),
        tuple(change for _, change in sorted(moves.positions.items())),
    )


def _settle(position: Position, moves: _Moves, market: DydxMarket, places: Mapping[int, int]) -> None:
    """Take a closed position's collateral, or give an open one what its margin lacks."""
    if position.quantums == 0:
        moves.move(position.perpetual_id, -position.quote_balance)
        return
    risk = _risk(position, market, places)
    lacks = risk.maintenance_margin - risk.net_collateral
    if lacks <= 0:
        return
    if moves.usdc >= lacks:
        moves.move(position.perpetual_id, lacks)
    else:
        moves.needs[position.perpetual_id] = lacks


def _risk(position: Position, market: DydxMarket, places: Mapping[int, int]) -> Risk:
    place = places[position.perpetual_id]
    risk = position_risk(market.reserves[place], market.price_of(place), position.quantums)
    return risk + Risk(net_collateral=position.quote_balance)
