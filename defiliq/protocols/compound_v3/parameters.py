"""What governs the absorptions of a Comet, by names that people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.storefront import BASE
from defiliq.protocols.parameters import fields_of, price_of, reserve_names

OF_MARKET: Final = (
    "comet",
    "absorb_paused",
    "buy_paused",
    "store_front_factor_wad",
    "target_reserves",
    "target_health_factor_wad",
)
OF_COLLATERAL: Final = (
    "asset",
    "borrow_factor_wad",
    "liquidate_factor_wad",
    "liquidation_factor_wad",
    "supply_cap",
)


def parameters(market: CometMarket) -> Mapping[str, str]:
    """What governance sets and absorptions hang on, in a fixed order.

    Factors are wads; caps and target reserves are in base units of their tokens.
    """
    return dict(_all(market))


def _all(market: CometMarket) -> Iterator[tuple[str, str]]:
    yield from fields_of(market, OF_MARKET)
    for k, name in enumerate(reserve_names(market.reserves)):
        reserve = market.reserves[k]
        yield from fields_of(reserve, ("asset",) if k == BASE else OF_COLLATERAL, name)
        yield from price_of(market, reserve.feed, name)
