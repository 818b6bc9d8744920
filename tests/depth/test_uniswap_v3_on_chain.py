"""Uniswap's own bytecode and our arithmetic, to the wei: swaps that were asked, swaps that were made."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from defiliq.chain.evm import connect
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.factories import Factory
from defiliq.depth.read import find_pools, read_pools
from defiliq.depth.route import route
from defiliq.depth.tick_math import sqrt_ratio_at_tick
from defiliq.depth.uniswap_v3 import HIGHEST_LIMIT, LOWEST_LIMIT, PoolV3
from tests.depth.swaps import random_swap
from tests.lab.chain import DEPLOYER
from tests.lab.uniswap_v3 import Asked, Swapped, UniswapLab
from tests.lab.uniswap_v3.specs import PAIR_RESERVES, POOLS, TOKENS

pytestmark = pytest.mark.lab
SLOW = ("WETH/USDC 0.01%", "DAI/USDC 0.01%")
"""Where a swap to the last price takes the node long: fewer of them, and yet 2,020 are asked in all."""
ASKED, ASKED_SLOW = 450, 110
MADE, MADE_SLOW = 40, 20


def pool_at_head(lab: UniswapLab, name: str, base: str | None = None) -> PoolV3:
    """One pool of the lab, read from the chain."""
    with connect(lab.url) as node:
        (pool,) = read_pools(node, [lab.pools[name]], node.block("latest"), base=base)
    assert isinstance(pool, PoolV3)
    return pool


def ours(pool: PoolV3, swap: Asked) -> tuple[Swapped, PoolV3]:
    done, after = pool.swap(swap.zero_for_one, swap.specified, swap.limit_x96)
    return Swapped(done.amount0, done.amount1, after.sqrt_price_x96, after.tick, after.liquidity), after


def crossed(pool: PoolV3, swaps: Sequence[Asked]) -> list[int]:
    return [pool.swap(swap.zero_for_one, swap.specified, swap.limit_x96)[0].crossed for swap in swaps]


def is_past_an_empty_tick(pool: PoolV3) -> bool:
    """Whether it stands on the end of a word of the bitmap that it came down to: slot0.tick is one below."""
    tick = pool.tick + 1
    return tick not in pool.ticks and sqrt_ratio_at_tick(tick) == pool.sqrt_price_x96


@pytest.mark.parametrize("name", POOLS)
def test_swaps_give_what_the_pool_gives(lab_uniswap_v3: UniswapLab, name: str) -> None:
    lab, rng = lab_uniswap_v3, random.Random(f"asked {name}")
    pool = pool_at_head(lab, name)
    swaps = [random_swap(rng, pool) for _ in range(ASKED_SLOW if name in SLOW else ASKED)]
    for swap, answer in zip(swaps, lab.ask(swaps), strict=True):
        assert ours(pool, swap)[0] == answer, swap
    assert max(crossed(pool, swaps)) > 5
    assert any(swap.limit_x96 == ours(pool, swap)[1].sqrt_price_x96 for swap in swaps)
    assert len({(swap.zero_for_one, swap.specified > 0) for swap in swaps}) == 4
    assert any(abs(swap.specified) >= 2**128 for swap in swaps)
    assert any(abs(swap.specified) == 1 for swap in swaps)
    assert any(is_past_an_empty_tick(ours(pool, swap)[1]) for swap in swaps)


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_that_is_traded_in_is_the_one_that_is_read_back(lab_uniswap_v3: UniswapLab, name: str) -> None:
    lab, rng = lab_uniswap_v3, random.Random(f"made {name}")
    carried = pool_at_head(lab, name)
    with lab.rewinding():
        # A share of the fees for the protocol, which changes nothing for those who trade.
        lab.chain.send(lab.there.pools[name], "setFeeProtocol", 4, 10)
        assert pool_at_head(lab, name) == carried
        for _ in range(MADE_SLOW if name in SLOW else MADE):
            swap = random_swap(rng, carried)
            expected, carried = ours(carried, swap)
            assert lab.swap(swap) == expected, swap
        assert lab.state(carried.address) == (carried.sqrt_price_x96, carried.tick, carried.liquidity)
        assert pool_at_head(lab, name) == carried


QUOTER_EACH = 20


@pytest.mark.parametrize("name", ["WETH/USDC 0.05%", "WBTC/WETH 0.3%"])
def test_sales_and_purchases_are_what_the_quoter_quotes(lab_uniswap_v3: UniswapLab, name: str) -> None:
    lab, rng = lab_uniswap_v3, random.Random(f"quoted {name}")
    for base in POOLS[name].tokens:
        pool = pool_at_head(lab, name, base)
        assert (pool.base.symbol, pool.base.decimals) == (base, TOKENS[base].decimals)
        for _ in range(QUOTER_EACH):
            amount = rng.randint(1, 10 ** rng.randint(2, pool.base.decimals + 2))
            path = pool.base.address, pool.quote.address, amount, pool.fee_pips, 0
            got, price, ticks, _ = lab.chain.call(lab.there.quoter, "quoteExactInputSingle", path)
            fill, after = pool.sell(amount)
            assert (fill, after.sqrt_price_x96) == ((amount, got, 0), price)
            if pool.tick > 0:  # below 0 the quoter's own count rounds ticks the other way than pools do
                swap, _ = pool.swap(pool.base_is_token0, amount, _last(pool.base_is_token0))
                assert swap.crossed == ticks
            fill, after = pool.buy(amount)
            path = pool.quote.address, pool.base.address, amount, pool.fee_pips, 0
            if fill.left == 0:
                given, price, *_ = lab.chain.call(lab.there.quoter, "quoteExactOutputSingle", path)
                assert (fill, after.sqrt_price_x96) == ((given, amount, 0), price)


def _last(zero_for_one: bool) -> int:
    return LOWEST_LIMIT if zero_for_one else HIGHEST_LIMIT


def test_a_way_over_two_pools_is_what_the_quoter_quotes(lab_uniswap_v3: UniswapLab) -> None:
    lab, rng = lab_uniswap_v3, random.Random("way")
    first = pool_at_head(lab, "WBTC/WETH 0.3%", "WBTC")
    second = pool_at_head(lab, "WETH/USDC 0.05%", "WETH")
    way, steps = (
        route(first, second),
        (first.base, first.fee_pips, first.quote, second.fee_pips, second.quote),
    )
    there = b"".join(
        step.to_bytes(3, "big") if isinstance(step, int) else bytes.fromhex(step.address[2:])
        for step in steps
    )
    for _ in range(QUOTER_EACH):
        amount = rng.randint(10**3, 10 ** rng.randint(4, 11))
        got, *_ = lab.chain.call(lab.there.quoter, "quoteExactInput", there, amount)
        assert way.sell(amount)[0] == (amount, got, 0)
        # A path of an exact output is told from its end: what is bought comes first.
        given, *_ = lab.chain.call(lab.there.quoter, "quoteExactOutput", there, amount)
        assert way.buy(amount)[0] == (given, amount, 0)


def test_all_pools_of_a_pair_are_found(lab_uniswap_v3: UniswapLab) -> None:
    lab = lab_uniswap_v3
    known = (
        Factory("Uniswap v3", "fee", lab.there.factory.address, (100, 500, 3000, 10000)),
        Factory("Uniswap v2", "pair", lab.there.pair_factory.address),
        Factory("nothing there", "spacing", lab.there.trader.address, (1, 50)),
    )
    weth, usdc, dai = (lab.tokens[symbol] for symbol in ("WETH", "USDC", "DAI"))
    with connect(lab.url) as node:
        at = node.block("latest")
        found = find_pools(node, weth, usdc, at, known)
        wanted = {lab.pools[name] for name in POOLS if name.startswith("WETH/USDC")}
        assert set(found) == {*wanted, lab.there.pair.address}
        assert len(find_pools(node, dai, usdc, at, known)) == 1
        assert find_pools(node, dai, weth, at, known) == ()
        pools = read_pools(node, found, at, base="weth")
    assert {(pool.base.symbol, pool.quote.symbol) for pool in pools} == {("WETH", "USDC")}


def test_a_pair_pays_what_we_say_and_not_a_unit_more(lab_uniswap_v3: UniswapLab) -> None:
    lab, rng = lab_uniswap_v3, random.Random("pair")
    with connect(lab.url) as node:
        (pool,) = read_pools(node, [lab.there.pair.address], node.block("latest"), base="WETH")
    assert isinstance(pool, PoolV2)
    assert (pool.base_reserve, pool.quote_reserve) == tuple(PAIR_RESERVES.values())
    for _ in range(6):
        amount = rng.randint(10**12, 10 ** rng.randint(13, 22))
        (sold, after), bought = pool.sell(amount), pool.buy(amount)[0]
        for symbol, given, got, status in (
            ("WETH", amount, sold.got + 1, "0x0"),
            ("USDC", bought.given - 2, amount, "0x0"),
            ("USDC", bought.given, amount, "0x1"),
        ):
            with lab.rewinding():
                assert lab.swap_pair(symbol, given, got)["status"] == status
        with lab.rewinding():
            assert lab.swap_pair("WETH", amount, sold.got)["status"] == "0x1"
            with connect(lab.url) as node:
                assert read_pools(node, [pool.address], node.block("latest"), base="WETH") == (after,)


@pytest.mark.parametrize("base", ["WETH", "USDC"])
def test_a_sale_through_the_router_is_ours(lab_uniswap_v3: UniswapLab, base: str) -> None:
    lab, amount = lab_uniswap_v3, 3 * 10 ** (TOKENS[base].decimals + 1)
    pool = pool_at_head(lab, "WETH/USDC 0.3%", base)
    sold, paid = lab.there.tokens[base], lab.there.tokens[pool.quote.symbol]
    with lab.rewinding():
        lab.give(base, DEPLOYER, amount)
        lab.chain.send(sold, "approve", lab.there.router.address, amount)
        before = lab.chain.call(paid, "balanceOf", DEPLOYER)
        deadline = lab.chain.now() + 10**6
        order = sold.address, paid.address, pool.fee_pips, DEPLOYER, deadline, amount, 0, 0
        lab.chain.send(lab.there.router, "exactInputSingle", order)
        fill, after = pool.sell(amount)
        assert lab.chain.call(paid, "balanceOf", DEPLOYER) - before == fill.got > 0
        assert pool_at_head(lab, "WETH/USDC 0.3%", base) == after
