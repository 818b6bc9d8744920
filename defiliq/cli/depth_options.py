"""--depth and --impact: what trading along a driver does to its price, for every command of the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from defiliq.cli.options import Source, collected
from defiliq.errors import InputError

if TYPE_CHECKING:
    from defiliq.chain.node import Node
    from defiliq.cli.ladders import Ladders
    from defiliq.depth.combined import Venue
    from defiliq.depth.venue import Depth
    from defiliq.types import Block

F = TypeVar("F", bound=Callable[..., Any])
_SPEC = re.compile(
    r"(?:(?P<driver>[^=]+)=)?(?P<kind>pool|pair|file|impact):(?P<what>[^@]+)(?:@(?P<base>.+))?"
)


class Spec(NamedTuple):
    """One --depth: which driver, and where its depth comes from."""

    driver: str | None
    kind: str
    what: str
    base: str | None


@dataclass(frozen=True, slots=True)
class Depths:
    """What the options say; `of` reads it."""

    depth: tuple[str, ...] = ()
    impact: str | None = None
    _read: dict[int, tuple[Ladders, Mapping[str, Depth]]] = field(default_factory=dict, compare=False)

    def check(self, source: Source, needed: str | None = None) -> None:
        """Refuse what cannot be used before a market is read, and no depth where something needs one."""
        from defiliq.pipeline.depths import load_depth, read_law

        for spec in map(read_spec, self.depth):
            if spec.kind == "impact":
                read_law(spec.what)
            elif spec.kind == "file":
                load_depth(spec.what, spec.base)
            elif spec.kind == "pool":
                check_addresses(spec.what.split("+"))
            else:
                _check_pair(spec.what, source)
        if self.impact is not None:
            read_law(self.impact)
        if needed is not None and not self.depth and self.impact is None:
            raise click.UsageError(f"{needed} needs to know what a sale does: name --depth, or --impact.")

    def of(self, ladders: Ladders) -> Mapping[str, Depth]:
        """The depth of each driver that has one, by what the driver is called. Pools are read once.

        --impact is of the driver that is looked along, where no --depth is: no volume is that of all assets.
        """
        if id(ladders) not in self._read:
            self._read[id(ladders)] = ladders, self._found(ladders)
        return self._read[id(ladders)][1]

    def _found(self, ladders: Ladders) -> Mapping[str, Depth]:
        found: dict[str, Depth] = {}
        for spec in map(read_spec, self.depth):
            driver = _called(spec.driver, ladders)
            if driver in found:
                raise InputError(f"{driver} has two depths. Join pools with '+': pool:0x..+0x..")
            found[driver] = _depth(spec, driver, ladders)
        if self.impact is not None and ladders.driver not in found:
            found[ladders.driver] = _depth(Spec(None, "impact", self.impact, None), ladders.driver, ladders)
        return found


def depth_options(command: F) -> F:
    """Where depth comes from, handed over as `depths`."""
    options = (
        click.option(
            "--depth",
            multiple=True,
            metavar="SPEC",
            help="What trading does to a price: pool:0x..[+0x..], pair:WETH/USDC (all its pools), file:PATH "
            "(saved pools, or a curve as CSV) or impact:VOLUME[,VOL%]. Of the driver that is looked along, "
            "or DRIVER=SPEC. SPEC@WETH says which token of the pools is sold. Repeatable, for more drivers.",
        ),
        click.option(
            "--impact",
            metavar="VOLUME[,VOL%]",
            help="Where no --depth is: the square-root law, from a daily volume and a day's volatility "
            "(1.2B,4%; 4% if left out).",
        ),
    )
    return collected(command, "depths", Depths, options)


def check_addresses(pools: Iterable[str]) -> None:
    """Refuse what is no address of a pool before a node is asked."""
    from defiliq.depth.read import pool_address

    for address in pools:
        pool_address(address.strip())


def _check_pair(pair: str, source: Source) -> None:
    """Refuse a pair that is none, or whose tokens nobody knows on the chains of the markets."""
    from defiliq.cli.sources import listings
    from defiliq.pipeline.depths import tokens_of

    for market in () if source.snapshot else listings(source):
        tokens_of(pair, market.chain_id)


def read_spec(text: str) -> Spec:
    """[DRIVER=]KIND:WHAT[@BASE] in its parts."""
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(
            f"{text!r} is no depth. Write pool:0x.., pair:WETH/USDC, file:PATH or impact:1.2B,4%, "
            "with DRIVER= before it for another driver.",
            param_hint="'--depth'",
        )
    return Spec(found["driver"], found["kind"], found["what"].strip(), found["base"])


def _called(named: str | None, ladders: Ladders) -> str:
    """What a driver is called; without a name, the one that is looked along."""
    from defiliq.pipeline.cascade import driver_names

    if named is None or named.strip().casefold() == ladders.driver.casefold():
        return ladders.driver
    return driver_names(ladders.of, {named: None})[named]


def _depth(spec: Spec, driver: str, ladders: Ladders) -> Venue:
    from defiliq.model.cascade import quote_symbol
    from defiliq.pipeline.depths import (
        check_sold,
        load_depth,
        pools_at,
        pools_of_pair,
        read_law,
        together,
    )

    sold, paid = driver.partition("/")[0], quote_symbol(driver)
    if spec.kind == "impact":
        return read_law(spec.what).at(sold, paid if paid else "USD", _spot(driver, ladders))
    if spec.kind == "file":
        found = load_depth(spec.what, spec.base, like=sold)
    else:
        node, block = _place(spec, ladders)
        if spec.kind == "pair":
            found = together(pools_of_pair(node, spec.what, block), spec.base)
        else:
            found = together(pools_at(node, spec.what.split("+"), block), spec.base, like=sold)
    if spec.base is None and "/" in driver:
        check_sold(found, driver)
    return found


def _spot(driver: str, ladders: Ladders) -> Fraction:
    """Where a driver stands, in the first market that has it."""
    from defiliq.oracle.drivers import drivers

    for table in (*ladders.tables, *ladders.files):
        rows = table[table["driver"] == driver]
        if len(rows):
            return Fraction(float(rows["spot_usd"].iloc[0]))
    for book in ladders.books:
        for one in drivers(book.market):
            if one.name == driver:
                return Fraction(one.spot, one.unit)
    raise InputError(f"nobody here hangs on {driver}, so its price is not known.")


def _place(spec: Spec, ladders: Ladders) -> tuple[Node, Block]:
    """The node and block to read pools at: those of the books, which must be of one chain."""
    places = {
        book.market.block.chain_id: (node, book.market.block)
        for book, node in zip(ladders.books, ladders.nodes, strict=True)
        if node is not None and isinstance(book.market.block.chain_id, int)
    }
    if not places:
        raise click.UsageError(
            f"{spec.kind}:{spec.what} is read from a node of an EVM chain, and none is asked here. "
            "Keep the pools with `defiliq depth --save FILE`, and give file:FILE."
        )
    if len(places) > 1:
        raise click.UsageError(
            f"{spec.kind}:{spec.what} could be on any of {len(places)} chains. "
            "Keep the pools with `defiliq depth --save FILE`, and give file:FILE."
        )
    ((node, block),) = places.values()
    return node, block  # type: ignore[return-value]
