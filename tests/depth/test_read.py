"""Pools of a stand-in node: forks, what is no pool, and answers that nobody should believe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from defiliq.chain.calldata import number_rows
from defiliq.depth import abi, read
from defiliq.depth import factories as factories_module
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.factories import Factory, factories, token_address
from defiliq.depth.read import MAX_POOLS, find_pools, read_pools
from defiliq.depth.uniswap_v3 import WORD_TICKS, PoolV3
from defiliq.errors import BadResponse, InputError, NotAPool, UnsoundPool
from defiliq.pipeline.chains import CHAINS
from defiliq.types import Block
from tests.builders import BLOCK, address
from tests.depth.pools import USDC, WETH, deep, v3
from tests.nodes import REFUSAL, TableNode, text, words

POOL, PAIR, FACTORY = address(0xF001), address(0xF002), address(0xFA)
LIKE = replace(deep(500), address=POOL)


def token(node: TableNode, which: str, symbol: str, decimals: int) -> None:
    node.say(which, text(symbol), abi.SYMBOL)
    node.say(which, words(decimals), abi.DECIMALS)


def node_with(pool: PoolV3 = LIKE, *, slot0_words: int = 7, at: str = POOL) -> TableNode:
    """A node on which `pool` is, and a pair beside it."""
    node = TableNode()
    token(node, WETH.address, "WETH", 18)
    token(node, USDC.address, "USDC", 6)
    node.say(at, words(WETH.address), abi.TOKEN0)
    node.say(at, words(USDC.address), abi.TOKEN1)
    node.say(at, words(FACTORY), abi.FACTORY)
    node.say(at, words(pool.sqrt_price_x96, pool.tick, *(1,) * (slot0_words - 2)), abi.SLOT0)
    node.say(at, words(pool.liquidity), abi.LIQUIDITY)
    node.say(at, words(pool.fee_pips), abi.FEE)
    node.say(at, words(pool.tick_spacing), abi.TICK_SPACING)
    bitmap = dict.fromkeys(range(-3466 // pool.tick_spacing - 1, 3466 // pool.tick_spacing + 1), 0)
    for tick, net in zip(pool.ticks, pool.liquidity_net, strict=True):
        place = tick // pool.tick_spacing
        bitmap[place // WORD_TICKS] |= 1 << place % WORD_TICKS
        node.keep(at, number_rows(abi.TICKS, [tick]).tobytes(), words(abs(net), net, *(0,) * 6))
    for number, word in bitmap.items():
        node.keep(at, number_rows(abi.TICK_BITMAP, [number]).tobytes(), words(word))
    node.say(PAIR, words(WETH.address), abi.TOKEN0)
    node.say(PAIR, words(USDC.address), abi.TOKEN1)
    node.say(PAIR, words(FACTORY), abi.FACTORY)
    node.say(PAIR, words(10**21, 2 * 10**12, 5), abi.GET_RESERVES)
    return node


@pytest.mark.parametrize("slot0_words", [7, 6, 2])
def test_a_pool_is_read_whatever_follows_in_its_slot0(slot0_words: int) -> None:
    (pool,) = read_pools(node_with(slot0_words=slot0_words), [POOL], BLOCK)
    assert pool == replace(LIKE, name="v3 pool WETH/USDC 0.05% 0x0000..F001")


def test_a_pair_is_read() -> None:
    sold, turned = (
        read_pools(node_with(), [PAIR, PAIR], BLOCK, base="weth"),
        read_pools(node_with(), [PAIR], BLOCK, base=USDC.address),
    )
    assert sold[0] == PoolV2("pair WETH/USDC 0.3% 0x0000..F002", WETH, USDC, 10**21, 2 * 10**12, 3_000, PAIR)
    assert turned[0] == replace(sold[0].turned(), name=turned[0].name)


def test_a_known_factory_gives_the_name_and_a_pair_s_fee_if_it_knows_the_pair() -> None:
    node, at = node_with(), Block(56, BLOCK.number, BLOCK.hash, BLOCK.timestamp)
    pancake = next(known for known in factories(56) if known.name == "PancakeSwap v2")
    node.say(PAIR, words(pancake.address), abi.FACTORY)
    for answer, name, fee_pips in ((PAIR, "PancakeSwap v2", 2_500), (POOL, "pair", 3_000)):
        node.say(pancake.address, words(answer), abi.GET_PAIR, WETH.address, USDC.address)
        (pool,) = read_pools(node, [PAIR], at)
        assert pool.name.startswith(f"{name} WETH/USDC")
        assert pool.fee_pips == fee_pips


def test_how_an_address_is_spelled_changes_nothing() -> None:
    node, at = node_with(), Block(56, BLOCK.number, BLOCK.hash, BLOCK.timestamp)
    pancake = next(known for known in factories(56) if known.name == "PancakeSwap v2")
    node.say(PAIR, words(pancake.address), abi.FACTORY)
    node.say(pancake.address, words(PAIR), abi.GET_PAIR, WETH.address, USDC.address)
    spelled = [read_pools(node, [name], at) for name in (PAIR, PAIR.lower(), f"0x{PAIR[2:].upper()}")]
    assert spelled[0][0].fee_pips == 2_500
    assert spelled == [spelled[0]] * 3
    with pytest.raises(InputError, match="'0x12' is no address of a pool"):
        read_pools(node, ["0x12"], at)


@pytest.mark.parametrize(
    ("chain_id", "name", "signature", "key"),
    [
        (1, "Uniswap v3", abi.GET_POOL_BY_FEE, 500),
        (10, "Velodrome Slipstream", abi.GET_POOL_BY_SPACING, 60),
    ],
)
def test_a_pool_goes_by_its_factory_s_name(chain_id: int, name: str, signature: str, key: int) -> None:
    node = node_with()
    maker = next(known for known in factories(chain_id) if known.name == name)
    node.say(POOL, words(maker.address), abi.FACTORY)
    node.say(maker.address, words(POOL), signature, WETH.address, USDC.address, key)
    (pool,) = read_pools(node, [POOL], Block(chain_id, BLOCK.number, BLOCK.hash, BLOCK.timestamp))
    assert pool.name == f"{name} WETH/USDC 0.05% 0x0000..F001"


def test_ticks_that_change_nothing_are_kept() -> None:
    touching = v3([(-198_600, -198_060, 10**18), (-198_060, -197_400, 10**18)], deep().sqrt_price_x96)
    node = node_with(replace(touching, address=POOL))
    node.keep(POOL, number_rows(abi.TICKS, [-198_060]).tobytes(), words(2 * 10**18, 0, *(0,) * 6))
    (pool,) = read_pools(node, [POOL], BLOCK)
    assert isinstance(pool, PoolV3)
    assert pool.liquidity_net == (10**18, 0, -(10**18))


def says(to: str, signature: str, *answer: int | str) -> Callable[[TableNode], None]:
    return lambda node: node.say(to, words(*answer), signature)


def tick_says(tick: int, *answer: int) -> Callable[[TableNode], None]:
    return lambda node: node.keep(POOL, number_rows(abi.TICKS, [tick]).tobytes(), words(*answer))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (says(POOL, abi.TOKEN0, 2**200), NotAPool, "token0.. with no token"),
        (says(POOL, abi.TOKEN0, 0), NotAPool, "token0.. with no token"),
        (says(POOL, abi.TOKEN1, WETH.address), NotAPool, "both of its tokens are the same"),
        (says(POOL, abi.SLOT0, 0, 0, 0), UnsoundPool, "not initialized"),
        (says(POOL, abi.SLOT0, 2**160, 0, 0), NotAPool, "no number of 160 bits"),
        (says(POOL, abi.SLOT0, LIKE.sqrt_price_x96, 2**23), NotAPool, "no number of 24 bits"),
        (says(POOL, abi.SLOT0, LIKE.sqrt_price_x96, 5), UnsoundPool, "its tick is 5"),
        (says(POOL, abi.SLOT0, LIKE.sqrt_price_x96), NotAPool, "no number of 24 bits"),
        (says(POOL, abi.LIQUIDITY, 2**128), NotAPool, "no number of 128 bits"),
        (says(POOL, abi.LIQUIDITY, LIKE.liquidity - 1), UnsoundPool, "its ticks make a liquidity of"),
        (says(POOL, abi.FEE, 10**6), UnsoundPool, "its fee is 1000000 millionths"),
        (says(POOL, abi.FEE, 2**24), NotAPool, "no number of 24 bits"),
        (says(POOL, abi.TICK_SPACING, 0), UnsoundPool, "its tick spacing is 0"),
        (says(POOL, abi.TICK_SPACING, -60), UnsoundPool, "its tick spacing is -60"),
        (says(POOL, abi.TICK_SPACING, 20_000), UnsoundPool, "its tick spacing is 20000"),
        (lambda node: node.say(POOL, REFUSAL, abi.LIQUIDITY), NotAPool, "liquidity.. with no number"),
        (tick_says(-198_720, 0, 0), UnsoundPool, "a liquidity of 0 net of 0"),
        (tick_says(-198_720, 5, 6), UnsoundPool, "a liquidity of 6 net of 5"),
        (tick_says(-198_720, 2**128, 6), UnsoundPool, "net of"),
        (tick_says(-198_720, 9 * 10**18, 9 * 10**18), UnsoundPool, "adds up to"),
        (tick_says(-198_720, 9), NotAPool, "does not answer ticks"),
        (says(WETH.address, abi.DECIMALS, 37), NotAPool, "has 37 decimals"),
        (lambda node: node.say(WETH.address, REFUSAL, abi.DECIMALS), NotAPool, "does not answer decimals"),
    ],
)
def test_answers_that_nobody_should_believe(
    change: Callable[[TableNode], None], error: type[Exception], said: str
) -> None:
    node = node_with()
    change(node)
    with pytest.raises(error, match=said) as caught:
        read_pools(node, [POOL], BLOCK)
    assert "\n" not in str(caught.value)


def test_a_bitmap_of_nothing_but_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    node = node_with()
    for number in range(-58, 58):
        node.keep(POOL, number_rows(abi.TICK_BITMAP, [number]).tobytes(), words(2**256 - 1))
    monkeypatch.setattr(read, "MAX_TICKS", 20_000)
    with pytest.raises(UnsoundPool, match="29696 initialized ticks, more than 20000"):
        read_pools(node, [POOL], BLOCK)


def test_a_word_that_is_missing_is_no_empty_word() -> None:
    node = node_with()
    node.keep(POOL, number_rows(abi.TICK_BITMAP, [3]).tobytes(), REFUSAL)
    with pytest.raises(NotAPool, match="does not answer tickBitmap"):
        read_pools(node, [POOL], BLOCK)


@pytest.mark.parametrize(
    ("signature", "said"),
    [(abi.STABLE, "Solidly's kind"), (abi.GLOBAL_STATE, "Algebra's")],
)
def test_pools_with_other_arithmetic_are_told_apart(signature: str, said: str) -> None:
    node = node_with()
    node.say(PAIR, words(1), signature)
    with pytest.raises(NotAPool, match=said):
        read_pools(node, [PAIR], BLOCK)


def test_what_is_no_pool() -> None:
    node = node_with()
    node.say(PAIR, REFUSAL, abi.GET_RESERVES)
    with pytest.raises(NotAPool, match="answers neither slot0"):
        read_pools(node, [PAIR], BLOCK)
    for nothing in (address(0xDEAD), WETH.address):
        with pytest.raises(NotAPool, match="token0"):
            read_pools(node, [nothing], BLOCK)
    node.say(PAIR, words(0, 5, 5), abi.GET_RESERVES)
    with pytest.raises(UnsoundPool, match="reserves of 0 and 5"):
        read_pools(node, [PAIR], BLOCK)


def test_what_is_asked_wrongly() -> None:
    for wrong in ([], [POOL] * (MAX_POOLS + 1)):
        with pytest.raises(InputError, match="Name 1 to 64"):
            read_pools(node_with(), wrong, BLOCK)
    with pytest.raises(InputError, match="trades WETH and USDC, not WBTC"):
        read_pools(node_with(), [POOL], BLOCK, base="WBTC")


def test_symbols_of_strangers_are_made_safe_and_unlike() -> None:
    node = node_with()
    token(node, WETH.address, "USDC", 18)
    (pool,) = read_pools(node, [POOL], BLOCK)
    assert pool.base.symbol != pool.quote.symbol
    token(node, WETH.address, "<b>\n|", 18)
    (pool,) = read_pools(node, [POOL], BLOCK)
    assert not set(pool.name) & set("<>|\n")


def test_pools_are_found_where_liquidity_lies() -> None:
    node = node_with()
    empty, by_spacing = address(0xF003), address(0xF004)
    known = (
        Factory("v3", "fee", FACTORY, (500, 3_000, 10_000)),
        Factory("slip", "spacing", FACTORY, (100,)),
        Factory("v2", "pair", FACTORY),
    )
    node.say(FACTORY, words(POOL), abi.GET_POOL_BY_FEE, WETH.address, USDC.address, 500)
    node.say(FACTORY, words(empty), abi.GET_POOL_BY_FEE, WETH.address, USDC.address, 3_000)
    node.say(FACTORY, words(0), abi.GET_POOL_BY_FEE, WETH.address, USDC.address, 10_000)
    node.say(FACTORY, words(POOL), abi.GET_POOL_BY_SPACING, WETH.address, USDC.address, 100)
    node.say(FACTORY, words(PAIR), abi.GET_PAIR, WETH.address, USDC.address)
    node.say(empty, words(0, 0), abi.SLOT0)
    node.say(empty, words(0), abi.LIQUIDITY)
    assert find_pools(node, WETH.address, USDC.address, BLOCK, known) == (POOL, PAIR)
    node.say(FACTORY, words(2**255), abi.GET_PAIR, WETH.address, USDC.address)
    node.say(FACTORY, words(by_spacing), abi.GET_POOL_BY_SPACING, WETH.address, USDC.address, 100)
    assert find_pools(node, WETH.address, USDC.address, BLOCK, known) == (POOL,)
    with pytest.raises(InputError, match="no factory of pools is known on chain 31337"):
        find_pools(node, WETH.address, USDC.address, BLOCK)


@pytest.mark.parametrize(
    ("positions", "price", "is_found"),
    [
        ([(-300, 300, 10**18)], LIKE.sqrt_price_x96, True),
        ([], LIKE.sqrt_price_x96, False),
        ([(-300, 300, 10**18)], 0, False),
    ],
)
def test_a_pool_whose_liquidity_is_all_out_of_range_is_found(
    positions: list[tuple[int, int, int]], price: int, is_found: bool
) -> None:
    node = node_with(v3(positions, LIKE.sqrt_price_x96))
    node.say(POOL, words(price, LIKE.tick), abi.SLOT0)
    node.say(FACTORY, words(POOL), abi.GET_POOL_BY_FEE, WETH.address, USDC.address, 500)
    known = (Factory("v3", "fee", FACTORY, (500,)),)
    assert find_pools(node, WETH.address, USDC.address, BLOCK, known) == ((POOL,) if is_found else ())


def test_a_failing_node_is_not_a_missing_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise BadResponse("http://fake", "half an answer")

    monkeypatch.setattr(TableNode, "_answer", fail)
    with pytest.raises(BadResponse):
        read_pools(TableNode(), [POOL], BLOCK)


def test_tokens_by_symbol() -> None:
    assert token_address("weth", 1) == "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
    assert token_address(WETH.address.lower(), 77) == WETH.address
    for named, chain_id in (("WETH", 77), ("NOSUCH", 1)):
        with pytest.raises(InputError, match="Give its address"):
            token_address(named, chain_id)


@pytest.mark.parametrize("chain_id", [name for name in CHAINS.values() if factories(name)])
def test_every_chain_s_factories_can_be_asked(chain_id: int) -> None:
    known = factories(chain_id)
    assert known[0].name == "Uniswap v3"
    assert len({one.address for one in known}) == len(known)
    for one in known:
        assert one.address == token_address(one.address, chain_id)
        assert (len(one.keys) > 0) == (one.kind != "pair")


def test_every_factory_is_of_a_chain_that_has_a_name() -> None:
    kept = json.loads(Path(factories_module.__file__).with_suffix(".json").read_text())["factories"]
    assert set(map(int, kept)) <= set(CHAINS.values())
    assert len(kept) == len([name for name in CHAINS.values() if factories(name)]) > 15
