"""The exact things: frozen, slotted, ints. Many things are columns instead: see `book`.

A price lives in a *feed*: one source contract as one market asks it, shared by all reserves that have the
same one. A *driver* (see `pricing`) moves one or more feeds, each by an integer function of one integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias

from defiliq.errors import NoStoredIndices
from defiliq.pricing.driver import Driver, Stretch
from defiliq.pricing.graph import PriceGraph
from defiliq.units import MAX_UINT256

Side: TypeAlias = Literal["long", "short"]
Outcome: TypeAlias = Literal["price", "already", "never"]
EtaOutcome: TypeAlias = Literal["time", "already", "never"]


@lru_cache(maxsize=1 << 16)
def checksum(address: bytes) -> str:
    """The EIP-55 spelling of a 20-byte address."""
    from eth_utils.address import to_checksum_address  # here: its import is slow and many commands need none

    return str(to_checksum_address(address))


@dataclass(frozen=True, slots=True)
class Block:
    """The one block that a read is pinned to."""

    chain_id: int
    number: int
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A market as data: where it lives, before anything is read from it."""

    protocol: str
    name: str
    chain_id: int
    from_block: int
    """The first block that can hold an event of the market."""
    addresses: Mapping[str, str]
    version: str = ""
    """The protocol version as far as it is known without asking; the chain decides."""
    chain: str = ""
    """The chain's short name; empty where only its id is known."""


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


@dataclass(frozen=True, slots=True)
class StableDebt:
    """A stable-rate debt (Aave v2, v3.0, v3.1): it compounds at the account's own rate."""

    principal: int
    rate_ray: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Leg:
    """One reserve of one account, in the protocol's own units (Aave: scaled balances)."""

    reserve: int
    """Position in `Market.reserves`."""
    collateral: int
    debt: int
    counted: bool
    """Whether the collateral backs debt: the account's own collateral flag."""
    stable: StableDebt | None = None
    debt_index: int | None = None
    """The borrow index at which `debt` was last settled, where the protocol keeps one per account."""


@dataclass(frozen=True, slots=True)
class Account:
    """One owner in one market."""

    owner: str
    mode: int
    """The account's eMode category; 0 where the protocol has none or the account uses none."""
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """The protocol's answer about one account. `liquidatable` is the verdict; the rest explains it."""

    collateral_base: int
    debt_base: int
    available_borrows_base: int
    threshold_bps: int
    """Average liquidation threshold, cut to whole basis points as the contract's view shows it."""
    ltv_bps: int
    factor_wad: int
    """2**256 - 1 where there is no debt, as the contract answers."""
    liquidatable: bool
    margin: int
    """Weighted collateral minus debt, in a unit of the protocol's own. Negative when that alone makes the
    account liquidatable; it says where to look for a level and never decides."""


NO_DEBT_FACTOR = MAX_UINT256


class Seizure(NamedTuple):
    """Collateral of one reserve that a liquidation takes."""

    reserve: int
    amount: int
    """What leaves the account and does not go to the protocol as a fee, in token base units."""
    base: int
    """`amount` at oracle prices."""
    protocol_fee: int = 0
    """Collateral that goes to the protocol, in base units of the same token."""
    received: int | None = None
    """Base units of `Reserve.receipt` that are handed over for `amount`; None where that is the asset."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """What one liquidation takes, to the wei: of those the protocol offers, the one that pays best."""

    seizures: tuple[Seizure, ...]
    """One where the liquidator chooses a pair of legs; every collateral where the whole account is taken."""
    repay_reserve: int
    repaid: int
    """Debt that goes away, in token base units."""
    repaid_base: int
    bonus_base: int
    """What the liquidator gains at oracle prices, before gas."""
    bad_debt_base: int
    """Debt that no collateral has paid for, or that nothing backs any more after the call."""
    debt_to_cover: int | None = None
    """What to ask for where the call takes an amount: 2**256 - 1, or less where a rule refuses so much."""
    remark: str = ""
    """What a liquidator should know besides."""

    @property
    def seized_base(self) -> int:
        """All that is seized, at oracle prices."""
        return sum(seizure.base for seizure in self.seizures)


@dataclass(frozen=True, slots=True)
class Untold:
    """The protocol lets the liquidation through, but how much it takes is not known here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the protocol would refuse every liquidation of an account."""

    reason: str


Taking: TypeAlias = Liquidation | Untold | Refusal
"""What the protocol answers to whoever would liquidate an account."""


class Level(NamedTuple):
    """Where one account breaks on one driver, on one side of spot. A tuple, because books have a million."""

    account: int
    """Position in the book."""
    driver: Driver
    side: Side
    """`long`: it breaks as the driver falls. `short`: as it rises."""
    outcome: Outcome
    price: int | None
    """The driver integer nearest to spot at which the account is liquidatable: spot itself when `already`,
    None when `never`."""
    band: int | None = None
    """The last integer, away from spot, at which a safe stretch ends. None where there is one crossing."""


@dataclass(frozen=True, slots=True)
class Eta:
    """When one account breaks while nothing moves but time."""

    outcome: EtaOutcome
    """`never`: not within the horizon that was searched."""
    at: int | None
    """The first liquidatable second: the one asked from when `already`, None when `never`."""


class Rule(Protocol):
    """One account's health as a function of prices alone: the law with everything else settled.

    `prices` hold one oracle integer per feed, in `Market.feeds` order.
    """

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict."""
        ...

    def margin(self, prices: Sequence[int]) -> int:
        """Weighted collateral minus debt: says where to look for a level, and never decides."""
        ...

    def health(self, prices: Sequence[int]) -> Health:
        """The verdict and all that explains it."""
        ...

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says.

        True: liquidatable everywhere. False: nowhere. None: not known, or it differs; never None where the
        ends are equal.
        """
        ...


class TimeRule(Protocol):
    """One account's health as a function of time alone: the law with all that does not accrue settled."""

    def health(self, at: int) -> Health:
        """The verdict at one second, and all that explains it."""
        ...

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict from `first` to `last`: True, liquidatable at every second; False, at none.

        None: not known, or it differs; never None where `first` is `last`.
        """
        ...


class Question(NamedTuple):
    """What a protocol's contract is asked about one account in a pretended world."""

    market: Any
    """The market at the prices and the time of that world."""
    owner: str
    sources: Mapping[str, tuple[int, int]] = MappingProxyType({})
    """Contracts that are pretended to answer otherwise, with (answer, decimals); the chain's own feeds make
    prices of them. Where there are none, every feed is pinned to the market's price."""
