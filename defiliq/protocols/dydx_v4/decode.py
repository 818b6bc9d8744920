"""Thought without I/O: the chain's messages into a market. All of it comes from outside and is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from defiliq.chain.gob import decode_gob_int
from defiliq.chain.text import clean_text
from defiliq.errors import DecodeError, NotAMarket
from defiliq.pricing.graph import Fixed, Input, PriceGraph, Quantity
from defiliq.protocols.dydx_v4.fetch import Message, RawMarket, Told
from defiliq.protocols.dydx_v4.market import (
    QUOTE_DECIMALS,
    ClobStatus,
    DydxMarket,
    LiquidationsConfig,
    Perpetual,
)
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.protocols.dydx_v4.soundness import odd_config, odd_perpetual
from defiliq.types import Block, Feed, Listing

MARKET_TYPES: Final = (0, 1, 2)
"""PERPETUAL_MARKET_TYPE_UNSPECIFIED, which is as cross was called before it had a name, CROSS, ISOLATED."""
ISOLATED: Final = 2
"""PERPETUAL_MARKET_TYPE_ISOLATED."""
STATUSES: Final[Mapping[int, ClobStatus]] = {
    1: "active",
    2: "paused",
    3: "cancel_only",
    4: "post_only",
    5: "initializing",
    6: "final_settlement",
}
MOST_EXPONENT: Final = 40
"""Of ten, either way, in anything that the chain counts by."""
DOLLAR: Final = 10**QUOTE_DECIMALS


@dataclass(frozen=True, slots=True)
class Lost:
    """A perpetual that the market is read without."""

    id: int
    symbol: str
    seen: str
    """What there was in place of a price."""

    @property
    def asset(self) -> str:
        """How it is named where others have an address."""
        return f"perpetual/{self.id}"


def decode_market(raw: RawMarket, listing: Listing, at: Block) -> tuple[DydxMarket, tuple[Lost, ...]]:
    """The market, and the perpetuals that are left out of it: without a price or a tier, or odd otherwise."""
    usdc = _usdc(raw.assets)
    if not raw.perpetuals:
        # A node that has lost its state may answer as if there had never been any.
        raise DecodeError("perpetuals", "a chain without any")
    oracle = _Oracle(raw, usdc.asset)
    tiers, books = _by_id(raw.tiers, "liquidity tiers"), _books(raw.clob_pairs)
    symbols = _symbols(raw)
    reserves, lost = [usdc], []
    for message in raw.perpetuals:
        params = message.params
        seen = oracle.lack(params.market_id) or _odd(params, tiers)
        found = seen or _perpetual(message, symbols[params.id], oracle, tiers, books)
        if isinstance(found, str):
            lost.append(Lost(params.id, symbols[params.id], found))
        else:
            reserves.append(replace(found, feed=oracle.feed(params.market_id, found.symbol)))
    graph = PriceGraph(tuple(oracle.quantities), tuple(range(len(oracle.quantities))), _warnings(raw))
    market = DydxMarket(
        protocol=listing.protocol,
        name=listing.name,
        version="v4",
        block=at,
        timestamp=at.timestamp,
        base_unit=DOLLAR,
        base_symbol="USD",
        reserves=tuple(reserves),
        feeds=tuple(oracle.feeds()),
        prices=graph.prices(at.timestamp),
        graph=graph,
        liquidations=_liquidations(raw.liquidations),
    )
    return market, tuple(lost)


class _Oracle:
    """The chain's own prices (x/prices): each market that some perpetual needs becomes one feed."""

    def __init__(self, raw: RawMarket, usdc: str) -> None:
        self.prices = _by_id(raw.market_prices, "market prices")
        self._params = _by_id(raw.market_params, "market params")
        self.quantities: list[Quantity] = [Fixed(DOLLAR, "the chain counts a USDC as a dollar")]
        self._named: list[list[str]] = [["USDC"]]
        self._sources, self._units = [usdc], [DOLLAR]
        self._feed_of: dict[int, int] = {}

    def lack(self, market: int) -> str:
        """Why there is no price of a market to reckon with; '' where there is one."""
        if market not in self.prices or market not in self._params:
            return f"the oracle has no market {market}"
        price = self.prices[market]
        if price.price == 0:
            return "0"
        if not -MOST_EXPONENT <= price.exponent <= 0:
            return f"a price in steps of 10^{price.exponent} dollars"
        return ""

    def feed(self, market: int, symbol: str) -> int:
        """The feed of a market, which one more perpetual now has."""
        if market not in self._feed_of:
            price = self.prices[market]
            pair = clean_text(self._params[market].pair.encode(), f"MARKET-{market}").replace("-", "/")
            source = f"market/{market}"
            self._feed_of[market] = len(self.quantities)
            self.quantities.append(Input(pair, "oracle", source, price.price, -price.exponent))
            self._named.append([])
            self._sources.append(source)
            self._units.append(10**-price.exponent)
        feed = self._feed_of[market]
        self._named[feed].append(symbol)
        return feed

    def feeds(self) -> Iterable[Feed]:
        """All feeds, in order."""
        return map(Feed, ("+".join(names) for names in self._named), self._sources, self._units)


