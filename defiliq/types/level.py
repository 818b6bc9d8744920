"""Where and when accounts break, and the rules that are asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from defiliq.pricing.driver import Driver, Stretch
from defiliq.types.health import Health

Side: TypeAlias = Literal["long", "short"]


Outcome: TypeAlias = Literal["price", "already", "never"]


EtaOutcome: TypeAlias = Literal["time", "already", "never"]


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
