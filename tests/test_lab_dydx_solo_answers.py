"""The Solo lab answers as the contracts do: prices, liquidations, refusals, and every start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab import SoloLab, start_dydx_solo
from tests.lab.chain import DEPLOYER, Chain, Tx, install_multicall3
from tests.lab.contract import Contract
from tests.lab.dydx_solo.actions import transfer, wei, withdraw
from tests.lab.dydx_solo.lab import TOO_LOW, UNLIQUIDATABLE
from tests.lab.dydx_solo.last import finish
from tests.lab.dydx_solo.plan import draw
from tests.lab.dydx_solo.population import SOLID, TRUSTED, build
from tests.lab.dydx_solo.solo import MEDIAN, artifact, from_plain
from tests.lab.dydx_solo.specs import IDS
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import Anvil
from tests.lab.packages import anvil, node_modules
from tests.lab.serving import assert_command_serves

pytestmark = pytest.mark.lab


@pytest.fixture
def lab(lab_dydx_solo: SoloLab) -> SoloLab:
    return lab_dydx_solo


def only(lab: SoloLab, shape: str) -> tuple[str, int]:
    """The first account of a shape."""
    return lab.of_shape(shape)[0].info


def test_drivers_move_prices_exactly(lab: SoloLab) -> None:
    before = {symbol: lab.price(symbol) for symbol in IDS}
    for symbol in IDS:
        moved = before[symbol] * 97 // 100 + 1
        with lab.rewinding():
            lab.set_driver(symbol, moved)
            assert {**before, symbol: moved} == {each: lab.price(each) for each in IDS}
        assert lab.ask("getMarketPrice", IDS[symbol], drivers={symbol: moved}) == (moved,)
    assert {symbol: lab.price(symbol) for symbol in IDS} == before
    oracle = lab.ask("getMarketPriceOracle", IDS[MEDIAN])
    asked = Contract(oracle, artifact("WethPriceOracle").abi)
    assert lab.chain.call(asked, "MEDIANIZER") == lab.drivers[MEDIAN].lower()


def test_a_liquidation_is_real_and_undone(lab: SoloLab) -> None:
    """What the log says is what SoloMargin's getters say after it."""
    account, at = only(lab, "long"), lab.time() + 5
    before = lab.pars(account)
    owed = min(before, key=lambda symbol: before[symbol])
    cheap = {"WETH": lab.price("WETH") // 3}
    was = lab.held(account, timestamp=at)
    done = lab.liquidate(account, owed=owed, held="WETH", amount=-was[owed] // 7, drivers=cheap, timestamp=at)
    assert (done.success, done.error, done.timestamp) == (True, "", at)
    assert done.repaid == -was[owed] // 7
    premium = done.repaid * lab.price(owed) * 105 // 100
    assert abs(done.seized * cheap["WETH"] - premium) <= cheap["WETH"]
    assert (lab.pars(account), lab.time()) == (before, at - 5)
    refused = lab.liquidate(account, owed=owed, held="WETH", amount=1, drivers={"WETH": 10**24})
    owner, number = account
    assert refused.error == f"{UNLIQUIDATABLE} <{owner.lower()}, {number}>"
    assert (refused.success, refused.repaid, refused.seized) == (False, 0, 0)


def test_what_may_not_be_done_is_refused_in_dydx_s_words(lab: SoloLab) -> None:
    margin, chain = lab.solo.margin, lab.chain

    def error(sender: str, accounts: list[tuple[str, int]], actions: list[object]) -> str:
        tx = Tx(sender, margin, "operate", (accounts, actions))
        return chain.reason({key: value for key, value in chain.request(tx).items() if key != "nonce"})

    poor, number = only(lab, "emptied")
    borrow = withdraw(0, "USDC", wei(-(10**6)), poor)
    with lab.rewinding():
        assert error(poor, [(poor, number)], [borrow]) == (
            f"OperationImpl: Undercollateralized account <{poor.lower()}, {number}>"
        )
        assert error(LIQUIDATOR, [(poor, number)], [borrow]) == (
            f"Storage: Unpermissioned operator <{LIQUIDATOR.lower()}>"
        )
        assert error(poor, [(poor, number)], []) == "OperationImpl: Cannot have zero actions"
        twice = [(poor, number), (poor, number)]
        assert error(poor, twice, [borrow]) == "OperationImpl: Cannot duplicate accounts <0, 1>"
        closing = withdraw(0, "SAI", wei(-(10**24)), LIQUIDATOR)
        assert error(TRUSTED, [SOLID], [closing]) == "OperationImpl: Market is closing <1>"
        self_transfer = transfer(0, 0, "DAI", wei(1))
        assert error(poor, [(poor, number)], [self_transfer]) == (
            "OperationImpl: Duplicate accounts in action <0>"
        )


def test_what_leaves_too_little_debt_is_refused(lab: SoloLab) -> None:
    for user in lab.of_shape("dust"):
        held = max(lab.pars(user.info).items(), key=lambda each: each[1])[0]
        owner, number = user.info
        refusal = lab.refusal(user.info, drivers={held: 1})
        assert refusal.startswith(f"{TOO_LOW} <{owner.lower()}, {number}, ")


def test_the_market_file_names_the_contract(lab: SoloLab, tmp_path: Path) -> None:
    listing = json.loads(lab.market_file(tmp_path / "local.json").read_text())
    assert (listing["protocol"], listing["chain_id"], listing["from_block"]) == ("dydx-solo", 31337, 0)
    assert listing["addresses"] == {"solo_margin": lab.solo_margin}


def test_a_start_from_the_cache_is_the_chain_that_was_built() -> None:
    plans = draw(40, 3)
    with start_dydx_solo(users=40, seed=3) as kept, Anvil(anvil()) as node:
        chain = Chain(node.rpc)
        install_multicall3(chain, node_modules())
        solo = from_plain(build(plans, 3, chain))
        finish(chain, solo, plans)
        assert [user.info for user in kept.users] == [plan.info for plan in plans]
        ends = [rpc("eth_getBlockByNumber", "latest", False) for rpc in (kept.rpc, node.rpc)]
        assert ends[0]["number"] == ends[1]["number"]
        assert ends[0]["timestamp"] == ends[1]["timestamp"]
        for user in kept.users:
            assert kept.ask("getAccountBalances", user.info) == chain.call(
                solo.margin, "getAccountBalances", user.info
            )
        assert chain.call(solo.margin, "owner") == DEPLOYER.lower()


def test_the_command_serves_it(tmp_path: Path) -> None:
    assert_command_serves("dydx-solo", 40, "solo_margin", tmp_path / "local.json")
