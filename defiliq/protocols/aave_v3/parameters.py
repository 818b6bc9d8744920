"""What governs the liquidations of an Aave v3 market, by names that people know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from defiliq.protocols.aave_v3.fetch import FIRST_LIQUID_EMODE_REVISION
from defiliq.protocols.aave_v3.market import AaveMarket, EMode
from defiliq.protocols.parameters import fields_of, named_bits, price_of, reserve_names

OF_MARKET: Final = ("revision", "pool", "oracle", "liquidations_allowed")
OF_RESERVE: Final = (
    "asset",
    "ltv_bps",
    "liquidation_threshold_bps",
    "liquidation_bonus_bps",
    "liquidation_protocol_fee_bps",
    "is_active",
    "is_frozen",
    "is_paused",
    "borrowing_enabled",
    "supply_cap",
    "borrow_cap",
    "grace_period_until",
)
OF_EMODE: Final = ("label", "ltv_bps", "liquidation_threshold_bps", "liquidation_bonus_bps")


def parameters(market: AaveMarket) -> Mapping[str, str]:
    """What governance sets and liquidations hang on, in a fixed order.

    Caps are in whole tokens, 0 for none, as the configuration bitmap has them; times are unix seconds. An
    eMode that no reserve is in governs nothing and is left out.
    """
    return dict(_all(market))


def _all(market: AaveMarket) -> Iterator[tuple[str, str]]:
    yield from fields_of(market, OF_MARKET)
    names = reserve_names(market.reserves)
    for name, reserve in zip(names, market.reserves, strict=True):
        yield from fields_of(reserve, OF_RESERVE, name)
        yield from price_of(market, reserve.feed, name)
    by_id = {reserve.id: name for name, reserve in zip(names, market.reserves, strict=True)}
    for k in sorted(market.emodes):
        if market.emodes[k].collateral_bitmap or market.emodes[k].borrowable_bitmap:
            yield from _of_emode(market, market.emodes[k], by_id)


def _of_emode(market: AaveMarket, emode: EMode, names: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    path = f"eMode {emode.id}"
    yield from fields_of(emode, OF_EMODE, path)
    yield f"{path}.collateral", named_bits(emode.collateral_bitmap, names)
    if market.revision < FIRST_LIQUID_EMODE_REVISION:
        source = "none" if emode.feed is None else market.feeds[emode.feed].source
        yield f"{path}.price_source", source
        return
    yield f"{path}.borrowable", named_bits(emode.borrowable_bitmap, names)
    yield f"{path}.ltvzero", named_bits(emode.ltvzero_bitmap, names)
    yield from fields_of(emode, ("isolated",), path)
