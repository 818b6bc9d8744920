"""Thought without I/O: raw answers into a market. Everything here comes from outside and is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from defiliq.chain.text import symbol_of, unique_symbols
from defiliq.chain.words import Words
from defiliq.errors import CallReverted, DecodeError, MissingPrice, UnsupportedReserve
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.accrual import exchange_rate
from defiliq.protocols.compound_v2.fetch import RawMarket
from defiliq.protocols.compound_v2.market import COIN, Clock, CompoundMarket, CTokenReserve
from defiliq.types import Block, ChainId, Feed, Listing
from defiliq.units import HIGHEST_PRICE, WAD

PRICE_DECIMALS: Final = 36
"""The decimals of an oracle's price and of the token together (PriceOracle.getUnderlyingPrice)."""
MAX_MANTISSA: Final = 2**128 - 1
COIN_DECIMALS: Final = 18
COINS: Final[Mapping[ChainId, str]] = {
    1: "ETH",
    10: "ETH",
    56: "BNB",
    137: "POL",
    250: "FTM",
    1284: "GLMR",
    1285: "MOVR",
    8453: "ETH",
    42161: "ETH",
    43114: "AVAX",
}
"""The coin of each chain, by its id; elsewhere it goes by the cToken's own symbol."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A cToken without a price: the Comptroller answers no liquidity for whoever entered it."""

    c_token: str
    symbol: str
    asset: str
    seen: str

    @property
    def reason(self) -> str:
        """Why whoever entered it has no verdict."""
        return f"the oracle has no price for {self.symbol} ({self.asset}): {self.seen}"


def number(words: Words, row: int, word: int = 0) -> int:
    """One word of one answer."""
    return int.from_bytes(words.words[row, word].tobytes(), "big")


def decode_market(
    raw: RawMarket, listing: Listing, at: Block
) -> tuple[CompoundMarket, tuple[Dropped, ...], tuple[int, ...]]:
    """(market at the block with stored indices, cTokens lost for want of a price, rows that are kept).

    How it accrues, how its products round, and how long its blocks take, is not decided here.
    MissingPrice where no cToken is left.
    """
    symbols = decode_symbols(raw, at.chain_id)
    rows, dropped = _with_prices(raw, symbols)
    clock = decode_clock(raw, rows, symbols, at)
    reserves = tuple(
        _decode_reserve(raw, row, symbols[row], feed, clock, at) for feed, row in enumerate(rows)
    )
    market = CompoundMarket(
        protocol=listing.protocol,
        name=listing.name,
        version="2",
        block=at,
        timestamp=at.timestamp,
        base_unit=WAD,
        base_symbol="USD",
        reserves=reserves,
        feeds=tuple(
            Feed(reserve.symbol, raw.comptroller.oracle, 10 ** (PRICE_DECIMALS - reserve.decimals))
            for reserve in reserves
        ),
        prices=tuple(number(raw.prices, row) for row in rows),
        comptroller=raw.comptroller.address,
        oracle=raw.comptroller.oracle,
        close_factor_wad=raw.comptroller.close_factor_wad,
        liquidation_incentive_wad=raw.comptroller.liquidation_incentive_wad,
        seize_paused=raw.comptroller.seize_paused,
        vai_controller=raw.comptroller.vai_controller,
        clock=clock,
        pace_blocks=1,
        pace_seconds=1,
    )
    return market, dropped, rows


def _with_prices(raw: RawMarket, symbols: Sequence[str]) -> tuple[tuple[int, ...], tuple[Dropped, ...]]:
    """(rows with a price, cTokens without). MissingPrice when none has one."""
    seen = [_price(raw.prices, row) for row in range(len(raw.c_tokens))]
    rows = tuple(row for row, price in enumerate(seen) if isinstance(price, int))
    dropped = tuple(
        Dropped(raw.c_tokens[row], symbols[row], decode_asset(raw, row), price)
        for row, price in enumerate(seen)
        if isinstance(price, str)
    )
    if not rows:
        lost = dropped[0]
        raise MissingPrice(lost.symbol, lost.asset, f"{lost.seen}; nor any other cToken")
    return rows, dropped


def decode_symbols(raw: RawMarket, chain_id: ChainId) -> tuple[str, ...]:
    """What each underlying is called; where two cTokens share one, each gets the start of its address."""
    coin = COINS.get(chain_id)
    said: list[bytes | CallReverted] = [
        answer if raw.underlying.ok[row] or coin is None else coin.encode().ljust(32, b"\0")
        for row, answer in enumerate(raw.symbols)
    ]
    return unique_symbols(said, raw.c_tokens)


def decode_asset(raw: RawMarket, row: int) -> str:
    """The underlying's address; the coin's where the cToken has no underlying()."""
    if not raw.underlying.ok[row]:
        return COIN
    asset = abi.address_of(raw.underlying.words[row, 0].tobytes())
    if asset is None:
        raise DecodeError(f"{abi.UNDERLYING} of {raw.c_tokens[row]}", "no address")
    return asset