def _by_id(messages: Iterable[Message], what: str) -> dict[int, Message]:
    listed = list(messages)
    found = {message.id: message for message in listed}
    if len(found) < len(listed):
        raise DecodeError(what, "an id that comes twice")
    return found


def _symbols(raw: RawMarket) -> dict[int, str]:
    """Perpetual id to its ticker; where two share one, each with its id."""
    tickers = {
        p.params.id: clean_text(p.params.ticker.encode(), f"PERP-{p.params.id}") for p in raw.perpetuals
    }
    if len(tickers) < len(raw.perpetuals):
        raise DecodeError("perpetuals", "an id that comes twice")
    times = Counter([*tickers.values(), "USDC"])
    named = {k: ticker if times[ticker] == 1 else f"{ticker}.{k}" for k, ticker in tickers.items()}
    if len({*named.values(), "USDC"}) > len(named):
        return named
    # A ticker imitates another one's name. No two of these are the same: what follows the last point differs.
    return {k: f"{ticker}.{k}" for k, ticker in tickers.items()}


def _usdc(assets: Iterable[Message]) -> Perpetual:
    """The one asset that counts (x/assets AssetUsdc)."""
    found = _by_id(assets, "assets").get(USDC)
    if found is None or found.atomic_resolution != -QUOTE_DECIMALS:
        seen = "no such asset" if found is None else f"one of {-found.atomic_resolution} decimals"
        raise NotAMarket("asset 0", f"USDC of {QUOTE_DECIMALS} decimals", seen)
    return Perpetual(
        id=USDC,
        asset=clean_text(found.denom.encode(), "USDC", longest=80),
        symbol="USDC",
        decimals=QUOTE_DECIMALS,
        feed=0,
        atomic_resolution=-QUOTE_DECIMALS,
        exponent=-QUOTE_DECIMALS,
    )


def _odd(params: Message, tiers: Mapping[int, Message]) -> str:
    """What of a perpetual the chain could not have set; '' where all is well."""
    if params.liquidity_tier not in tiers:
        return f"no liquidity tier {params.liquidity_tier} to take margins from"
    if abs(params.atomic_resolution) > MOST_EXPONENT:
        return f"quantums of 10^{params.atomic_resolution}"
    return ""


def _books(pairs: Iterable[Message]) -> dict[int, Message]:
    """Perpetual id to its order book, the first of several (GetClobPairIdForPerpetual)."""
    books: dict[int, Message] = {}
    for pair in _by_id(pairs, "clob pairs").values():
        if pair.WhichOneof("metadata") == "perpetual_clob_metadata":
            books.setdefault(pair.perpetual_clob_metadata.perpetual_id, pair)
    return books


