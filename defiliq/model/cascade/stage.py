"""One market in a cascade: accounts that break as prices move, and what that puts on the market."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

from defiliq.model.cascade.quoted import BASE, Quoted


class OracleRule(NamedTuple):
    """When a price feed answers anew."""

    deviation_bps: int | None
    """The move that makes it answer; None where that is not known: then it follows every move."""
    heartbeat_s: int | None
    """The longest time between two answers; None where that is not known: then nothing but a move counts."""

    def is_due(self, answer: int, market: int) -> bool:
        """Whether the feed leaves `answer` for `market` because that is far enough away."""
        if self.deviation_bps is None:
            return market != answer
        return abs(market - answer) * 10_000 >= max(1, self.deviation_bps * answer)


@dataclass(frozen=True, slots=True)
class Followed:
    """A driver as one market's oracle quotes it."""

    name: str
    spot: int
    unit: int
    """Integers in 1.0 of the driver."""
    rule: OracleRule
    quoted: Quoted = BASE

    def at(self, ratio: Fraction) -> int:
        """What the oracle says where the market stands at `ratio` of spot: rounded down, at least 1."""
        return max(1, self.spot * ratio.numerator // ratio.denominator)


class Settled(NamedTuple):
    """What one market's liquidations did at one set of oracle prices."""

    accounts: int
    calls: int
    seized_usd: float
    repaid_usd: float
    bonus_usd: float
    bad_debt_usd: float
    traded: Mapping[str, Fraction]
    """Driver to what has to be sold, in whole tokens at the driver's price; negative where it is bought."""
    untraded_usd: Mapping[str, float]
    """Symbol to what was seized less repaid of assets that hang on no driver with a known depth."""
    refused: Mapping[str, int]
    """Why liquidatable accounts stay as they are, with how many do."""
    deleveraged_usd: float = 0.0
    """Positions that opposite ones took over because a fund could not pay: traded nowhere."""
    fund_spent_usd: float = 0.0
    """What funds whose balance is known paid."""
    fund_left_usd: float = math.nan
    """What they have then; NaN where none is known, so that they are taken to pay always."""


class Stage(Protocol):
    """One market while prices move. It keeps what has happened to its accounts."""

    @property
    def identity(self) -> Mapping[str, object]:
        """The columns that say which market at which block it is."""
        ...

    @property
    def drivers(self) -> Mapping[str, Followed]:
        """The drivers that may move here, by name."""
        ...

    def settle(self, at: Mapping[str, int]) -> Settled:
        """Let liquidators take all they can with the drivers at these integers."""
        ...