def decode_clock(raw: RawMarket, rows: Sequence[int], symbols: Sequence[str], at: Block) -> Clock:
    """What interest counts in all cTokens alike; mixed ones are refused by name."""
    first = _clock(raw, rows[0], at)
    for row in rows[1:]:
        clock = _clock(raw, row, at)
        if clock != first:
            raise UnsupportedReserve(
                symbols[row], raw.c_tokens[row], f"it accrues per {clock}, the cTokens before it per {first}"
            )
    return first


def _clock(raw: RawMarket, row: int, at: Block) -> Clock:
    """What a cToken counts. Some forks keep seconds under the names of blocks: those lie beyond any block."""
    if raw.block_clock.ok[row] and raw.block_rate.ok[row]:
        return "block" if number(raw.block_clock, row) <= at.number else "timestamp"
    if raw.second_clock.ok[row] and raw.second_rate.ok[row]:
        return "timestamp"
    raise DecodeError(
        f"the clock of cToken {raw.c_tokens[row]}",
        f"it answers neither {abi.ACCRUAL_BLOCK} nor {abi.ACCRUAL_TIMESTAMP} with a rate",
    )


def _price(prices: Words, row: int) -> int | str:
    """A positive price, or why there is none."""
    if not prices.ok[row]:
        return "getUnderlyingPrice reverts"
    price = number(prices, row)
    if price == 0:
        return "getUnderlyingPrice answers 0"
    return price if price <= HIGHEST_PRICE else f"getUnderlyingPrice answers {price}, above 2**128"


def _decode_reserve(
    raw: RawMarket, row: int, symbol: str, feed: int, clock: Clock, at: Block
) -> CTokenReserve:
    """One cToken with indices as stored."""
    c_token, asset = raw.c_tokens[row], decode_asset(raw, row)
    for signature, words in zip(abi.STATE, raw.state, strict=True):
        if not words.ok[row]:
            raise DecodeError(f"{signature} of the cToken of {symbol}", "no answer")
    cash, borrows, reserves, supply, stored_rate, index, reserve_factor = (
        number(words, row) for words in raw.state
    )
    is_named_by_block = raw.block_clock.ok[row] and raw.block_rate.ok[row]
    counts, rates = (
        (raw.block_clock, raw.block_rate) if is_named_by_block else (raw.second_clock, raw.second_rate)
    )
    if not raw.listed.ok[row]:
        raise DecodeError(f"{abi.MARKETS} for {symbol}", "no answer")
    reserve = CTokenReserve(
        id=row,
        asset=asset,
        symbol=symbol,
        decimals=_decimals(raw, row, symbol, asset),
        feed=feed,
        c_token=c_token,
        c_symbol=symbol_of(raw.c_symbols[row], f"{c_token[:6]}..{c_token[-4:]}"),
        is_listed=number(raw.listed, row) != 0,
        collateral_factor_wad=number(raw.listed, row, 1),
        is_deprecated=bool(raw.deprecated.ok[row]) and number(raw.deprecated, row) != 0,
        cash=cash,
        total_borrows=borrows,
        total_reserves=reserves,
        total_supply=supply,
        initial_exchange_rate_wad=stored_rate if supply == 0 else 0,
        reserve_factor_wad=reserve_factor,
        borrow_rate_wad=number(rates, row),
        borrow_index_wad=index,
        accrued_at=number(counts, row),
        seize_share_wad=number(raw.seize_share, row) if raw.seize_share.ok[row] else 0,
        accrues_plainly=True,
    )
    _require_sane(reserve, stored_rate, at.number if clock == "block" else at.timestamp)
    return reserve


def _decimals(raw: RawMarket, row: int, symbol: str, asset: str) -> int:
    if not raw.underlying.ok[row]:
        return COIN_DECIMALS
    if not raw.underlying_decimals.ok[row]:
        raise UnsupportedReserve(symbol, asset, "it answers no decimals")
    decimals = number(raw.underlying_decimals, row)
    if decimals > PRICE_DECIMALS:
        raise UnsupportedReserve(symbol, asset, f"it has {decimals} decimals, prices leave room for 36")
    return decimals


def _require_sane(reserve: CTokenReserve, stored_rate: int, tick: int) -> None:
    """Refuse a cToken whose answers do not fit each other."""
    what = f"the state of {reserve.c_symbol} ({reserve.c_token})"
    mantissas = (stored_rate, reserve.borrow_index_wad, reserve.borrow_rate_wad, reserve.total_borrows)
    if max(mantissas) > MAX_MANTISSA or not (stored_rate and reserve.borrow_index_wad):
        names = ("exchange rate", "borrow index", "borrow rate", "borrows")
        seen = ", ".join(f"{name} {one}" for name, one in zip(names, mantissas, strict=True))
        raise DecodeError(what, seen)
    if max(reserve.collateral_factor_wad, reserve.reserve_factor_wad, reserve.seize_share_wad) > WAD:
        raise DecodeError(what, "a factor above 1")
    if reserve.accrued_at > tick:
        raise DecodeError(what, f"accrued at {reserve.accrued_at}, after the block's own {tick}")
    own = exchange_rate(reserve, reserve.total_borrows, reserve.total_reserves)
    if own != stored_rate:
        seen = f"its exchange rate is {stored_rate}, where cash, borrows and reserves give {own}"
        raise UnsupportedReserve(reserve.symbol, reserve.c_token, seen)
