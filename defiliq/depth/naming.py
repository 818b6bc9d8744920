"""How depth is called in output."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from defiliq.depth.venue import Token

_MORE_DOLLARS: Final = frozenset({"DAI", "GHO", "FRAX", "XDAI", "SDAI"})


def short(amount: Fraction) -> str:
    """An amount in a few letters: 1.2B, 350M, 12.5k, 80; cut, not rounded."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if amount >= size:
            return _plain(int(amount * 100 // size), 100) + letter
    return _plain(int(amount * 100), 100)


def percent(ppm: int) -> str:
    """Millionths as a percentage: 4%, 0.05%."""
    return _plain(ppm, 10**4) + "%"


def pool_name(kind: str, base: Token, quote: Token, fee_pips: int, address: str) -> str:
    """What a pool is called: Uniswap v3 WETH/USDC 0.05% 0x88e6..5640."""
    return f"{kind} {base.symbol}/{quote.symbol} {percent(fee_pips)} {address[:6]}..{address[-4:]}"


def is_dollar(symbol: str) -> bool:
    """Whether a token goes by a dollar's name."""
    return "USD" in symbol.upper() or symbol.upper() in _MORE_DOLLARS


def is_or_wraps(symbol: str, asset: str) -> bool:
    """Whether a token goes by an asset's name, or by that of the wrapped one: WETH for ETH."""
    return symbol.casefold() in (asset.strip().casefold(), f"w{asset.strip()}".casefold())


def base_first(first: Token, second: Token) -> tuple[Token, Token]:
    """A pair with the token first that one would call the price of: the one that is no dollar."""
    if is_dollar(first.symbol) and not is_dollar(second.symbol):
        return second, first
    return first, second


def _plain(parts: int, whole: int) -> str:
    """parts / whole, where whole is a power of ten, without zeros at the end."""
    units, rest = divmod(parts, whole)
    places = str(rest).rjust(len(str(whole)) - 1, "0").rstrip("0")
    return f"{units}.{places}" if places else str(units)
