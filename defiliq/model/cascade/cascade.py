"""What one shock led to: round by round, and the figures by which cascades are compared."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import pandas as pd

from defiliq.ladder import IDENTITY, as_table, headed
from defiliq.model.cascade.columns import MARKET_COLUMNS, ROUND_COLUMNS

Ended: TypeAlias = Literal["quiet", "depth ran dry", "round limit"]
"""`quiet`: nothing more breaks, and no oracle has anything to follow."""
Cause: TypeAlias = Literal["already", "shock", "deviation", "heartbeat"]


@dataclass(frozen=True, slots=True)
class Cascade:
    """What one shock led to."""

    shock: Mapping[str, Fraction]
    """Driver to where it was put, as a share of spot."""
    final: Mapping[str, Fraction]
    """Driver to where the market is left, as a share of spot."""
    spot_usd: Mapping[str, float]
    """Driver to its spot, of the first market that has it."""
    depth: Mapping[str, str]
    """Driver to the name of its depth."""
    followed_at_once: tuple[str, ...]
    """Drivers with an oracle whose deviation is not known: it is taken to follow every move."""
    round_rows: Sequence[Mapping[Any, Any]]
    """The rows of `rounds`."""
    market_rows: Sequence[Mapping[Any, Any]]
    """The rows of `markets`."""
    untraded_usd: Mapping[str, float]
    """Symbol to what was seized less repaid of assets that hang on no driver with a depth; without money."""
    refused: Mapping[str, int]
    """Why accounts that were liquidatable in the last round stay as they are."""
    ended: Ended

    @property
    def rounds(self) -> pd.DataFrame:
        """ROUND_COLUMNS"""
        own = ROUND_COLUMNS[len(IDENTITY) : -1]
        return headed(_table(self.round_rows, own), self.markets)

    @property
    def markets(self) -> pd.DataFrame:
        """MARKET_COLUMNS"""
        return _table(self.market_rows, MARKET_COLUMNS)

    @property
    def initial_usd(self) -> float:
        """What the shock alone liquidated, in seized dollars."""
        return self._seized(("shock",))

    @property
    def induced_usd(self) -> float:
        """What the liquidations themselves led to, in seized dollars."""
        return self._seized(("deviation", "heartbeat"))

    @property
    def total_usd(self) -> float:
        """Both."""
        return self.initial_usd + self.induced_usd

    @property
    def branching_ratio(self) -> float:
        """Induced dollars per initial dollar; NaN where the shock liquidated nothing."""
        return self.induced_usd / self.initial_usd if self.initial_usd else math.nan

    @property
    def unfilled_usd(self) -> float:
        """What the depth could not take before it ran dry, at the price before that trade."""
        return math.fsum(row["unfilled_usd"] for row in self.round_rows)

    @property
    def bad_debt_usd(self) -> float:
        """Debt that nothing backs any more after these liquidations; what was so at spot is left out."""
        return math.fsum(row["bad_debt_usd"] for row in self._once())

    @property
    def deleveraged_usd(self) -> float:
        """Positions that opposite ones took over after the shock, as funds could not pay: traded nowhere."""
        return math.fsum(row["deleveraged_usd"] for row in self._once())

    @property
    def fund_spent_usd(self) -> float:
        """What insurance funds of known balance paid after the shock."""
        return math.fsum(row["fund_spent_usd"] for row in self.market_rows if row["round"] > 0)

    @property
    def fund_left_usd(self) -> float:
        """What they have at the end; NaN where no balance is known, so that they were taken to pay always."""
        last = max((row["round"] for row in self.market_rows), default=0)
        left = [row["fund_left_usd"] for row in self.market_rows if row["round"] == last]
        known = [usd for usd in left if not math.isnan(usd)]
        return math.fsum(known) if known else math.nan

    @property
    def accounts(self) -> int:
        """Liquidated accounts; one that breaks in several rounds counts in each."""
        return sum(row["accounts"] for row in self._once())

    @property
    def last_round(self) -> int:
        """How many rounds there were, those in which nothing broke left out."""
        return max((row["round"] for row in self._once() if row["accounts"]), default=0)

    @property
    def losing_round(self) -> int | None:
        """The first round whose trades cost more than the bonuses of its liquidations; None without one.

        Liquidators who sell what they seize at once would not go so far: from there on the simulation tells
        what would happen if they did.
        """
        costs: dict[int, float] = {}
        for row in self.round_rows:
            if row["cause"] != "already" and not math.isnan(row["slippage_pct"]):
                cost = abs(row["traded_usd"]) * row["slippage_pct"] / 100
                costs[row["round"]] = costs.get(row["round"], 0.0) + cost
        losing = (row["round"] for row in self._once() if costs.get(row["round"], 0.0) > row["bonus_usd"])
        return next(losing, None)

    def change_pct(self, driver: str) -> float:
        """How far the market is left from spot, signed."""
        return float(100 * (self.final[driver] - 1))

    def amplification(self, driver: str) -> float:
        """How many times further than the shock the market went, in the logarithm of price.

        Infinite where nothing is left of the price.
        """
        shock, final = self.shock[driver], self.final[driver]
        if shock == 1:
            return math.nan
        return _log(final) / _log(shock) if final else math.inf

    def _once(self) -> Iterator[Mapping[Any, Any]]:
        """One row per round after the shock: rounds have a row per driver."""
        seen: set[int] = set()
        for row in self.round_rows:
            if row["cause"] != "already" and row["round"] not in seen:
                seen.add(row["round"])
                yield row

    def _seized(self, causes: Container[str]) -> float:
        return math.fsum(row["seized_usd"] for row in self._once() if row["cause"] in causes)


def _table(rows: Sequence[Mapping[Any, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table, counts and seconds as integers."""
    whole = {name: "int64" for name in ("round", "at_s", "calls", "refused") if name in columns}
    return as_table([dict(row) for row in rows], columns).astype(whole)


def _log(ratio: Fraction) -> float:
    """Of numerator and denominator apart, which may be beyond all floats."""
    return math.log(ratio.numerator) - math.log(ratio.denominator)
