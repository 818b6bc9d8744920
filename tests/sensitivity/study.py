"""The figures: what each fall of ETH/USD makes liquidatable in each book, and what that leads to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd

from defiliq.book import Book
from defiliq.depth.impact import SquareRootImpact, square_root_impact
from defiliq.depth.venue import Token
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.cascade import sweep
from defiliq.pipeline.stress import stress_curve
from defiliq.pipeline.stressed import Curve, Point
from defiliq.protocols import PROTOCOLS
from tests.sensitivity import markets
from tests.sensitivity.population import aave_book, dollar_comet_book, dydx_book, ether_comet_book

DRIVER = "ETH/USD"
DEEPEST, PUBLISHED_FALL = 60, 43
"""Percent: a curve has a point at every one of them."""
SHOCKS = (5, 10, 15, 20, 30, 43)
VOLATILITY_PPM = 37_000
DAILY_MILLIONS = (5_700, 570)
"""Median daily volume of Binance's ETHUSDT perpetual from 2022-01-02 to 2023-12-05, 5.73 billion dollars, and
a tenth of it. In the same 703 days the deviation of ether's daily logarithmic returns was 3.71%."""
RECORDED = markets.FOLDER / "figures.json"
TOGETHER = "all together"


@dataclass(frozen=True)
class Study:
    """Everything that the page says."""

    books: Mapping[str, Book[Any]]
    curves: Mapping[str, Curve]
    """Only of the books in which something hangs on ETH/USD."""
    owed_base: Mapping[str, int]
    """What all accounts of a book owe at spot."""
    sweeps: Mapping[int, Mapping[str, pd.DataFrame]]
    """Daily volume in millions to SWEEP_COLUMNS of each book, and of all together."""

    def at(self, name: str, fall: int) -> Point:
        """A book after a fall in percent."""
        return self.curves[name].points[fall]


def all_books() -> dict[str, Book[Any]]:
    """The four books by how they are called here."""
    return {
        "Aave v3 Ethereum": aave_book(),
        "Compound III cUSDCv3": dollar_comet_book(),
        "Compound III cWETHv3": ether_comet_book(),
        "dYdX v4": dydx_book(),
    }


def study() -> Study:
    """Curves in percents, and cascades at both depths."""
    books = all_books()
    moving = {name: book for name, book in books.items() if hangs(book)}
    curves = {
        name: stress_curve(book, f"{DRIVER}=-{DEEPEST}%", steps=DEEPEST) for name, book in moving.items()
    }
    return Study(
        books,
        curves,
        {name: owed(book) for name, book in books.items()},
        {millions: _sweeps(moving, millions) for millions in DAILY_MILLIONS},
    )


def hangs(book: Book[Any]) -> bool:
    """Whether some price of the book's market hangs on ETH/USD."""
    return any(driver.name == DRIVER for driver in drivers(book.market))


def owed(book: Book[Any]) -> int:
    """What all accounts owe, in integers of the base currency."""
    explain = PROTOCOLS[book.market.protocol].explain
    return sum(leg.owed_base for account in book.accounts() for leg in explain(account, book.market))


def depth(millions: int) -> SquareRootImpact:
    """What selling ether does to its price, with so many millions of dollars traded a day."""
    price = Fraction(markets.answers()["WETH"], 10**18)
    daily = millions * 10**6 * markets.PRICE_UNIT
    return square_root_impact(Token("ETH", 18), Token("USD", 8), price, daily, VOLATILITY_PPM)


def _sweeps(moving: Mapping[str, Book[Any]], millions: int) -> dict[str, pd.DataFrame]:
    groups = {name: [book] for name, book in moving.items()} | {TOGETHER: list(moving.values())}
    shocks = [Fraction(-fall) for fall in SHOCKS]
    return {name: sweep(group, DRIVER, shocks, {DRIVER: depth(millions)}) for name, group in groups.items()}


def figures(found: Study) -> dict[str, Any]:
    """What is recorded: exact integers of the curves, and the cascades' dollars in full."""
    return {
        "curves": {
            name: {
                "owed_base": str(found.owed_base[name]),
                "falls": {str(fall): _point(curve.points[fall]) for fall in _recorded_falls()},
            }
            for name, curve in found.curves.items()
        },
        "cascades": {
            str(millions): {
                name: table[["shock_pct", "accounts", "initial_usd", "induced_usd"]].values.tolist()
                for name, table in tables.items()
            }
            for millions, tables in found.sweeps.items()
        },
    }


def _recorded_falls() -> Sequence[int]:
    return sorted({*range(0, DEEPEST + 1, 5), PUBLISHED_FALL})


def _point(point: Point) -> list[int | str]:
    """Accounts, debt, collateral and bad debt; the last three in integers of the base currency, as texts."""
    sums = point.sums
    return [point.liquidatable, str(sums.debt_base), str(sums.collateral_base), str(sums.bad_debt_base)]


def recorded() -> dict[str, Any]:
    """The figures as they were written last."""
    read: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return read


def differences(found: Study) -> list[str]:
    """What is not as recorded: curves to the integer, cascades' dollars to a billionth."""
    now, then = figures(found), recorded()
    told = [f"curve of {name}" for name in _apart(now["curves"], then["curves"])]
    for millions in sorted({*now["cascades"], *then["cascades"]}):
        one, other = (each["cascades"].get(millions, {}) for each in (now, then))
        told += [
            f"cascades of {name} at {millions}M a day"
            for name in sorted({*one, *other})
            if not _are_close(one.get(name, []), other.get(name, []))
        ]
    return told


def _apart(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def _are_close(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> bool:
    """Float sums may be added up in another order; nothing else may differ."""
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=1e-9)
        for row, recorded_row in zip(one, other, strict=True)
        for a, b in zip(row, recorded_row, strict=True)
    )


def write_figures(found: Study) -> None:
    """Record the figures anew."""
    RECORDED.write_text(json.dumps(figures(found), indent=1) + "\n", encoding="utf-8")
