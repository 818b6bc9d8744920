"""Cascades over books and over ladders: which drivers move, by whose law, into which depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from defiliq.book import Book
from defiliq.depth.venue import Depth
from defiliq.engine.liquidate import ColumnBook
from defiliq.errors import InputError, SeveralDrivers, UnknownDriver
from defiliq.ladder import IDENTITY
from defiliq.model.cascade import (
    BackedBook,
    BookStage,
    Cascade,
    LawBook,
    OracleRule,
    RungStage,
    Stage,
    simulate,
)
from defiliq.model.cascade import sweep as sweep_shocks
from defiliq.model.cascade.booked import Ledger
from defiliq.model.cascade.lawful import Law
from defiliq.model.cascade.quoted import quoted, quoted_by_rungs
from defiliq.model.cascade.simulate import MOST_ROUNDS, ROUND_S
from defiliq.oracle.drivers import drivers, find_driver
from defiliq.pipeline.shocks import Shocks, read_shocks
from defiliq.pipeline.solving import Counter
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Market

T = TypeVar("T")


def cascade(
    of: Sequence[Book[Any]] | Sequence[pd.DataFrame],
    shocks: Shocks,
    depths: Mapping[str, Depth],
    *,
    round_s: int = ROUND_S,
    rule: OracleRule | None = None,
    most_rounds: int = MOST_ROUNDS,
) -> Cascade:
    """What shocks such as 'ETH/USD=-10%' lead to in some books at once, by the law of each protocol.

    Of ladders instead of books, each rung gives its first call only: see `RungStage`. `depths` maps drivers
    to what trading along them does to their price.
    """
    ratios = _ratios(of, shocks)
    names = driver_names(of, {**depths, **ratios})
    return simulate(
        stages(of, tuple(dict.fromkeys(names.values()))),
        _called_once(ratios, names, "moved twice. Move it once."),
        _called_once(depths, names, "given two depths. Give it one."),
        round_s=round_s,
        rule=rule,
        most_rounds=most_rounds,
    )


def stages(of: Sequence[Book[Any]] | Sequence[pd.DataFrame], names: Sequence[str]) -> list[Stage]:
    """Books, by their law, or ladders, as they stand at spot; those with none of the drivers are left out."""
    return [make() for make in _makers(of, names, in_columns=False)]


def sweep(
    of: Sequence[Book[Any]] | Sequence[pd.DataFrame],
    driver: str,
    shocks_pct: Sequence[Fraction],
    depths: Mapping[str, Depth],
    *,
    round_s: int = ROUND_S,
    rule: OracleRule | None = None,
    on_progress: Counter | None = None,
) -> pd.DataFrame:
    """One cascade per shock of a driver, each from spot: SWEEP_COLUMNS. Books are liquidated in columns, and
    insurance funds pay always.
    """
    names = driver_names(of, {**depths, driver: None})
    makers = _makers(of, tuple(dict.fromkeys(names.values())), in_columns=True)
    return sweep_shocks(
        lambda: [make() for make in makers],
        names[driver],
        shocks_pct,
        _called_once(depths, names, "given two depths. Give it one."),
        round_s=round_s,
        rule=rule,
        on_progress=on_progress,
    )


def driver_names(
    of: Sequence[Book[Any]] | Sequence[pd.DataFrame], wanted: Mapping[str, object]
) -> dict[str, str]:
    """Drivers as people spell them to what they are called; UnknownDriver for one that is nowhere."""
    names = {}
    for name in wanted:
        found, fixed = set(), None
        for one in of:
            try:
                called = _called(one, name)
            except SeveralDrivers:
                raise
            except InputError as error:  # nothing moves it there, and something may elsewhere
                fixed = error
            else:
                found |= {called} if called is not None else set()
        if not found:
            raise fixed or UnknownDriver(name, _known_anywhere(of))
        if len(found) > 1:
            raise InputError(f"{name!r} means {' and '.join(sorted(found))} on different markets. Name one.")
        names[name] = found.pop()
    return names


def quote_usd(of: Sequence[Book[Any]] | Sequence[pd.DataFrame], name: str) -> float:
    """What 1.0 of a driver's quote is worth at spot in the first market that has it: a dollar for ETH/USD, an
    ether for a staking ratio, and a dollar for groups of feeds. InputError where ladders do not tell.
    """
    for one in of:
        if isinstance(one, pd.DataFrame):
            if name in _known(one):
                return float(quoted_by_rungs(one, name, ()).worth)
        elif (driver := _driver(one.market, name)) is not None:
            return float(quoted(one.market, driver, ()).worth)
    return 1.0


def _called_once(values: Mapping[str, T], names: Mapping[str, str], wrong: str) -> dict[str, T]:
    """Values by what their drivers are called; InputError where two spellings mean one driver."""
    found: dict[str, T] = {}
    for name, value in values.items():
        if names[name] in found:
            raise InputError(f"{names[name]} is {wrong}")
        found[names[name]] = value
    return found


def _makers(
    of: Sequence[Book[Any]] | Sequence[pd.DataFrame], names: Sequence[str], *, in_columns: bool
) -> list[Callable[[], Stage]]:
    """What makes each market anew as it stands at spot; what can be prepared once, is."""
    makers: list[Callable[[], Stage]] = []
    for one in of:
        if isinstance(one, pd.DataFrame):
            markets = one.groupby([*IDENTITY], sort=False, dropna=False) if len(one) else ()
            moved = [rungs for _, rungs in markets if rungs["driver"].isin(names).any()]
            makers += [RungStage(rungs, names).fresh for rungs in moved]
            continue
        moving = [driver for driver in (_driver(one.market, name) for name in names) if driver is not None]
        if moving:
            _require_apart(moving)
            ledger = _column_ledger(one) if in_columns else None
            makers.append(
                partial(_book_stage, one, moving, partial(ledger_of, one) if ledger is None else ledger)
            )
    return makers


def _book_stage(book: Book[Any], moving: Sequence[Driver], ledger: Callable[[], Ledger]) -> Stage:
    return BookStage(book.market, moving, ledger())


def _column_ledger(book: Book[Any]) -> Callable[[], Ledger] | None:
    """A copy of the book's columns each time; None where its protocol has none.

    What breaks at spot is liquidated once and for all: no shock has a part in that.
    """
    columns = ColumnBook.of(book, PROTOCOLS[book.market.protocol].call_terms)
    if columns is None:
        return None
    columns.settle(book.market.prices)
    return columns.copy


def ledger_of(book: Book[Any]) -> LawBook:
    """A book as it is liquidated by its law, and by that of the fund behind it where its balance is known."""
    law, backing = law_of(book), PROTOCOLS[book.market.protocol].backing
    if backing is None or not backing.balances(book.market):
        return LawBook(book, law)
    return BackedBook(book, law, backing)


def with_insurance_fund(books: Sequence[Book[Any]], dollars: Fraction | None) -> list[Book[Any]]:
    """Books with so much in their insurance funds; None where they are to pay always.

    Isolated markets have funds of their own, which keep what was read. InputError where no book has a fund.
    """
    found = []
    for book in books:
        backing = PROTOCOLS[book.market.protocol].backing
        if backing is not None:
            amount = None if dollars is None else int(dollars * book.market.base_unit)
            book = replace(book, market=backing.with_balance(book.market, amount))
        found.append(book)
    if all(PROTOCOLS[book.market.protocol].backing is None for book in books):
        raise InputError("none of these markets has an insurance fund that decides what is liquidated.")
    return found


def law_of(book: Book[Any]) -> Law:
    """The law of a book's protocol."""
    protocol = PROTOCOLS[book.market.protocol]
    return Law(protocol.margin, protocol.rule, protocol.take, protocol.after, protocol.explain)


