"""The price graph of a market: every feed as integer arithmetic over what really moves.

Quantities stand in an order in which each only uses earlier ones, so the graph is walked once from left to
right. Leaves are `Input` (some contract's answer, which moves by itself), `Fixed`, and the two that only time
moves, `Growing` and `Discount`. All else is a `Fraction` or a `Least`. Nothing is negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeAlias

from defiliq.pricing.span import Span, constant, fraction, least, linear, mul_div

InputKind: TypeAlias = Literal["aggregator", "oracle", "ratio", "unresolved"]
Spans: TypeAlias = Sequence[Span] | Mapping[int, Span]
"""What quantities do, by their positions."""


@dataclass(frozen=True, slots=True)
class Input:
    """An integer that a contract answers and that nothing here computes."""

    name: str
    """What it quotes: ETH/USD, wstETH/ETH ratio; the feed's own name where that is not known."""
    kind: InputKind
    """`aggregator`: a price feed. `oracle`: a price that the chain itself keeps. `ratio`: an exchange rate.
    `unresolved`: a feed taken as it answers."""
    source: str
    """The contract that answers; `market/N` for a price that the chain itself keeps."""
    value: int
    """Its answer at the market's block."""
    decimals: int
    updated_at: int | None = None
    """When the answer was written, where the contract says so."""
    heartbeat_s: int | None = None
    """The longest time between two answers that the feed's operator promises, where it is known."""
    deviation_bps: int | None = None
    """The move that makes it answer sooner, where it is known."""

    @property
    def uses(self) -> tuple[int, ...]:
        """Nothing: it is a leaf."""
        return ()

    def value_at(self, values: Sequence[int], timestamp: int) -> int:
        """Its answer; what moves it is put in its place before."""
        return self.value


@dataclass(frozen=True, slots=True)
class Fixed:
    """A number written into a contract."""

    value: int
    label: str = ""
    source: str = ""

    @property
    def uses(self) -> tuple[int, ...]:
        """Nothing: it is a leaf."""
        return ()

    def value_at(self, values: Sequence[int], timestamp: int) -> int:
        """The same at all times."""
        return self.value

    def span(self, spans: Spans) -> Span:
        """The same everywhere."""
        return constant(self.value)


@dataclass(frozen=True, slots=True)
class Growing:
    """start + growth * (timestamp - since) / scale, rounded down (PriceCapAdapterBase._getMaxRatio)."""

    start: int
    since: int
    growth: int
    scale: int
    label: str = "cap"

    @property
    def uses(self) -> tuple[int, ...]:
        """Nothing: it is a leaf."""
        return ()

    def value_at(self, values: Sequence[int], timestamp: int) -> int:
        """Its value at a time, which is not before `since` on any chain that lets the contract answer."""
        return self.start + self.growth * (timestamp - self.since) // self.scale

    def reaches(self, value: int) -> int | None:
        """The first second at which it is a value or more; None if it never grows to it."""
        if self.growth <= 0:
            return None
        return self.since - -(value - self.start) * self.scale // self.growth

    def span_over(self, first: int, last: int) -> Span:
        """What it does from one second to another: a line, rounded down."""
        return linear(self.value_at((), first), self.value_at((), last), bend=1)


