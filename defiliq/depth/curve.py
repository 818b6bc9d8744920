"""A depth curve from a file: what an order book, or any source, says rests at which price.

CSV with a header. One row per level; lines that begin with # are skipped, the order of rows does not matter:

    side,price,amount
    bid,1990,120.5
    bid,1980,300
    ask,2010,80

`price` is quote per base and `amount` base, both as people write them. `amount` is what rests between this
level and the one before it on the way to the middle; a column `cumulative` in its place is what rests between
this level and the middle. The middle is halfway between the best bid and the best ask, or a row of its own:
side `mid` with a price and no amount, needed where a side is empty.

Between two levels, the amount is spread so that the price moves evenly as it is traded: the price is a
piecewise linear function of the position, exact as a fraction. Beyond the last level the depth is dry.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil, floor
from pathlib import Path
from typing import Final, Self, TypeAlias

from defiliq.depth.position import Positional
from defiliq.depth.venue import Token, cut
from defiliq.errors import BadFile

HALF: Final = Fraction(1, 2)
MAX_ROWS: Final = 100_000
MAX_BYTES: Final = 16 << 20
_NUMBER: Final = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_SIDES: Final = ("bid", "ask", "mid")

Alone: TypeAlias = tuple[Fraction, Fraction]
"""A price and what rests there alone."""
Level: TypeAlias = tuple[Fraction, Fraction | None]
"""A price and an amount of a row, which the middle has not."""


@dataclass(frozen=True, slots=True)
class Curve(Positional):
    """Price as a function of the position, through points that are joined by straight lines."""

    name: str
    base: Token
    quote: Token
    nets: tuple[int, ...]
    """Positions of the points, ascending; 0 is the middle."""
    prices: tuple[Fraction, ...]
    """At the points, in base units, never falling."""
    costs: tuple[Fraction, ...]
    """The area between the middle and each point."""
    scale: Fraction = Fraction(1)
    """How the market moved as a whole since."""
    net: int = 0

    def at_price(self, price: Fraction) -> Self:
        """The whole curve moved so that the price is here. What was eaten stays eaten."""
        if price <= 0:
            raise ValueError(f"{price} is no price")
        return replace(self, scale=cut(self.scale * Fraction(price, self.price)))

    def _price_of(self, net: int) -> Fraction:
        right = self._right_of(net)
        share = Fraction(net - self.nets[right - 1], self.nets[right] - self.nets[right - 1])
        first, last = self.prices[right - 1], self.prices[right]
        return self.scale * (first + (last - first) * share)

    def _cost_of(self, net: int) -> Fraction:
        right = self._right_of(net)
        mean = HALF * (self.scale * self.prices[right - 1] + self._price_of(net))
        return self.scale * self.costs[right - 1] + mean * (net - self.nets[right - 1])

    def _right_of(self, net: int) -> int:
        """The point at the end of the line that a position is on."""
        return min(max(bisect_right(self.nets, net), 1), len(self.nets) - 1)

    def _lowest(self) -> int:
        return self.nets[0]

    def _highest(self) -> int:
        return self.nets[-1]

    def _lowest_at(self, price: Fraction) -> int:
        wanted = Fraction(price, self.scale)
        right = bisect_left(self.prices, wanted)
        return self._between(right, wanted, up=True)

    def _highest_at(self, price: Fraction) -> int:
        wanted = Fraction(price, self.scale)
        right = bisect_right(self.prices, wanted)
        return self._between(right, wanted, up=False)

    def _between(self, right: int, wanted: Fraction, *, up: bool) -> int:
        """The position with a price on the line that ends in a point; the curve's ends for prices beyond."""
        if right == 0:
            return self.nets[0]
        if right == len(self.prices):
            return self.nets[-1]
        first, last = self.prices[right - 1], self.prices[right]
        share = Fraction(wanted - first, last - first)
        position = self.nets[right - 1] + share * (self.nets[right] - self.nets[right - 1])
        return ceil(position) if up else floor(position)

    def _at(self, net: int) -> Self:
        return replace(self, net=net)


def curve(
    name: str,
    base: Token,
    quote: Token,
    bids: Iterable[Alone],
    asks: Iterable[Alone],
    middle: Fraction | None = None,
) -> Curve:
    """A curve of (price, amount) levels as people write them, both of each level alone.

    ValueError says what makes it none.
    """
    below = sorted(bids, key=lambda level: (-level[0], level[1]))
    above = sorted(asks)
    middle = _middle(below, above) if middle is None else middle
    if not below and not above:
        raise ValueError("it has no levels")
    if (below and below[0][0] > middle) or (above and above[0][0] < middle):
        raise ValueError("a bid above the middle, or an ask below it")
    if middle <= 0 or any(price <= 0 or amount <= 0 for price, amount in (*below, *above)):
        raise ValueError("a price or an amount that is not above 0")
    unit = Fraction(10**quote.decimals, 10**base.decimals)
    sold = list(accumulate(-floor(amount * 10**base.decimals) for _, amount in below))
    bought = list(accumulate(floor(amount * 10**base.decimals) for _, amount in above))
    nets = (*reversed(sold), 0, *bought)
    if any(left == right for left, right in pairwise(nets)):
        raise ValueError(f"an amount of less than a base unit of {base.symbol}")
    prices = tuple(
        price * unit
        for price in (*(price for price, _ in reversed(below)), middle, *(price for price, _ in above))
    )
    return Curve(name, base, quote, nets, prices, _areas(nets, prices))


