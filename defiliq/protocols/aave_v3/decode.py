"""Thought without I/O: raw answers into a market. Everything here comes from outside and is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from defiliq.chain.multicall import Words
from defiliq.chain.text import symbol_of, unique_symbols
from defiliq.errors import CallReverted, DecodeError, MissingPrice, NotAMarket
from defiliq.oracle.compose import Quote
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.fetch import (
    FIRST_LIQUID_EMODE_REVISION,
    RawEModes,
    RawMarket,
)
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.protocols.aave_v3.revisions import version_of
from defiliq.types import Block, Feed, Listing
from defiliq.units import HIGHEST_PRICE

MAX_DECIMALS = 77
"""10**77 is the largest power of ten inside uint256."""
MAX_UINT128 = 2**128 - 1
VIRTUAL_ACCOUNTING_BIT = 252
CAP_MASK = 2**36 - 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """ReserveConfigurationMap, the parts that decide health and liquidation."""

    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    decimals: int
    is_active: bool
    is_frozen: bool
    borrowing_enabled: bool
    is_paused: bool
    borrow_cap: int
    supply_cap: int
    liquidation_protocol_fee_bps: int
    emode_category: int
    virtual_accounting: bool

    @classmethod
    def of(cls, data: int) -> Configuration:
        """Cut the bitmap (DataTypes.ReserveConfigurationMap)."""
        return cls(
            ltv_bps=data & 0xFFFF,
            liquidation_threshold_bps=data >> 16 & 0xFFFF,
            liquidation_bonus_bps=data >> 32 & 0xFFFF,
            decimals=data >> 48 & 0xFF,
            is_active=bool(data >> 56 & 1),
            is_frozen=bool(data >> 57 & 1),
            borrowing_enabled=bool(data >> 58 & 1),
            is_paused=bool(data >> 60 & 1),
            borrow_cap=data >> 80 & CAP_MASK,
            supply_cap=data >> 116 & CAP_MASK,
            liquidation_protocol_fee_bps=data >> 152 & 0xFFFF,
            emode_category=data >> 168 & 0xFF,
            virtual_accounting=bool(data >> VIRTUAL_ACCOUNTING_BIT & 1),
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """A reserve without a price: whoever has a flag in it can be neither judged nor liquidated."""

    id: int
    symbol: str
    asset: str
    seen: str

    @property
    def reason(self) -> str:
        """Why its holders have no verdict."""
        return f"the oracle has no price for {self.symbol} ({self.asset}): {self.seen}"


@dataclass(frozen=True, slots=True)
class Priced:
    """One asset with what the oracle says of it."""

    name: str
    source: str
    price: int


def number(words: Words, row: int, word: int = 0) -> int:
    """One word of one answer."""
    return int.from_bytes(words.words[row, word].tobytes(), "big")


def decode_market(
    raw: RawMarket, listing: Listing, at: Block
) -> tuple[AaveMarket, tuple[Dropped, ...], tuple[int, ...]]:
    """(market without eModes, reserves lost for want of a price, ids without virtual accounting).

    MissingPrice when no reserve is left.
    """
    symbols = unique_symbols(raw.symbols, raw.assets)
    kept, dropped = _with_prices(raw, symbols)
    feeds, prices, feed_of = share_feeds([price for _, price in kept])
    reserves = tuple(
        decode_reserve(raw, row, symbols[row], feed, at) for (row, _), feed in zip(kept, feed_of, strict=True)
    )
    ids = [reserve.id for reserve in reserves] + [lost.id for lost in dropped]
    if len(set(ids)) != len(ids):
        raise DecodeError(abi.GET_RESERVE_DATA, "two reserves with the same id")
    unit = int.from_bytes(raw.base_unit, "big")
    if not 0 < unit <= MAX_UINT128:
        raise NotAMarket(raw.contracts.oracle, "an AaveOracle", f"its base currency unit is {unit}")
    market = AaveMarket(
        protocol=listing.protocol,
        name=listing.name,
        version=version_of(raw.contracts.revision),
        block=at,
        timestamp=at.timestamp,
        base_unit=unit,
        base_symbol="USD" if raw.base_symbol is None else symbol_of(raw.base_symbol, "base"),
        reserves=reserves,
        feeds=feeds,
        prices=prices,
        revision=raw.contracts.revision,
        emodes={},
        liquidations_allowed=decode_sentinel(raw),
        provider=raw.contracts.provider,
        pool=raw.contracts.pool,
        oracle=raw.contracts.oracle,
    )
    discounted = tuple(
        reserve.id
        for (row, _), reserve in zip(kept, reserves, strict=True)
        if not Configuration.of(number(raw.data, row)).virtual_accounting
    )
    return market.at_time(at.timestamp), dropped, discounted


def decode_quote(raw: RawMarket, market: AaveMarket) -> Quote:
    """How the market's oracle counts: its unit, the feeds that are the base currency itself, its fallback."""
    base = abi.address_of(raw.base_currency)
    own = (reserve.feed for reserve in market.reserves if base != abi.NOWHERE and reserve.asset == base)
    fallback = (
        None if isinstance(raw.fallback, CallReverted) else abi.address_of(raw.fallback.rjust(32, b"\0"))
    )
    return Quote(market.base_unit, market.base_symbol, frozenset(own), fallback or abi.NOWHERE)


