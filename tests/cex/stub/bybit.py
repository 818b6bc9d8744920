"""Bybit's answers. Shapes as in ccxt's `bybit.py` and the venue's docs of v5; lists come newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.cex.stub.world import MS, Bar, Refusal, World, text

Json = Any
CANDLES = {
    "1": 60,
    "3": 180,
    "5": 300,
    "15": 900,
    "30": 1_800,
    "60": 3_600,
    "120": 7_200,
    "240": 14_400,
    "360": 21_600,
    "720": 43_200,
    "D": 86_400,
}
PERIODS = {"5min": 300, "15min": 900, "30min": 1_800, "1h": 3_600, "4h": 14_400, "1d": 86_400}
RISK_LIMITS = {
    "linear": [("2000000", "0.005", "100.00"), ("10000000", "0.01", "50.00"), ("20000000", "0.02", "25.00")],
    "inverse": [("150", "0.005", "100.00"), ("300", "0.01", "50.00"), ("450", "0.015", "33.33")],
}
"""(limit, maintenance margin, leverage): made-up rows of the real shape; inverse limits are in coins."""


def name_of(world: World) -> str:
    """BTCUSDT, BTCPERP (USDC), BTCUSD, BTCUSDT-25DEC26."""
    asset, settle = world.instrument.asset, world.instrument.settle
    pair = f"{asset}PERP" if settle == "USDC" else f"{asset}{world.quote}"
    return f"{pair}-{world.day}" if world.day else pair


def answer(worlds: Sequence[World], path: str, query: dict[str, str], now_ms: int) -> Json:
    """What the venue says; KeyError for another path."""
    rest = path.removeprefix("/v5/market/")
    category = query.get("category", "")
    if category not in ("linear", "inverse"):
        raise _refuse(10001, "params error: Category is invalid")
    mine = [world for world in worlds if world.is_inverse == (category == "inverse")]
    if rest == "instruments-info":
        return _said(_instruments(mine, query, category), now_ms)
    speak = {
        "kline": _klines,
        "open-interest": _open_interest,
        "account-ratio": _ratio,
        "funding/history": _funding,
        "orderbook": _book,
        "risk-limit": _risk_limits,
    }[rest]
    return _said(speak(_named(mine, query), query, now_ms), now_ms)


def _said(result: Json, now_ms: int) -> Json:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}


def _refuse(code: int, message: str) -> Refusal:
    """The venue's errors come with HTTP 200."""
    return Refusal(200, {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}})


def _named(worlds: Sequence[World], query: dict[str, str]) -> World:
    for world in worlds:
        if name_of(world) == query.get("symbol"):
            return world
    raise _refuse(10001, "params error: symbol invalid")


def _limit(query: dict[str, str], default: int, most: int) -> int:
    limit = int(query.get("limit", default))
    if not 0 < limit <= most:
        raise _refuse(10001, "params error: limit invalid")
    return limit


def _span(query: dict[str, str], since: str, until: str, now_ms: int) -> tuple[float, float]:
    """[start, end) in seconds; both bounds of a question are inclusive milliseconds."""
    return int(query.get(since, 0)) / MS, (int(query.get(until, now_ms)) + 1) / MS


def _instruments(worlds: Sequence[World], query: dict[str, str], category: str) -> Json:
    if query.get("status") == "PreLaunch":
        return {"category": category, "list": [], "nextPageCursor": ""}
    return {"category": category, "list": [_instrument(world) for world in worlds], "nextPageCursor": ""}


def _instrument(world: World) -> Json:
    instrument = world.instrument
    kind = "Perpetual" if instrument.expires_at is None else "Futures"
    return {
        "symbol": name_of(world),
        "contractType": ("Inverse" if world.is_inverse else "Linear") + kind,
        "status": "Trading",
        "baseCoin": instrument.asset,
        "quoteCoin": world.quote,
        "settleCoin": instrument.settle,
        "launchTime": str(int(world.history.at[0]) * MS),
        "deliveryTime": str((instrument.expires_at or 0) * MS),
        "priceScale": "1",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1190.000", "minOrderQty": "0.001", "qtyStep": "0.001"},
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
    }


