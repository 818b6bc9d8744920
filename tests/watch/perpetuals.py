"""A short history of a dYdX v4 chain: prices move, somebody is liquidated, and what the chain's rule says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from v4_proto.dydxprotocol.perpetuals.perpetual_pb2 import Perpetual
from v4_proto.dydxprotocol.prices.market_price_pb2 import MarketPrice
from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition
from v4_proto.dydxprotocol.subaccounts.perpetual_position_pb2 import PerpetualPosition
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import Subaccount

from tests.chain.cosmos_standin import SERVING, Handler, PagedList, StandIn, blocks_at
from tests.cli.dydx_chain import market_file
from tests.dydx.matches import executed, match
from tests.dydx.parameters import facts
from tests.dydx.population import Population, population
from tests.dydx.standin import (
    ALL_MARKET_PRICES,
    ALL_PERPETUALS,
    HEIGHT,
    SUBACCOUNT,
    SUBACCOUNT_ALL,
    dydx_standin,
    subaccount_handlers,
)
from tests.dydx.wire import encode_gob_int
from tests.protocols.dydx_v4.stage import decoded, name_of
from tests.protocols.dydx_v4.test_exact_book import Held, Judged

COUNT, SEED = 120, 11
MOVED = 12
"""Prices that move in one block."""


@dataclass
class History:
    """A chain block by block."""

    held: Population
    draw: Random
    prices: dict[int, int]
    """By the market's number."""
    messages: dict[str, Any]
    is_whole: bool
    broken: dict[int, set[str]] = field(default_factory=dict)
    """Height to who may be liquidated after it."""
    taken: list[tuple[int, str, str]] = field(default_factory=list)
    """(height, transaction, whom) of every liquidation."""
    changed: dict[int, set[int]] = field(default_factory=dict)
    """Height to the markets whose prices are others than before."""

    @property
    def used(self) -> set[int]:
        """Markets that perpetuals hang on."""
        return {each.params.market_id for each in self.held.perpetuals}

    def judged(self, message: Any) -> Judged:
        """A subaccount after funding, by its message alone."""
        perpetuals = {each.params.id: each for each in self.held.perpetuals}
        tiers = {each.id: each for each in self.held.liquidity_tiers}
        exponents = {each.id: each.exponent for each in self.held.market_prices}
        usdc = sum(decoded(each.quantums) for each in message.asset_positions if each.asset_id == 0)
        due_ppm, positions = 0, []
        for each in message.perpetual_positions:
            own, quantums = perpetuals[each.perpetual_id], decoded(each.quantums)
            usdc += decoded(each.quote_balance)
            due_ppm -= (decoded(own.funding_index) - decoded(each.funding_index)) * quantums
            tier = tiers[own.params.liquidity_tier]
            scale = exponents[own.params.market_id] + own.params.atomic_resolution + 6
            fractions = tier.initial_margin_ppm, tier.maintenance_fraction_ppm
            positions.append(Held(str(own.params.market_id), quantums, scale, *fractions))
        return Judged(usdc + due_ppm // 1_000_000, tuple(positions))

    def step(self, height: int, model: StandIn) -> None:
        """The next block: prices go elsewhere, or somebody who was broken before is liquidated."""
        before = self.broken.get(height - 1)
        self.changed[height] = set()
        if before is not None and height % 3 == 0:
            self._liquidate(height, self.draw.choice(sorted(before)), model)
        elif before is not None and height % 3 == 1:
            for market in self.draw.sample(sorted(self.prices), MOVED):
                before_it, percent = self.prices[market], self.draw.choice((94, 97, 99, 101, 104))
                self.prices[market] = before_it * percent // 100
                if market in self.used and self.prices[market] != before_it:
                    self.changed[height].add(market)
        at = {str(market): price for market, price in self.prices.items()}
        self.broken[height] = {
            name for name, message in self.messages.items() if self.judged(message).is_liquidatable(at)
        }

    def _liquidate(self, height: int, name: str, model: StandIn) -> None:
        """Its first position is closed at the oracle's price by a house."""
        closed, held = (
            self.messages[name].perpetual_positions[0],
            self.judged(self.messages[name]).positions[0],
        )
        size = abs(held.quantums) * self.prices[int(held.pair)]
        quote = size * 10**held.scale if held.scale >= 0 else size // 10**-held.scale
        fill = quote if held.quantums > 0 else -quote
        number = closed.perpetual_id
        maker = next(
            house
            for house in map(name_of, reversed(self.held.subaccounts))
            if any(each.perpetual_id == number for each in self.messages[house].perpetual_positions)
        )
        self.messages[name] = self._traded(self.messages[name], number, -held.quantums, fill)
        if self.is_whole:
            self.messages[maker] = self._traded(self.messages[maker], number, held.quantums, -fill)
        said = match(name, maker, perpetual=number, base=-held.quantums, quote=quote, is_liquidation=True)
        raw = f"liquidation {height}".encode()
        model.executed[height] = [(raw, executed(said))]
        self.taken.append((height, sha256(raw).hexdigest(), name))

    def _traded(self, message: Any, perpetual: int, quantums: int, fill: int) -> Any:
        """A subaccount with so much more of a perpetual, and so much more quote; funding is settled."""
        index = next(each.funding_index for each in self.held.perpetuals if each.params.id == perpetual)
        kept = [each for each in message.perpetual_positions if each.perpetual_id != perpetual]
        had = [each for each in message.perpetual_positions if each.perpetual_id == perpetual]
        now = sum(decoded(each.quantums) for each in had) + quantums
        if now:
            kept.append(
                PerpetualPosition(perpetual_id=perpetual, quantums=encode_gob_int(now), funding_index=index)
            )
        kept.sort(key=lambda each: int(each.perpetual_id))
        rest = Subaccount(id=message.id, perpetual_positions=kept)
        usdc = self.judged(message).usdc + fill - self.judged(rest).usdc
        assets = [AssetPosition(asset_id=0, quantums=encode_gob_int(usdc))] if usdc else []
        return Subaccount(id=message.id, perpetual_positions=kept, asset_positions=assets)

    def listed(self) -> list[Any]:
        """The perpetuals, each with the open interest that its longs sum to."""
        longs: Counter[int] = Counter()
        for message in self.messages.values():
            for each in message.perpetual_positions:
                longs[each.perpetual_id] += max(0, decoded(each.quantums))
        return [
            Perpetual(
                params=each.params,
                funding_index=each.funding_index,
                open_interest=encode_gob_int(longs[each.params.id]),
            )
            for each in self.held.perpetuals
        ]


@contextmanager
def perpetuals(folder: Path, blocks: int, *, is_whole: bool = True) -> Iterator[tuple[History, Path]]:
    """A chain of so many blocks behind the first one, served; and the file that names it.

    Of one that is not `is_whole` nobody takes the other side of liquidations: subaccounts seem to be missing.
    """
    held = population(COUNT, seed=SEED)
    prices = {each["id"]: int(each["price"]) for each in facts()["market_prices"]}
    history = History(
        held, Random(SEED), prices, {name_of(each): each for each in held.subaccounts}, is_whole
    )
    model = dydx_standin(held, blocks=blocks_at(*range(HEIGHT, HEIGHT + blocks + 1)))
    kinds = (ALL_PERPETUALS, ALL_MARKET_PRICES, SUBACCOUNT_ALL, SUBACCOUNT)
    pages: dict[str, dict[int, Any]] = {kind: {} for kind in kinds}
    for height in range(HEIGHT, HEIGHT + blocks + 1):
        history.step(height, model)
        pages[ALL_MARKET_PRICES][height] = _prices(history)
        listed = history.listed() if is_whole else held.perpetuals
        pages[ALL_PERPETUALS][height] = _numbered([(each.params.id, each) for each in listed])
        for method, handler in subaccount_handlers(history.messages.values()).items():
            pages[method][height] = handler
    model.handlers = {**model.handlers, **{method: _by_height(kept) for method, kept in pages.items()}}
    with SERVING["comet"](model) as url:
        yield history, market_file(folder, url)


def _prices(history: History) -> PagedList:
    messages = [
        MarketPrice(id=each.id, exponent=each.exponent, price=history.prices[each.id])
        for each in history.held.market_prices
    ]
    return _numbered([(each.id, each) for each in messages])


def _numbered(messages: list[tuple[int, Any]]) -> PagedList:
    return PagedList([(number.to_bytes(4, "big"), each.SerializeToString()) for number, each in messages])


def _by_height(kept: dict[int, Any]) -> Handler:
    def answer(request: bytes, height: int) -> bytes:
        handler: Callable[[bytes, int], bytes] | PagedList = kept[height]
        return handler.page(request) if isinstance(handler, PagedList) else handler(request, height)

    return answer
