"""Thought without I/O: raw answers into a market. Everything here comes from outside and is checked."""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.chain.text import unique_symbols
from defiliq.errors import CallReverted, DecodeError, UnsupportedFork, UnsupportedReserve
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.fetch import RawMarket
from defiliq.protocols.dydx_solo.market import SoloMarket, SoloReserve
from defiliq.protocols.dydx_solo.soundness import PRICE_DECIMALS, odd
from defiliq.types import Block, Feed, Listing
from defiliq.units import HIGHEST_PRICE, WAD


@dataclass(frozen=True, slots=True)
class Dropped:
    """A market without a price: Solo itself reverts for every account that has a par there."""

    number: int
    symbol: str
    asset: str
    seen: str

    @property
    def reason(self) -> str:
        """Why debtors who have a par there have no verdict."""
        return f"Solo has no price for {self.symbol} ({self.asset}): {self.seen}"


def decode_market(raw: RawMarket, listing: Listing, at: Block) -> tuple[SoloMarket, tuple[Dropped, ...]]:
    """(the contract without its price graph, markets lost for want of a price)."""
    if len(set(raw.tokens)) != len(raw.tokens):
        raise DecodeError(abi.MARKET, "the same token twice")
    symbols = unique_symbols(raw.symbols, raw.tokens)
    dropped: list[Dropped] = []
    reserves: list[SoloReserve] = []
    prices: list[int] = []
    for k, symbol in enumerate(symbols):
        price = decode_price(raw, k)
        if isinstance(price, str):
            dropped.append(Dropped(k, symbol, raw.tokens[k], price))
        else:
            reserves.append(decode_reserve(raw, k, symbol, len(reserves)))
            prices.append(price)
    market = _market(raw, listing, at, reserves, prices).at_time(at.timestamp)
    _require_its_own_interest(raw, market)
    return market, tuple(dropped)


def decode_price(raw: RawMarket, k: int) -> int | str:
    """The price of one token base unit with 36 decimals, or why there is none."""
    answer = raw.prices[k]
    if isinstance(answer, CallReverted):
        return f"{abi.MARKET_PRICE} reverts"
    if len(answer) != 32:
        raise DecodeError(f"{abi.MARKET_PRICE} of market {k}", f"{len(answer)} bytes")
    price = int.from_bytes(answer, "big")
    if price == 0:
        return f"{abi.MARKET_PRICE} answers 0"
    return price if price <= HIGHEST_PRICE else f"{abi.MARKET_PRICE} answers {price}, above 2**128"


def decode_reserve(raw: RawMarket, k: int, symbol: str, feed: int) -> SoloReserve:
    """One market as getMarket describes it."""
    words, rate, decimals = raw.markets[k], raw.rates[k], raw.decimals[k]
    if rate is None:
        raise DecodeError(f"{abi.INTEREST_RATE} of {symbol}", "no answer")
    if decimals is None or decimals[0] > PRICE_DECIMALS:
        seen = (
            "it says no decimals" if decimals is None else f"{decimals[0]} decimals leave none for its price"
        )
        raise UnsupportedReserve(symbol, raw.tokens[k], seen)
    if words[10] > 1:
        raise DecodeError(f"{abi.MARKET} of {symbol}", f"isClosing is {words[10]}")
    reserve = SoloReserve(
        id=k,
        asset=raw.tokens[k],
        symbol=symbol,
        decimals=decimals[0],
        feed=feed,
        oracle=raw.oracles[k],
        total_borrow_par=words[1],
        total_supply_par=words[2],
        borrow_index_wad=words[3],
        supply_index_wad=words[4],
        accrued_at=words[5],
        borrow_rate_wad=rate[0],
        margin_premium_wad=words[8],
        spread_premium_wad=words[9],
        is_closing=words[10] != 0,
    )
    for reason in odd(reserve):
        raise DecodeError(f"{abi.MARKET} of {symbol}", reason)
    return reserve


def _market(
    raw: RawMarket, listing: Listing, at: Block, reserves: list[SoloReserve], prices: list[int]
) -> SoloMarket:
    margin_ratio, spread, earnings_rate, min_borrowed = raw.risk
    if earnings_rate > WAD:
        raise DecodeError(abi.RISK_PARAMS, f"an earnings rate of {earnings_rate}, above 1e18")
    for reserve in reserves:
        if reserve.accrued_at > at.timestamp:
            seen = f"last updated at {reserve.accrued_at}, the block's own timestamp is {at.timestamp}"
            raise DecodeError(f"{abi.MARKET} of {reserve.symbol}", seen)
    return SoloMarket(
        protocol=listing.protocol,
        name=listing.name,
        version="v1",
        block=at,
        timestamp=at.timestamp,
        base_unit=10**PRICE_DECIMALS,
        base_symbol="USD",
        reserves=tuple(reserves),
        feeds=tuple(
            Feed(reserve.symbol, reserve.oracle, 10 ** (PRICE_DECIMALS - reserve.decimals))
            for reserve in reserves
        ),
        prices=tuple(prices),
        solo_margin=raw.solo_margin,
        margin_ratio_wad=margin_ratio,
        liquidation_spread_wad=spread,
        earnings_rate_wad=earnings_rate,
        min_borrowed_value_base=min_borrowed,
    )


def _require_its_own_interest(raw: RawMarket, market: SoloMarket) -> None:
    """The contract must accrue as the law does: it is asked for its indices at the block."""
    for reserve in market.reserves:
        said = raw.indices[reserve.id]
        ours = reserve.borrow_index_now_wad, reserve.supply_index_now_wad, market.timestamp
        if said is None:
            raise DecodeError(f"{abi.CURRENT_INDEX} of {reserve.symbol}", "no answer")
        if said != ours:
            shown = ", ".join(str(word) for word in said)
            seen = f"its indices of {reserve.symbol} at the block are {shown}, by Solo's interest {ours}"
            raise UnsupportedFork(market.solo_margin, seen)
