"""Binance's answers. Shapes as in ccxt's `binance.py` and the venue's docs of USD-M and COIN-M futures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.cex.stub.world import MS, Bar, Refusal, World, over, text

Json = Any
PERIODS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "12h": 43_200,
    "1d": 86_400,
}
STATISTICS_KEPT_MS = 30 * 86_400 * MS
WIDEST_INVERSE_S = 200 * 86_400
NO_EXPIRY_MS = 4_133_404_800_000


def name_of(world: World) -> str:
    """BTCUSDT, BTCUSD_PERP, BTCUSDT_261225."""
    pair = f"{world.instrument.asset}{world.quote}"
    ending = world.day or ("PERP" if world.is_inverse else "")
    return f"{pair}_{ending}" if ending else pair


def answer(worlds: Sequence[World], path: str, query: dict[str, str], now_ms: int) -> Json:
    """What the venue says; KeyError for another path."""
    api, _, rest = path.strip("/").partition("/")
    if (api, rest) == ("futures", "data/openInterestHist"):
        return _open_interest(worlds, query, now_ms)
    if (api, rest) == ("futures", "data/globalLongShortAccountRatio"):
        return _ratio(worlds, query, now_ms)
    if (api, rest) == ("futures", "data/takerlongshortRatio"):
        return _taker(worlds, query, now_ms)
    mine = [world for world in worlds if world.is_inverse == {"fapi": False, "dapi": True}[api]]
    if rest == "v1/exchangeInfo":
        return {"timezone": "UTC", "serverTime": now_ms, "symbols": [_symbol(world) for world in mine]}
    speak = {
        "v1/klines": _klines,
        "v1/fundingRate": _funding,
        "v1/depth": _depth,
        "v1/premiumIndex": _premium,
    }[rest]
    return speak(_named(mine, query), query, now_ms)


def _refuse(code: int, message: str) -> Refusal:
    return Refusal(400, {"code": code, "msg": message})


def _named(worlds: Sequence[World], query: dict[str, str]) -> World:
    for world in worlds:
        if name_of(world) == query.get("symbol"):
            return world
    raise _refuse(-1121, "Invalid symbol.")


def _limit(query: dict[str, str], default: int, most: int) -> int:
    limit = int(query.get("limit", default))
    if not 0 < limit <= most:
        raise _refuse(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit


def _span(query: dict[str, str], now_ms: int) -> tuple[float, float]:
    """[start, end) in seconds; both bounds of a question are inclusive milliseconds."""
    since_ms, until_ms = int(query.get("startTime", 0)), int(query.get("endTime", now_ms))
    if since_ms > until_ms:
        raise _refuse(-4109, "startTime is later than endTime.")
    return since_ms / MS, (until_ms + 1) / MS


def _kind(world: World) -> str:
    return "PERPETUAL" if world.instrument.expires_at is None else "CURRENT_QUARTER"


def _symbol(world: World) -> Json:
    instrument = world.instrument
    expires_at = instrument.expires_at
    found = {
        "symbol": name_of(world),
        "pair": f"{instrument.asset}{world.quote}",
        "contractType": _kind(world),
        "deliveryDate": NO_EXPIRY_MS if expires_at is None else expires_at * MS,
        "onboardDate": int(world.history.at[0]) * MS,
        "baseAsset": instrument.asset,
        "quoteAsset": world.quote,
        "marginAsset": instrument.settle,
        "pricePrecision": 1,
        "quantityPrecision": 3,
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "9e6", "tickSize": "0.1"}],
    }
    if world.is_inverse:
        return found | {"contractStatus": "TRADING", "contractSize": int(world.size)}
    return found | {"status": "TRADING"}


def _klines(world: World, query: dict[str, str], now_ms: int) -> Json:
    since, until = _span(query, now_ms)
    bars = world.bars(PERIODS[query["interval"]], now_ms // MS, since, until)
    limit = _limit(query, 500, 1_500)
    if world.is_inverse and "startTime" in query and until - since > WIDEST_INVERSE_S + 1:
        raise _refuse(-1130, "the span between startTime and endTime is longer than 200 days.")
    # The oldest from a start on; without one, or of coin-margined contracts, the newest.
    is_oldest = "startTime" in query and not world.is_inverse
    return [_kline(world, bar) for bar in (bars[:limit] if is_oldest else bars[-limit:])]


def _kline(world: World, bar: Bar) -> Json:
    if world.is_inverse:
        volumes = (over(bar.volume_usd, world.size), text(bar.volume_usd / bar.close_usd))
        bought = (over(bar.bought_usd, world.size), text(bar.bought_usd / bar.close_usd))
    else:
        # What is served as coins has the same share as the dollars have: counted in 1/1,024 dollars.
        volumes = (text(bar.volume_usd / 1_024), text(bar.volume_usd))
        bought = (text(bar.bought_usd / 1_024), text(bar.bought_usd))
    prices = [text(price) for price in (bar.open_usd, bar.high_usd, bar.low_usd, bar.close_usd)]
    return [bar.at * MS, *prices, volumes[0], bar.until_at * MS - 1, volumes[1], 40, *bought, "0"]


def _statistics(worlds: Sequence[World], query: dict[str, str], now_ms: int) -> tuple[World, list[Bar]]:
    """Readings by the end of their period: never older than 30 days, the newest of what fits the page."""
    since, until = _span(query, now_ms)
    if "startTime" in query and since * MS < now_ms - STATISTICS_KEPT_MS:
        raise _refuse(-1130, "parameter 'startTime' is invalid.")
    if "pair" in query:
        kind = query.get("contractType")  # the ratio is told per pair, for all of its contracts
        mine = [
            world
            for world in worlds
            if world.is_inverse
            and f"{world.instrument.asset}{world.quote}" == query["pair"]
            and kind in (None, _kind(world))
        ]
        if not mine:
            raise _refuse(-1121, "Invalid symbol.")
        world = mine[0]
    else:
        world = _named([world for world in worlds if not world.is_inverse], query)
    period_s, now_s = PERIODS[query["period"]], now_ms // MS
    bars = world.bars(period_s, now_s, since - period_s, until - period_s)
    oldest = (now_ms - STATISTICS_KEPT_MS) / MS
    done = [bar for bar in bars if oldest <= bar.until_at <= now_s]
    return world, done[-_limit(query, 30, 500) :]


def _open_interest(worlds: Sequence[World], query: dict[str, str], now_ms: int) -> Json:
    world, bars = _statistics(worlds, query, now_ms)
    if world.is_inverse:
        return [
            {
                "pair": query["pair"],
                "contractType": query["contractType"],
                "sumOpenInterest": over(bar.open_interest, world.size),
                "sumOpenInterestValue": text(bar.open_interest / bar.close_usd),
                "timestamp": bar.until_at * MS,
            }
            for bar in bars
        ]
    return [
        {
            "symbol": query["symbol"],
            "sumOpenInterest": text(bar.open_interest),
            "sumOpenInterestValue": text(bar.open_interest * bar.close_usd),
            "timestamp": bar.until_at * MS,
        }
        for bar in bars
    ]


def _ratio(worlds: Sequence[World], query: dict[str, str], now_ms: int) -> Json:
    _, bars = _statistics(worlds, query, now_ms)
    whose = {"pair": query["pair"]} if "pair" in query else {"symbol": query["symbol"]}
    return [
        whose
        | {
            "longShortRatio": text(bar.long_short_ratio),
            "longAccount": text(bar.long_short_ratio / (1 + bar.long_short_ratio)),
            "shortAccount": text(1 / (1 + bar.long_short_ratio)),
            "timestamp": bar.until_at * MS,
        }
        for bar in bars
    ]


def _taker(worlds: Sequence[World], query: dict[str, str], now_ms: int) -> Json:
    _, bars = _statistics(worlds, query, now_ms)
    return [
        {
            "buySellRatio": text(bar.bought_usd / (bar.volume_usd - bar.bought_usd)),
            "buyVol": text(bar.bought_usd / bar.close_usd),
            "sellVol": text((bar.volume_usd - bar.bought_usd) / bar.close_usd),
            "timestamp": bar.until_at * MS,
        }
        for bar in bars
    ]


def _funding(world: World, query: dict[str, str], now_ms: int) -> Json:
    since, until = _span(query, now_ms)
    rows = [
        {
            "symbol": name_of(world),
            "fundingTime": at * MS + 3,  # the venue stamps some milliseconds after the hour
            "fundingRate": text(rate),
            "markPrice": "",
        }
        for at, rate in world.fundings(now_ms // MS)
        if since <= at + 0.003 < until
    ]
    return rows[: _limit(query, 100, 1_000)]


def _depth(world: World, query: dict[str, str], now_ms: int) -> Json:
    book = world.data.order_book
    limit = int(query.get("limit", 500))
    if limit not in (5, 10, 20, 50, 100, 500, 1_000):
        raise _refuse(-4021, f"{limit} is not valid depth limit.")
    if book is None:
        return {"lastUpdateId": 1, "E": now_ms, "T": now_ms, "bids": [], "asks": []}

    return {
        "lastUpdateId": 1,
        "E": now_ms,
        "T": book.at * MS,
        "bids": world.orders(book.bid_usd, book.bid_size_usd)[:limit],
        "asks": world.orders(book.ask_usd, book.ask_size_usd)[:limit],
    }


def _premium(world: World, _query: dict[str, str], now_ms: int) -> Json:
    price = text(world.bars(world.history.step_s, now_ms // MS)[-1].close_usd)
    return {"symbol": name_of(world), "markPrice": price, "indexPrice": price, "time": now_ms}
