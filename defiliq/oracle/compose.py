"""From surveyed contracts to the price graph, without a node: each step is held against the answer.

A contract whose arithmetic does not give what it answers becomes an input of its own, and so does whatever
can't be resolved: what is built on top of it stays exact for every other input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from defiliq.oracle.contracts import NOWHERE, Contract
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.kinds import Kind, Seen
from defiliq.oracle.names import is_pair, pair_name
from defiliq.oracle.scale import power_of_ten
from defiliq.oracle.sheet import SHORT, Parts, Sheet, Unsound
from defiliq.pricing.graph import Fixed, Fraction, Input, Least, PriceGraph, Quantity
from defiliq.types import Feed
from defiliq.units import HIGHEST_PRICE


@dataclass(frozen=True, slots=True)
class Quote:
    """How a market's oracle counts, and what else it knows of its feeds."""

    base_unit: int
    base_symbol: str
    is_base: frozenset[int] = frozenset()
    """Feeds that are the base currency itself: their price is the unit."""
    fallback: str = NOWHERE
    """The oracle that answers where a source has no positive answer."""
    rescales: bool = False
    """Whether a price is its source's answer, brought from the source's decimals to those of `Feed.unit`."""
    unsourced: Mapping[int, str] = field(default_factory=dict)
    """Feeds that the oracle itself answers for, with the reason: each is an input of its own."""

    @property
    def decimals(self) -> int:
        """The decimals of prices; rounded up where the unit is no power of ten."""
        return len(str(self.base_unit - 1)) if self.base_unit > 1 else 0


def compose(
    feeds: Sequence[Feed],
    prices: Sequence[int],
    quote: Quote,
    seen: Mapping[str, Seen],
    promises: Mapping[str, Promise],
    timestamp: int,
) -> PriceGraph:
    """The graph of some feeds, whose prices at `timestamp` are `prices`."""
    composer = _Composer(seen, promises, quote, timestamp)
    positions = [composer.feed(k, feed, prices[k]) for k, feed in enumerate(feeds)]
    return _told_apart(_pruned(composer.sheet, positions))


