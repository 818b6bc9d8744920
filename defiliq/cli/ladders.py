"""From options to ladders on one driver: from a node, snapshots, or ladder files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from defiliq.cli.options import Source, collected
from defiliq.cli.talk import Talk
from defiliq.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.book import Book
    from defiliq.chain.node import AnyNode
    from defiliq.model.axis import MarketKey
    from defiliq.model.heat import Heat

F = TypeVar("F", bound=Callable[..., Any])
STEP_PCT = "0.25%"
MONEY_WITHIN = 0.02
"""A price so near to a dollar is that of a dollar."""


@dataclass(frozen=True, slots=True)
class Lens:
    """Which driver is looked along, and how coarsely."""

    driver: str | None
    mixed_blocks: bool
    groups: tuple[str, ...] = ()
    side: Literal["both", "long", "short"] = "both"
    step: str = STEP_PCT


@dataclass(frozen=True, slots=True)
class Ladders:
    """Rungs along one driver, and the books behind them where there are any."""

    driver: str
    tables: Sequence[pd.DataFrame]
    """Both sides, along the driver alone."""
    books: Sequence[Book[Any]]
    nodes: Sequence[AnyNode | None]
    """The node of each book; None for one from a snapshot."""
    lens: Lens
    incomplete: bool
    unresolved: int = 0
    """Levels that rounding alone decides, of all books that were solved; no ladder file tells."""
    files: Sequence[pd.DataFrame] = ()
    """What ladder files hold, along every driver."""

    @property
    def failed(self) -> dict[MarketKey, int]:
        """Accounts that could not be read, by market. No ladder file tells."""
        keys = [(book.market.block.chain_id, book.market.protocol, book.market.name) for book in self.books]
        return {
            (str(chain), protocol, name): len(book.failed)
            for (chain, protocol, name), book in zip(keys, self.books, strict=True)
        }

    @property
    def of(self) -> Sequence[Book[Any]] | Sequence[pd.DataFrame]:
        """What a cascade runs over: books where they are known, else the rungs along every driver."""
        return self.books if self.books else self.files

    @property
    def seen(self) -> list[pd.DataFrame]:
        """The rungs of the side that was asked for."""
        if self.lens.side == "both":
            return list(self.tables)
        return [table[table["side"] == self.lens.side] for table in self.tables]

    def untold(self) -> int:
        """How many rungs do not say their size. Ladders that cannot be looked at together are refused."""
        from defiliq.model.axis import rungs_on, sources_of

        rungs = rungs_on(self.tables, self.driver, mixed_blocks=self.lens.mixed_blocks)
        return int(sources_of(rungs, self.failed)["untold"].sum())

    def heat(self) -> Heat:
        """The rungs in price buckets."""
        from defiliq.cli.ladder import parse_percent
        from defiliq.model.heat import build_heat

        return build_heat(
            self.seen,
            self.driver,
            step_pct=parse_percent(self.lens.step),
            mixed_blocks=self.lens.mixed_blocks,
            failed=self.failed,
        )


_DRIVER = (
    click.option(
        "--driver",
        metavar="D",
        help="What moves: ETH/USD, a symbol, an address.  [default: where most dollars break]",
    ),
    click.option(
        "--mixed-blocks", is_flag=True, help="Allow markets of different blocks, or times far apart."
    ),
)

_LENS = (
    *_DRIVER,
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="SPEC",
        help="Feeds that move together, as a driver: NAME=LEAD,FOLLOWER[:NUM/DEN],...",
    ),
    click.option(
        "--side",
        type=click.Choice(["both", "long", "short"]),
        default="both",
        show_default=True,
        help="long: breaks as the driver falls. short: as it rises.",
    ),
    click.option(
        "--bin",
        "step",
        default=STEP_PCT,
        show_default=True,
        metavar="PCT",
        help="The width of a price bucket.",
    ),
)


def lens_options(command: F) -> F:
    """Driver, side and buckets, handed over as `lens`."""
    return collected(command, "lens", Lens, _LENS)


def driver_options(command: F) -> F:
    """The driver alone, handed over as `lens`."""
    return collected(command, "lens", Lens, _DRIVER)


def along_shocks(lens: Lens, shocks: Sequence[str]) -> Lens:
    """The lens, along the driver of the first shock where all of them name one and nobody names another."""
    names = [text.rpartition("=")[0].strip() for text in shocks]
    if lens.driver is not None or not names or not all(names):
        return lens
    return replace(lens, driver=names[0])


@contextmanager
def opened_ladders(source: Source, lens: Lens, talk: Talk) -> Iterator[Ladders]:
    """The ladders that the options name, along one driver; nodes are closed at the end."""
    from defiliq.cli.ladder import parse_percent
    from defiliq.cli.sources import check_files, describe, opened
    from defiliq.pipeline.table_files import is_ladder_file

    parse_percent(lens.step)
    files = [path for path in source.snapshot if is_ladder_file(path)]
    if not files:
        with opened(source, talk) as markets:
            for market in markets:
                describe(market.book, talk)
            found = _of_books([market.book for market in markets], [m.node for m in markets], lens, talk)
            _refuse_empty(found)
            yield found
        return
    if len(files) < len(source.snapshot):
        raise InputError("--from names ladders and snapshots. Give files of one kind.")
    check_files(source)
    _refuse_for_files(source)
    found = _of_files(files, source, lens, talk)
    _refuse_empty(found)
    yield found


def _refuse_empty(ladders: Ladders) -> None:
    if not any(len(table) for table in ladders.seen):
        side = "" if ladders.lens.side == "both" else f" on the {ladders.lens.side} side"
        raise InputError(f"nobody breaks along {ladders.driver}{side}, so there is nothing to show.")


def _refuse_for_files(source: Source) -> None:
    """A ladder is finished: nothing that changes accounts can be asked of it."""
    for option, given in (
        ("--at", source.at is not None),
        ("--stored", source.stored),
        ("--min-debt-usd", source.min_debt_usd is not None),
    ):
        if given:
            raise click.UsageError(f"{option} needs accounts, and a ladder file holds rungs. Use a snapshot.")


def _of_files(files: Sequence[str], source: Source, lens: Lens, talk: Talk) -> Ladders:
    from defiliq.cli.sources import require_protocol
    from defiliq.pipeline.cascade import driver_names
    from defiliq.pipeline.table_files import load_ladder

    if lens.groups:
        raise click.UsageError("--group needs a market, and a ladder file holds rungs. Use a snapshot.")
    tables = []
    for path in files:
        table = load_ladder(path)
        for protocol in table["protocol"].unique():
            require_protocol(source.protocol, str(protocol))
        talk.say(f"{len(table)} rung{'' if len(table) == 1 else 's'} from {path}")
        _describe(table, talk)
        tables.append(table)
    if not any(len(table) for table in tables):
        raise InputError("the ladder is empty: nobody breaks at any price, so there is nothing to show.")
    if lens.driver is None:
        driver = _heaviest(tables, lens.side, talk)
    else:
        driver = driver_names(tables, {lens.driver: None})[lens.driver]
    for table in tables:
        for (protocol, market), part in table.groupby(["protocol", "market"], sort=True):
            if driver not in set(part["driver"]):
                talk.say(f"{protocol} {market} has no driver {driver}: left out")
    return Ladders(driver, _along(tables, driver), (), (), lens, incomplete=False, files=tables)


def _describe(table: pd.DataFrame, talk: Talk) -> None:
    """Say on stderr of which markets at which blocks the rungs are."""
    from defiliq.cli.sources import headline_of, moment
    from defiliq.ladder import IDENTITY
    from defiliq.types import Block

    for row in table.drop_duplicates([*IDENTITY, "evaluated_at"]).to_dict("records"):
        block = Block(row["chain_id"], row["block_number"], row["block_hash"], row["block_timestamp"])
        talk.say(headline_of(row["protocol"], row["market"], row["version"], block))
        if row["evaluated_at"] != row["block_timestamp"]:
            talk.say(f"Interest is accrued to {moment(row['evaluated_at'])}")


def _of_books(books: Sequence[Book[Any]], nodes: Sequence[AnyNode | None], lens: Lens, talk: Talk) -> Ladders:
    """Solve some books; those that do not have the driver are named and left out."""
    from defiliq.pipeline.cascade import driver_names

    driver, having = None, [True for _ in books]
    if lens.driver is not None and not lens.groups:
        driver = driver_names(books, {lens.driver: None})[lens.driver]
        having = [_has(book, driver) for book in books]
    names = () if lens.driver is None else (driver if driver is not None else lens.driver,)
    tables = [_solved(book, names, lens, talk) for book, has in zip(books, having, strict=True) if has]
    undecided = [(owner, name) for table in tables for owner, name in table.attrs["unresolved"]]
    incomplete = bool(undecided) or any(book.failed for book in books)
    if lens.driver is None:
        driver = _heaviest(tables, lens.side, talk)
        if not lens.groups:
            having = [_has(book, driver) for book in books]
            tables = [table for table, has in zip(tables, having, strict=True) if has]
    found = driver if driver is not None else str(lens.driver)
    for book, has in zip(books, having, strict=True):
        if not has:
            talk.say(f"{book.market.protocol} {book.market.name} has no driver {found}: left out")
    kept = [book for book, has in zip(books, having, strict=True) if has]
    kept_nodes = [node for node, has in zip(nodes, having, strict=True) if has]
    along = _along(tables, found)
    spelled = next((str(table["driver"].iloc[0]) for table in along if len(table)), found)
    unresolved = sum(name == spelled for _, name in undecided)
    return Ladders(spelled, along, kept, kept_nodes, lens, incomplete, unresolved)


def _along(tables: Sequence[pd.DataFrame], driver: str) -> list[pd.DataFrame]:
    """The rungs on one driver; of a table without any nothing is left."""
    wanted = driver.strip().casefold()
    return [table[table["driver"].str.casefold() == wanted] for table in tables]


def _has(book: Book[Any], driver: str) -> bool:
    from defiliq.oracle.drivers import drivers

    return any(found.name == driver for found in drivers(book.market))


def _solved(book: Book[Any], names: Sequence[str], lens: Lens, talk: Talk) -> pd.DataFrame:
    from defiliq.pipeline.judge import ladder

    with talk.progress("Solving") as tell:
        table = ladder(
            book,
            names or None,
            "both",
            lens.groups,
            on_progress=lambda done, total: tell(done, total, "accounts"),
        )
    talk.warn_of_unresolved(table.attrs["unresolved"])
    return table


def _heaviest(tables: Sequence[pd.DataFrame], side: str, talk: Talk) -> str:
    """The driver along which most dollars break within half its price, where nobody names one.

    Where nobody breaks so near, all that breaks counts; where nobody does at all, what is broken at spot.
    Prices of dollars are passed over: whoever owes USDC breaks as it rises, which says little of anybody.
    """
    from defiliq.ladder import joined

    rungs = joined([table for table in tables if len(table)] or tables)
    asked = rungs[rungs["side"] == side]
    rungs = asked if len(asked) else rungs
    priced = rungs[rungs["outcome"] == "price"]
    near = priced[priced["distance_pct"].abs() <= 50]
    chosen = next((some for some in (near, priced, rungs[rungs["outcome"] == "already"]) if len(some)), None)
    if chosen is None:
        raise InputError("nobody breaks at any price of any driver, so there is nothing to show.")
    size = chosen["notional_usd"].fillna(chosen["repaid_usd"])
    # Correctly rounded, so that drivers that hold the same do not change places with the rows.
    sums = size.groupby(chosen["driver"], sort=True).agg(lambda part: math.fsum(part.dropna()))
    is_dollar = chosen["driver"].str.endswith("/USD") & ((chosen["spot_usd"] - 1).abs() <= MONEY_WITHIN)
    others = sums.drop(chosen["driver"][is_dollar].unique())
    driver, most = str((others if len(others) else sums).idxmax()), str(sums.idxmax())
    where = "are liquidatable already" if priced.empty else "break"
    aside = "" if driver == most else f", {most} aside"
    talk.say(f"Along {driver}, where most dollars {where}{aside} (--driver chooses another)")
    return driver