def _areas(nets: Sequence[int], prices: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The area from the middle to each point; below 0 on the side of the bids."""
    steps = [
        HALF * (right - left) * (prices[k] + prices[k + 1]) for k, (left, right) in enumerate(pairwise(nets))
    ]
    from_first = list(accumulate(steps, initial=Fraction(0)))
    middle = from_first[nets.index(0)]
    return tuple(area - middle for area in from_first)


def _middle(below: Sequence[Alone], above: Sequence[Alone]) -> Fraction:
    if not below or not above:
        raise ValueError("one side is empty, and no row of side mid says where the middle is")
    if below[0][0] > above[0][0]:
        raise ValueError("the best bid is above the best ask")
    return HALF * (below[0][0] + above[0][0])


def load_curve(path: str | Path, base: Token, quote: Token) -> Curve:
    """The curve of a CSV file; BadFile where it is none."""
    return curve_from_text(_text(Path(path)), str(path), base, quote)


def curve_from_text(text: str, path: str, base: Token, quote: Token) -> Curve:
    """The curve that a CSV text holds; `path` names it."""
    try:
        lines = enumerate(text.splitlines(), 1)
        levels = _levels({number: line for number, line in lines if line.strip() and line[0] != "#"})
        middle = levels["mid"][0][0] if levels["mid"] else None
        bids = [(price, amount) for price, amount in levels["bid"] if amount is not None]
        asks = [(price, amount) for price, amount in levels["ask"] if amount is not None]
        return curve(f"depth curve {Path(path).name}", base, quote, bids, asks, middle)
    except (ValueError, csv.Error) as error:
        raise BadFile(path, f"it is no depth curve: {error}") from None


def _levels(lines: Mapping[int, str]) -> dict[str, list[Level]]:
    """The rows of numbered lines by side, amounts of each level alone."""
    rows, numbers = csv.DictReader(lines.values(), strict=True), list(lines)
    header = [] if rows.fieldnames is None else [name.strip() for name in rows.fieldnames]
    given = [name for name in header if name in ("amount", "cumulative")]
    if header.count("side") != 1 or header.count("price") != 1 or len(given) != 1:
        raise ValueError("its header is not side,price,amount or side,price,cumulative")
    rows.fieldnames = header
    found: dict[str, list[Level]] = {side: [] for side in _SIDES}
    for count, row in enumerate(rows, 1):
        if count > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} rows")
        try:
            side, level = _level(row, given[0])
        except ValueError as error:
            raise ValueError(f"line {numbers[rows.line_num - 1]}: {error}") from None
        found[side].append(level)
    if len(found["mid"]) > 1:
        raise ValueError("two rows of side mid")
    if given == ["cumulative"]:
        found["bid"] = _alone(sorted(found["bid"], key=lambda level: -level[0]))
        found["ask"] = _alone(sorted(found["ask"], key=lambda level: level[0]))
    return found


def _level(row: Mapping[str, str | None], amount: str) -> tuple[str, Level]:
    if None in row:
        raise ValueError("more cells than the header has; write 2010.5 for a price, not 2,010.5")
    side, price, size = (_cell(row, name) for name in ("side", "price", amount))
    if side not in _SIDES:
        raise ValueError(f"side {side[:20]!r} is not bid, ask or mid")
    if side == "mid":
        if size:
            raise ValueError("the row of side mid has an amount")
        return side, (_number(price), None)
    return side, (_number(price), _number(size))


def _cell(row: Mapping[str, str | None], name: str) -> str:
    value = row.get(name)
    return "" if value is None else value.strip()


def _alone(levels: list[Level]) -> list[Level]:
    """Cumulative amounts as amounts of each level."""
    amounts = [Fraction(0), *(amount for _, amount in levels if amount is not None)]
    if any(last <= first for first, last in pairwise(amounts)):
        raise ValueError("cumulative amounts do not grow away from the middle")
    return [(level[0], last - first) for level, (first, last) in zip(levels, pairwise(amounts), strict=True)]


def _number(text: str) -> Fraction:
    value = Fraction(text) if _NUMBER.fullmatch(text) else None
    if value is None or value == 0:
        raise ValueError(f"{text[:40]!r} is no number above 0")
    return value


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadFile(str(path), f"it is larger than {MAX_BYTES >> 20} MB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadFile(str(path), error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        raise BadFile(str(path), "it is not text") from None
