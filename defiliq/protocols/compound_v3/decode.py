"""Thought without I/O: raw answers into a market. Everything here comes from outside and is checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from defiliq.chain.calldata import address_in, keccak
from defiliq.chain.text import clean_text, text_of, unique_symbols
from defiliq.chain.words import Words
from defiliq.errors import CallReverted, DecodeError, MissingPrice, UnsupportedReserve
from defiliq.oracle.compose import Quote
from defiliq.oracle.names import pair_name
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.fetch import RawMarket
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve, RateCurve
from defiliq.types import Block, Feed, Listing
from defiliq.units import HIGHEST_PRICE, WAD

PRICE_DECIMALS: Final = 8
"""Comet's constructor refuses feeds with others (PRICE_FEED_DECIMALS)."""
MAX_UINT40: Final = 2**40 - 1
MAX_UINT64: Final = 2**64 - 1
MAX_UINT104: Final = 2**104 - 1
MAX_UINT128: Final = 2**128 - 1
_CURRENCY: Final = re.compile("[A-Za-z][A-Za-z0-9]{1,11}")
_DOLLARS: Final = ("USD", "DAI")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A collateral without a price: the Comet itself reverts for a debtor whose value hangs on it."""

    offset: int
    symbol: str
    asset: str
    seen: str

    @property
    def reason(self) -> str:
        """Why debtors who hold it have no verdict."""
        return f"the Comet has no price for {self.symbol} ({self.asset}): {self.seen}"


@dataclass(frozen=True, slots=True)
class Priced:
    """One asset with what the Comet says of its price."""

    name: str
    source: str
    price: int


def decode_market(raw: RawMarket, listing: Listing, at: Block) -> tuple[CometMarket, tuple[Dropped, ...]]:
    """(the market without its price graph, collaterals lost for want of a price).

    MissingPrice where the base asset has none: then nobody has a verdict.
    """
    tokens = (raw.base, *(address_in(words[1], abi.GET_ASSET_INFO) for words in raw.assets))
    if len(set(tokens)) != len(tokens):
        raise DecodeError(abi.GET_ASSET_INFO, "the same asset twice")
    symbols = unique_symbols(raw.symbols, tokens)
    dropped: list[Dropped] = []
    kept: list[tuple[int, Priced]] = []
    for k, (token, symbol) in enumerate(zip(tokens, symbols, strict=True)):
        seen = decode_price(raw, k, symbol, token)
        if isinstance(seen, Priced):
            kept.append((k, seen))
        elif k == 0:
            raise MissingPrice(symbol, token, seen)
        else:
            dropped.append(Dropped(k - 1, symbol, token, seen))
    feeds, prices, feed_of = share_feeds([seen for _, seen in kept])
    reserves = tuple(
        _base(raw, symbols[0], feed) if k == 0 else _collateral(raw, k - 1, symbols[k], feed)
        for (k, _), feed in zip(kept, feed_of, strict=True)
    )
    market = _market(raw, listing, at, reserves, feeds, prices)
    return market.at_time(at.timestamp), tuple(dropped)


def _market(
    raw: RawMarket,
    listing: Listing,
    at: Block,
    reserves: tuple[CometReserve, ...],
    feeds: tuple[Feed, ...],
    prices: tuple[int, ...],
) -> CometMarket:
    plain, totals = raw.plain, raw.totals
    _require_sane(raw, at)
    rates = [plain[signature] for signature in abi.RATES]
    return CometMarket(
        protocol=listing.protocol,
        name=listing.name,
        version="" if raw.max_assets is None else f"{raw.max_assets}-asset",
        block=at,
        timestamp=at.timestamp,
        base_unit=10**PRICE_DECIMALS,
        base_symbol=base_symbol(raw, reserves[0].symbol),
        reserves=reserves,
        feeds=feeds,
        prices=prices,
        comet=raw.comet,
        supply_index=totals[0],
        borrow_index=totals[1],
        total_supply=totals[4],
        total_borrow=totals[5],
        accrued_at=totals[6],
        supply_rates=_curve(rates[:4]),
        borrow_rates=_curve(rates[4:]),
        store_front_factor_wad=plain[abi.STORE_FRONT_PRICE_FACTOR],
        target_reserves=plain[abi.TARGET_RESERVES],
        absorb_paused=plain[abi.IS_ABSORB_PAUSED] != 0,
        buy_paused=plain[abi.IS_BUY_PAUSED] != 0,
        target_health_factor_wad=raw.target_health_factor,
    )


def quote_of(market: CometMarket) -> Quote:
    """How a Comet's prices count."""
    return Quote(market.base_unit, market.base_symbol)


def base_symbol(raw: RawMarket, symbol: str) -> str:
    """What prices are told in: dollars, unless the base asset is the measure or its feed says otherwise.

    A base asset that always costs 1 is the measure of all others, as ETH in the WETH market; one that stands
    for a dollar is taken for dollars. Else the feed's description says it: 'WBTC / ETH'.
    """
    if raw.constant == 10**PRICE_DECIMALS:
        return "USD" if any(name in symbol.upper() for name in _DOLLARS) else symbol
    described = None if isinstance(raw.description, CallReverted) else text_of(raw.description)
    _, slash, quoted = pair_name(clean_text(described, "")).rpartition("/")
    words = quoted.split()
    return words[0] if slash and words and _CURRENCY.fullmatch(words[0]) else "USD"


