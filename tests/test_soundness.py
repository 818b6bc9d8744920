"""A market from a file is refused, in one line and at once, where no contract could have made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defiliq.errors import BadFile
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.pipeline.soundness import MOST_PARTS, MOST_QUANTITIES
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph
from defiliq.protocols.aave_v3.market import AaveMarket, EMode
from defiliq.units import HIGHEST_PRICE, MAX_UINT256
from tests.builders import NOW, address, book, graph_market, plain_market, plain_reserve

EIGHT = EMode(
    id=8,
    label="",
    ltv_bps=0,
    liquidation_threshold_bps=0,
    liquidation_bonus_bps=0,
    collateral_bitmap=0,
    borrowable_bitmap=0,
)
ONE = Input("A/USD", "aggregator", address(0xF001), 7, 8)


def refused(folder: Path, market: AaveMarket, why: str) -> None:
    """A book of this market is saved, and not loaded."""
    path = save_snapshot(book([], market), folder / "book.parquet")
    with pytest.raises(BadFile, match=why) as caught:
        load_snapshot(path)
    assert "\n" not in str(caught.value)


def priced(*quantities: Any) -> AaveMarket:
    """A market of one reserve whose price is 7, the last of these quantities."""
    graph = PriceGraph(tuple(quantities), (len(quantities) - 1,))
    return replace(plain_market([plain_reserve(0, "A", 18)], [7]), graph=graph)


@pytest.mark.parametrize(
    "last",
    [
        ONE,
        Fixed(7),
        Growing(6, NOW - 10, 100, 1000),
        Growing(7, NOW, 0, 1),
        Discount(7, 0, MAX_UINT256, 1),
        Fraction((0,), (), 1, 1),
        Least((0, 0)),
    ],
    ids=lambda last: type(last).__name__,
)
def test_what_contracts_make_is_loaded(tmp_path: Path, last: Any) -> None:
    market = priced(ONE, last)
    path = save_snapshot(book([], market), tmp_path / "book.parquet")
    assert load_snapshot(path).market == market


@pytest.mark.parametrize(
    "last",
    [
        replace(ONE, value=-7),
        replace(ONE, value=2**256),
        replace(ONE, decimals=78),
        replace(ONE, decimals=10**9),
        replace(ONE, decimals=-1),
        replace(ONE, updated_at=10**30),
        replace(ONE, updated_at=-1),
        replace(ONE, heartbeat_s=-1),
        replace(ONE, deviation_bps=10**40),
        replace(ONE, source="0xnone"),
        Fixed(-7),
        Growing(7, NOW + 1, 1, 1),
        Growing(7, -1, 0, 1),
        Growing(7, NOW, 1, 0),
        Growing(7, NOW, -1, 1),
        Growing(2**256, NOW, 1, 1),
        Discount(7, 1, NOW, 0),
        Discount(7, -1, NOW, 1),
        Fraction((0,), (), 1, 0),
        Fraction((0,), (), -1, -1),
        Least(()),
    ],
    ids=str,
)
def test_numbers_that_no_contract_has(tmp_path: Path, last: Any) -> None:
    refused(tmp_path, priced(ONE, last), "quantity 1 of the price graph has a number that no contract has")


def test_a_cycle(tmp_path: Path) -> None:
    why = "a quantity uses one that does not stand before it"
    refused(tmp_path, priced(ONE, Least((1,))), why)
    refused(tmp_path, priced(Least((1,)), Least((0,))), why)


def test_products_that_grow_without_end(tmp_path: Path) -> None:
    squares = [Fraction((k, k), (), 1, 1) for k in range(80)]
    refused(tmp_path, priced(ONE, *squares), "multiplies beyond all bounds")
    refused(
        tmp_path,
        priced(ONE, Fraction((0,) * 50_000, (), 1, 1)),
        f"a quantity .* more than {MOST_PARTS} parts",
    )


def test_more_quantities_than_any_market_has(tmp_path: Path) -> None:
    many = [ONE] * (MOST_QUANTITIES + 1)
    refused(tmp_path, priced(*many), f"more than {MOST_QUANTITIES} quantities")


def test_a_graph_that_gives_other_prices(tmp_path: Path) -> None:
    refused(tmp_path, priced(Fixed(8)), "the price graph does not give the market's prices")


def test_a_graph_of_fewer_feeds(tmp_path: Path) -> None:
    whole = graph_market()
    fewer = replace(whole, graph=replace(whole.graph, feeds=whole.graph.feeds[:-1]))
    refused(tmp_path, fewer, "does not answer for every feed")
    none = replace(whole, graph=replace(whole.graph, feeds=()))
    refused(tmp_path, none, "does not answer for every feed")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda market: replace(market, block=replace(market.block, timestamp=2**60)), "timestamp"),
        (lambda market: replace(market, timestamp=2**60), "timestamp"),
        (lambda market: replace(market, revision=-1), "revision"),
        (lambda market: replace(market, emodes={10**9: EIGHT}), "the number of an eMode"),
        (lambda market: replace(market, emodes={8: replace(EIGHT, ltv_bps=2**70)}), "ltv_bps"),
    ],
)
def test_numbers_of_the_market(tmp_path: Path, change: Callable[[AaveMarket], AaveMarket], name: str) -> None:
    refused(tmp_path, change(graph_market()), f"{name} is .*, which no contract answers")


@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("liquidation_threshold_bps", 2**63),
        ("liquidation_threshold_bps", -1),
        ("id", 10**12),
        ("variable_borrow_rate_ray", -1),
        ("updated_at", 2**60),
    ],
)
def test_numbers_of_reserves(tmp_path: Path, field: str, number: int) -> None:
    market = graph_market()
    changes: Any = {field: number}
    changed = replace(market.reserves[0], **changes)
    odd = replace(market, reserves=(changed, *market.reserves[1:]))
    refused(tmp_path, odd, f"{field} is {number}, which no contract answers")


def test_an_emode_whose_own_feed_the_market_does_not_have(tmp_path: Path) -> None:
    whole = graph_market()
    far = replace(whole, emodes={8: replace(EIGHT, feed=len(whole.feeds))})
    refused(tmp_path, far, "prices, feeds and reserves do not fit together")


def test_a_price_beyond_all_range(tmp_path: Path) -> None:
    refused(tmp_path, plain_market([plain_reserve(0, "A", 18)], [HIGHEST_PRICE + 1]), "beyond all range")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="there is no such file"):
        load_snapshot(tmp_path / "none.parquet")
