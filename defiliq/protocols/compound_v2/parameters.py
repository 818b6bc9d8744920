"""What governs the liquidations of a Comptroller, by names that people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.parameters import fields_of, price_of, reserve_names

OF_MARKET: Final = (
    "comptroller",
    "oracle",
    "close_factor_wad",
    "liquidation_incentive_wad",
    "seize_paused",
    "product_rounding",
)
OF_RESERVE: Final = (
    "asset",
    "c_token",
    "is_listed",
    "collateral_factor_wad",
    "is_deprecated",
    "reserve_factor_wad",
    "seize_share_wad",
)


def parameters(market: CompoundMarket) -> Mapping[str, str]:
    """What governance sets and liquidations hang on, in a fixed order; factors are wads."""
    return dict(_all(market))


def _all(market: CompoundMarket) -> Iterator[tuple[str, str]]:
    yield from fields_of(market, OF_MARKET)
    for name, reserve in zip(reserve_names(market.reserves), market.reserves, strict=True):
        yield from fields_of(reserve, OF_RESERVE, name)
        yield from price_of(market, reserve.feed, name)
