"""What governs the liquidations of dYdX v4, by names that people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.parameters import fields_of, price_of, reserve_names

OF_LIQUIDATIONS: Final = (
    "max_liquidation_fee_ppm",
    "min_position_notional_liquidated",
    "max_position_portion_liquidated_ppm",
    "max_notional_liquidated",
    "max_quantums_insurance_lost",
    "bankruptcy_adjustment_ppm",
    "spread_to_maintenance_margin_ratio_ppm",
)
OF_PERPETUAL: Final = (
    "initial_margin_ppm",
    "maintenance_fraction_ppm",
    "open_interest_lower_cap",
    "open_interest_upper_cap",
    "is_isolated",
    "clob_status",
    "step_base_quantums",
    "subticks_per_tick",
    "quantum_conversion_exponent",
    "atomic_resolution",
    "exponent",
)


def parameters(market: DydxMarket) -> Mapping[str, str]:
    """What governance sets and liquidations hang on, in a fixed order, in the chain's own units."""
    return dict(_all(market))


def _all(market: DydxMarket) -> Iterator[tuple[str, str]]:
    yield from fields_of(market.liquidations, OF_LIQUIDATIONS, "liquidations")
    names = reserve_names(market.reserves)
    for name, perpetual in zip(names[1:], market.reserves[1:], strict=True):
        yield from fields_of(perpetual, OF_PERPETUAL, name)
        yield from price_of(market, perpetual.feed, name)
