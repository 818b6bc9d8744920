"""Drivers: one integer that moves, and the feeds that follow it, each by its contract's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias, TypeVar

from defiliq.pricing.graph import Fixed, Fraction, Least, PriceGraph
from defiliq.pricing.span import Span, straight
from defiliq.units import HIGHEST_PRICE

DEEPEST_FALL = 10**6
"""How many times lower a driver may stand while the rounding of its prices still means nothing."""

V = TypeVar("V")

Step: TypeAlias = Fixed | Fraction | Least
"""An operation on registers: the graph's own, with everything that the driver does not move folded in."""


@dataclass(frozen=True, slots=True)
class Move:
    """How something follows a driver in proportion: driver * numerator / denominator, rounded down."""

    target: int
    """Position of a feed, or of an input of the graph."""
    numerator: int = 1
    denominator: int = 1


class Stretch(NamedTuple):
    """Prices of all feeds while a driver goes from one integer to another; one entry per feed each."""

    start: Sequence[int]
    end: Sequence[int]
    low: Sequence[int]
    """No price is below. It is `start` or `end` itself where all feeds move one way."""
    high: Sequence[int]
    """No price is above. It is `start` or `end` itself where all feeds move one way."""
    bend: Sequence[int]
    """No price is further from the straight line between its two ends."""

    def pick(self, values_of: Callable[[Sequence[int]], V], start: V, end: V) -> tuple[V, V]:
        """`values_of` the low and the high prices, where those of `start` and `end` are known already."""
        known = ((self.start, start), (self.end, end))
        low = next((v for prices, v in known if prices is self.low), None)
        high = next((v for prices, v in known if prices is self.high), None)
        return (
            values_of(self.low) if low is None else low,
            values_of(self.high) if high is None else high,
        )


@dataclass(frozen=True, slots=True)
class Driver:
    """What really moves: one integer, and the feeds that follow it.

    Register 0 is the driver's integer, and each step adds one. Build it with `driver_of_inputs` or
    `driver_of_feeds`, which also find how far it can go.
    """

    name: str
    spot: int
    unit: int
    """Integers in 1.0 of the driver."""
    steps: tuple[Step, ...]
    outputs: tuple[tuple[int, int], ...]
    """(feed, register) of every feed that it moves."""
    inputs: tuple[tuple[int, int], ...] = ()
    """(position in the price graph, register) of the inputs that it is; none where it moves feeds by hand."""
    lowest: int = 1
    """From here to spot every moved feed has a price of at least 1."""
    highest: int = HIGHEST_PRICE
    """From spot to here no moved feed leaves the searched range."""

    @property
    def shallow(self) -> int:
        """A millionth of spot: below it prices are so few integers that mostly their rounding is left."""
        return self.spot // DEEPEST_FALL

    @property
    def is_cut(self) -> bool:
        """Whether some price is gone while others still mean something: the range ends above `shallow`."""
        return self.lowest > max(1, self.shallow)

    def only(self, feeds: Container[int]) -> Driver:
        """The same as far as some feeds go: it moves no other, and takes as much less time to follow.

        Where another feed was what cut its range short, it reaches further down.
        """
        outputs = [(feed, register) for feed, register in self.outputs if feed in feeds]
        needed, waiting = {0}, [register for _, register in outputs]
        while waiting:
            register = waiting.pop()
            if register not in needed:
                needed.add(register)
                waiting += self.steps[register - 1].uses
        place = {register: k for k, register in enumerate(sorted(needed))}
        steps = tuple(_renumbered(self.steps[register - 1], place) for register in sorted(needed - {0}))
        kept = tuple((feed, place[register]) for feed, register in outputs)
        if not self.is_cut or len(kept) == len(self.outputs):
            return replace(self, steps=steps, outputs=kept, inputs=())
        return _within_range(self.name, self.spot, self.unit, steps, kept, ())

    @property
    def feeds(self) -> frozenset[int]:
        """The feeds it moves."""
        return frozenset(feed for feed, _ in self.outputs)

    def registers(self, at: int) -> list[int]:
        """Every register with the driver at `at`."""
        values = [at]
        for step in self.steps:
            values.append(step.value_at(values, 0))
        return values

    def prices(self, at: int) -> dict[int, int]:
        """Feed position to price, with the driver at `at`."""
        values = self.registers(at)
        return {feed: values[register] for feed, register in self.outputs}

    def moved_inputs(self, at: int) -> dict[int, int]:
        """Graph position to integer of the inputs that it is, with the driver at `at`."""
        values = self.registers(at)
        return {position: values[register] for position, register in self.inputs}

    def lead(self, prices: Sequence[int], at: int) -> list[int]:
        """All feeds' prices, with the driver at `at` and the feeds it does not move where they are."""
        led = list(prices)
        values = self.registers(at)
        for feed, register in self.outputs:
            led[feed] = values[register]
        return led

    def stretch(self, prices: Sequence[int], start: int, end: int) -> Stretch:
        """All feeds' prices while the driver goes from `start` to `end`, both included."""
        first, last = list(prices), list(prices)
        bend = [0] * len(first)
        if not self.steps:
            for feed, _ in self.outputs:
                first[feed], last[feed] = start, end
            return Stretch(first, last, *_ordered(first, last, rises=end >= start), bend)
        spans = self.spans(start, end)
        rises = falls = True
        low, high = list(prices), list(prices)
        for feed, register in self.outputs:
            span = spans[register]
            first[feed], last[feed], low[feed], high[feed], bend[feed] = span
            rises &= span.low == span.start and span.high == span.end
            falls &= span.low == span.end and span.high == span.start
        if rises or falls:
            return Stretch(first, last, *_ordered(first, last, rises=rises), bend)
        return Stretch(first, last, low, high, bend)

    def spans(self, start: int, end: int) -> list[Span]:
        """What every register does while the driver goes from `start` to `end`."""
        spans = [straight(start, end)]
        for step in self.steps:
            spans.append(step.span(spans))
        return spans


