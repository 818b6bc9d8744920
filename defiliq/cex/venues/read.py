"""Everything that a venue publishes of an asset, as one History per contract."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from defiliq.cex.history import History, Instrument, OrderBook, VenueData
from defiliq.cex.venues import binance, bybit, okx
from defiliq.cex.venues.cache import Cache
from defiliq.cex.venues.client import Client
from defiliq.cex.venues.columns import Reading, Source
from defiliq.cex.venues.config import MS, Say, VenueConfig, say_nothing
from defiliq.cex.venues.contracts import Contract, Wanted, asset_of, contracts_of
from defiliq.cex.venues.grid import utc
from defiliq.cex.venues.series import Kind, Series
from defiliq.errors import BadVenueAnswer, InputError, NoSuchContract, VenueError

VENUES: Final = ("binance", "bybit", "okx")
SERIES: Final[Mapping[str, Mapping[Kind, Series]]] = {
    "binance": binance.SERIES,
    "bybit": bybit.SERIES,
    "okx": okx.SERIES,
}
ORDER_BOOKS: Final[Mapping[str, Callable[[Client, Contract], OrderBook]]] = {
    "binance": binance.order_book,
    "bybit": bybit.order_book,
    "okx": okx.order_book,
}
MARKET_TYPES: Final = {
    "binance": ("linear", "inverse"),
    "bybit": ("linear", "inverse"),
    "okx": ("swap", "future"),
}
SETTLE_MS: Final = 5 * MS
"""A candle counts as closed so long after its end: clocks differ."""
CONTRACTS_KEPT_S: Final = 6 * 3_600
MAX_CANDLES: Final = 2_000_000
PRICE_STEP_S: Final = 60
PRICE_SPAN_S: Final = 900
"""How far back a price may lie: a contract that nobody trades has none in the last minute."""


class LastPrice(NamedTuple):
    """Where a contract was traded last."""

    instrument: Instrument
    price: float
    """In what the contract is quoted in, which counts as dollars."""
    at: int
    """The end of the minute whose close it is, a unix time."""


def read_venue(
    venue: str,
    asset: str,
    *,
    since_at: int,
    until_at: int,
    step_s: int,
    want_order_book: bool = True,
    contracts: Wanted = "perpetual",
    config: VenueConfig | None = None,
    cache: Cache | None = None,
    on_progress: Say = say_nothing,
) -> list[VenueData]:
    """What a venue publishes of an asset's contracts over [since, until), candles of `step_s` seconds.

    Of the columns, candles are needed: a contract without usable ones is left out, and where none is left a
    VenueError says why. What else fails is NaN with a sentence in `faults`. Safe in threads, one call each.
    InputError for a step or span that cannot be; NoSuchContract where the venue lists none; MissingExtra
    without ccxt.
    """
    settings = config if config is not None else VenueConfig()
    wanted = asset_of(asset)
    since_at, until_at = _span(venue, since_at, until_at, step_s, settings.now_ms())
    client = Client(venue, settings, MARKET_TYPES[venue])
    try:
        source = Source(client, cache, _origin(venue, settings), on_progress)
        found = [
            each for each in _contracts(source, wanted, contracts) if (each.listed_ms or 0) < until_at * MS
        ]
        readings = [Reading(source, SERIES[venue], each, step_s, since_at, until_at) for each in found]
        return _read_all(venue, wanted, readings, want_order_book)
    finally:
        client.close()


def read_prices(
    venue: str, assets: Sequence[str], *, config: VenueConfig | None = None
) -> dict[str, LastPrice | VenueError]:
    """The close of the last whole minute of each asset's first linear perpetual, or why there is none.

    A VenueError where the venue cannot be asked at all; MissingExtra without ccxt.
    """
    settings = config if config is not None else VenueConfig()
    client = Client(venue, settings, MARKET_TYPES[venue])
    found: dict[str, LastPrice | VenueError] = {}
    try:
        markets = client.markets()
        for asset in assets:
            try:
                first, *_ = contracts_of(venue, markets, asset_of(asset), "linear")
                found[asset] = _last_price(client, first)
            except (NoSuchContract, BadVenueAnswer) as error:
                found[asset] = error
    finally:
        client.close()
    return found


def _last_price(client: Client, contract: Contract) -> LastPrice:
    """The last close of a contract; BadVenueAnswer where there is none of late."""
    venue, now_ms = client.venue, client.config.now_ms()
    since_at, until_at = _span(venue, now_ms // MS - PRICE_SPAN_S, now_ms // MS, PRICE_STEP_S, now_ms)
    source = Source(client, None, _origin(venue, client.config), say_nothing)
    candles = Reading(source, SERIES[venue], contract, PRICE_STEP_S, since_at, until_at).candles()
    closes = candles.values[:, 3]
    known = np.flatnonzero(np.isfinite(closes))
    if not len(known):
        symbol = contract.instrument.symbol
        raise BadVenueAnswer(venue, f"no price of {symbol} between {utc(since_at)} and {utc(until_at)}")
    last = int(known[-1])
    return LastPrice(contract.instrument, float(closes[last]), int(candles.at[last]) + PRICE_STEP_S)


def _read_all(venue: str, asset: str, readings: Sequence[Reading], want_order_book: bool) -> list[VenueData]:
    """What each contract gives. One without usable candles is left out, and told with the first other."""
    got: list[VenueData] = []
    unusable: list[BadVenueAnswer] = []
    left_out: list[str] = []
    for reading in readings:
        try:
            got.append(_venue_data(reading, want_order_book))
        except BadVenueAnswer as error:
            unusable.append(error)
            left_out.append(f"{venue} {reading.contract.instrument.symbol} is left out: {error}")
    if not got:
        raise unusable[0] if unusable else NoSuchContract(venue, asset)
    if left_out:
        first = got[0].history
        got[0] = replace(got[0], history=replace(first, faults=(*first.faults, *left_out)))
    return got


def _span(venue: str, since_at: int, until_at: int, step_s: int, now_ms: int) -> tuple[int, int]:
    """The span of whole, closed candles within the one that is asked for."""
    if venue not in VENUES:
        raise InputError(f"no venue {venue!r}. Known: {', '.join(VENUES)}.")
    steps = SERIES[venue]["candles"].periods
    if step_s not in steps:
        raise InputError(
            f"{venue} has no candles of {step_s} s. It has {', '.join(str(step) for step in steps)}."
        )
    first = -(-since_at // step_s) * step_s
    last = min(until_at, (now_ms - SETTLE_MS) // MS) // step_s * step_s
    if first >= last:
        raise InputError(f"there is no closed candle between {utc(since_at)} and {utc(until_at)}.")
    if (last - first) // step_s > MAX_CANDLES:
        raise InputError(f"more than {MAX_CANDLES} candles at once. Ask for a shorter span or a longer step.")
    return first, last


def _origin(venue: str, config: VenueConfig) -> str:
    """The venue, and a mark of the address that stands in for it: its rows are others."""
    base = config.address(venue)
    return venue if base is None else f"{venue}-{zlib.crc32(base.encode()):08x}"


def _contracts(source: Source, asset: str, wanted: Wanted) -> list[Contract]:
    """The asset's contracts; kept for some hours, because the list of all contracts is long."""
    venue, now_at = source.client.venue, source.now_ms // MS
    name = f"{source.origin} {asset} {wanted} contracts"
    kept = source.cache.read_note(name, now_at, CONTRACTS_KEPT_S) if source.cache else None
    if kept is not None:
        try:
            return [Contract.from_json(value) for value in kept]
        except (TypeError, KeyError):
            source.say(f"the kept contracts of {venue} cannot be used: they are fetched anew")
    source.say(f"{venue}: contracts of {asset}")
    found = contracts_of(venue, source.client.markets(), asset, wanted)
    if source.cache:
        source.cache.write_note(name, [contract.to_json() for contract in found], now_at)
    return found


