"""From options to ladders on one driver: from a node, snapshots, or ladder files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Lens:
    """Which driver is looked along, and how coarsely."""

    driver: str | None
    groups: tuple[str, ...]
    side: Literal["both", "long", "short"]
    step: str
    mixed_blocks: bool


@dataclass(frozen=True, slots=True)
class Ladders:
    """Rungs along one driver, and the books behind them where there are any."""

    driver: str
    tables: Sequence[pd.DataFrame]
    books: Sequence[Book[Any]]
    nodes: Sequence[AnyNode | None]
    """The node of each book; None for one from a snapshot."""
    lens: Lens
    incomplete: bool

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
        """What a cascade runs over: books where they are known, else the rungs."""
        return self.books if self.books else self.tables

    def heat(self) -> Heat:
        """The rungs in price buckets."""
        from defiliq.cli.ladder import parse_percent
        from defiliq.model.heat import build_heat

        return build_heat(
            self.tables,
            self.driver,
            step_pct=parse_percent(self.lens.step),
            mixed_blocks=self.lens.mixed_blocks,
            failed=self.failed,
        )


_LENS = (
    click.option(
        "--driver",
        metavar="D",
        help="What moves: ETH/USD, a symbol, an address, a group.  [default: where most dollars break]",
    ),
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="SPEC",
        help="Feeds that move together: NAME=LEAD,FOLLOWER[:NUM/DEN],...",
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
    click.option(
        "--mixed-blocks", is_flag=True, help="Allow markets of different blocks, or times far apart."
    ),
)


def lens_options(command: F) -> F:
    """Driver, side and buckets, handed over as `lens`."""
    return collected(command, "lens", Lens, _LENS)


@contextmanager
def opened_ladders(source: Source, lens: Lens, talk: Talk) -> Iterator[Ladders]:
    """The ladders that the options name, along one driver; nodes are closed at the end."""
    from defiliq.cli.sources import describe, opened
    from defiliq.pipeline.table_files import is_ladder_file

    files = [path for path in source.snapshot if is_ladder_file(path)]
    if not files:
        with opened(source, talk) as markets:
            for market in markets:
                describe(market.book, talk)
            yield _of_books([market.book for market in markets], [m.node for m in markets], lens, talk)
        return
    if len(files) < len(source.snapshot):
        raise InputError("--from names ladders and snapshots. Give files of one kind.")
    _refuse_for_files(source)
    yield _of_files(files, source, lens, talk)


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
        talk.say(f"{len(table)} rungs from {path}")
        tables.append(table)
    if not any(len(table) for table in tables):
        raise InputError("the ladder is empty: nobody breaks at any price, so there is nothing to show.")
    if lens.driver is None:
        driver = _heaviest(tables, talk)
    else:
        driver = driver_names(tables, {lens.driver: None})[lens.driver]
    return Ladders(driver, _sided(tables, lens), (), (), lens, incomplete=False)


def _of_books(books: Sequence[Book[Any]], nodes: Sequence[AnyNode | None], lens: Lens, talk: Talk) -> Ladders:
    """Solve some books; those that do not have the driver are named and left out."""
    from defiliq.pipeline.cascade import driver_names

    kept, kept_nodes, driver = list(books), list(nodes), None
    if lens.driver is not None and not lens.groups:
        driver = driver_names(books, {lens.driver: None})[lens.driver]
        having = [any(found.name == driver for found in _drivers(book)) for book in books]
        for book, has in zip(books, having, strict=True):
            if not has:
                talk.say(f"{book.market.protocol} {book.market.name} has no driver {driver}: left out")
        kept = [book for book, has in zip(books, having, strict=True) if has]
        kept_nodes = [node for node, has in zip(nodes, having, strict=True) if has]
    names = () if lens.driver is None else (driver if driver is not None else lens.driver,)
    tables = [_solved(book, names, lens, talk) for book in kept]
    incomplete = any(book.failed for book in books) or any(table.attrs["unresolved"] for table in tables)
    if driver is None:
        driver = lens.driver if lens.driver is not None else _heaviest(tables, talk)
    return Ladders(driver, _sided(tables, lens), kept, kept_nodes, lens, incomplete)


def _drivers(book: Book[Any]) -> Sequence[Any]:
    from defiliq.oracle.drivers import drivers

    return drivers(book.market)


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


def _heaviest(tables: Sequence[pd.DataFrame], talk: Talk) -> str:
    """The driver along which most dollars break within half its price, where nobody names one."""
    from defiliq.ladder import joined

    rungs = joined([table for table in tables if len(table)] or tables)
    rungs = rungs[rungs["outcome"] == "price"]
    if rungs.empty:
        raise InputError("nobody breaks at any price of any driver, so there is nothing to show.")
    near = rungs[rungs["distance_pct"].abs() <= 50]
    size = near["notional_usd"].fillna(near["repaid_usd"])
    totals = size.groupby(near["driver"]).sum().sort_index()
    driver = str(totals.idxmax() if len(totals) else rungs["driver"].min())
    talk.say(f"Along {driver}, where most dollars break (--driver chooses another)")
    return driver


def _sided(tables: Sequence[pd.DataFrame], lens: Lens) -> list[pd.DataFrame]:
    """The tables without the side that was not asked for."""
    if lens.side == "both":
        return list(tables)
    return [table[table["side"] == lens.side] for table in tables]