def _klines(world: World, query: dict[str, str], now_ms: int) -> Json:
    period_s = CANDLES[query["interval"]]
    since, until = _span(query, "start", "end", now_ms)
    # A start within a candle adds that candle.
    bars = world.bars(period_s, now_ms // MS, since // period_s * period_s, until)
    newest = bars[::-1][: _limit(query, 200, 1_000)]
    return {
        "category": query["category"],
        "symbol": query["symbol"],
        "list": [_kline(world, bar) for bar in newest],
    }


def _kline(world: World, bar: Bar) -> Json:
    other = text(bar.volume_usd / bar.close_usd)
    volumes = [text(bar.volume_usd), other] if world.is_inverse else [other, text(bar.volume_usd)]
    prices = [text(price) for price in (bar.open_usd, bar.high_usd, bar.low_usd, bar.close_usd)]
    return [str(bar.at * MS), *prices, *volumes]


def _readings(world: World, query: dict[str, str], period_s: int, most: int, now_ms: int) -> list[Bar]:
    """By the end of their period, the newest first."""
    since, until = _span(query, "startTime", "endTime", now_ms)
    now_s = now_ms // MS
    bars = world.bars(period_s, now_s, since - period_s, until - period_s)
    return [bar for bar in bars if bar.until_at <= now_s][::-1][: _limit(query, 50, most)]


def _open_interest(world: World, query: dict[str, str], now_ms: int) -> Json:
    bars = _readings(world, query, PERIODS[query["intervalTime"]], 200, now_ms)
    rows = [{"openInterest": text(bar.open_interest), "timestamp": str(bar.until_at * MS)} for bar in bars]
    asked = {"category": query["category"], "symbol": query["symbol"]}
    return asked | {"list": rows, "nextPageCursor": ""}


def _ratio(world: World, query: dict[str, str], now_ms: int) -> Json:
    bars = _readings(world, query, PERIODS[query["period"]], 500, now_ms)
    rows = [
        {
            "symbol": query["symbol"],
            # Shares with the ratio of the world; the real ones have four digits and sum to 1.
            "buyRatio": text(bar.long_short_ratio / 4),
            "sellRatio": "0.25",
            "timestamp": str(bar.until_at * MS),
        }
        for bar in bars
    ]
    return {"list": rows}


def _funding(world: World, query: dict[str, str], now_ms: int) -> Json:
    if "startTime" in query and "endTime" not in query:
        raise _refuse(10001, "params error: endTime is required")
    since, until = _span(query, "startTime", "endTime", now_ms)
    rows = [
        {"symbol": query["symbol"], "fundingRate": text(rate), "fundingRateTimestamp": str(at * MS)}
        for at, rate in world.fundings(now_ms // MS)
        if since <= at < until
    ]
    return {"category": query["category"], "list": rows[::-1][: _limit(query, 200, 200)]}


def _book(world: World, query: dict[str, str], now_ms: int) -> Json:
    limit, book = _limit(query, 25, 500), world.data.order_book
    if book is None:
        return {"s": query["symbol"], "b": [], "a": [], "ts": now_ms, "u": 1}
    return {
        "s": query["symbol"],
        "b": world.orders(book.bid_usd, book.bid_size_usd)[:limit],
        "a": world.orders(book.ask_usd, book.ask_size_usd)[:limit],
        "ts": book.at * MS,
        "u": 1,
    }


def _risk_limits(world: World, query: dict[str, str], _now_ms: int) -> Json:
    rows = [
        {
            "id": place + 1,
            "symbol": query["symbol"],
            "riskLimitValue": limit,
            "maintenanceMargin": rate,
            "initialMargin": rate,
            "isLowestRisk": int(place == 0),
            "maxLeverage": leverage,
        }
        for place, (limit, rate, leverage) in enumerate(RISK_LIMITS[query["category"]])
    ]
    return {"category": query["category"], "list": rows}
