"""The price graph while it is written: quantities once each, and the parts that one contract is built of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NoReturn

from defiliq.oracle.contracts import Contract
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.names import ratio_name
from defiliq.pricing.graph import Fixed, Fraction, Input, Least, Quantity
from defiliq.units import HIGHEST_PRICE, MAX_UINT256

MAX_POWER: Final = 77
"""10**77 is the largest power of ten inside uint256."""
SHORT: Final = 10
"""Characters of an address that stand for it in names."""


BEYOND_TIME: Final = 1 << 48
"""No timestamp is as large."""
RATIO_ANSWER: Final = "latestAnswer of RATIO_PROVIDER"
RATIO_UPDATED_AT: Final = "latestTimestamp of RATIO_PROVIDER"


class Unsound(Exception):
    """A contract that can't be what it looks like, or that asks one that can't be used; the text says why."""


class Sheet:
    """Quantities in order, with their values at one time; an equal one is not written twice."""

    def __init__(self, timestamp: int, promises: Mapping[str, Promise] | None = None) -> None:
        self.timestamp = timestamp
        self._promises = {} if promises is None else promises
        self.quantities: list[Quantity] = []
        self.values: list[int] = []
        self.warnings: list[str] = []
        self._positions: dict[Quantity, int] = {}
        self._ratios: dict[tuple[str, int, int], int] = {}

    def add(self, quantity: Quantity) -> int:
        """The position of a quantity, new or the one it had."""
        known = self._positions.get(quantity)
        if known is not None:
            return known
        self._positions[quantity] = len(self.quantities)
        self.values.append(quantity.value_at(self.values, self.timestamp))
        self.quantities.append(quantity)
        return len(self.quantities) - 1

    def ratio(self, name: str, source: str, value: int, decimals: int, updated_at: int | None = None) -> int:
        """An exchange rate: one input for all who read the same number of the same contract."""
        key = (source, value, decimals)
        if key not in self._ratios:
            rate = Input(name, "ratio", source, value, decimals, updated_at)
            self._ratios[key] = self.add(self.dated(rate, f"{name} ({source[:SHORT]}..)"))
        return self._ratios[key]

    def dated(self, answer: Input, title: str) -> Input:
        """An input with what its operator promises of it; an age that breaks the promise is said."""
        promise = self._promises.get(answer.source, Promise())
        age = None if answer.updated_at is None else self.timestamp - answer.updated_at
        if age is not None and age < 0:
            self.warn(f"{title} says that it answered {-age} s after this block")
        if age is not None and promise.heartbeat_s is not None and age > promise.heartbeat_s:
            self.warn(f"{title} is stale: its answer is {age} s old, its heartbeat {promise.heartbeat_s} s")
        return replace(answer, heartbeat_s=promise.heartbeat_s, deviation_bps=promise.deviation_bps)

    def warn(self, text: str) -> None:
        """Something that a reader of prices should know, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def pair_under(self, position: int) -> str:
        """The name of the first price feed below a quantity; empty where there is none."""
        waiting = [position]
        while waiting:
            quantity = self.quantities[waiting.pop(0)]
            if isinstance(quantity, Input) and quantity.kind != "ratio":
                return quantity.name
            waiting += quantity.uses
        return ""


