"""Depth as people name it: pools that make one depth, and pairs whose pools are searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from defiliq.chain.evm import EvmNode, connect
from defiliq.depth import read
from defiliq.depth.combined import Combined
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.factories import Factory
from defiliq.depth.route import Route
from defiliq.depth.venue import Token
from defiliq.errors import InputError
from defiliq.pipeline.depths import pools_at, pools_of_pair, together
from tests.builders import BLOCK
from tests.depth.pools import USDC, WBTC, WETH, deep
from tests.depth.test_read import POOL, node_with
from tests.lab.uniswap_v3 import UniswapLab

BY_WETH = PoolV2("WBTC/WETH", WBTC, WETH, 500 * 10**8, 12_000 * 10**18)
DIRECT = PoolV2("WBTC/USDC", WBTC, USDC, 500 * 10**8, 30_000_000 * 10**6)


def test_pools_of_one_pair_are_combined_whatever_is_sold_in_them() -> None:
    found = together([deep(500), deep(3_000).turned()])
    assert isinstance(found, Combined)
    assert found.pools == (deep(500), deep(3_000))
    assert together([deep(500)], "usdc") == deep(500).turned()
    assert together([deep(500)], like="USDC").base == USDC
    assert together([deep(500)], like="ETH").base == WETH
    assert together([deep(500).turned()], like="DOGE").base == USDC


@pytest.mark.parametrize("turned", [False, True])
def test_pools_of_two_pairs_are_a_route(turned: bool) -> None:
    onward = deep(500).turned() if turned else deep(500)
    assert together([BY_WETH, onward]) == Route(BY_WETH, deep(500))
    back = together([BY_WETH, onward], "USDC")
    assert (back.base, back.quote) == (USDC, WBTC)


def test_a_route_and_pools_of_the_pair_itself_are_one_depth() -> None:
    found = together([DIRECT, BY_WETH, deep(500), deep(3_000)])
    assert isinstance(found, Combined)
    assert found.pools == (DIRECT, Route(BY_WETH, Combined((deep(500), deep(3_000)))))
    fill, _ = found.sell(10**9)
    assert fill.got > max(DIRECT.sell(10**9)[0].got, found.pools[1].sell(10**9)[0].got)


def test_a_pool_that_is_named_twice_counts_once() -> None:
    (pool,) = pools_at(node_with(), [POOL, f" {POOL.lower()}"], BLOCK)
    assert pool.address == POOL


def test_what_makes_no_depth() -> None:
    other = replace(DIRECT, name="other", base=token("LINK"), quote=token("UNI"))
    with pytest.raises(InputError, match="do not meet"):
        together([BY_WETH, other])
    with pytest.raises(InputError, match="more than two pairs"):
        together([BY_WETH, deep(500), other])
    with pytest.raises(InputError, match="trade WBTC, WETH, not DOGE"):
        together([BY_WETH], "DOGE")


def token(symbol: str) -> Token:
    return WETH._replace(symbol=symbol, address=symbol)


@pytest.fixture
def node(lab_uniswap_v3: UniswapLab, monkeypatch: pytest.MonkeyPatch) -> Iterator[EvmNode]:
    """A node on whose chain the lab's factories are known."""
    there = lab_uniswap_v3.there
    known = (
        Factory("Uniswap v3", "fee", there.factory.address, (100, 500, 3000, 10000)),
        Factory("Uniswap v2", "pair", there.pair_factory.address),
    )
    monkeypatch.setattr(read, "factories", lambda _: known)
    with connect(lab_uniswap_v3.url) as connected:
        yield connected


@pytest.mark.lab
def test_all_pools_of_a_pair_and_of_a_way(lab_uniswap_v3: UniswapLab, node: EvmNode) -> None:
    wbtc, weth, usdc = (lab_uniswap_v3.tokens[symbol] for symbol in ("WBTC", "WETH", "USDC"))
    at = node.block("latest")
    pools = pools_of_pair(node, f"{weth} / {usdc}", at)
    assert len(pools) == 5
    assert {pool.name.split(" WETH")[0] for pool in pools} == {"Uniswap v3", "Uniswap v2"}
    assert together(pools).base.symbol == "WETH"
    way = together(pools_of_pair(node, f"{wbtc}/{weth}/{usdc}", at))
    assert isinstance(way, Route)
    assert abs(way.price * Fraction(10**8, 10**6) / 60_000 - 1) < Fraction(1, 100)
    for wrong in (f"{wbtc}/{usdc}", f"{weth}/{wbtc}/{wbtc}"):
        with pytest.raises(InputError, match="no known factory has a pool"):
            pools_of_pair(node, wrong, at)
    for wrong in ("WETH", "A/B/C/D", "/USDC"):
        with pytest.raises(InputError, match="is no pair"):
            pools_of_pair(node, wrong, at)