class _Composer:
    """Writes one contract after the other, each once."""

    def __init__(
        self, seen: Mapping[str, Seen], promises: Mapping[str, Promise], quote: Quote, timestamp: int
    ) -> None:
        self.sheet = Sheet(timestamp, promises)
        self._seen, self._quote = seen, quote
        self._done: dict[str, int] = {}
        self._begun: set[str] = set()

    def feed(self, k: int, feed: Feed, price: int) -> int:
        """The position of a feed's price."""
        quote = self._quote
        if k in quote.is_base and price == quote.base_unit:
            return self.sheet.add(Fixed(price, f"{quote.base_symbol}, the base currency"))
        name, own = f"{feed.name}/{quote.base_symbol}", _price_decimals(feed)
        if k in quote.unsourced:
            self.sheet.warn(f"{name}: {quote.unsourced[k]}, which answers {price}")
            return self._unresolved(name, feed.source, price, own)
        if feed.source == NOWHERE:
            self.sheet.warn(f"{name} has no source of its own: the fallback oracle answers {price}")
            return self._unresolved(name, quote.fallback, price, own)
        if feed.source not in self._seen:
            self.sheet.warn(
                f"{name}: its source {feed.source} is one too many to ask, the oracle answers {price}"
            )
            return self._unresolved(name, feed.source, price, own)
        contract = self._seen[feed.source].contract
        up, down = self._scale(feed, contract)
        if contract.answer is None or contract.answer * up // down != price:
            shown = "nothing" if contract.answer is None else contract.answer
            self.sheet.warn(f"{name}: its source {contract.title} answers {shown}, the oracle {price}")
            is_fallen = contract.answer is not None and contract.answer <= 0
            return self._unresolved(name, quote.fallback if is_fallen else feed.source, price, own)
        if not quote.rescales:
            self._check_decimals(name, contract)
        try:
            position = self.position(feed.source, feed.name)
        except Unsound as why:
            self.sheet.warn(f"{name}: {why}")
            return self._unresolved(name, feed.source, price, own)
        if up == down:
            return position
        return self.sheet.add(Fraction((position,), (), up, down, name, feed.source))

    def _scale(self, feed: Feed, contract: Contract) -> tuple[int, int]:
        """What a source's answer is multiplied and divided by to become the price."""
        decimals = _price_decimals(feed)
        if not self._quote.rescales or contract.decimals is None or decimals is None:
            return 1, 1
        return 10 ** max(0, decimals - contract.decimals), 10 ** max(0, contract.decimals - decimals)

    def position(self, address: str, symbol: str = "") -> int:
        """The position of a contract's price; Unsound where it has none.

        `symbol` is the asset that it prices, where it is the source of a feed.
        """
        if address in self._done:
            return self._done[address]
        if address in self._begun:
            raise Unsound(f"{address} asks itself for its price")
        if address not in self._seen:
            raise Unsound(f"{address} lies deeper than price contracts go")
        contract, kind = self._seen[address]
        if contract.answer is None:
            raise Unsound(f"{address} answers no price")
        self._begun.add(address)
        found = None if kind is None else self._built(contract, kind, symbol)
        self._done[address] = self._input(contract, kind, symbol) if found is None else found
        return self._done[address]

    def _built(self, contract: Contract, kind: Kind, symbol: str) -> int | None:
        """The position of what a contract computes; None, and a warning, where it answers otherwise."""
        parts = Parts(contract, self.sheet, symbol, self._child)
        try:
            position = kind.build(parts)
        except Unsound as why:
            self.sheet.warn(f"{contract.title} looks like {kind.name}, but {why}")
            return None
        if self.sheet.values[position] != max(0, contract.answer or 0):
            self.sheet.warn(
                f"{contract.title} looks like {kind.name}, but answers {contract.answer} "
                f"where that would answer {self.sheet.values[position]}"
            )
            return None
        return position

    def _child(self, address: str) -> tuple[int, int | None]:
        return self.position(address), self._seen[address].contract.decimals

    def _input(self, contract: Contract, kind: Kind | None, symbol: str) -> int:
        """A contract taken as it answers: an aggregator, or what can't be resolved."""
        answer = max(0, contract.answer or 0)
        if answer > HIGHEST_PRICE:
            raise Unsound(f"{contract.address} answers {answer}")
        if answer == 0:
            self.sheet.warn(f"{contract.title} answers {contract.answer}, which is no price")
        own = f"{symbol}/{self._quote.base_symbol}" if symbol != "" else contract.address[:SHORT]
        described = pair_name(contract.description)
        if kind is not None or not contract.has_rounds:
            name = own if symbol != "" or described == "" else described
            return self._unresolved(name, contract.address, answer, contract.decimals)
        is_told = described != "" and (is_pair(described) or symbol == "")
        quoted = Input(
            name=described if is_told else own,
            kind="aggregator",
            source=contract.address,
            value=answer,
            decimals=self._quote.decimals if contract.decimals is None else contract.decimals,
            updated_at=contract.updated_at,
        )
        return self.sheet.add(self.sheet.dated(quoted, contract.title))

    def _unresolved(self, name: str, source: str, value: int, decimals: int | None = None) -> int:
        given = self._quote.decimals if decimals is None else decimals
        return self.sheet.add(Input(name, "unresolved", source, value, given))

    def _check_decimals(self, name: str, contract: Contract) -> None:
        decimals, unit = contract.decimals, self._quote.base_unit
        if decimals is not None and 10**decimals != unit:
            self.sheet.warn(
                f"{name}: its source {contract.title} has {decimals} decimals, the market's unit is {unit}"
            )


def _price_decimals(feed: Feed) -> int | None:
    """The decimals of a feed's price; None where they are the market's own."""
    return None if feed.unit is None else power_of_ten(feed.unit)


def _pruned(sheet: Sheet, feeds: Sequence[int]) -> PriceGraph:
    """The graph without what no feed uses."""
    used: set[int] = set()
    waiting = list(feeds)
    while waiting:
        k = waiting.pop()
        if k not in used:
            used.add(k)
            waiting += sheet.quantities[k].uses
    moved = {k: new for new, k in enumerate(sorted(used))}
    kept = tuple(_moved(sheet.quantities[k], moved) for k in sorted(used))
    return PriceGraph(kept, tuple(moved[k] for k in feeds), tuple(sheet.warnings))


def _moved(quantity: Quantity, moved: Mapping[int, int]) -> Quantity:
    if isinstance(quantity, Fraction):
        over, under = (tuple(moved[k] for k in part) for part in (quantity.over, quantity.under))
        return replace(quantity, over=over, under=under)
    if isinstance(quantity, Least):
        return replace(quantity, of=tuple(moved[k] for k in quantity.of))
    return quantity


def _told_apart(graph: PriceGraph) -> PriceGraph:
    """The graph with inputs of which nobody says what they quote named unlike all others: each moves alone.

    Those are unresolved ones, and aggregators that call themselves something else than a pair: contracts of
    one kind for many assets may all say the same.
    """
    names = Counter(quantity.name.casefold() for _, quantity in graph.inputs)
    quantities = list(graph.quantities)
    for k, quantity in graph.inputs:
        is_alone = quantity.kind == "unresolved" or (
            quantity.kind == "aggregator" and not is_pair(quantity.name)
        )
        if is_alone and names[quantity.name.casefold()] > 1:
            name = f"{quantity.name}[{quantity.source[:SHORT]}]"
            quantities[k] = replace(quantity, name=name)
    return replace(graph, quantities=tuple(quantities))
