"""Snapshots of dYdX v4: whatever was read is loaded as it was, and a file that was changed is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from defiliq.book import Book
from defiliq.errors import BadFile
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.dydx_v4 import DydxMarket
from tests.dydx.population import Population, population
from tests.dydx.standin import dydx_standin
from tests.protocols.dydx_v4.stage import (
    BTC,
    ETH,
    ISOLATED,
    assert_same_book,
    chain_of,
    holding_only,
    name_of,
    read_from,
    subaccount,
)

LONG = subaccount(1, (BTC, 10**8), usdc=-(10**8), index=-(10**20))
SHORT = subaccount(2, (BTC, -(10**8)), (ETH, 7), usdc=10**9, index=10**20)
ALONE = subaccount(3, (ISOLATED, 10**9), number=128)
IDLE = subaccount(4, usdc=10**6, number=2**32 - 1)
STRANGE = subaccount(5, (777, 1))


@cache
def book() -> Book[DydxMarket]:
    return read_from(chain_of(LONG, SHORT, ALONE, IDLE, STRANGE))


def saved(folder: Path, whole: Book[DydxMarket]) -> Path:
    return save_snapshot(whole, folder / "book.parquet")


def test_a_loaded_book_is_the_one_that_was_read(tmp_path: Path) -> None:
    """20,000 legs' worth of a chain: whales, dust, funding of both signs, isolated positions."""
    whole = read_from(dydx_standin(population(3_000, seed=9)))
    assert whole.funding_index is not None
    assert whole.funding_index.below_zero.any()
    assert whole.collateral.high.any()
    loaded = load_snapshot(saved(tmp_path, whole))
    assert_same_book(loaded, whole)
    assert [loaded.owner(i) for i in range(len(loaded))] == [whole.owner(i) for i in range(len(whole))]
    assert list(loaded.accounts()) == list(whole.accounts())


def test_failures_numbers_and_names_survive(tmp_path: Path) -> None:
    loaded = load_snapshot(saved(tmp_path, book()))
    assert_same_book(loaded, book())
    assert name_of(STRANGE) in loaded.failed
    assert loaded.find(name_of(IDLE)) is not None
    assert {loaded.owner(i) for i in range(4)} == {name_of(each) for each in (LONG, SHORT, ALONE, IDLE)}


@pytest.mark.parametrize("kept", [(), (IDLE,), (LONG, IDLE)])
def test_books_of_few(tmp_path: Path, kept: tuple[Any, ...]) -> None:
    whole = read_from(chain_of(*kept))
    assert (whole.funding_index is None) == (LONG not in kept)
    assert_same_book(load_snapshot(saved(tmp_path, whole)), whole)


def set_all(messages: Iterable[Any], name: str, value: object) -> None:
    for each in messages:
        setattr(each, name, value)


def params(held: Population, **wanted: int) -> list[Any]:
    """The parameters of some perpetuals."""
    found = [each.params for each in held.perpetuals]
    return [one for one in found if all(getattr(one, name) == value for name, value in wanted.items())]


CHAINS: dict[str, Callable[[Population], object]] = {
    "prices": lambda held: set_all(held.market_prices, "price", 2**64 - 1),
    "prices of 1": lambda held: set_all(held.market_prices, "price", 1),
    "many digits": lambda held: setattr(held.market_prices[0], "exponent", -40),
    "no digits": lambda held: setattr(held.market_prices[0], "exponent", 0),
    "coarse": lambda held: setattr(held.perpetuals[0].params, "atomic_resolution", 40),
    "fine": lambda held: setattr(held.perpetuals[0].params, "atomic_resolution", -40),
    "no book": lambda held: held.clob_pairs.clear(),
    "a newer book": lambda held: setattr(held.clob_pairs[0], "status", 9),
    "a market of many": lambda held: set_all(params(held, market_type=1), "market_id", 0),
    "a large id": lambda held: renumbered(held, 2**32 - 1),
    "all margin": lambda held: set_tiers(held, 10**6, 10**6),
    "no margin": lambda held: set_tiers(held, 0, 0),
    "caps": lambda held: setattr(held.liquidity_tiers[0], "open_interest_upper_cap", 2**64 - 1),
    "without a price": lambda held: setattr(held.market_prices[0], "price", 0),
    "funding beyond all range": lambda held: setattr(
        held.perpetuals[1], "funding_index", b"\x03" + b"\xff" * 64
    ),
    "an open interest beyond all range": lambda held: setattr(
        held.perpetuals[1], "open_interest", b"\x02" + b"\xff" * 17
    ),
    "a denom with markup": lambda held: setattr(held.assets[0], "denom", "<b>\x1b[31m" * 30),
    "no tickers": lambda held: set_all(params(held), "ticker", ""),
}


