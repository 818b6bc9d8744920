"""A ladder as one market of a cascade, where the accounts behind it are not known.

Each rung gives what its row says, the first call at its level, once; what a liquidation leaves of an account
is not in a ladder. All that is seized is taken to be sold along the rung's own driver.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pandas as pd

from defiliq.ladder import IDENTITY
from defiliq.model.cascade.stage import Followed, OracleRule, Settled

_SUMS = ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd")


class RungStage:
    """The rungs of one market along some drivers. An account breaks once, on whichever driver is first."""

    def __init__(self, ladder: pd.DataFrame, drivers: Sequence[str]) -> None:
        listed = ladder[ladder["driver"].isin(drivers)]
        self._identity = {name: listed[name].iloc[0] for name in (*IDENTITY, "base_symbol")}
        self._broken: set[str] = set()
        self._refused: Counter[str] = Counter()
        """Why rungs that were reached gave nothing: so it stays."""
        self._drivers: dict[str, Followed] = {}
        self._sides: list[_Side] = []
        for name, rungs in listed.groupby("driver", sort=True):
            first = rungs.iloc[0]
            spot = int(first["spot_raw"])
            unit = round(spot / first["spot_usd"])
            self._drivers[str(name)] = Followed(str(name), spot, unit, OracleRule(None, None))
            # Where nobody ever breaks, the ladder still says where the driver stands.
            self._sides += [
                _Side(str(name), str(side), part.to_dict("records"))
                for side, part in rungs[rungs["outcome"] != "never"].groupby("side", sort=True)
            ]

    @property
    def identity(self) -> Mapping[str, object]:
        """The columns that say which market at which block it is."""
        return self._identity

    @property
    def drivers(self) -> Mapping[str, Followed]:
        """The drivers that may move here, by name. A ladder does not say when their oracles answer."""
        return self._drivers

    def settle(self, at: Mapping[str, int]) -> Settled:
        """The rungs that are reached with the drivers at these integers, and were not before."""
        traded: dict[str, Fraction] = dict.fromkeys(self._drivers, Fraction(0))
        sums: dict[str, list[float]] = {name: [] for name in _SUMS}
        calls = 0
        for side in self._sides:
            for rung in side.reach(at[side.driver]):
                if rung["account"] in self._broken:
                    continue
                self._broken.add(str(rung["account"]))
                reason = _why_not(rung)
                if reason:
                    self._refused[reason] += 1
                    continue
                calls += 1
                for name in _SUMS:
                    sums[name].append(float(str(rung[name])))
                price = Fraction(int(str(rung["price_raw"])), self._drivers[side.driver].unit)
                traded[side.driver] += side.sold(rung) / price
        seized, repaid, bonus, bad_debt = (math.fsum(sums[name]) for name in _SUMS)
        return Settled(calls, calls, seized, repaid, bonus, bad_debt, traded, {}, dict(self._refused))


def _why_not(rung: Mapping[str, object]) -> str:
    """Why nothing is known to be taken of a rung that breaks; '' where something is."""
    if not rung["callable"]:
        return str(rung["reason"]).split(":", 1)[0]
    return "what a call takes is not known" if math.isnan(float(str(rung["seized_usd"]))) else ""


class _Side:
    """The rungs of one driver and side, outwards from spot."""

    def __init__(self, driver: str, side: str, rungs: Sequence[Mapping[Any, Any]]) -> None:
        self.driver, self._falls = driver, side == "long"
        self._rungs = sorted(
            rungs, key=lambda rung: (int(str(rung["price_raw"])), str(rung["account"])), reverse=self._falls
        )
        sign = -1 if self._falls else 1
        self._levels = [sign * int(str(rung["price_raw"])) for rung in self._rungs]
        self._reached = 0

    def reach(self, at: int) -> Sequence[Mapping[Any, Any]]:
        """The rungs between where the driver has been and where it is now."""
        first = self._reached
        self._reached = max(first, bisect_right(self._levels, -at if self._falls else at))
        return self._rungs[first : self._reached]

    def sold(self, rung: Mapping[str, object]) -> Fraction:
        """Dollars that are sold, negative where they are bought: all of a perpetual's position."""
        notional = float(str(rung["notional_usd"]))
        first_call = float(str(rung["seized_usd" if self._falls else "repaid_usd"]))
        dollars = Fraction(first_call if math.isnan(notional) else notional)
        return dollars if self._falls else -dollars