def _with_prices(
    raw: RawMarket, symbols: Sequence[str]
) -> tuple[list[tuple[int, Priced]], tuple[Dropped, ...]]:
    """(rows with a price, reserves without). MissingPrice when none has one."""
    dropped: list[Dropped] = []
    kept: list[tuple[int, Priced]] = []
    for row, symbol in enumerate(symbols):
        price = decode_price(raw.prices, raw.sources, row, symbol)
        if isinstance(price, str):
            dropped.append(Dropped(_reserve_id(raw, row), symbol, raw.assets[row], price))
        else:
            kept.append((row, price))
    if not kept:
        raise MissingPrice(dropped[0].symbol, dropped[0].asset, f"{dropped[0].seen}; nor any other reserve")
    return kept, tuple(dropped)


def decode_sentinel(raw: RawMarket) -> bool:
    """Whether the sentinel lets liquidations through; one that answers otherwise is an error by name."""
    answer = raw.liquidations_allowed
    if answer is None:
        return True
    if isinstance(answer, CallReverted) or len(answer) != 32:
        sentinel = str(raw.contracts.sentinel)
        raise NotAMarket(
            sentinel, "a PriceOracleSentinel", f"it does not answer {abi.IS_LIQUIDATION_ALLOWED}"
        )
    return any(answer)


def decode_price(prices: Words, sources: Words, row: int, name: str) -> Priced | str:
    """A positive price with its source, or why there is none."""
    if not prices.ok[row]:
        return "getAssetPrice reverts"
    price = number(prices, row)
    if price == 0:
        return "getAssetPrice answers 0"
    if price > HIGHEST_PRICE:
        return f"getAssetPrice answers {price}, above 2**128"
    source = abi.address_of(sources.words[row, 0].tobytes()) if sources.ok[row] else None
    if source is None:
        raise DecodeError(f"{abi.GET_SOURCE_OF_ASSET} for {name}", "no address")
    return Priced(name, source, price)


def share_feeds(
    priced: Sequence[Priced],
) -> tuple[tuple[Feed, ...], tuple[int, ...], tuple[int, ...]]:
    """Feeds, their prices, and the feed of each asset: assets with one source and one price share a feed.

    An asset without a source of its own has a feed of its own. So has one whose price differs although the
    source is shared: then the oracle answered from elsewhere.
    """
    members: dict[tuple[str, int, int], list[str]] = {}
    keys = []
    for position, asset in enumerate(priced):
        alone = position if asset.source == abi.NOWHERE else -1
        key = (asset.source, asset.price, alone)
        members.setdefault(key, []).append(asset.name)
        keys.append(key)
    order = {key: k for k, key in enumerate(members)}
    feeds = tuple(Feed("+".join(names), source) for (source, _, _), names in members.items())
    return feeds, tuple(price for _, price, _ in members), tuple(order[key] for key in keys)


def decode_reserve(raw: RawMarket, row: int, symbol: str, feed: int, at: Block) -> AaveReserve:
    """One reserve, with indices as stored."""
    if not raw.data.ok[row]:
        raise DecodeError(f"{abi.GET_RESERVE_DATA} for {symbol}", "no answer")
    word = [number(raw.data, row, k) for k in range(raw.data.words.shape[1])]
    config = Configuration.of(word[0])
    liquid = raw.contracts.revision >= FIRST_LIQUID_EMODE_REVISION
    tokens = [abi.address_of(raw.data.words[row, k].tobytes()) for k in (8, 9, 10)]
    a_token, stable, variable = tokens
    grace = raw.grace
    what = f"{abi.GET_RESERVE_DATA} for {symbol}"
    if a_token is None or variable is None or (stable is None and not liquid):
        raise DecodeError(what, "words that are no token addresses")
    _require_sane(what, word, config.decimals, at)
    if grace is not None and not grace.ok[row]:
        raise DecodeError(f"{abi.GET_LIQUIDATION_GRACE_PERIOD} for {symbol}", "no answer")
    return AaveReserve(
        id=_reserve_id(raw, row),
        asset=raw.assets[row],
        symbol=symbol,
        decimals=config.decimals,
        feed=feed,
        a_token=a_token,
        variable_debt_token=variable,
        stable_debt_token=None if liquid or stable == abi.NOWHERE else stable,
        ltv_bps=config.ltv_bps,
        liquidation_threshold_bps=config.liquidation_threshold_bps,
        liquidation_bonus_bps=config.liquidation_bonus_bps,
        liquidation_protocol_fee_bps=config.liquidation_protocol_fee_bps,
        is_active=config.is_active,
        is_frozen=config.is_frozen,
        is_paused=config.is_paused,
        borrowing_enabled=config.borrowing_enabled,
        emode_category=0 if liquid else config.emode_category,
        grace_period_until=0 if grace is None else number(grace, row),
        liquidity_index_ray=word[1],
        liquidity_rate_ray=word[2],
        variable_borrow_index_ray=word[3],
        variable_borrow_rate_ray=word[4],
        updated_at=word[6],
        supply_cap=config.supply_cap,
        borrow_cap=config.borrow_cap,
    )


