"""A ladder as one market of a cascade, where the accounts behind it are not known.

Each rung gives what its row says, the first call at its level, once; what a liquidation leaves of an account
is not in a ladder. All that is seized is taken to be sold along the rung's own driver.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from fractions import Fraction
from typing import NamedTuple

import pandas as pd

from defiliq.ladder import IDENTITY
from defiliq.model.cascade.quoted import quoted_by_rungs
from defiliq.model.cascade.stage import Followed, OracleRule, Settled

_MONEY = ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd")
_TOKEN = 10**18
"""Parts of a token that a rung's trade is cut to: sums of fractions with prices below them have no end of
digits."""


class _Rung(NamedTuple):
    """What one row says."""

    account: str
    why_not: str
    """Why nothing is known to be taken there; '' where something is."""
    money: tuple[float, ...]
    """_MONEY"""
    sold: int
    """What is sold, in parts of a token at the rung's own price; negative where it is bought."""


class _Side(NamedTuple):
    """The rungs of one driver and side, outwards from spot."""

    driver: str
    sign: int
    """-1 where it is met falling."""
    levels: Sequence[int]
    """Rising: the prices with the sign."""
    rungs: Sequence[_Rung]


class RungStage:
    """The rungs of one market along some drivers. An account breaks once, on whichever driver is first.

    InputError where a driver is quoted in what no rung of any driver tells the worth of.
    """

    def __init__(self, ladder: pd.DataFrame, drivers: Sequence[str]) -> None:
        listed = ladder[ladder["driver"].isin(drivers)]
        self._identity = {name: listed[name].iloc[0] for name in (*IDENTITY, "base_symbol")}
        self._drivers: dict[str, Followed] = {}
        self._sides: list[_Side] = []
        for name, rungs in listed.groupby("driver", sort=True):
            first = rungs.iloc[0]
            spot = int(first["spot_raw"])
            unit, quoted = round(spot / first["spot_usd"]), quoted_by_rungs(ladder, str(name), drivers)
            found = Followed(str(name), spot, unit, OracleRule(None, None), quoted)
            self._drivers[found.name] = found
            # Where nobody ever breaks, the ladder still says where the driver stands.
            breaking = rungs[rungs["outcome"] != "never"]
            self._sides += [
                _side(found, str(side), part) for side, part in breaking.groupby("side", sort=True)
            ]
        self._start()

    def _start(self) -> None:
        self._broken: set[str] = set()
        self._refused: Counter[str] = Counter()
        """Why rungs that were reached gave nothing: so it stays."""
        self._reached = [0] * len(self._sides)

    def fresh(self) -> RungStage:
        """The same market as it stands at spot."""
        other = copy(self)
        other._start()
        return other

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
        sold = dict.fromkeys(self._drivers, 0)
        taken: list[_Rung] = []
        for k, side in enumerate(self._sides):
            first = self._reached[k]
            self._reached[k] = max(first, bisect_right(side.levels, side.sign * at[side.driver]))
            for rung in side.rungs[first : self._reached[k]]:
                if rung.account in self._broken:
                    continue
                self._broken.add(rung.account)
                if rung.why_not:
                    self._refused[rung.why_not] += 1
                    continue
                taken.append(rung)
                sold[side.driver] += rung.sold
        seized, repaid, bonus, bad_debt = (
            math.fsum(rung.money[k] for rung in taken) for k in range(len(_MONEY))
        )
        traded = {driver: Fraction(parts, _TOKEN) for driver, parts in sold.items()}
        calls = len(taken)
        return Settled(calls, calls, seized, repaid, bonus, bad_debt, traded, {}, dict(self._refused))


def _side(driver: Followed, side: str, part: pd.DataFrame) -> _Side:
    falls = side == "long"
    sign = -1 if falls else 1
    prices = [int(price) for price in part["price_raw"]]
    # A perpetual's position is closed as a whole in the end.
    sizes = part["notional_usd"].fillna(part["seized_usd" if falls else "repaid_usd"])
    rungs = [
        _Rung(account, _why_not(can, reason, money[0]), money, -sign * _tokens(dollars, price, driver))
        for account, can, reason, dollars, price, money in zip(
            part["account"],
            part["callable"],
            part["reason"],
            sizes,
            prices,
            part[list(_MONEY)].itertuples(index=False, name=None),
            strict=True,
        )
    ]
    order = sorted(range(len(rungs)), key=lambda k: (sign * prices[k], rungs[k].account))
    return _Side(driver.name, sign, [sign * prices[k] for k in order], [rungs[k] for k in order])


def _tokens(dollars: float, price: int, driver: Followed) -> int:
    """Dollars at an oracle integer, in parts of a token, rounded down; nothing where nobody knows."""
    if math.isnan(dollars):
        return 0
    whole = Fraction(dollars) / driver.quoted.worth
    return whole.numerator * driver.unit * _TOKEN // (whole.denominator * price)


def _why_not(can_be_called: bool, reason: str, seized_usd: float) -> str:
    if not can_be_called:
        return reason.split(":", 1)[0]
    return "what a call takes is not known" if math.isnan(seized_usd) else ""