def _renumbered(step: Step, place: Mapping[int, int]) -> Step:
    """The same operation on registers that stand elsewhere."""
    if isinstance(step, Fraction):
        over, under = tuple(place[k] for k in step.over), tuple(place[k] for k in step.under)
        return replace(step, over=over, under=under)
    return replace(step, of=tuple(place[k] for k in step.of)) if isinstance(step, Least) else step


def _ordered(first: list[int], last: list[int], *, rises: bool) -> tuple[list[int], list[int]]:
    return (first, last) if rises else (last, first)


def driver_of_inputs(
    graph: PriceGraph, name: str, spot: int, unit: int, moves: Sequence[Move], timestamp: int
) -> Driver:
    """A driver that is some inputs of a graph, each in proportion to it; all else stands still."""
    values = graph.values(timestamp)
    program = _Program()
    inputs = tuple((move.target, program.follow(move)) for move in moves)
    registers = dict(inputs)
    for position, quantity in enumerate(graph.quantities):
        moved = [k for k in quantity.uses if k in registers]
        if not moved:
            continue
        if isinstance(quantity, Least):
            still = [values[k] for k in quantity.of if k not in registers]
            parts = [registers[k] for k in moved]
            if still:
                parts.append(program.add(Fixed(min(still))))
            registers[position] = program.add(Least(tuple(parts)))
        elif isinstance(quantity, Fraction):
            registers[position] = program.add(_folded(quantity, registers, values))
    outputs = tuple((feed, registers[k]) for feed, k in enumerate(graph.feeds) if k in registers)
    return _within_range(name, spot, unit, program.steps, outputs, inputs)


def driver_of_feeds(name: str, spot: int, unit: int, moves: Sequence[Move]) -> Driver:
    """A driver that moves feeds themselves in proportion, whatever their sources are made of."""
    program = _Program()
    outputs = tuple((move.target, program.follow(move)) for move in moves)
    return _within_range(name, spot, unit, program.steps, outputs, ())


class _Program:
    """Steps as they are added; knows the register of each."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps)

    def follow(self, move: Move) -> int:
        if move.numerator == move.denominator:
            return 0
        return self.add(Fraction((0,), (), move.numerator, move.denominator))


def _folded(quantity: Fraction, registers: Mapping[int, int], values: Sequence[int]) -> Fraction:
    """A fraction over registers, with the parts that stand still multiplied into its constants."""
    numerator, denominator = quantity.numerator, quantity.denominator
    for k in quantity.over:
        numerator *= 1 if k in registers else values[k]
    for k in quantity.under:
        denominator *= 1 if k in registers else values[k]
    over = tuple(registers[k] for k in quantity.over if k in registers)
    under = tuple(registers[k] for k in quantity.under if k in registers)
    return Fraction(over, under, numerator, denominator)


def _within_range(
    name: str,
    spot: int,
    unit: int,
    steps: Sequence[Step],
    outputs: tuple[tuple[int, int], ...],
    inputs: tuple[tuple[int, int], ...],
) -> Driver:
    """The driver with its range: as far from spot as every price on the way is proved to be one."""
    driver = Driver(name, spot, unit, tuple(steps), outputs, inputs)

    def is_priced(at: int) -> bool:
        spans = driver.spans(spot, at)
        return all(spans[k].low >= 1 and spans[k].high <= HIGHEST_PRICE for _, k in outputs)

    lowest, highest = _furthest(spot, 1, is_priced), _furthest(spot, HIGHEST_PRICE, is_priced)
    return Driver(name, spot, unit, tuple(steps), outputs, inputs, lowest, highest)


def _furthest(near: int, far: int, holds: Callable[[int], bool]) -> int:
    """The integer nearest to `far` at which `holds`, where it stops holding once on the way; else `near`."""
    if holds(far):
        return far
    while abs(far - near) > 1:
        middle = (near + far) // 2
        if holds(middle):
            near = middle
        else:
            far = middle
    return near
