"""What falls of ETH make liquidatable in books of real parameters: recorded figures, two ways to the same."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.errors import UnknownDriver
from defiliq.pipeline.cascade import sweep
from defiliq.pipeline.judge import health, ladder, liquidatable
from defiliq.pipeline.shocks import moved_market
from defiliq.pipeline.stress import stress
from defiliq.view.cascade import PUBLISHED_BRANCHING
from tests.sensitivity.__main__ import PAGE, PICTURE
from tests.sensitivity.markets import aave, answers, dollar_comet, dydx
from tests.sensitivity.page import PUBLISHED_RANGE, branching_words, page
from tests.sensitivity.picture import draw, shares
from tests.sensitivity.population import aave_book, dollar_comet_book
from tests.sensitivity.study import (
    DRIVER,
    PUBLISHED_FALL,
    SHOCKS,
    Study,
    depth,
    differences,
    figures,
    hangs,
    recorded,
    study,
)

NAMES = ("Aave v3 Ethereum", "Compound III cUSDCv3", "dYdX v4")
ETHER_COMET = "Compound III cWETHv3"
MOVE = f"{DRIVER}=-{PUBLISHED_FALL}%"


@pytest.fixture(scope="module")
def found() -> Study:
    return study()


def test_prices_are_what_the_sources_answered() -> None:
    market, answered = aave(), answers()
    assert {each.symbol: market.price_of(k) for k, each in enumerate(market.reserves)} == answered
    comet, perpetuals = dollar_comet(), dydx()
    symbols = [each.symbol for each in comet.reserves]
    assert comet.price_of(symbols.index("WETH")) == answered["WETH"]
    place = [each.symbol for each in perpetuals.reserves].index("ETH-USD")
    unit = perpetuals.feeds[perpetuals.reserves[place].feed].unit
    assert unit is not None
    assert Fraction(perpetuals.price_of(place), unit) == Fraction(answered["WETH"], 10**8)


def test_nobody_is_liquidatable_at_spot_and_health_is_as_documented(found: Study) -> None:
    for book in found.books.values():
        assert not liquidatable(book).any()
    factors = health(found.books["Compound III cUSDCv3"])["health_factor"].astype(float)
    assert factors.min() > 1
    assert factors.median() == pytest.approx(1 + math.exp(0.166), rel=0.06)
    assert factors.quantile(0.05) == pytest.approx(1.24, abs=0.05)


def test_the_same_seed_gives_the_same_book() -> None:
    one, same, other = aave_book(200), aave_book(200), aave_book(200, seed=44)
    assert list(one.accounts()) == list(same.accounts())
    assert list(one.accounts()) != list(other.accounts())


def test_figures_are_the_recorded_ones(found: Study) -> None:
    """Curves to the integer, cascades to a billionth."""
    assert differences(found) == []
    assert tuple(recorded()["curves"]) == NAMES


def test_a_figure_that_moved_is_named(found: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    now = figures(found)
    debt = now["curves"]["dYdX v4"]["falls"]["43"]
    debt[1] = str(int(debt[1]) + 1)
    now["cascades"]["570"]["all together"][-1][2] *= 1 + 1e-8
    monkeypatch.setattr("tests.sensitivity.study.recorded", lambda: now)
    assert differences(found) == ["curve of dYdX v4", "cascades of all together at 570M a day"]


@pytest.mark.parametrize("name", NAMES)
def test_the_curve_meets_the_stress_of_its_own(found: Study, name: str) -> None:
    point, alone = found.at(name, PUBLISHED_FALL), stress(found.books[name], MOVE)
    assert point.moves == alone.moves
    assert point.liquidatable == alone.after.sum() > 300
    for what in ("debt_base", "collateral_base", "bad_debt_base", "bad_debt_accounts"):
        assert getattr(point.sums, what) == getattr(alone.sums, what), what


@pytest.mark.parametrize("name", NAMES)
def test_the_ladder_says_the_same_as_the_stress(found: Study, name: str) -> None:
    """Who breaks by -43% is whose level is at or above 57% of spot; and none of them owes what hangs on ETH.

    The ladder solves for prices account by account and sums debts at spot, the stress judges all accounts at
    one moved price: nothing but the law itself is common to both.
    """
    book = found.books[name]
    alone, rungs = stress(book, MOVE), ladder(book, DRIVER, "long")
    assert set(rungs["outcome"]) == {"price"}
    assert not rungs.attrs["unresolved"]
    reached = alone.moves[0].after
    assert reached == alone.moves[0].before * 57 // 100
    hit = rungs[[int(price) >= reached for price in rungs["price_raw"]]]
    told = dict(zip(alone.accounts["account"], alone.accounts["debt_usd"], strict=True))
    assert dict(zip(hit["account"], hit["debt_usd"], strict=True)) == told
    assert math.fsum(hit["debt_usd"]) == math.fsum(told.values())
    assert math.fsum(hit["debt_usd"]) == pytest.approx(float(alone.totals["debt_usd"].iloc[0]), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_deeper_fall_breaks_whoever_a_shallower_one_does(found: Study, name: str) -> None:
    """Each account's margin is a line in ETH/USD, and those that gain as it falls were safe at spot."""
    book, points = found.books[name], found.curves[name].points
    for one, other in pairwise(points):
        assert one.liquidatable <= other.liquidatable
        assert one.sums.debt_base <= other.sums.debt_base
        assert one.sums.bad_debt_base <= other.sums.bad_debt_base
    flags = [liquidatable(_fallen(book, point.moves)) for point in points[::10]]
    assert all((one <= other).all() for one, other in pairwise(flags))
    assert points[0].liquidatable == 0 < points[PUBLISHED_FALL].liquidatable


