"""The Compound v2 lab holds what it promises: asked of the contracts, not of the plans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import CompoundV2Lab, start_compound_v2
from tests.lab.cache import PROJECT_ROOT
from tests.lab.chain import DEPLOYER, Chain, Tx, install_multicall3
from tests.lab.compound_v2.lab import finish
from tests.lab.compound_v2.listing import BY_SYMBOL, MARKETS, NATIVE
from tests.lab.compound_v2.outcome import LIQUIDATE_BORROW, Failure
from tests.lab.compound_v2.plan import SHAPES
from tests.lab.compound_v2.population import build
from tests.lab.contract import Contract, topic
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import Anvil, RpcError
from tests.lab.packages import anvil, node_modules
from tests.lab.plan import draw

pytestmark = pytest.mark.lab
WAD = 10**18
USERS, SEED = 300, 7
BORROW = topic("Borrow(address,uint256,uint256,uint256)")
ENTERED, EXITED = topic("MarketEntered(address,address)"), topic("MarketExited(address,address)")
TRANSFER = topic("Transfer(address,address,uint256)")
EIP_170_BYTES = 24_576
JUMP_RATE_MODEL = [
    {"type": "function", "name": "kink", "inputs": [], "outputs": [{"type": "uint256"}]},
    {
        "type": "function",
        "name": "utilizationRate",
        "inputs": [{"type": "uint256"}] * 3,
        "outputs": [{"type": "uint256"}],
    },
]


@pytest.fixture(scope="module")
def lab() -> Iterator[CompoundV2Lab]:
    if os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")
    with start_compound_v2(users=USERS, seed=SEED) as started:
        yield started


def held(lab: CompoundV2Lab, owner: str) -> dict[str, int]:
    """An account's balances of the markets' own tokens, by symbol."""
    found = {symbol: lab.chain.call(m, "balanceOf", owner) for symbol, m in lab.market.markets.items()}
    return {symbol: amount for symbol, amount in found.items() if amount}


def owed(lab: CompoundV2Lab, owner: str) -> dict[str, int]:
    """An account's debts as they are stored, by symbol."""
    found = {s: lab.chain.call(m, "borrowBalanceStored", owner) for s, m in lab.market.markets.items()}
    return {symbol: amount for symbol, amount in found.items() if amount}


def entered(lab: CompoundV2Lab, owner: str) -> set[str]:
    """The markets that an account has entered."""
    symbols = {address.lower(): symbol for symbol, address in lab.markets.items()}
    return {symbols[each] for each in lab.chain.call(lab.market.comptroller, "getAssetsIn", owner)}


def only(lab: CompoundV2Lab, shape: str) -> str:
    """The owner of the first account of a shape."""
    return lab.of_shape(shape)[0].owner


def logs(lab: CompoundV2Lab, kind: str, address: str | None = None) -> list[dict[str, str]]:
    """All events of a kind."""
    wanted: dict[str, object] = {"topics": [kind], "fromBlock": "0x0", "toBlock": "latest"}
    if address is not None:
        wanted["address"] = address
    found: list[dict[str, str]] = lab.rpc("eth_getLogs", wanted)
    return found


def addresses(data: str) -> list[str]:
    """Every word of an event's data as an address."""
    return ["0x" + data[start + 24 : start + 64] for start in range(2, len(data), 64)]


def named(lab: CompoundV2Lab, kind: str, owner: str) -> set[str]:
    """The markets that the comptroller's events of a kind name together with an account."""
    symbols = {address.lower(): symbol for symbol, address in lab.markets.items()}
    words = [addresses(log["data"]) for log in logs(lab, kind, lab.comptroller)]
    return {symbols[market] for market, account in words if account == owner.lower()}