def _require_sane(what: str, word: Sequence[int], decimals: int, at: Block) -> None:
    """Refuse reserve data that no pool of Aave v3 can hold."""
    if not all(0 < index <= MAX_UINT128 for index in (word[1], word[3])):
        raise DecodeError(what, f"indices {word[1]} and {word[3]}")
    if not all(rate <= MAX_UINT128 for rate in (word[2], word[4])) or decimals > MAX_DECIMALS:
        raise DecodeError(what, f"rates {word[2]} and {word[4]}, {decimals} decimals")
    if word[6] > at.timestamp:
        raise DecodeError(what, f"last updated at {word[6]}, after the block's own {at.timestamp}")


def _reserve_id(raw: RawMarket, row: int) -> int:
    seen = number(raw.data, row, 7)
    if not raw.data.ok[row] or seen >= 128:
        raise DecodeError(f"{abi.GET_RESERVE_DATA} for {raw.assets[row]}", f"reserve id {seen}")
    return seen


def decode_emodes(raw: RawEModes) -> dict[int, EMode]:
    """The categories of revisions >= 5."""
    pieces = [raw.config, raw.collateral, raw.borrowable, raw.ltvzero, raw.isolated]
    if any(piece is not None and not piece.ok.all() for piece in pieces):
        raise DecodeError("eMode categories", "calls that are refused")
    return {
        k: EMode(
            id=k,
            label=symbol_of(raw.labels[row], f"eMode {k}"),
            ltv_bps=number(raw.config, row, 0),
            liquidation_threshold_bps=number(raw.config, row, 1),
            liquidation_bonus_bps=number(raw.config, row, 2),
            collateral_bitmap=number(raw.collateral, row),
            borrowable_bitmap=number(raw.borrowable, row),
            ltvzero_bitmap=0 if raw.ltvzero is None else number(raw.ltvzero, row),
            isolated=raw.isolated is not None and number(raw.isolated, row) != 0,
        )
        for row, k in enumerate(raw.ids)
    }


def decode_category(answer: bytes | CallReverted, k: int, members: int) -> tuple[EMode, str]:
    """One category of revisions <= 4 without its feed, and its own price source.

    `members` is the bitmap of the reserves that name it.
    """
    if isinstance(answer, CallReverted) or len(answer) < 7 * 32:
        raise DecodeError(f"{abi.GET_EMODE_DATA} for {k}", "no category")
    word = [int.from_bytes(answer[32 * n : 32 * n + 32], "big") for n in range(5)]
    source = abi.address_of(answer[128:160])
    if word[0] != 32 or source is None or max(word[1:4]) > 0xFFFF:
        raise DecodeError(f"{abi.GET_EMODE_DATA} for {k}", "words that are no category")
    # The label's offset counts from the struct, which starts one word into the answer.
    label = abi.text_at(answer[32:], int.from_bytes(answer[160:192], "big"))
    emode = EMode(
        id=k,
        label=abi.clean_text(label, f"eMode {k}"),
        ltv_bps=word[1],
        liquidation_threshold_bps=word[2],
        liquidation_bonus_bps=word[3],
        collateral_bitmap=members,
        borrowable_bitmap=members,
    )
    return emode, source


def members_of(reserves: Sequence[AaveReserve]) -> Mapping[int, int]:
    """Category to bitmap of the reserves that name it (revisions <= 4)."""
    bitmaps: dict[int, int] = {}
    for reserve in reserves:
        if reserve.emode_category != 0:
            bitmaps[reserve.emode_category] = bitmaps.get(reserve.emode_category, 0) | 1 << reserve.id
    return bitmaps
