"""Small valid markets, accounts and books, with whatever a test wants to differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from defiliq.book import Book
from defiliq.pricing.graph import (
    Discount,
    Fixed,
    Fraction,
    Growing,
    Input,
    Least,
    PriceGraph,
    Quantity,
)
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


_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY
_GRAPH_SHAPES: Final = {
    # symbol: decimals, threshold, position of its price in the graph
    "WETH": (18, 8250, 0),
    "wstETH": (18, 8000, 4),
    "weETH": (18, 7900, 8),
    "USDC": (6, 7800, 11),
    "WBTC": (8, 7800, 14),
    "USDT": (6, 7500, 17),
    "PT-sUSDe": (18, 7000, 19),
    "GHO": (18, 0, 20),
    "LDO": (18, 5000, 21),
}


def price_graph(inputs: Mapping[str, int] | None = None) -> PriceGraph:
    """A graph with every kind of quantity; `inputs` puts some inputs elsewhere, by name.

    At first wstETH stands under its growing cap, weETH is held by its own (which catches up in 44 days),
    WBTC's second feed is stale, and PT-sUSDe is discounted for 90 more days.
    """
    elsewhere = {} if inputs is None else inputs

    def quoted(
        number: int, name: str, value: int, timing: tuple[int | None, int | None, int | None]
    ) -> Input:
        return Input(name, "aggregator", address(number), elsewhere.get(name, value), 8, *timing)

    def ratio(number: int, name: str, value: int) -> Input:
        return Input(name, "ratio", address(number), elsewhere.get(name, value), 18)

    def growing(start: int, yearly_bps: int) -> Growing:
        return Growing(start, NOW - 30 * _DAY, start * yearly_bps * 10**6 // (10**4 * _YEAR), 10**6)

    fresh, daily, stale = (NOW - 37, 3600, 50), (NOW - _DAY // 2, _DAY, 25), (NOW - 2 * _DAY, _DAY, 200)
    quantities: tuple[Quantity, ...] = (
        quoted(0xD000, "ETH/USD", 3000_00000000, fresh),
        ratio(0xF001, "wstETH/ETH ratio", 1_200000000000000007),
        growing(1_197000000000000000, 968),
        Least((1, 2), "capped ratio", address(0xD001)),
        Fraction((0, 3), (), 1, 10**18, "Capped wstETH / stETH(ETH) / USD", address(0xD001)),
        ratio(0xF005, "weETH/ETH ratio", 1_100000000000000000),
        growing(1_080000000000000000, 912),
        Least((5, 6), "capped ratio", address(0xD002)),
        Fraction((0, 7), (), 1, 10**18, "Capped weETH / eETH(ETH) / USD", address(0xD002)),
        quoted(0xF009, "USDC/USD", 99980000, daily),
        Fixed(1_04000000, "cap", address(0xD003)),
        Least((9, 10), "Capped USDC / USD", address(0xD003)),
        quoted(0xF00C, "BTC/USD", 60000_00000000, fresh),
        quoted(0xF00D, "WBTC/BTC", 99900000, stale),
        Fraction((13, 12), (), 10**8, 10**16, "WBTC / BTC / USD", address(0xD004)),
        quoted(0xF00F, "USDT/USD", 1_00050000, daily),
        Fixed(1_04000000, "cap", address(0xD005)),
        Least((15, 16), "Capped USDT / USD", address(0xD005)),
        Discount(10**18, 75 * 10**15, NOW + 90 * _DAY, _YEAR),
        Fraction((17, 18), (), 1, 10**18, "PT Capped sUSDe USDT/USD linear discount", address(0xD006)),
        Fixed(10**8, "GHO / USD", address(0xD007)),
        Input("LDO/USD", "unresolved", address(0xD008), elsewhere.get("LDO/USD", 1_50000000), 8),
    )
    feeds = tuple(position for _, _, position in _GRAPH_SHAPES.values())
    return PriceGraph(quantities, feeds, ("WBTC/BTC is stale: answered 172800 s ago, heartbeat 86400 s",))


def graph_market(inputs: Mapping[str, int] | None = None, **changes: Any) -> AaveMarket:
    """A market of nine reserves whose feeds are resolved; see `price_graph`."""
    graph = price_graph(inputs)
    reserves = [
        plain_reserve(
            k,
            symbol,
            decimals,
            ltv_bps=max(0, threshold_bps - 500),
            liquidation_threshold_bps=threshold_bps,
            liquidation_bonus_bps=10500,
        )
        for k, (symbol, (decimals, threshold_bps, _)) in enumerate(_GRAPH_SHAPES.items())
    ]
    return plain_market(reserves, graph.prices(NOW), **{"graph": graph} | changes)


def account_in(
    market: AaveMarket, number: int, legs: Mapping[str, tuple[float, float]], mode: int = 0
) -> Account:
    """An account of any market from (supplied, owed) in whole tokens by symbol, exact to six digits."""
    position = {reserve.symbol: k for k, reserve in enumerate(market.reserves)}

    def base_units(symbol: str, amount: float) -> int:
        return round(amount * 10**6) * market.reserves[position[symbol]].unit // 10**6

    built = tuple(
        Leg(position[symbol], base_units(symbol, supplied), base_units(symbol, owed), supplied > 0)
        for symbol, (supplied, owed) in legs.items()
    )
    return Account(address(number), mode, built)


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