def test_the_real_contracts_answer(lab: CompoundV2Lab) -> None:
    comptroller = lab.market.comptroller
    listed = lab.chain.call(comptroller, "getAllMarkets")
    assert [each.lower() for each in listed] == [each.lower() for each in lab.markets.values()]
    implementation = lab.chain.call(comptroller, "comptrollerImplementation")
    assert len(lab.rpc("eth_getCode", implementation, "latest")) // 2 - 1 > EIP_170_BYTES
    settings = ("closeFactorMantissa", "liquidationIncentiveMantissa", "maxAssets")
    assert [lab.chain.call(comptroller, name) for name in settings] == [WAD // 2, 108 * WAD // 100, 20]
    assert lab.chain.call(comptroller, "oracle") == lab.oracle.lower()


def test_markets_are_of_every_kind(lab: CompoundV2Lab) -> None:
    decimals = {symbol: lab.chain.call(token, "decimals") for symbol, token in lab.market.tokens.items()}
    assert sorted(decimals.values()) == [6, 6, 8, 18, 18, 18]
    assert set(lab.markets) - set(lab.tokens) == {NATIVE}
    underlying = topic("underlying()")[:10]
    assert lab.rpc("eth_call", {"to": lab.markets[NATIVE], "data": underlying}, "latest") == "0x"
    factors = {
        symbol: lab.chain.call(lab.market.comptroller, "markets", address)[1]
        for symbol, address in lab.markets.items()
    }
    assert factors == {spec.symbol: spec.collateral_bps * 10**14 for spec in MARKETS}
    assert factors["COMP"] == 0
    reserved = [lab.chain.call(market, "reserveFactorMantissa") for market in lab.market.markets.values()]
    assert len(set(factors.values())) == 7
    assert len(set(reserved)) >= 5
    models = {lab.chain.call(market, "interestRateModel") for market in lab.market.markets.values()}
    assert len({lab.rpc("eth_getCode", model, "latest") for model in models}) == 2


def test_interest_has_moved_every_market_unevenly(lab: CompoundV2Lab) -> None:
    accrued = set()
    for spec in MARKETS:
        market = lab.market.markets[spec.symbol]
        index, rate = (lab.chain.call(market, name) for name in ("borrowIndex", "exchangeRateStored"))
        first = 2 * 10 ** (spec.decimals + 8)
        assert WAD < index < 2 * WAD
        assert first < rate < 2 * first
        assert index % 10**6
        assert rate % 10**6
        assert lab.chain.call(market, "totalReserves")
        accrued.add(lab.chain.call(market, "accrualBlockNumber"))
    assert max(accrued) < lab.chain.height()
    assert lab.chain.height() - min(accrued) > 300
    assert len(accrued) >= 4


def test_some_markets_are_lent_out_beyond_their_kink(lab: CompoundV2Lab) -> None:
    beyond = {}
    for symbol in ("WETH", "WBTC", "USDC", "USDT", "COMP"):
        market = lab.market.markets[symbol]
        model = Contract(lab.chain.call(market, "interestRateModel"), JUMP_RATE_MODEL)
        state = [lab.chain.call(market, name) for name in ("getCash", "totalBorrows", "totalReserves")]
        beyond[symbol] = lab.chain.call(model, "utilizationRate", *state) > lab.chain.call(model, "kink")
    assert {symbol for symbol, is_beyond in beyond.items() if is_beyond} == {"USDT", "COMP"}


def test_nobody_can_redeem(lab: CompoundV2Lab) -> None:
    """This comptroller lacks what the markets ask there: the population holds nobody who did."""
    owner = only(lab, "supplier")
    market = lab.market.markets[min(held(lab, owner))]
    request = {"from": owner, "to": market.address, "data": market.data("redeem", 1)}
    with pytest.raises(RpcError):
        lab.rpc("eth_call", request, "latest")


def test_the_population_is_of_every_shape(lab: CompoundV2Lab) -> None:
    assert len(lab.owners) == len(set(lab.owners)) == USERS
    assert {user.shape for user in lab.users} == set(SHAPES)
    legs = {(min(len(held(lab, owner)), 3), min(len(owed(lab, owner)), 3)) for owner in lab.owners}
    assert {(1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (3, 3), (1, 0)} <= legs
    for symbol in (NATIVE, "USDC"):
        owner = only(lab, f"same-asset-{symbol}")
        assert symbol in held(lab, owner)
        assert symbol in owed(lab, owner)
    pair = only(lab, "one-driver")
    assert {*held(lab, pair), *owed(lab, pair)} == {NATIVE, "WETH"}
    assert owed(lab, only(lab, "native-debt")).keys() == {NATIVE}
    assert "COMP" in entered(lab, only(lab, "zero-factor")) & held(lab, only(lab, "zero-factor")).keys()


def test_whales_pass_64_bits_and_dust_is_dust(lab: CompoundV2Lab) -> None:
    for shape in ("whale-long", "whale-short"):
        owner = only(lab, shape)
        assert all(amount > 2**64 for amount in (*held(lab, owner).values(), *owed(lab, owner).values()))
    for user in lab.of_shape("dust"):
        value = sum(amount * lab.price(symbol) // WAD for symbol, amount in owed(lab, user.owner).items())
        assert 0 < value < 5 * WAD


def test_supplied_markets_may_be_not_entered_or_left(lab: CompoundV2Lab) -> None:
    for user in lab.of_shape("not-entered"):
        spare = held(lab, user.owner).keys() - entered(lab, user.owner)
        assert spare
        assert not spare & named(lab, ENTERED, user.owner)
    for user in lab.of_shape("exited"):
        spare = held(lab, user.owner).keys() - entered(lab, user.owner)
        assert spare == named(lab, EXITED, user.owner)
        assert spare <= named(lab, ENTERED, user.owner)
        assert owed(lab, user.owner)


def test_some_repaid_some_never_borrowed_some_received(lab: CompoundV2Lab) -> None:
    borrowers = {addresses(log["data"])[0] for log in logs(lab, BORROW)}
    assert borrowers == {owner.lower() for owner in lab.borrowers}
    assert len(lab.borrowers) < len(lab.owners)
    for user in lab.of_shape("repaid"):
        assert user.borrowed
        assert not owed(lab, user.owner)
    assert {user.borrowed for user in lab.of_shape("supplier")} == {False}
    assert all(held(lab, user.owner) for user in lab.of_shape("supplier"))
    assert all(owed(lab, user.owner) for user in lab.of_shape("partly-repaid"))
    owner = only(lab, "received")
    for symbol in held(lab, owner):
        ends = [TRANSFER, None, f"0x{owner[2:].lower():0>64}"]
        wanted = {"address": lab.markets[symbol], "topics": ends, "fromBlock": "0x0"}
        senders = {"0x" + log["topics"][1][-40:] for log in lab.rpc("eth_getLogs", wanted)}
        assert senders
        assert lab.markets[symbol].lower() not in senders, "its tokens were minted to it, not transferred"


def test_one_account_was_liquidated_once_and_its_debt_settled_then(lab: CompoundV2Lab) -> None:
    found = logs(lab, LIQUIDATE_BORROW)
    owner = only(lab, "liquidated")
    assert [addresses(log["data"])[:2] for log in found] == [[LIQUIDATOR.lower(), owner.lower()]]
    index = lab.borrow_snapshot(owner, "USDC")[1]
    assert index > lab.borrow_snapshot(only(lab, "sinking"), "USDC")[1]
    assert owed(lab, owner)["USDC"] > 0


def test_debts_carry_indices_of_many_blocks(lab: CompoundV2Lab) -> None:
    seen: dict[str, set[int]] = {symbol: set() for symbol in lab.markets}
    for owner in lab.borrowers:
        for symbol, amount in owed(lab, owner).items():
            principal, index = lab.borrow_snapshot(owner, symbol)
            now = lab.chain.call(lab.market.markets[symbol], "borrowIndex")
            assert principal * now // index == amount
            seen[symbol].add(index)
    assert all(len(indices) >= 5 for indices in seen.values())
    assert sum(len(indices) for indices in seen.values()) >= 50


def test_accounts_stand_far_from_and_near_the_boundary(lab: CompoundV2Lab) -> None:
    margins = []
    for owner in lab.owners:
        debt = sum(amount * lab.price(symbol) // WAD for symbol, amount in owed(lab, owner).items())
        error, liquidity, shortfall = lab.account_liquidity(owner, accrued=True)
        assert error == 0
        if debt:
            margins.append((liquidity - shortfall) * 10_000 // debt)
    assert min(margins) < -500
    assert max(margins) > 50_000
    assert 5 <= sum(margin < 0 for margin in margins) <= USERS // 8
    assert sum(-100 <= margin <= 100 for margin in margins) >= 10


def test_interest_that_is_not_stored_yet_decides_some_accounts(lab: CompoundV2Lab) -> None:
    edges = [user.owner for user in lab.of_shape("edge")]
    stored = [lab.account_liquidity(owner).shortfall > 0 for owner in edges]
    accrued = [lab.account_liquidity(owner, accrued=True).shortfall > 0 for owner in edges]
    assert not any(stored)
    assert set(accrued) == {True, False}


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
    before = held(lab, owner), owed(lab, owner), lab.account_liquidity(owner)
    repay = before[1]["USDC"] // 2
    done = lab.liquidate(owner, debt="USDC", collateral="WETH", repay=repay, blocks_ahead=5)
    assert (done.success, done.failure, done.error) == (True, None, "")
    assert (done.block_number, done.repaid) == (height + 5, repay)
    assert done.received_tokens == done.seize_tokens > 0
    assert 0 < done.account_after.shortfall < before[2].shortfall
    assert (held(lab, owner), owed(lab, owner), lab.account_liquidity(owner)) == before
    assert lab.chain.height() == height


def test_a_refusal_is_an_event(lab: CompoundV2Lab) -> None:
    owner = only(lab, "sinking")
    half = owed(lab, owner)["USDC"] // 2
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
    part = owed(lab, owner)[NATIVE] // 20
    collateral = min(held(lab, owner))
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
    half = owed(lab, owner)["USDT"] // 3
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
    path = tmp_path / "local.json"
    options = ["--version", "compound-v2", "--users", "30", "--seed", "3", "--market-file", str(path)]
    command = [sys.executable, "-m", "tests.lab", *options]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(30) == 0
    assert json.loads(path.read_text())["addresses"] == {"comptroller": said["comptroller"]}
