"""OKX's answers. Shapes as in ccxt's `okx.py` and the venue's docs of v5; lists come newest first.

`after` and `end` mean earlier than, `before` and `begin` later than; both exclude the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.cex.stub.world import MS, Bar, Refusal, World, over, text

Json = Any
STATISTICS = {
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1H": 3_600,
    "2H": 7_200,
    "4H": 14_400,
    "6Hutc": 21_600,
    "12Hutc": 43_200,
    "1Dutc": 86_400,
}
CANDLES = {"1m": 60, "3m": 180, **STATISTICS}
DAY_S = 86_400
KEPT_S = {300: 3 * DAY_S, 3_600: 5 * DAY_S, 86_400: 100 * DAY_S}
"""Of the statistics, by period: as readers of the endpoint measured in 2026."""
FUNDING_KEPT_S = 90 * DAY_S
LATEST_CANDLES = 1_440
TIERS = [
    ("0", "1000", "0.004", "100"),
    ("1000.01", "5000", "0.006", "75"),
    ("5000.01", "20000", "0.01", "50"),
]
"""(from, to, maintenance rate, leverage): made-up rows of the real shape, in contracts."""


def family_of(world: World) -> str:
    """BTC-USDT"""
    return f"{world.instrument.asset}-{world.quote}"


def kind_of(world: World) -> str:
    """What the venue calls perpetuals and dated ones."""
    return "SWAP" if world.instrument.expires_at is None else "FUTURES"


def name_of(world: World) -> str:
    """BTC-USDT-SWAP, BTC-USD-261225."""
    return f"{family_of(world)}-{world.day or 'SWAP'}"


def answer(worlds: Sequence[World], path: str, query: dict[str, str], now_ms: int) -> Json:
    """What the venue says; KeyError for another path."""
    rest = path.removeprefix("/api/v5/")
    if rest == "public/instruments":
        mine = [world for world in worlds if kind_of(world) == query["instType"]]
        return _said([_instrument(world) for world in mine])
    if rest == "public/liquidation-orders":
        return _said(_liquidations(worlds, query, now_ms))
    if rest == "public/position-tiers":
        return _said(_tiers(worlds, query))
    speak = {
        "market/candles": _latest_candles,
        "market/history-candles": _all_candles,
        "market/books": _book,
        "rubik/stat/contracts/open-interest-history": _open_interest,
        "rubik/stat/taker-volume-contract": _taker,
        "rubik/stat/contracts/long-short-account-ratio-contract": _ratio,
        "public/funding-rate-history": _funding,
    }[rest]
    return _said(speak(_named(worlds, query), query, now_ms))


def _said(data: Json) -> Json:
    return {"code": "0", "msg": "", "data": data}


def _refuse(code: str, message: str) -> Refusal:
    return Refusal(400, {"code": code, "msg": message, "data": []})


def _named(worlds: Sequence[World], query: dict[str, str]) -> World:
    for world in worlds:
        if name_of(world) == query.get("instId"):
            return world
    raise _refuse("51001", "Instrument ID does not exist")


def _limit(query: dict[str, str], most: int, name: str = "limit") -> int:
    limit = int(query.get(name, 100))
    if not 0 < limit <= most:
        raise _refuse("51000", f"Parameter {name} error")
    return limit


def _span(query: dict[str, str], later: str, earlier: str, now_ms: int) -> tuple[float, float]:
    """[start, end) in seconds of bounds that are excluded, both of them."""
    return (int(query.get(later, -1)) + 1) / MS, int(query.get(earlier, now_ms + 1)) / MS


def _instrument(world: World) -> Json:
    instrument = world.instrument
    return {
        "alias": "",
        "baseCcy": "",
        "category": "1",
        "ctMult": "1",
        "ctType": "inverse" if world.is_inverse else "linear",
        "ctVal": f"{world.size:f}",
        "ctValCcy": world.quote if world.is_inverse else instrument.asset,
        "expTime": "" if instrument.expires_at is None else str(instrument.expires_at * MS),
        "instFamily": family_of(world),
        "instId": name_of(world),
        "instType": kind_of(world),
        "lever": "100",
        "listTime": str(int(world.history.at[0]) * MS),
        "lotSz": "0.01",
        "minSz": "0.01",
        "optType": "",
        "quoteCcy": "",
        "settleCcy": instrument.settle,
        "state": "live",
        "stk": "",
        "tickSz": "0.1",
        "uly": family_of(world),
    }


def _candles(world: World, query: dict[str, str], now_ms: int, since_s: float) -> Json:
    since, until = _span(query, "before", "after", now_ms)
    now_s = now_ms // MS
    bars = world.bars(CANDLES[query.get("bar", "1m")], now_s, max(since, since_s), until)
    return [_candle(world, bar, now_s) for bar in bars[::-1][: _limit(query, 300)]]


def _latest_candles(world: World, query: dict[str, str], now_ms: int) -> Json:
    period_s = CANDLES[query.get("bar", "1m")]
    return _candles(world, query, now_ms, now_ms / MS - LATEST_CANDLES * period_s)


def _all_candles(world: World, query: dict[str, str], now_ms: int) -> Json:
    return _candles(world, query, now_ms, 0)


def _candle(world: World, bar: Bar, now_s: int) -> Json:
    coins = bar.volume_usd / bar.close_usd
    contracts = over(bar.volume_usd, world.size) if world.is_inverse else over(round(coins, 6), world.size)
    prices = [text(price) for price in (bar.open_usd, bar.high_usd, bar.low_usd, bar.close_usd)]
    is_done = "1" if bar.until_at <= now_s else "0"
    return [str(bar.at * MS), *prices, contracts, text(coins), text(bar.volume_usd), is_done]


def _statistics(world: World, query: dict[str, str], now_ms: int) -> list[Bar]:
    """Readings by the start of their period, the newest first, of what is still kept."""
    period_s = STATISTICS[query.get("period", "5m")]
    since, until = _span(query, "begin", "end", now_ms)
    oldest = now_ms / MS - KEPT_S.get(period_s, 5 * DAY_S)
    bars = world.bars(period_s, now_ms // MS, max(since, oldest), until)
    return bars[::-1][: _limit(query, 100)]


def _open_interest(world: World, query: dict[str, str], now_ms: int) -> Json:
    rows = []
    for bar in _statistics(world, query, now_ms):
        coins = bar.open_interest / bar.close_usd if world.is_inverse else bar.open_interest
        dollars = bar.open_interest if world.is_inverse else bar.open_interest * bar.close_usd
        contracts = over(bar.open_interest, world.size)
        rows.append([str(bar.at * MS), contracts, text(coins), text(dollars)])
    return rows


def _taker(world: World, query: dict[str, str], now_ms: int) -> Json:
    return [
        # Sold comes before bought; counted so that the shares are those of the world.
        [str(bar.at * MS), text((bar.volume_usd - bar.bought_usd) / 1_024), text(bar.bought_usd / 1_024)]
        for bar in _statistics(world, query, now_ms)
    ]


def _ratio(world: World, query: dict[str, str], now_ms: int) -> Json:
    return [[str(bar.at * MS), text(bar.long_short_ratio)] for bar in _statistics(world, query, now_ms)]


def _funding(world: World, query: dict[str, str], now_ms: int) -> Json:
    since, until = _span(query, "before", "after", now_ms)
    since = max(since, now_ms / MS - FUNDING_KEPT_S)
    rows = [
        {
            "instType": "SWAP",
            "instId": name_of(world),
            "fundingRate": "0.9",  # was expected; what was paid is the realised one
            "realizedRate": text(rate),
            "fundingTime": str(at * MS),
            "method": "current_period",
        }
        for at, rate in world.fundings(now_ms // MS)
        if since <= at < until
    ]
    return rows[::-1][: _limit(query, 100)]


def _liquidations(worlds: Sequence[World], query: dict[str, str], now_ms: int) -> Json:
    if "instFamily" not in query and "uly" not in query:
        raise _refuse("50015", "Either parameter uly or instFamily is required")
    since, until = _span(query, "before", "after", now_ms)
    since = max(since, now_ms / MS - DAY_S)
    found = []
    for world in worlds:
        executed = world.history.executed
        if family_of(world) != query.get("instFamily", query.get("uly")) or executed is None:
            continue
        if kind_of(world) != query["instType"]:
            continue
        rows = executed[(executed["at"] >= since) & (executed["at"] < until)]
        details = [_liquidation(world, row) for row in rows.to_dict("records")]
        head = {"instFamily": family_of(world), "instId": name_of(world), "instType": kind_of(world)}
        newest = details[::-1][: _limit(query, 100)]
        found.append(head | {"uly": family_of(world), "totalLoss": "0", "details": newest})
    return found


def _liquidation(world: World, row: dict[Any, Any]) -> Json:
    price, size = float(row["price_usd"]), float(row["size_usd"])
    contracts = size / float(world.size) if world.is_inverse else size / price / float(world.size)
    return {
        "bkLoss": "0",
        "bkPx": text(price),
        "ccy": "",
        "posSide": row["side"],
        "side": "sell" if row["side"] == "long" else "buy",
        "sz": text(round(contracts, 6)),
        "time": "",
        "ts": str(int(row["at"]) * MS),
    }


def _book(world: World, query: dict[str, str], now_ms: int) -> Json:
    limit, book = _limit(query, 400, "sz"), world.data.order_book
    if book is None:
        return [{"asks": [], "bids": [], "ts": str(now_ms)}]

    def side(orders: list[list[str]]) -> Json:
        return [[*order, "0", "2"] for order in orders[:limit]]

    return [
        {
            "asks": side(world.orders(book.ask_usd, book.ask_size_usd)),
            "bids": side(world.orders(book.bid_usd, book.bid_size_usd)),
            "ts": str(book.at * MS),
        }
    ]


def _tiers(worlds: Sequence[World], query: dict[str, str]) -> Json:
    if query.get("tdMode") not in ("cross", "isolated") or "instFamily" not in query:
        raise _refuse("51000", "Parameter tdMode error")
    if not any(family_of(world) == query["instFamily"] for world in worlds):
        raise _refuse("51001", "Instrument ID does not exist")
    return [
        {
            "baseMaxLoan": "",
            "imr": rate,
            "instFamily": query["instFamily"],
            "instId": "",
            "maxLever": leverage,
            "maxSz": most,
            "minSz": least,
            "mmr": rate,
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "tier": str(place + 1),
            "uly": query["instFamily"],
        }
        for place, (least, most, rate, leverage) in enumerate(TIERS)
    ]
