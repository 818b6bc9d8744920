"""What one shock led to: round by round, and the figures by which cascades are compared."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import pandas as pd

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
    rounds: pd.DataFrame
    """ROUND_COLUMNS"""
    markets: pd.DataFrame
    """MARKET_COLUMNS"""
    untraded_usd: Mapping[str, float]
    """Symbol to what was seized less repaid of assets that hang on no driver with a depth and are no money."""
    refused: Mapping[str, int]
    """Why accounts that were liquidatable in the last round stay as they are."""
    ended: Ended

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
        """What the depth could not take before it ran dry, at the market's last price."""
        return math.fsum(self.rounds["unfilled_usd"])

    @property
    def bad_debt_usd(self) -> float:
        """Debt that nothing backs any more after these liquidations; what was so at spot is left out."""
        return math.fsum(self._once()["bad_debt_usd"])

    @property
    def deleveraged_usd(self) -> float:
        """Positions that opposite ones took over after the shock, as funds could not pay: traded nowhere."""
        return math.fsum(self._once()["deleveraged_usd"])

    @property
    def fund_spent_usd(self) -> float:
        """What insurance funds of known balance paid after the shock."""
        return math.fsum(self.markets["fund_spent_usd"][self.markets["round"] > 0])

    @property
    def fund_left_usd(self) -> float:
        """What they have at the end; NaN where no balance is known, so that they were taken to pay always."""
        left = self.markets["fund_left_usd"][self.markets["round"] == self.markets["round"].max()].dropna()
        return math.fsum(left) if len(left) else math.nan

    @property
    def accounts(self) -> int:
        """Liquidated accounts; one that breaks in several rounds counts in each."""
        return int(self._once()["accounts"].sum())

    @property
    def last_round(self) -> int:
        """How many rounds there were, those in which nothing broke left out."""
        busy = self.rounds[(self.rounds["accounts"] > 0) & (self.rounds["cause"] != "already")]
        return int(busy["round"].max()) if len(busy) else 0

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

    def _once(self) -> pd.DataFrame:
        """One row per round after the shock: rounds have a row per driver."""
        after = self.rounds[self.rounds["cause"] != "already"]
        return after.drop_duplicates("round")

    def _seized(self, causes: Container[str]) -> float:
        rows = self._once()
        return math.fsum(rows["seized_usd"][[cause in causes for cause in rows["cause"]]])


def _log(ratio: Fraction) -> float:
    """Of numerator and denominator apart, which may be beyond all floats."""
    return math.log(ratio.numerator) - math.log(ratio.denominator)
