"""What prices hang on, as rows: values as the contracts gave them, caps, ages, and who moves whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import defiliq
from defiliq.errors import InputError, MissingPrice, UnknownDriver
from defiliq.ladder import IDENTITY
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.feeds import DRIVER_COLUMNS, FEED_COLUMNS, feeds, feeds_by_driver, price_trees
from defiliq.pipeline.reading import read_market
from defiliq.pricing.graph import Fixed, Fraction, Growing, Input, Least, PriceGraph
from defiliq.protocols import PROTOCOLS
from tests.builders import NOW, address, book, graph_market, market, plain_market, plain_reserve
from tests.fakes import LISTING, FakeNode, fake_protocol
from tests.oracle.test_dag import with_emode_feed


def row(table: pd.DataFrame, reserve: str, driver: str) -> dict[str, Any]:
    part = table[(table["reserve"] == reserve) & (table["driver"] == driver)]
    assert len(part) == 1
    return {str(name): getattr(value, "item", lambda v=value: v)() for name, value in part.iloc[0].items()}


def capped_market(cap: Growing | Fixed, ratio: int = 130) -> pd.DataFrame:
    """One reserve at 50 times a ratio under a cap; both have two decimals."""
    quantities = (
        Input("R ratio", "ratio", address(1), ratio, 2),
        cap,
        Least((0, 1), "capped ratio"),
        Input("B/USD", "aggregator", address(2), 50_00000000, 8),
        Fraction((3, 2), (), 1, 100),
    )
    graph = PriceGraph(quantities, (4,))
    return feeds(plain_market([plain_reserve(0, "X", 18)], graph.prices(NOW), graph=graph))


def test_a_row_per_reserve_and_driver() -> None:
    table = feeds(graph_market())
    assert tuple(table.columns) == FEED_COLUMNS
    assert FEED_COLUMNS[: len(IDENTITY)] == IDENTITY
    assert list(zip(table["reserve"], table["driver"], table["driver_kind"], strict=True)) == [
        ("WETH", "ETH/USD", "aggregator"),
        ("wstETH", "ETH/USD", "aggregator"),
        ("wstETH", "wstETH/ETH ratio", "ratio"),
        ("weETH", "ETH/USD", "aggregator"),
        ("weETH", "weETH/ETH ratio", "ratio"),
        ("weETH", "time", "time"),
        ("USDC", "USDC/USD", "aggregator"),
        ("WBTC", "BTC/USD", "aggregator"),
        ("WBTC", "WBTC/BTC", "aggregator"),
        ("USDT", "USDT/USD", "aggregator"),
        ("PT-sUSDe", "USDT/USD", "aggregator"),
        ("PT-sUSDe", "time", "time"),
        ("GHO", "", "fixed"),
        ("LDO", "LDO/USD", "unresolved"),
    ]


def test_every_price_and_input_is_the_contract_s_integer() -> None:
    at = graph_market()
    table = feeds(at)
    raw = dict(zip(table["reserve"], table["price_raw"], strict=True))
    assert raw == {reserve.symbol: str(at.price_of(k)) for k, reserve in enumerate(at.reserves)}
    ratio = row(table, "wstETH", "wstETH/ETH ratio")
    assert ratio["driver_raw"] == "1200000000000000007"
    assert ratio["driver_value"] == pytest.approx(1.2, rel=1e-15)
    assert ratio["driver_source"] == address(0xF001)
    assert (ratio["source"], ratio["source_label"]) == (address(0xD001), "Capped wstETH / stETH(ETH) / USD")
    assert ratio["asset"] == at.reserves[1].asset


def test_a_cap_stands_with_the_driver_that_it_limits() -> None:
    table = feeds(graph_market())
    free, held = row(table, "wstETH", "wstETH/ETH ratio"), row(table, "weETH", "weETH/ETH ratio")
    assert free["capped"] is False
    assert free["cap_raw"] == "1206523528767123287"
    assert free["cap_headroom_pct"] == pytest.approx(100 * (1.206523528767123287 / 1.200000000000000007 - 1))
    assert free["cap_growth_pct"] == pytest.approx(9.68)
    assert pd.isna(free["cap_binds_until"])
    assert held["capped"] is True
    assert held["cap_headroom_pct"] == pytest.approx(100 * (1.088095561643835614 / 1.1 - 1))
    assert pd.isna(row(table, "weETH", "ETH/USD")["capped"])
    assert row(table, "USDC", "USDC/USD")["cap_value"] == 1.04


def test_a_cap_binds_until_the_second_at_which_it_has_caught_up() -> None:
    at = graph_market()
    until = int(row(feeds(at), "weETH", "weETH/ETH ratio")["cap_binds_until"])
    before, after = at.at_time(until - 1), at.at_time(until)
    assert row(feeds(before), "weETH", "weETH/ETH ratio")["capped"] is True
    assert row(feeds(after), "weETH", "weETH/ETH ratio")["capped"] is False
    assert "time" not in feeds(after)["driver"][feeds(after)["reserve"] == "weETH"].tolist()


@pytest.mark.parametrize(
    ("cap", "capped", "until"),
    [
        (Fixed(129, "cap"), True, None),
        (Fixed(130, "cap"), False, None),
        (Growing(120, NOW, 0, 1), True, None),
        (Growing(120, NOW, 1, 10**30), True, None),
        (Growing(120, NOW, 3, 10), True, NOW + 34),
        (Growing(120, NOW - 40, 3, 10), False, None),
    ],
)
def test_caps_bind_strictly(cap: Growing | Fixed, capped: bool, until: int | None) -> None:
    seen = row(capped_market(cap), "X", "R ratio")
    assert seen["capped"] is capped
    assert (None if pd.isna(seen["cap_binds_until"]) else seen["cap_binds_until"]) == until


def test_time_is_a_driver_only_while_it_moves_the_price() -> None:
    assert "time" in set(capped_market(Growing(120, NOW, 3, 10))["driver"])
    assert "time" not in set(capped_market(Growing(140, NOW, 3, 10))["driver"])
    at = graph_market().at_time(NOW + 90 * 86_400)
    assert "time" not in feeds(at)["driver"][feeds(at)["reserve"] == "PT-sUSDe"].tolist()


def test_ages_are_those_of_the_block() -> None:
    fresh = row(feeds(graph_market()), "WETH", "ETH/USD")
    assert (fresh["age_s"], fresh["heartbeat_s"], fresh["deviation_bps"], fresh["stale"]) == (
        37,
        3600,
        50,
        False,
    )
    later = row(feeds(graph_market().at_time(NOW + 7200)), "WETH", "ETH/USD")
    assert (later["age_s"], later["stale"], later["evaluated_at"]) == (37, False, NOW + 7200)
    assert row(feeds(graph_market()), "WBTC", "WBTC/BTC")["stale"] is True
    unknown = row(feeds(graph_market()), "LDO", "LDO/USD")
    assert all(pd.isna(unknown[name]) for name in ("age_s", "heartbeat_s", "deviation_bps", "stale"))


@pytest.mark.parametrize(("age_s", "stale"), [(3600, False), (3601, True)])
def test_stale_is_older_than_the_heartbeat(age_s: int, stale: bool) -> None:
    quantity = Input("A/USD", "aggregator", address(1), 7, 8, NOW - age_s, 3600, 50)
    at = plain_market([plain_reserve(0, "A", 18)], [7], graph=PriceGraph((quantity,), (0,)))
    assert row(feeds(at), "A", "A/USD")["stale"] is stale


def test_an_absurd_instant_is_not_known() -> None:
    quantity = Input("A/USD", "aggregator", address(1), 7, 8, 2**200, 3600)
    at = plain_market([plain_reserve(0, "A", 18)], [7], graph=PriceGraph((quantity,), (0,)))
    seen = row(feeds(at), "A", "A/USD")
    assert pd.isna(seen["updated_at"])
    assert pd.isna(seen["age_s"])


def test_a_market_that_nothing_resolves() -> None:
    table = feeds(market())
    assert table["driver"].tolist() == [
        f"{symbol}/USD" for symbol in ("WETH", "wstETH", "WBTC", "USDC", "DAI")
    ]
    assert set(table["driver_kind"]) == {"unresolved"}
    assert table["driver_raw"].tolist() == table["price_raw"].tolist()


def test_drivers_and_the_reserves_they_move() -> None:
    at = graph_market()
    table = feeds_by_driver(at)
    assert tuple(table.columns) == DRIVER_COLUMNS
    assert table["driver"].tolist() == [*(driver.name for driver in drivers(at)), "time"]
    moved = dict(zip(table["driver"], table["reserves"], strict=True))
    for driver in drivers(at):
        names = [reserve.symbol for reserve in at.reserves if reserve.feed in driver.feeds]
        assert moved[driver.name] == ", ".join(names)
    assert moved["time"] == "weETH, PT-sUSDe"
    assert table["reserves_moved"].tolist() == [3, 1, 1, 1, 1, 1, 2, 1, 2]
    assert [name for name in table["capped_reserves"] if name] == ["weETH"]
    assert table["driver_raw"].tolist()[:2] == ["300000000000", "1200000000000000007"]


def test_of_two_sources_of_one_pair_the_older_answer_is_shown() -> None:
    quantities = tuple(
        Input("A/USD", "aggregator", address(k), 5 + k, 8, NOW - age, 3600) for k, age in ((1, 10), (2, 4000))
    )
    graph = PriceGraph(quantities, (0, 1))
    at = plain_market([plain_reserve(k, f"R{k}", 18) for k in range(2)], graph.prices(NOW), graph=graph)
    table = feeds_by_driver(at)
    assert len(table) == 1
    assert (table["driver_source"][0], table["stale"][0]) == (address(2), True)
    assert table["reserves"][0] == "R0, R1"


def test_what_hangs_on_a_driver() -> None:
    at = graph_market()
    table = feeds(at, ["eth/usd"])
    assert list(dict.fromkeys(table["reserve"])) == ["WETH", "wstETH", "weETH"]
    assert "wstETH/ETH ratio" in set(table["driver"]), "with everything that their prices hang on"
    assert feeds_by_driver(at, ["eth/usd"])["driver"].tolist() == ["ETH/USD"]
    assert [tree.reserve for tree in price_trees(at, ["USDT", "LDO"])] == ["USDT", "PT-sUSDe", "LDO"]
    with pytest.raises(UnknownDriver, match="ETH/USD"):
        feeds(at, ["wstETH"])
    with pytest.raises(InputError, match="nothing moves GHO"):
        feeds_by_driver(at, ["GHO"])


def test_a_price_of_an_emode_s_own_is_a_row_without_an_asset() -> None:
    at = with_emode_feed()
    own = row(feeds(at), "eMode 1", "ETH/USD")
    assert (own["asset"], own["source"], own["price_raw"]) == ("", address(0xD0FF), "300000000000")
    assert feeds_by_driver(at)["reserves"][0] == "WETH, wstETH, weETH, eMode 1"
    assert price_trees(at)[-1].reserve == "eMode 1"


def test_trees_hold_the_price_and_the_contract_that_is_asked() -> None:
    at = graph_market()
    trees = price_trees(at)
    assert [tree.price.value for tree in trees] == list(at.prices)
    assert [tree.source for tree in trees] == [feed.source for feed in at.feeds]


def test_a_market_is_read_without_its_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = MissingPrice("OLD", address(9), "getAssetPrice answers 0")
    monkeypatch.setitem(PROTOCOLS, "aave-v3", fake_protocol(book(), missing=[lost]))
    node: Any = FakeNode(breaks_after=0)  # no log can be had
    seen: list[MissingPrice] = []
    found = read_market(node, LISTING, on_missing=seen.append)
    assert (found, seen) == (replace(book().market, name="Local"), [lost])
    with pytest.raises(MissingPrice, match="no price for OLD"):
        defiliq.read_market(node, LISTING)
    with pytest.raises(InputError, match="begins at block 5"):
        read_market(node, LISTING, 4)