def _ratios(of: Sequence[Book[Any]] | Sequence[pd.DataFrame], shocks: Shocks) -> dict[str, Fraction]:
    """What each shocked driver is multiplied with; a price to go to is one as a share of the first spot."""
    ratios: dict[str, Fraction] = {}
    for shock in read_shocks(shocks):
        if shock.name in ratios:
            raise InputError(f"{shock.name} is moved twice, again by {shock.text!r}. Move it once.")
        ratios[shock.name] = shock.amount if shock.is_relative else shock.amount / _spot(of, shock.name)
        if ratios[shock.name] <= 0:
            raise InputError(f"{shock.text!r} leaves no price. A driver falls by less than 100%.")
    return ratios


def _spot(of: Sequence[Book[Any]] | Sequence[pd.DataFrame], name: str) -> Fraction:
    """Where a driver stands in the first market that has it, in its unit."""
    for one in of:
        called = _called(one, name)
        if called is None:
            continue
        if isinstance(one, pd.DataFrame):
            first = one[one["driver"] == called].iloc[0]
            return Fraction(str(first["spot_usd"]))
        driver = find_driver(one.market, called)
        return Fraction(driver.spot, driver.unit)
    raise UnknownDriver(name, _known_anywhere(of))


def _called(one: Book[Any] | pd.DataFrame, name: str) -> str | None:
    """What a driver is called in one market or ladder; None where it has none of that name."""
    if isinstance(one, pd.DataFrame):
        wanted = name.strip().casefold()
        return next((known for known in _known(one) if known.casefold() == wanted), None)
    try:
        return find_driver(one.market, name).name
    except SeveralDrivers:
        raise
    except UnknownDriver:
        return None


def _driver(market: Market, called: str) -> Driver | None:
    return next((driver for driver in drivers(market) if driver.name == called), None)


def _known(one: Book[Any] | pd.DataFrame) -> list[str]:
    if isinstance(one, pd.DataFrame):
        return sorted(str(name) for name in one["driver"].unique())
    return [driver.name for driver in drivers(one.market)]


def _known_anywhere(of: Sequence[Book[Any]] | Sequence[pd.DataFrame]) -> list[str]:
    return sorted({known for one in of for known in _known(one)})


def _require_apart(moving: Sequence[Driver]) -> None:
    """Two drivers that move one input cannot both say where it goes."""
    mover: dict[int, str] = {}
    for driver in moving:
        for position, _ in driver.inputs:
            if position in mover:
                raise InputError(
                    f"{mover[position]} and {driver.name} move the same price. Give a depth for one of them."
                )
            mover[position] = driver.name