def _fallen(book: Book[Any], moves: Any) -> Book[Any]:
    return replace(book, market=moved_market(book.market, moves))


def test_no_fall_of_ether_touches_a_market_that_counts_in_ether(found: Study) -> None:
    book = found.books[ETHER_COMET]
    assert not hangs(book)
    assert ETHER_COMET not in found.curves
    with pytest.raises(UnknownDriver):
        stress(book, MOVE)
    assert stress(book, "wstETH/ETH ratio=-10%").after.sum() > 1_000, "its risk is another one"


def test_cascades_begin_with_what_the_shock_alone_breaks(found: Study) -> None:
    least = {
        (name, fall): found.at(name, fall).liquidatable - _refused(found, name, fall)
        for name in NAMES
        for fall in SHOCKS
    }
    for tables in found.sweeps.values():
        for name in NAMES:
            initial = tables[name]["initial_usd"].tolist()
            assert initial == sorted(initial)
            for fall, accounts in zip(SHOCKS, tables[name]["accounts"], strict=True):
                assert accounts >= least[name, fall]
        together = tables["all together"]["initial_usd"]
        for place in range(len(SHOCKS)):
            parts = math.fsum(tables[name]["initial_usd"].iloc[place] for name in NAMES)
            assert together.iloc[place] == pytest.approx(parts, rel=1e-9)


def _refused(found: Study, name: str, fall: int) -> int:
    return int(stress(found.books[name], f"{DRIVER}=-{fall}%").totals["refused_accounts"].iloc[0])


def test_a_book_ten_times_as_large_needs_ten_times_the_volume() -> None:
    """What the page says of its second depth."""
    one = dollar_comet_book(600)
    large = Book.build(
        one.market,
        [
            replace(
                account,
                legs=tuple(
                    replace(leg, collateral=10 * leg.collateral, debt=10 * leg.debt) for leg in account.legs
                ),
            )
            for account in one.accounts()
        ],
    )
    shock = [Fraction(-30)]
    few, many = (
        sweep([book], DRIVER, shock, {DRIVER: depth(millions)}).iloc[0]
        for book, millions in ((one, 57), (large, 570))
    )
    assert few["induced_usd"] > 0
    assert few["branching_ratio"] == pytest.approx(many["branching_ratio"], rel=1e-9)


def test_ratios_are_counted_against_the_published_ones(found: Study) -> None:
    assert "{} to {}".format(*PUBLISHED_RANGE) == PUBLISHED_BRANCHING
    low, high = PUBLISHED_RANGE
    every = np.array([table["branching_ratio"] for table in found.sweeps[570].values()])
    within = ((every >= low) & (every <= high)).sum()
    assert f"{within} among them" in branching_words(found)
    assert np.nanmax(every) < 1, "no fall of these starts a cascade that feeds itself"


def test_the_page_and_its_picture_are_current(found: Study) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(found), "run scripts/sensitivity"
    assert f"pictures/{PICTURE.name}" in page(found)
    assert PICTURE.read_text(encoding="utf-8").startswith("<?xml")


def test_the_picture_shows_the_curves(found: Study) -> None:
    figure = draw(found)
    for axes, what in zip(figure.axes, ("debt", "collateral"), strict=True):
        drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}  # type: ignore[arg-type]
        assert {name: shares(found, name, what) for name in NAMES}.items() <= drawn.items()