def decode_price(raw: RawMarket, k: int, name: str, token: str) -> Priced | str:
    """The price of one of `raw.feeds`, or why there is none.

    UnsupportedReserve where the feed counts with other decimals than every Comet takes for granted.
    """
    source, answer, decimals = raw.feeds[k], raw.prices[k], raw.decimals[k]
    if isinstance(answer, CallReverted):
        why = f" with {abi.BAD_PRICE}" if answer.data[:4] == keccak(abi.BAD_PRICE)[:4] else ""
        return f"getPrice reverts{why}"
    if len(answer) != 32:
        raise DecodeError(f"{abi.GET_PRICE} for {name}", f"{len(answer)} bytes")
    if decimals is None or decimals[0] != PRICE_DECIMALS:
        has = "says no decimals" if decimals is None else f"has {decimals[0]} decimals"
        raise UnsupportedReserve(name, token, f"its price feed {source} {has}, where a Comet takes 8")
    price = int.from_bytes(answer, "big")
    if price == 0:
        return "getPrice answers 0"
    return f"getPrice answers {price}, above 2**128" if price > HIGHEST_PRICE else Priced(name, source, price)


def share_feeds(priced: Sequence[Priced]) -> tuple[tuple[Feed, ...], tuple[int, ...], tuple[int, ...]]:
    """(feeds, their prices, the feed of each asset): assets with the same price feed share it."""
    members: dict[tuple[str, int], list[str]] = {}
    for asset in priced:
        members.setdefault((asset.source, asset.price), []).append(asset.name)
    order = {key: k for k, key in enumerate(members)}
    feeds = tuple(Feed("+".join(names), source) for (source, _), names in members.items())
    feed_of = tuple(order[asset.source, asset.price] for asset in priced)
    return feeds, tuple(price for _, price in members), feed_of


def _base(raw: RawMarket, symbol: str, feed: int) -> CometReserve:
    return CometReserve(
        id=0,
        asset=raw.base,
        symbol=symbol,
        decimals=_decimals(raw.plain[abi.BASE_SCALE], abi.BASE_SCALE),
        feed=feed,
        offset=None,
        held=_held(raw, 0, symbol),
    )


def _collateral(raw: RawMarket, offset: int, symbol: str, feed: int) -> CometReserve:
    """One collateral as getAssetInfo describes it; its id is one more than its offset, as the base is 0."""
    what = f"{abi.GET_ASSET_INFO} of {symbol}"
    words = raw.assets[offset]
    if words[0] != offset:
        raise DecodeError(what, f"offset {words[0]}, not {offset}")
    if max(words[4:7]) > WAD:
        raise DecodeError(what, f"factors {', '.join(str(word) for word in words[4:7])}, not at most 1e18")
    if not raw.supplied.ok[offset]:
        raise DecodeError(f"{abi.TOTALS_COLLATERAL} of {symbol}", "no answer")
    supplied = number(raw.supplied, offset)
    if supplied > MAX_UINT128:
        raise DecodeError(f"{abi.TOTALS_COLLATERAL} of {symbol}", f"{supplied}, above 2**128")
    return CometReserve(
        id=offset + 1,
        asset=address_in(words[1], abi.GET_ASSET_INFO),
        symbol=symbol,
        decimals=_decimals(words[3], what),
        feed=feed,
        offset=offset,
        borrow_factor_wad=words[4],
        liquidate_factor_wad=words[5],
        liquidation_factor_wad=words[6],
        held=_held(raw, offset + 1, symbol),
        supplied=supplied,
        supply_cap=words[7],
    )


def _require_sane(raw: RawMarket, at: Block) -> None:
    """Refuse totals and rates that no Comet can hold."""
    supply_index, borrow_index, _, _, supplied, borrowed, accrued_at, _ = raw.totals
    if not all(0 < index <= MAX_UINT64 for index in (supply_index, borrow_index)):
        raise DecodeError(abi.TOTALS_BASIC, f"indices {supply_index} and {borrow_index}")
    if max(supplied, borrowed) > MAX_UINT104:
        raise DecodeError(abi.TOTALS_BASIC, f"totals {supplied} and {borrowed}")
    if not 0 < accrued_at <= min(at.timestamp, MAX_UINT40):
        seen = f"last accrued at {accrued_at}, the block's own timestamp is {at.timestamp}"
        raise DecodeError(abi.TOTALS_BASIC, seen)
    for signature in abi.RATES:
        if raw.plain[signature] > MAX_UINT64:
            raise DecodeError(signature, f"{raw.plain[signature]}, above 2**64")
    if raw.plain[abi.STORE_FRONT_PRICE_FACTOR] > WAD:
        raise DecodeError(abi.STORE_FRONT_PRICE_FACTOR, f"{raw.plain[abi.STORE_FRONT_PRICE_FACTOR]}")


def number(words: Words, row: int) -> int:
    """The first word of one answer."""
    return int.from_bytes(words.words[row, 0].tobytes(), "big")


def _held(raw: RawMarket, k: int, symbol: str) -> int:
    if not raw.held.ok[k]:
        raise DecodeError(f"{abi.BALANCE_OF} of {symbol}", "no answer")
    return number(raw.held, k)


def _curve(words: Sequence[int]) -> RateCurve:
    kink, low, high, base = words
    return RateCurve(kink_wad=kink, slope_low_wad=low, slope_high_wad=high, base_wad=base)


def _decimals(scale: int, what: str) -> int:
    """The decimals of a scale, which is a power of ten of at most 64 bits."""
    decimals = len(str(scale)) - 1
    if scale != 10**decimals or scale > MAX_UINT64:
        raise DecodeError(what, f"scale {scale}, which is no power of ten of a token")
    return decimals