def _perpetual(
    message: Message, symbol: str, oracle: _Oracle, tiers: Mapping[int, Message], books: Mapping[int, Message]
) -> Perpetual | str:
    """One perpetual, whose feed is to be named yet; or what of it the chain could not have made."""
    params, book = message.params, books.get(message.params.id)
    tier = tiers[params.liquidity_tier]
    try:
        funding_index = decode_gob_int(message.funding_index)
        open_interest = decode_gob_int(message.open_interest)
    except DecodeError as error:
        return f"in place of {error.what}: {error.seen}"
    perpetual = Perpetual(
        id=params.id,
        asset=f"perpetual/{params.id}",
        symbol=symbol,
        decimals=-params.atomic_resolution,
        feed=0,
        atomic_resolution=params.atomic_resolution,
        exponent=oracle.prices[params.market_id].exponent,
        funding_index=funding_index,
        open_interest=open_interest,
        initial_margin_ppm=tier.initial_margin_ppm,
        maintenance_fraction_ppm=tier.maintenance_fraction_ppm,
        open_interest_lower_cap=tier.open_interest_lower_cap,
        open_interest_upper_cap=tier.open_interest_upper_cap,
        is_isolated=params.market_type == ISOLATED,
        clob_status="none" if book is None else STATUSES.get(book.status, "none"),
        step_base_quantums=0 if book is None else book.step_base_quantums,
        subticks_per_tick=0 if book is None else book.subticks_per_tick,
        quantum_conversion_exponent=0 if book is None else book.quantum_conversion_exponent,
    )
    return next(odd_perpetual(perpetual), perpetual)


def _liquidations(message: Message) -> LiquidationsConfig:
    position, subaccount = message.position_block_limits, message.subaccount_block_limits
    fillable = message.fillable_price_config
    config = LiquidationsConfig(
        max_liquidation_fee_ppm=message.max_liquidation_fee_ppm,
        min_position_notional_liquidated=position.min_position_notional_liquidated,
        max_position_portion_liquidated_ppm=position.max_position_portion_liquidated_ppm,
        max_notional_liquidated=subaccount.max_notional_liquidated,
        max_quantums_insurance_lost=subaccount.max_quantums_insurance_lost,
        bankruptcy_adjustment_ppm=fillable.bankruptcy_adjustment_ppm,
        spread_to_maintenance_margin_ratio_ppm=fillable.spread_to_maintenance_margin_ratio_ppm,
    )
    for reason in odd_config(config):
        raise DecodeError("LiquidationsConfiguration", reason)
    return config


def _warnings(raw: RawMarket) -> tuple[str, ...]:
    new = [*raw.unknown, *_unknown_kinds(raw)]
    return (*([unknown_fields(new)] if new else []), *spoken(raw.told))


def spoken(told: Told) -> Iterable[str]:
    """What the pager had to say, as sentences."""
    return (f"{', '.join(queries)}: {warning}" for warning, queries in told.items())


def _unknown_kinds(raw: RawMarket) -> Iterator[str]:
    """What is of a kind that is not known here: of perpetuals and of what their order books do."""
    if any(perpetual.params.market_type not in MARKET_TYPES for perpetual in raw.perpetuals):
        yield "kinds of perpetuals"
    if any(pair.status and pair.status not in STATUSES for pair in raw.clob_pairs):
        yield "states of order books"


def unknown_fields(kinds: Iterable[str]) -> str:
    """What a reader of verdicts should know where a newer chain says more than is understood here."""
    return (
        f"the node's {', '.join(kinds)} hold what is not known here: the chain may judge by more than is "
        "read. Look for a newer defiliq"
    )


@dataclass(slots=True)
class Tally:
    """What the positions of all subaccounts come to, which the chain knows as well."""

    longs: Counter[int] = field(default_factory=Counter)
    """Perpetual id to base quantums."""
    shorts: Counter[int] = field(default_factory=Counter)

    def add(self, perpetual: int, quantums: int) -> None:
        """Count one position, whether or not its account can be judged."""
        (self.longs if quantums > 0 else self.shorts)[perpetual] += abs(quantums)

    def gaps(self, market: DydxMarket) -> dict[str, str]:
        """What is missing, by perpetual: open interest is somebody's long and somebody else's short."""
        gaps = {}
        for perpetual in market.reserves[1:]:
            longs, shorts = self.longs[perpetual.id], self.shorts[perpetual.id]
            if not longs == shorts == perpetual.open_interest:
                gaps[f"subaccounts in {perpetual.symbol}"] = (
                    f"longs of {longs} and shorts of {shorts} quantums were read, where the chain counts an "
                    f"open interest of {perpetual.open_interest}: some subaccounts are missing"
                )
        return gaps