def _venue_data(reading: Reading, want_order_book: bool) -> VenueData:
    """One contract's columns, in the order of what the others need."""
    contract, source = reading.contract, reading.source
    candles = reading.candles()
    interest = reading.open_interest(candles)
    share = reading.taker_buy_share(candles)
    funding = reading.funding(candles)
    ratio = reading.long_short_ratio(candles)
    executed = reading.executed(candles)
    book = _order_book(reading) if want_order_book else None
    symbol = f"{source.client.venue} {contract.instrument.symbol}"
    history = History(
        instrument=contract.instrument,
        step_s=reading.step_s,
        at=candles.at,
        open_usd=candles.values[:, 0],
        high_usd=candles.values[:, 1],
        low_usd=candles.values[:, 2],
        close_usd=candles.values[:, 3],
        volume_usd=candles.values[:, 4],
        open_interest=interest,
        taker_buy_share=share,
        funding_rate=funding,
        long_short_ratio=ratio,
        executed=executed,
        fetched_at=source.now_ms // MS,
        source=source.client.source,
        faults=tuple(f"{symbol}: {fault}" for fault in reading.faults),
    )
    return VenueData(history, book)


def _order_book(reading: Reading) -> OrderBook | None:
    venue = reading.source.client.venue
    reading.source.say(f"{venue}: order book of {reading.contract.instrument.symbol}")
    try:
        return ORDER_BOOKS[venue](reading.source.client, reading.contract)
    except VenueError as error:
        reading.faults.append(f"no order book: {error}")
        return None
