"""The Compound v2 lab answers as the contracts do: prices, block numbers, liquidations, and every start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab import CompoundV2Lab, start_compound_v2
from tests.lab.chain import DEPLOYER, Chain, Tx, install_multicall3
from tests.lab.compound_v2.lab import finish
from tests.lab.compound_v2.listing import BY_SYMBOL, NATIVE
from tests.lab.compound_v2.outcome import Failure
from tests.lab.compound_v2.plan import SHAPES
from tests.lab.compound_v2.population import build
from tests.lab.node import Anvil
from tests.lab.packages import anvil, node_modules
from tests.lab.plan import draw
from tests.lab.serving import assert_command_serves

pytestmark = pytest.mark.lab
WAD = 10**18


@pytest.fixture
def lab(lab_compound_v2: CompoundV2Lab) -> CompoundV2Lab:
    return lab_compound_v2


def only(lab: CompoundV2Lab, shape: str) -> str:
    """The owner of the first account of a shape."""
    return lab.of_shape(shape)[0].owner


def test_drivers_move_prices_exactly(lab: CompoundV2Lab) -> None:
    followers = {"ETH/USD": {NATIVE, "WETH"}, "BTC/USD": {"WBTC"}, "COMP/USD": {"COMP"}, "USDC/USD": {"USDC"}}
    before = {symbol: lab.price(symbol) for symbol in lab.markets}
    for name, moved in followers.items():
        answer = lab.answer(name) * 97 // 100 + 1
        with lab.rewinding():
            lab.set_driver(name, answer)
            after = {symbol: lab.price(symbol) for symbol in lab.markets}
        assert {symbol for symbol in after if after[symbol] != before[symbol]} == moved
        for symbol in moved:
            spec = BY_SYMBOL[symbol]
            assert after[symbol] == answer * 10 ** (36 - spec.decimals - spec.feed_decimals)
            assert lab.price(symbol, drivers={name: answer}) == after[symbol]
    assert {symbol: lab.price(symbol) for symbol in lab.markets} == before


def test_a_posted_price_wins_over_the_feed(lab: CompoundV2Lab) -> None:
    before = lab.price("WBTC")
    with lab.rewinding():
        lab.set_direct_price("WBTC", 55_555 * WAD + 1)
        assert lab.price("WBTC") == (55_555 * WAD + 1) * 10**10
        assert lab.price("WBTC", drivers={"BTC/USD": 1}) == (55_555 * WAD + 1) * 10**10
        lab.set_direct_price("WBTC", 0)
        assert lab.price("WBTC") == before


def test_calls_see_the_number_of_the_block_they_name(lab: CompoundV2Lab) -> None:
    height, owner = lab.chain.height(), only(lab, "edge")
    here = lab.account_liquidity(owner, accrued=True)
    assert here == lab.account_liquidity(owner, accrued=True, block_number=height)
    assert here == lab.account_liquidity(owner, accrued=True, block=height)
    assert here != lab.account_liquidity(owner, accrued=True, block_number=height + 1)
    assert here != lab.account_liquidity(owner, accrued=True, block=height - 1)
    assert here == lab.account_liquidity(owner, accrued=True, block=height - 1, block_number=height)
    assert here.shortfall != lab.account_liquidity(owner, accrued=("USDT",)).shortfall
    stored = lab.account_liquidity(owner)
    assert stored == lab.account_liquidity(owner, block_number=height + 1_000)


def test_accrued_to_the_next_block_is_what_the_next_block_stores(lab: CompoundV2Lab) -> None:
    for shape in ("edge", "mixed", "whale-long", "one-driver"):
        owner = only(lab, shape)
        expected = lab.account_liquidity(owner, accrued=True, block_number=lab.chain.height() + 1)
        with lab.rewinding():
            markets = lab.market.markets.values()
            lab.chain.send_all([Tx(DEPLOYER, market, "accrueInterest", ()) for market in markets])
            assert lab.account_liquidity(owner) == expected


def test_a_liquidation_is_real_and_undone(lab: CompoundV2Lab) -> None:
    owner, height = only(lab, "sinking"), lab.chain.height()
    before = lab.held(owner), lab.owed(owner), lab.account_liquidity(owner)
    repay = before[1]["USDC"] // 2
    done = lab.liquidate(owner, debt="USDC", collateral="WETH", repay=repay, blocks_ahead=5)
    assert (done.success, done.failure, done.error) == (True, None, "")
    assert (done.block_number, done.repaid) == (height + 5, repay)
    assert done.received_tokens == done.seize_tokens > 0
    assert 0 < done.account_after.shortfall < before[2].shortfall
    assert (lab.held(owner), lab.owed(owner), lab.account_liquidity(owner)) == before
    assert lab.chain.height() == height


def test_a_refusal_is_an_event(lab: CompoundV2Lab) -> None:
    owner = only(lab, "sinking")
    half = lab.owed(owner)["USDC"] // 2
    dear = {"ETH/USD": 10 * lab.answer("ETH/USD")}
    refused = lab.liquidate(owner, debt="USDC", collateral="WETH", repay=half, drivers=dear)
    assert (refused.success, refused.failure, refused.error) == (False, Failure(3, 18, 3), "")
    assert (refused.repaid, refused.seize_tokens, refused.received_tokens) == (0, 0, 0)
    too_much = lab.liquidate(owner, debt="USDC", collateral="WETH", repay=half * 11 // 10)
    assert too_much.failure == Failure(3, 18, 17)
    nothing = lab.liquidate(owner, debt="USDC", collateral="LINK", repay=half)
    assert (nothing.success, nothing.failure, nothing.error) == (False, None, "LIQUIDATE_SEIZE_TOO_MUCH")


def test_a_debt_in_the_native_coin_is_paid_with_the_call(lab: CompoundV2Lab) -> None:
    owner = only(lab, "native-debt")
    part = lab.owed(owner)[NATIVE] // 20
    collateral = min(lab.held(owner))
    dear = {"ETH/USD": 4 * lab.answer("ETH/USD")}
    done = lab.liquidate(owner, debt=NATIVE, collateral=collateral, repay=part, drivers=dear)
    assert (done.success, done.repaid) == (True, part)
    cheap = {"ETH/USD": lab.answer("ETH/USD") // 4}
    refused = lab.liquidate(owner, debt=NATIVE, collateral=collateral, repay=part, drivers=cheap)
    assert (refused.success, refused.failure, refused.error) == (False, None, "liquidateBorrow failed (03)")


def test_a_liquidation_counts_other_markets_as_they_are_stored(lab: CompoundV2Lab) -> None:
    """At the edge, interest that lies in a market nobody names is no shortfall until it is accrued."""
    owner = next(
        user.owner
        for user in lab.of_shape("edge")
        if lab.account_liquidity(user.owner, accrued=True).shortfall
    )
    half = lab.owed(owner)["USDT"] // 3
    named = lab.liquidate(owner, debt="USDT", collateral="WBTC", repay=half)
    assert named.success
    assert named.block_number == lab.chain.height() + 1
    unnamed = lab.liquidate(owner, debt="USDC", collateral="WETH", repay=1)
    assert unnamed.failure == Failure(3, 18, 3)
    all_first = lab.liquidate(owner, debt="USDC", collateral="WETH", repay=1, accrue_all=True)
    assert all_first.failure == Failure(3, 18, 17)


def test_the_market_file_names_the_comptroller(lab: CompoundV2Lab, tmp_path: Path) -> None:
    listing = json.loads(lab.market_file(tmp_path / "local.json").read_text())
    assert (listing["protocol"], listing["chain_id"], listing["from_block"]) == ("compound-v2", 31337, 0)
    assert listing["addresses"] == {"comptroller": lab.comptroller}


def test_a_start_from_the_cache_is_the_chain_that_was_built() -> None:
    plans = draw(30, 3, SHAPES)
    with start_compound_v2(users=30, seed=3) as kept, Anvil(anvil()) as node:
        chain = Chain(node.rpc)
        install_multicall3(chain, node_modules())
        finish(chain, build(plans, 3, chain))
        assert kept.owners == tuple(plan.owner for plan in plans)
        ends = [rpc("eth_getBlockByNumber", "latest", False) for rpc in (kept.rpc, node.rpc)]
        assert ends[0]["number"] == ends[1]["number"]
        assert ends[0]["timestamp"] == ends[1]["timestamp"]
        for owner in kept.owners:
            asked = kept.market.comptroller, "getAccountLiquidity", owner
            assert kept.chain.call(*asked) == chain.call(*asked)
        assert draw(30, 4, SHAPES)[0].owner not in kept.owners


def test_the_command_serves_it(tmp_path: Path) -> None:
    assert_command_serves("compound-v2", 30, "comptroller", tmp_path / "local.json")
