"""Which contracts a venue lists for an asset, as ccxt's markets say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from defiliq.cex.history import Instrument
from defiliq.errors import BadVenueAnswer, InputError, NoSuchContract

Json: TypeAlias = Any
Wanted: TypeAlias = Literal["linear", "inverse", "perpetual", "quarterly", "all"]
"""linear and inverse are perpetuals, settled in dollars and in the asset; perpetual is both."""

WANTED: Final = ("linear", "inverse", "perpetual", "quarterly", "all")
DOLLARS: Final = ("USDT", "USDC", "USD")
"""Quotes that count as dollars, in the order in which contracts are listed."""
MAX_CONTRACTS: Final = 24
"""Of one asset at one venue."""
LARGEST_SIZE: Final = Decimal(10**12)
"""Of a contract; the smallest is its inverse. Each digit of an exponent beyond would be written out."""
_ASSET: Final = re.compile(r"[A-Z0-9]{1,20}")
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,60}")


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract with what its venue's endpoints want to know of it."""

    instrument: Instrument
    market_id: str
    """The venue's own name: BTCUSDT, BTC-USD-SWAP."""
    size: str
    """What one contract is of, as a decimal: coins (linear) or dollars (inverse)."""
    family: str
    """Binance: the pair (BTCUSD); OKX: the instrument family (BTC-USD); else empty."""
    kind: str
    """Binance: PERPETUAL, CURRENT_QUARTER …; OKX: SWAP or FUTURES; else empty."""
    listed_ms: int | None
    """When trading began, if it is said."""

    @property
    def is_inverse(self) -> bool:
        """Whether a contract is of dollars and settled in the asset."""
        return self.instrument.is_inverse

    @property
    def category(self) -> str:
        """Bybit's word for it."""
        return "inverse" if self.is_inverse else "linear"

    def to_json(self) -> Json:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Json) -> Contract:
        """From `to_json`; TypeError or KeyError where it is none."""
        return cls(**{**value, "instrument": Instrument(**value["instrument"])})


def asset_of(asset: str) -> str:
    """The asset in capitals; InputError where it cannot be one."""
    wanted = asset.strip().upper()
    if not _ASSET.fullmatch(wanted):
        raise InputError(f"{asset[:40]!r} is no asset. Give one like BTC or ETH.")
    return wanted


def contracts_of(venue: str, markets: Sequence[Json], asset: str, wanted: Wanted) -> list[Contract]:
    """The asset's contracts against dollars that are traded now: perpetuals first, linear before inverse.

    NoSuchContract where there is none.
    """
    if wanted not in WANTED:
        raise InputError(f"{wanted!r} names no contracts. Known: {', '.join(WANTED)}.")
    found = []
    for market in markets:
        is_dated = bool(market.get("future"))
        if not (is_dated or market.get("swap")):
            continue
        if not is_wanted(wanted, is_dated=is_dated, is_inverse=bool(market.get("inverse"))):
            continue
        if market.get("base") != asset or market.get("quote") not in DOLLARS or not market.get("active"):
            continue
        found.append(_contract(venue, market, is_dated))
    if not found:
        raise NoSuchContract(venue, asset)
    if len(found) > MAX_CONTRACTS:
        raise BadVenueAnswer(venue, f"{len(found)} contracts of {asset}")
    return sorted(found, key=_order)


def is_wanted(wanted: Wanted, *, is_dated: bool, is_inverse: bool) -> bool:
    """Whether a contract of that kind was asked for."""
    if wanted in ("all", "quarterly"):
        return wanted == "all" or is_dated
    return not is_dated and (wanted == "perpetual" or is_inverse == (wanted == "inverse"))


def _contract(venue: str, market: Json, is_dated: bool) -> Contract:
    info = market.get("info") or {}
    symbol, market_id = str(market.get("symbol")), str(market.get("id"))
    expiry_ms, listed_ms = market.get("expiry"), market.get("created")
    if not _ID.fullmatch(market_id) or not symbol.isprintable() or (is_dated and expiry_ms is None):
        raise BadVenueAnswer(venue, f"a contract of the unusable name {market_id[:40]!r}")
    instrument = Instrument(
        venue=venue,
        symbol=symbol,
        asset=str(market["base"]),
        settle=str(market.get("settle")),
        is_inverse=bool(market.get("inverse")),
        expires_at=int(expiry_ms) // 1000 if is_dated else None,
    )
    return Contract(
        instrument=instrument,
        market_id=market_id,
        size=_size(venue, market, info),
        family=str(info.get("pair") or info.get("instFamily") or ""),
        kind=str(info.get("instType") or info.get("contractType") or ""),
        listed_ms=None if listed_ms is None else int(listed_ms),
    )


def _size(venue: str, market: Json, info: Json) -> str:
    """OKX: ctVal times ctMult. Binance: contractSize (dollars) of inverse ones; else a coin, or a dollar."""
    if venue == "okx":
        texts = (str(info.get("ctVal")), str(info.get("ctMult") or "1"))
    elif venue == "binance" and market.get("inverse"):
        texts = (str(info.get("contractSize")), "1")
    else:
        return "1"
    try:
        size = Decimal(texts[0]) * Decimal(texts[1])
    except ArithmeticError:
        size = Decimal(0)
    if not (size.is_finite() and 1 / LARGEST_SIZE <= size <= LARGEST_SIZE):
        raise BadVenueAnswer(venue, f"no size of contract {str(market.get('id'))[:40]!r}")
    return f"{size.normalize():f}"


def _order(contract: Contract) -> tuple[bool, bool, int, int, str]:
    instrument = contract.instrument
    settled = DOLLARS.index(instrument.settle) if instrument.settle in DOLLARS else len(DOLLARS)
    return (
        instrument.expires_at is not None,
        instrument.is_inverse,
        instrument.expires_at or 0,
        settled,
        instrument.symbol,
    )
