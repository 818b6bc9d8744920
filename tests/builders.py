"""Small valid markets, accounts and books, with whatever a test wants to differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from defiliq.book import Book
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.types import Account, Block, Feed, Leg, checksum
from defiliq.units import RAY

NOW: Final = 1_764_000_000
HASH: Final = "0x" + "ab" * 32
BLOCK: Final = Block(31337, 120, HASH, NOW)

_SHAPES: Final = {
    # symbol: decimals, price, threshold, LTV, bonus
    "WETH": (18, 3000_00000000, 8250, 8000, 10500),
    "wstETH": (18, 3600_00000000, 8000, 7500, 10600),
    "WBTC": (8, 60000_00000000, 7800, 7300, 10500),
    "USDC": (6, 1_00000000, 7800, 7500, 10450),
    "DAI": (18, 1_00000000, 7700, 6300, 10500),
}
SYMBOLS: Final = tuple(_SHAPES)


def address(number: int) -> str:
    """An EIP-55 address that says its number."""
    return checksum(number.to_bytes(20, "big"))


def plain_reserve(position: int, symbol: str, decimals: int, **changes: Any) -> AaveReserve:
    """A reserve with a feed of its own, no threshold, and indices that stand at one, but for the changes."""
    plain = AaveReserve(
        id=position,
        asset=address(0xA000 + position),
        symbol=symbol,
        decimals=decimals,
        feed=position,
        a_token=address(0xB000 + position),
        variable_debt_token=address(0xC000 + position),
        stable_debt_token=None,
        ltv_bps=0,
        liquidation_threshold_bps=0,
        liquidation_bonus_bps=0,
        liquidation_protocol_fee_bps=1000,
        is_active=True,
        is_frozen=False,
        is_paused=False,
        borrowing_enabled=True,
        emode_category=0,
        grace_period_until=0,
        liquidity_index_ray=RAY,
        liquidity_rate_ray=0,
        variable_borrow_index_ray=RAY,
        variable_borrow_rate_ray=0,
        updated_at=NOW,
    )
    return replace(plain, **changes)


def plain_market(reserves: Sequence[AaveReserve], prices: Sequence[int], **changes: Any) -> AaveMarket:
    """A market of some reserves, whose feeds stand in their order, at the time of its block."""
    plain = AaveMarket(
        protocol="aave-v3",
        name="Local",
        version="3.6",
        block=BLOCK,
        timestamp=NOW,
        base_unit=10**8,
        base_symbol="USD",
        reserves=tuple(reserves),
        feeds=tuple(Feed(r.symbol, address(0xD000 + k)) for k, r in enumerate(reserves)),
        prices=tuple(prices),
        revision=10,
        emodes={},
        liquidations_allowed=True,
        provider=address(0xE001),
        pool=address(0xE002),
        oracle=address(0xE003),
    )
    return replace(plain, **changes).at_time(NOW)


def reserve(symbol: str, position: int, **changes: Any) -> AaveReserve:
    """One of the five reserves."""
    decimals, _, threshold_bps, ltv_bps, bonus_bps = _SHAPES[symbol]
    plain = plain_reserve(
        position,
        symbol,
        decimals,
        ltv_bps=ltv_bps,
        liquidation_threshold_bps=threshold_bps,
        liquidation_bonus_bps=bonus_bps,
    )
    return replace(plain, **changes)


def market(
    *,
    revision: int = 10,
    reserves: Mapping[str, Mapping[str, Any]] | None = None,
    emodes: Sequence[EMode] = (),
    **prices: int,
) -> AaveMarket:
    """A market of five reserves, each with a feed of its own; prices by symbol, as oracle integers."""
    changes = {} if reserves is None else reserves
    return plain_market(
        [reserve(symbol, k, **changes.get(symbol, {})) for k, symbol in enumerate(SYMBOLS)],
        [prices.get(symbol, _SHAPES[symbol][1]) for symbol in SYMBOLS],
        revision=revision,
        emodes={emode.id: emode for emode in emodes},
    )


def account(number: int = 1, *, mode: int = 0, **legs: tuple[float, float]) -> Account:
    """An account from (supplied, owed) in whole tokens by symbol: account(WETH=(1, 0), USDC=(0, 2000))."""
    built = tuple(
        Leg(SYMBOLS.index(symbol), tokens(symbol, supplied), tokens(symbol, owed), supplied > 0)
        for symbol, (supplied, owed) in legs.items()
    )
    return Account(address(number), mode, built)


def tokens(symbol: str, amount: float) -> int:
    """Whole tokens as base units, exact to six digits after the point."""
    return round(amount * 10**6) * int(10 ** _SHAPES[symbol][0]) // 10**6


def book(accounts: Sequence[Account] | None = None, at: AaveMarket | None = None) -> Book[AaveMarket]:
    """A book of some accounts, or of one of every outcome: price on both sides, already, never, no debt."""
    chosen = every_outcome() if accounts is None else accounts
    return Book.build(market() if at is None else at, chosen)


def every_outcome() -> list[Account]:
    """Accounts that break down, break up, are broken, cannot break, and owe nothing."""
    return [
        account(1, WETH=(1, 0), USDC=(0, 2000)),
        account(2, USDC=(10_000, 0), WETH=(0, 2)),
        account(3, WETH=(1, 0), USDC=(0, 2600)),
        account(4, USDC=(10_000, 0), DAI=(0, 1000)),
        account(5, WETH=(2, 0)),
        account(6, WETH=(10, 0), WBTC=(0.5, 0), USDC=(0, 30_000), DAI=(0, 5_000)),
        Account(address(7), 0, ()),
        account(8, wstETH=(10, 0), WETH=(0, 9)),
    ]