def renumbered(held: Population, number: int) -> None:
    """The first perpetual under another id, with its book."""
    held.perpetuals[0].params.id = held.clob_pairs[0].perpetual_clob_metadata.perpetual_id = number
    for each in held.subaccounts:
        for position in each.perpetual_positions:
            position.perpetual_id = number if position.perpetual_id == BTC else position.perpetual_id


def set_tiers(held: Population, initial_ppm: int, fraction_ppm: int) -> None:
    for tier in held.liquidity_tiers:
        tier.initial_margin_ppm, tier.maintenance_fraction_ppm = initial_ppm, fraction_ppm


@pytest.mark.parametrize("what", CHAINS)
def test_whatever_is_read_is_loaded(tmp_path: Path, what: str) -> None:
    held = holding_only(LONG, SHORT, ALONE, IDLE, STRANGE)
    CHAINS[what](held)
    whole = read_from(dydx_standin(held))
    assert len(whole) + len(set(whole.failed) & {name_of(each) for each in held.subaccounts}) == 5
    assert_same_book(load_snapshot(saved(tmp_path, whole)), whole)


def tampered(
    path: Path, *, columns: dict[str, Callable[[list[Any]], list[Any]]], market: Callable[[Any], object]
) -> Path:
    """The file with some columns and its market changed."""
    table = pq.ParquetFile(path).read()
    about = json.loads(table.schema.metadata[b"defiliq"])
    market(about["market"])
    for name, change in columns.items():
        at = table.schema.get_field_index(name)
        kind = table.schema.field(name).type
        table = table.set_column(at, name, pa.array(change(table.column(name).to_pylist()), type=kind))
    pq.write_table(table.replace_schema_metadata({b"defiliq": json.dumps(about)}), path)
    return path


def first(value: Any) -> Callable[[list[Any]], list[Any]]:
    """A column with another first row."""
    return lambda rows: [value, *rows[1:]]


def every(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: [value] * len(rows)


def reserve(number: int, **changes: str) -> Callable[[Any], object]:
    """The market with one reserve changed."""
    return lambda market: market["reserves"][number].update(changes)


TAMPERED: dict[str, tuple[dict[str, Callable[[list[Any]], list[Any]]], Callable[[Any], object]]] = {
    "funding that is no number": ({"funding_index": first("1e9")}, lambda market: None),
    "funding with a gap": ({"funding_index": first(None)}, lambda market: None),
    "funding beyond all range": ({"funding_index": first(str(2**128))}, lambda market: None),
    "a leg of no reserve": ({"reserve": first(36)}, lambda market: None),
    "two legs in one reserve": ({"reserve": every(0)}, lambda market: None),
    "long and short": ({"debt_low": every(7), "collateral_low": every(7)}, lambda market: None),
    "an owner that is none": ({"account": every("Dydx1/0")}, lambda market: None),
    "a number that is none": ({"account": every("dydx1qq/4294967296")}, lambda market: None),
    "a market that is none": ({}, lambda market: market.update(reserves=[])),
    "USDC at another price": ({}, lambda market: market["prices"].__setitem__(0, "999999")),
    "a price of 0": ({}, lambda market: market["prices"].__setitem__(1, "0")),
    "a price beyond 64 bits": ({}, lambda market: market["prices"].__setitem__(1, str(2**64))),
    "another price than its source's": ({}, lambda market: market["prices"].__setitem__(1, "5")),
    "another exponent": ({}, reserve(1, exponent="-99")),
    "another resolution": ({}, reserve(1, atomic_resolution="-9")),
    "a margin above 1": ({}, reserve(1, initial_margin_ppm="1000001")),
    "a negative fraction": ({}, reserve(1, maintenance_fraction_ppm="-1")),
    "an id that comes twice": ({}, reserve(2, id="0")),
    "an id beyond 32 bits": ({}, reserve(1, id=str(2**32))),
    "an id below 0": ({}, reserve(1, id="-1")),
    "all isolated": ({}, lambda market: [each.update(is_isolated=True) for each in market["reserves"][1:]]),
    "no such state": ({}, reserve(1, clob_status="open")),
    "no insurance": (
        {},
        lambda market: market["liquidations"].update(max_quantums_insurance_lost="0"),
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_file_that_was_changed_is_refused(tmp_path: Path, what: str) -> None:
    columns, market = TAMPERED[what]
    path = saved(tmp_path, book())
    assert_same_book(load_snapshot(tampered(path, columns={}, market=lambda market: None)), book())
    with pytest.raises(BadFile) as caught:
        load_snapshot(tampered(path, columns=columns, market=market))
    assert len(str(caught.value).splitlines()) == 1
