"""Which side a liquidation is told of, and along which driver."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.oracle.drivers import input_drivers
from defiliq.oracle.movers import Movers, is_peg
from defiliq.protocols.aave_v3.market import AaveMarket
from tests.builders import graph_market, market


def place(at: AaveMarket, symbol: str) -> int:
    return [reserve.symbol for reserve in at.reserves].index(symbol)


@pytest.mark.parametrize(
    ("seized", "repaid", "side", "driver"),
    [
        ("WETH", "USDC", "long", "ETH/USD"),
        ("wstETH", "USDT", "long", "ETH/USD"),
        ("WBTC", "GHO", "long", "BTC/USD"),
        ("USDC", "WETH", "short", "ETH/USD"),
        ("GHO", "WBTC", "short", "BTC/USD"),
        ("PT-sUSDe", "LDO", "short", "LDO/USD"),
        ("WETH", "WBTC", "long", "ETH/USD"),
        ("WBTC", "wstETH", "long", "BTC/USD"),
        ("USDC", "USDT", "long", "USDC/USD"),
        ("GHO", "USDT", "short", "USDT/USD"),
        ("GHO", "GHO", "long", None),
    ],
)
def test_the_volatile_asset_decides(seized: str, repaid: str, side: str, driver: str | None) -> None:
    at = graph_market()
    found, moved = Movers(at).of_liquidation(place(at, seized), place(at, repaid))
    assert (found, None if moved is None else moved.name) == (side, driver)


def test_a_stablecoin_off_its_peg_is_volatile() -> None:
    low = graph_market({"USDC/USD": 88_000_000})
    side, driver = Movers(low).of_liquidation(place(low, "USDC"), place(low, "WETH"))
    assert driver is not None
    assert (side, driver.name) == ("long", "USDC/USD")


def test_only_one_asset_is_known() -> None:
    at = graph_market()
    sides = [
        Movers(at).of_liquidation(*ends)[0] for ends in ((None, place(at, "WETH")), (0, None), (None, None))
    ]
    assert sides == ["short", "long", "long"]


def test_feeds_that_nothing_resolves_are_drivers_of_their_own() -> None:
    at = market()
    side, driver = Movers(at).of_liquidation(place(at, "DAI"), place(at, "WBTC"))
    assert driver is not None
    assert (side, driver.name) == ("short", "WBTC/USD")


@pytest.mark.parametrize(
    ("spot", "peg"),
    [
        (10**8, True),
        (98 * 10**6, True),
        (98 * 10**6 - 1, False),
        (102 * 10**6, True),
        (102 * 10**6 + 1, False),
    ],
)
def test_a_peg_is_within_two_percent(spot: int, peg: bool) -> None:
    (driver,) = (one for one in input_drivers(market()) if one.name == "DAI/USD")
    assert is_peg(replace(driver, spot=spot)) == peg
