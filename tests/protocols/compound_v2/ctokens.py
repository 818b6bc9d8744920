"""Small valid Comptrollers and accounts, with whatever a test wants to differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve
from defiliq.types import Account, Feed, Leg
from defiliq.units import WAD
from tests.builders import BLOCK, NOW, address

OWNER: Final = address(1)
PLENTY: Final = 2**120


def ctoken(position: int, symbol: str, decimals: int = 18, **changes: Any) -> CTokenReserve:
    """A cToken whose indices stand at one, with a feed of its own and no interest, but for the changes."""
    plain = CTokenReserve(
        id=position,
        asset=address(0xA000 + position),
        symbol=symbol,
        decimals=decimals,
        feed=position,
        c_token=address(0xB000 + position),
        c_symbol=f"c{symbol}",
        is_listed=True,
        collateral_factor_wad=75 * WAD // 100,
        is_deprecated=False,
        cash=0,
        total_borrows=PLENTY,
        total_reserves=0,
        total_supply=PLENTY,
        initial_exchange_rate_wad=WAD,
        reserve_factor_wad=0,
        borrow_rate_wad=0,
        borrow_index_wad=WAD,
        accrued_at=BLOCK.number,
        seize_share_wad=0,
        accrues_plainly=True,
        exchange_rate_now_wad=WAD,
        borrow_index_now_wad=WAD,
    )
    return replace(plain, **changes)


def comptroller(reserves: Sequence[CTokenReserve], prices: Sequence[int], **changes: Any) -> CompoundMarket:
    """A market of some cTokens, whose feeds stand in their order; indices stay as the cTokens have them."""
    plain = CompoundMarket(
        protocol="compound-v2",
        name="Local",
        version="",
        block=BLOCK,
        timestamp=NOW,
        base_unit=WAD,
        base_symbol="USD",
        reserves=tuple(reserves),
        feeds=tuple(
            Feed(r.symbol, address(0xD000 + k), int(10 ** max(0, 36 - r.decimals)))
            for k, r in enumerate(reserves)
        ),
        prices=tuple(prices),
        comptroller=address(0xE001),
        oracle=address(0xE002),
        close_factor_wad=WAD // 2,
        liquidation_incentive_wad=108 * WAD // 100,
        seize_paused=False,
        clock="block",
        pace_blocks=1,
        pace_seconds=12,
    )
    return replace(plain, **changes)


def holds(reserve: int, tokens: int = 0, owed: int = 0, *, entered: bool = True, index_wad: int = WAD) -> Leg:
    """One leg: cTokens, and a debt as it stood when the borrow index was `index_wad`."""
    return Leg(reserve, tokens, owed, entered, debt_index=index_wad if owed else 0)


def owner(*legs: Leg) -> Account:
    """An account of some legs."""
    return Account(OWNER, 0, legs)
