"""Drivers are named after feeds, found by what people call them, and joined by explicit ratios."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.errors import InputError, UnknownDriver
from defiliq.oracle.drivers import drivers, find_driver, group_driver
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Feed
from tests.builders import address, market


def shared() -> AaveMarket:
    """DAI is priced by USDC's source."""
    plain = market()
    reserves = tuple(replace(r, feed=3) if r.symbol == "DAI" else r for r in plain.reserves)
    feeds = (*plain.feeds[:3], Feed("USDC+DAI", address(0xD003)))
    return replace(plain, reserves=reserves, feeds=feeds, prices=plain.prices[:4])


def twins() -> AaveMarket:
    """Two reserves called USDC, each with a source of its own."""
    plain = market()
    reserves = tuple(replace(r, symbol="USDC") if r.symbol == "DAI" else r for r in plain.reserves)
    far = Feed("USDC", "0xABCDEF0000000000000000000000000000000001")
    return replace(plain, reserves=reserves, feeds=(*plain.feeds[:4], far))


def test_every_feed_is_a_driver_at_its_own_price() -> None:
    found = drivers(market())
    assert [driver.name for driver in found] == ["WETH/USD", "wstETH/USD", "WBTC/USD", "USDC/USD", "DAI/USD"]
    assert [driver.spot for driver in found] == list(market().prices)
    assert [driver.prices(7) for driver in found] == [{k: 7} for k in range(5)]
    assert {driver.unit for driver in found} == {10**8}


def test_a_driver_moves_its_own_feed_only() -> None:
    at = market()
    driver = drivers(at)[2]
    moved = at.at_prices(driver.prices(7))
    assert moved.prices == (*at.prices[:2], 7, *at.prices[3:])


def test_reserves_that_share_a_source_share_a_driver() -> None:
    assert drivers(shared())[3].name == "USDC+DAI/USD"
    assert find_driver(shared(), "DAI") == find_driver(shared(), "usdc") == drivers(shared())[3]


@pytest.mark.parametrize("name", ["WETH/USD", "weth/usd", " WETH ", "weth", address(0xA000), address(0xD000)])
def test_a_driver_is_found_by_name_symbol_asset_or_source(name: str) -> None:
    assert find_driver(market(), name) == drivers(market())[0]
    assert find_driver(market(), name.lower()) == drivers(market())[0]


def test_an_unknown_driver_lists_the_close_ones_first() -> None:
    with pytest.raises(UnknownDriver) as caught:
        find_driver(market(), "wstEHT/USD")
    assert caught.value.known[0] == "wstETH/USD"
    assert sorted(caught.value.known) == sorted(driver.name for driver in drivers(market()))


def test_a_symbol_of_two_feeds_is_refused_and_both_names_are_given() -> None:
    with pytest.raises(UnknownDriver) as caught:
        find_driver(twins(), "USDC")
    first, second = caught.value.known
    assert first != second
    assert find_driver(twins(), second).feeds == {4}
    assert find_driver(twins(), first).feeds == {3}


def test_names_of_drivers_are_unique() -> None:
    names = [driver.name for driver in drivers(twins())]
    assert len(set(names)) == len(names)


def test_a_group_keeps_present_ratios() -> None:
    at = market(WETH=3_000_00000001, wstETH=3_571_42857143)
    driver = group_driver(at, "ETH/USD=WETH,wstETH")
    assert driver.name == "ETH/USD"
    assert driver.prices(driver.spot) == {0: 3_000_00000001, 1: 3_571_42857143}
    assert driver.prices(1_500_00000000) == {0: 1_500_00000000, 1: 1_785_71428570}
    assert find_driver(at, "eth/usd", [driver]) is driver


def test_a_group_takes_an_explicit_ratio_that_fits() -> None:
    driver = group_driver(market(), "ETH/USD=weth, wstETH:1200000000000000000/1000000000000000000")
    assert driver.prices(10) == {0: 10, 1: 12}


def test_a_ratio_that_misses_the_present_price_is_refused_with_both_numbers() -> None:
    with pytest.raises(InputError, match=r"puts wstETH/USD at 354000000000, but it stands at 360000000000"):
        group_driver(market(), "ETH/USD=WETH,wstETH:118/100")


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ("ETH/USD", "cannot read the group"),
        ("=WETH,wstETH", "cannot read the group"),
        ("ETH/USD=WETH", "cannot read the group"),
        ("ETH/USD=WETH,,", "cannot read the group"),
        ("ETH/USD=WETH,WETH", "twice"),
        ("ETH/USD=WETH,wstETH:1/0", "two integers"),
        ("ETH/USD=WETH,wstETH:1.2/1", "two integers"),
        ("ETH/USD=WETH,wstETH:-1/1", "two integers"),
        ("WBTC/USD=WETH,wstETH", "a driver already"),
        ("ETH/USD=WETH,nothing", "no driver 'nothing'"),
    ],
)
def test_a_wrong_group_is_refused_by_name(spec: str, seen: str) -> None:
    with pytest.raises(InputError, match=seen):
        group_driver(market(), spec)