@dataclass(frozen=True, slots=True)
class Discount:
    """whole - (seconds to maturity) * rate / year, the last rounded down (PendlePriceCapAdapter).

    0 where the discount would exceed the whole: the contract reverts there.
    """

    whole: int
    rate: int
    maturity: int
    year: int
    label: str = "1 - discount"

    @property
    def uses(self) -> tuple[int, ...]:
        """Nothing: it is a leaf."""
        return ()

    def value_at(self, values: Sequence[int], timestamp: int) -> int:
        """What is left of the whole at a time."""
        return max(0, self.whole - max(0, self.maturity - timestamp) * self.rate // self.year)

    def span_over(self, first: int, last: int) -> Span:
        """What it does from one second to another: a rounded line between its kinks, where it is not flat."""
        start, end = self.value_at((), first), self.value_at((), last)
        is_line = start > 0 and last <= self.maturity
        return linear(start, end, bend=1 if is_line else end - start)


@dataclass(frozen=True, slots=True)
class Fraction:
    """numerator * product(over) / (denominator * product(under)), rounded down; 0 where a part is 0."""

    over: tuple[int, ...]
    """Positions of earlier quantities."""
    under: tuple[int, ...]
    numerator: int
    denominator: int
    label: str = ""
    source: str = ""

    @property
    def uses(self) -> tuple[int, ...]:
        """The quantities it is made of."""
        return (*self.over, *self.under)

    def value_at(self, values: Sequence[int], timestamp: int) -> int:
        """The integer that the contract's own division gives."""
        dividend, divisor = self.numerator, self.denominator
        for k in self.over:
            dividend *= values[k]
        for k in self.under:
            divisor *= values[k]
        return dividend // divisor if divisor else 0

    def span(self, spans: Spans) -> Span:
        """What it does while its parts do what `spans` say."""
        if len(self.over) == 1 and not self.under and self.denominator:
            return mul_div(spans[self.over[0]], self.numerator, self.denominator)
        over, under = [spans[k] for k in self.over], [spans[k] for k in self.under]
        return fraction(over, under, self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Least:
    """The smallest of some earlier quantities: a price or a ratio under its cap."""

    of: tuple[int, ...]
    label: str = ""
    source: str = ""

    @property
    def uses(self) -> tuple[int, ...]:
        """The quantities it is made of."""
        return self.of

    def value_at(self, values: Sequence[int], timestamp: int) -> int:
        """The smallest."""
        return min(values[k] for k in self.of)

    def span(self, spans: Spans) -> Span:
        """What it does while its parts do what `spans` say."""
        return least([spans[k] for k in self.of])


Quantity: TypeAlias = Input | Fixed | Growing | Discount | Fraction | Least


@dataclass(frozen=True, slots=True)
class PriceGraph:
    """All quantities of a market and which of them answers for each feed.

    The empty graph says that nothing was resolved: every feed is then an input of its own.
    """

    quantities: tuple[Quantity, ...] = ()
    feeds: tuple[int, ...] = ()
    """Per feed of the market, the position of the quantity that is its price."""
    warnings: tuple[str, ...] = field(default_factory=tuple)
    """What a reader of prices should know: stale answers, odd decimals, adapters that answer otherwise."""

    @property
    def inputs(self) -> tuple[tuple[int, Input], ...]:
        """Positions and inputs, in order."""
        return tuple((k, q) for k, q in enumerate(self.quantities) if isinstance(q, Input))

    def values(self, timestamp: int, moved: Mapping[int, int] | None = None) -> list[int]:
        """Every quantity at a time, with some inputs elsewhere; `moved` maps positions to integers."""
        elsewhere = {} if moved is None else moved
        values: list[int] = []
        for k, quantity in enumerate(self.quantities):
            values.append(elsewhere[k] if k in elsewhere else quantity.value_at(values, timestamp))
        return values

    def prices(self, timestamp: int, moved: Mapping[int, int] | None = None) -> tuple[int, ...]:
        """The price of every feed at a time, with some inputs elsewhere."""
        values = self.values(timestamp, moved)
        return tuple(values[k] for k in self.feeds)

    def moving(self, moved: Mapping[int, int]) -> Self:
        """The same graph with some inputs elsewhere for good."""
        quantities = list(self.quantities)
        for k, value in moved.items():
            quantity = quantities[k]
            if not isinstance(quantity, Input):
                raise TypeError(f"quantity {k} is no input")
            quantities[k] = replace(quantity, value=value)
        return replace(self, quantities=tuple(quantities))

    def spans(self, positions: Sequence[int], first: int, last: int) -> dict[int, Span]:
        """What some quantities do from one second to another while every input stands still.

        `positions` are in order and hold all that they are made of, as `below` gives them.
        """
        spans: dict[int, Span] = {}
        for k in positions:
            quantity = self.quantities[k]
            if isinstance(quantity, Growing | Discount):
                spans[k] = quantity.span_over(first, last)
            elif isinstance(quantity, Input):
                spans[k] = constant(quantity.value)
            else:
                spans[k] = quantity.span(spans)
        return spans

    def below(self, position: int) -> list[int]:
        """Positions of a quantity and of all that it is made of, each once, in order."""
        seen: set[int] = set()
        waiting = [position]
        while waiting:
            k = waiting.pop()
            if k not in seen:
                seen.add(k)
                waiting += self.quantities[k].uses
        return sorted(seen)

    def roots(self, position: int) -> Iterator[int]:
        """Positions of the leaves below a quantity, each once, in order."""
        return (k for k in self.below(position) if not self.quantities[k].uses)

    def is_timed(self, position: int) -> bool:
        """Whether time alone moves a quantity."""
        return any(isinstance(self.quantities[k], Growing | Discount) for k in self.roots(position))