class Parts:
    """One contract's answers as its arithmetic needs them; Unsound where they are no such thing."""

    def __init__(
        self, contract: Contract, sheet: Sheet, symbol: str, child: Callable[[str], tuple[int, int | None]]
    ) -> None:
        """`symbol` is the asset that the contract prices, if known; `child` gives position and decimals of
        a further contract's price."""
        self.contract, self.sheet = contract, sheet
        self._symbol, self._child = symbol, child

    @property
    def label(self) -> str:
        """What the contract's answer is called: its description, or the asset where it has none."""
        return self._symbol if self.contract.description == "" else self.contract.description

    def refuse(self, why: str) -> NoReturn:
        """Say that the contract is not what it looks like."""
        raise Unsound(why)

    def has(self, name: str) -> bool:
        """Whether a getter answered."""
        return name in self.contract.numbers

    def number(self, name: str) -> int:
        """An answer that can't be negative."""
        number = self.contract.numbers.get(name)
        if number is None:
            self.refuse(f"it does not answer {name}")
        if number < 0:
            self.refuse(f"its {name} is {number}")
        return number

    def scale(self, name: str) -> int:
        """An answer that is divided by."""
        number = self.number(name)
        if number == 0:
            self.refuse(f"its {name} is 0")
        return number

    def power(self, name: str) -> int:
        """10 to an answer."""
        return ten_to(self.number(name), name)

    @property
    def decimals(self) -> int:
        """The contract's own decimals."""
        if self.contract.decimals is None:
            self.refuse("it does not answer decimals")
        return self.contract.decimals

    def feed(self, name: str) -> int:
        """The position of the price that a getter's contract answers."""
        return self._child(self.named(name))[0]

    def is_priced(self, name: str) -> bool:
        """Whether a getter's contract answers a price."""
        try:
            self.feed(name)
        except Unsound:
            return False
        return True

    def feed_decimals(self, name: str) -> int:
        """The present decimals of a getter's contract."""
        decimals = self._child(self.named(name))[1]
        if decimals is None:
            self.refuse(f"its {name} does not answer decimals")
        return decimals

    def ratio(
        self, name: str, provider: str, decimals: int, base: int | None = None, title: str | None = None
    ) -> int:
        """The exchange rate in an answer; the contract that `provider` names is its source.

        `base` is the position of the price that it is multiplied with; `title` is its name, where the
        description does not say it.
        """
        value = self.number(name)
        if value > HIGHEST_PRICE or decimals > MAX_POWER:
            self.refuse(f"its {name} is {value} with {decimals} decimals")
        if title is None:
            pair = "" if base is None else self.sheet.pair_under(base)
            own = self.contract.address[:SHORT] if self.label == "" else self._symbol
            title = ratio_name(self.contract.description, own, pair)
        return self.sheet.ratio(title, self.named(provider), value, decimals, self._ratio_updated_at(value))

    def _ratio_updated_at(self, ratio: int) -> int | None:
        """When the ratio was written, where it is the answer of an aggregator that says so."""
        numbers = self.contract.numbers
        written = numbers.get(RATIO_UPDATED_AT)
        is_answer = numbers.get(RATIO_ANSWER) == ratio
        return written if is_answer and written is not None and 0 < written < BEYOND_TIME else None

    def fraction(
        self, over: Sequence[int], under: Sequence[int] = (), numerator: int = 1, denominator: int = 1
    ) -> int:
        """The contract's answer as a fraction; Unsound where the EVM could not multiply its constants."""
        source = self.contract.address
        if max(numerator, denominator) > MAX_UINT256:
            self.refuse("its constants multiply beyond 2**256")
        return self.sheet.add(Fraction(tuple(over), tuple(under), numerator, denominator, self.label, source))

    def least(self, *of: int) -> int:
        """The contract's answer as the smallest of some quantities."""
        return self.sheet.add(Least(of, self.label, self.contract.address))

    def fixed(self, value: int) -> int:
        """The contract's answer as a number that is written into it."""
        return self.sheet.add(Fixed(value, self.label, self.contract.address))

    def expect(self, name: str, expected: int) -> None:
        """Warn where a number that the contract was built with is not what its feeds' decimals say now."""
        if self.number(name) != expected:
            self.warn(f"has {name} {self.number(name)}, but the present decimals of its feeds say {expected}")

    def warn(self, text: str) -> None:
        """Something that a reader of this contract's price should know."""
        self.sheet.warn(f"{self.contract.title} {text}")

    def named(self, name: str) -> str:
        """The address that a getter answered."""
        address = self.contract.address_in(name)
        if address is None:
            self.refuse(f"its {name} is no address")
        return address


def ten_to(exponent: int, what: str = "decimals") -> int:
    """10**exponent, where that is a number of the EVM."""
    if not 0 <= exponent <= MAX_POWER:
        raise Unsound(f"its {what} is {exponent}")
    return int(10**exponent)
