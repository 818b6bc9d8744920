"""A market at one block: reserves, prices, and how the names of its accounts are spelled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from defiliq.errors import InputError, NoStoredIndices
from defiliq.pricing.graph import PriceGraph
from defiliq.types.chain import Block, checksum

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Feed:
    """One price source of a market; `Market.prices` holds its answer at the same position."""

    name: str
    """Symbols of the reserves it prices, joined by '+'."""
    source: str
    """The contract that answers, EIP-55; the zero address where the oracle has no source of its own."""
    unit: int | None = None
    """Integers in 1.0 of its price; None where that is the market's own base unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """An asset as one market lists it. Protocols add their parameters in a subclass."""

    highest_id: ClassVar[int] = 2**16 - 1

    id: int
    """The protocol's own number of the reserve; its position in `Market.reserves` may differ."""
    asset: str
    symbol: str
    decimals: int
    feed: int
    """Position of its price in `Market.prices`."""

    @property
    def unit(self) -> int:
        """Base units in one whole token."""
        return int(10**self.decimals)

    @property
    def receipt(self) -> tuple[str, str] | None:
        """(address, symbol) of the token that suppliers hold instead, where that counts in its own units."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One market at one block: reserves, prices, and the instant that balances are evaluated at.

    Every price is positive: a missing one is an error when the market is built. Protocols add their
    parameters in a subclass.
    """

    protocol: str
    name: str
    version: str
    block: Block
    timestamp: int
    base_unit: int
    """Integers in one unit of the base currency: 10**8 where prices are dollars with 8 decimals."""
    base_symbol: str
    reserves: tuple[Reserve, ...]
    feeds: tuple[Feed, ...]
    prices: tuple[int, ...]
    """Oracle integers, one per feed, in `feeds` order."""
    graph: PriceGraph = field(default_factory=PriceGraph)
    """How the prices hang on what really moves; empty where no feed was resolved."""
    stored: bool = False
    """Whether verdicts use indices as they were last written, as some protocols' views do."""

    account_bytes: ClassVar[int] = 20
    """The length of the keys by which books keep accounts."""

    unforeseen: ClassVar[str] = ""
    """What moves accounts as time goes by and is not known ahead: no instant of breaking reckons with it."""
    joint_driver: ClassVar[str] = ""
    """The name of the driver that moves every input alike, on markets where people think in one."""

    @staticmethod
    def account_name(key: bytes) -> str:
        """An account's name from the bytes that books keep: the EIP-55 spelling of its address."""
        return checksum(key)

    @staticmethod
    def account_key(name: str) -> bytes:
        """The bytes of an account's name in any spelling; InputError where it is none."""
        if _ADDRESS.fullmatch(name) is None:
            raise InputError(f"{name!r} is no address. Write 0x and 40 hex digits.")
        return bytes.fromhex(name[2:])

    @classmethod
    def check_typed(cls, name: str) -> None:
        """Refuse a name that a person mistyped, before anyone is asked for it: InputError.

        Capitals of an address are its checksum (EIP-55), unless all letters are capitals or none.
        """
        cls.account_key(name)
        digits = name[2:42]
        if digits not in (digits.lower(), digits.upper()) and checksum(bytes.fromhex(digits))[2:] != digits:
            raise InputError(
                f"{name!r} is no address, by its checksum. Check its spelling, or write it in small letters."
            )

    @staticmethod
    def mode_name(mode: int) -> str:
        """What `Account.mode` is called; '' for 0, which is none."""
        return f"eMode {mode}" if mode else ""

    def price_of(self, reserve: int) -> int:
        """The oracle integer of the reserve at position `reserve`: base currency per whole token."""
        return self.prices[self.reserves[reserve].feed]

    def price_unit(self, feed: int) -> int:
        """Integers in 1.0 of the price at position `feed`."""
        unit = self.feeds[feed].unit
        return self.base_unit if unit is None else unit

    def at_time(self, timestamp: int) -> Self:
        """The same market at `timestamp`, at or after the block's own: interest accrued, caps grown."""
        raise NotImplementedError  # each protocol accrues in its own way

    def as_stored(self) -> Self:
        """The same market with indices as last written; NoStoredIndices where no view of it shows those."""
        raise NoStoredIndices(self.protocol)

    def at_prices(self, changed: Mapping[int, int]) -> Self:
        """The same market with some feeds at other prices; `changed` maps feed positions to integers."""
        prices = list(self.prices)
        for feed, price in changed.items():
            prices[feed] = price
        return replace(self, prices=tuple(prices))

    def prices_at(self, timestamp: int) -> tuple[int, ...]:
        """The prices at another time: those that time alone moves (growing caps, discounts) move."""
        if not self.graph.feeds:
            return self.prices
        moved = self.graph.prices(timestamp)
        return tuple(
            moved[feed] if self.graph.is_timed(k) else self.prices[feed]
            for feed, k in enumerate(self.graph.feeds)
        )

    def at_inputs(self, moved: Mapping[int, int]) -> Self:
        """The same market with some inputs of its price graph elsewhere, and every price that follows.

        `moved` maps graph positions to integers. A price may become 0, which a contract takes for none.
        """
        graph = self.graph.moving(moved)
        return replace(self, graph=graph, prices=graph.prices(self.timestamp))
