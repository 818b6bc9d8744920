"""What governs the liquidations of Solo Margin, by names that people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.protocols.parameters import fields_of, price_of, reserve_names

OF_MARKET: Final = (
    "solo_margin",
    "margin_ratio_wad",
    "liquidation_spread_wad",
    "earnings_rate_wad",
    "min_borrowed_value_base",
)
OF_RESERVE: Final = ("asset", "oracle", "margin_premium_wad", "spread_premium_wad", "is_closing")


def parameters(market: SoloMarket) -> Mapping[str, str]:
    """What the owner sets and liquidations hang on, in a fixed order; ratios and premiums are wads."""
    return dict(_all(market))


def _all(market: SoloMarket) -> Iterator[tuple[str, str]]:
    yield from fields_of(market, OF_MARKET)
    for name, reserve in zip(reserve_names(market.reserves), market.reserves, strict=True):
        yield from fields_of(reserve, OF_RESERVE, name)
        yield from price_of(market, reserve.feed, name)
