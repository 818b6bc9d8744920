"""Collateral that moves between the USDC balance and positions, beyond what the chain's own table asks."""

from __future__ import annotations

import pytest

from defiliq.protocols.dydx_v4.margining import margined
from defiliq.protocols.dydx_v4.settle import Position, Subaccount
from defiliq.protocols.dydx_v4.updates import PositionChange, Update
from tests.protocols.dydx_v4.states import chain, perpetual

MARKET = chain([perpetual(1), perpetual(2)], [1000, 1000])


@pytest.mark.parametrize(
    ("usdc", "given", "taken"),
    [
        (31, 30, 0),
        (30, 30, 0),  # exactly enough: the other position keeps what it has
        (29, 30, 970),  # one short: it gives all that is beyond its own margin
    ],
)
def test_other_positions_give_only_where_usdc_does_not_suffice(usdc: int, given: int, taken: int) -> None:
    raw = Subaccount("dydx1a", 0, ((0, usdc),), (Position(1, 1, 0, 0),))
    found = margined(Update(raw, (), (PositionChange(0, 1, -1000),)), MARKET)
    changes = {change.perpetual_id: change for change in found.positions}
    assert changes[0] == PositionChange(0, 1, -1000 + given)
    assert changes.get(1, PositionChange(1, 0)) == PositionChange(1, 0, -taken)
    assert found.assets == ((0, taken - given),)


def test_a_position_at_its_margin_needs_nothing() -> None:
    raw = Subaccount("dydx1a", 0, ((0, 500),), ())
    update = Update(raw, (), (PositionChange(0, 1, -970),))
    assert margined(update, MARKET) == update
