"""Our Comet answers as the real one did, and the lab around it holds what it promises."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import COMPOUND_SEED, COMPOUND_USERS
from tests.lab.cache import PROJECT_ROOT
from tests.lab.chain import Chain
from tests.lab.compound_v3 import Absorption, CometLab, start_compound_v3
from tests.lab.compound_v3.recorded import Recorder, packed, slot
from tests.lab.contract import topic
from tests.lab.node import Anvil, RpcError
from tests.lab.packages import anvil

RECORDED = PROJECT_ROOT / "fixtures" / "vectors" / "compound_v3" / "comet.jsonl.gz"
UPSTREAM = RECORDED.parents[1] / "comet_upstream_tests" / "cases.json.gz"
FRESH: dict[str, Any] = {
    "market": "fresh",
    "principal": "0",
    "rates": {
        side + part: 0 for side in ("supply", "borrow") for part in ("Kink", "SlopeLow", "SlopeHigh", "Base")
    },
    "totals": {
        "baseSupplyIndex": str(10**15),
        "baseBorrowIndex": str(10**15),
        "totalSupplyBase": "0",
        "totalBorrowBase": "0",
        "lastAccrualTime": 1,
    },
}
"""What a case of the protocol's own tests leaves unsaid."""
EVERY = 12
"""Of the recorded cases, so many apart. All of them take a quarter of a minute and agree as well."""
MARKETS = ("usdc", "weth")
SUPPLIED = topic("SupplyCollateral(address,address,address,uint256)")
HANDED = topic("TransferCollateral(address,address,address,uint256)")
WITHDRAW = topic("Withdraw(address,address,uint256)")
IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Anvil(anvil()) as node:
        yield Recorder(Chain(node.rpc))


@pytest.fixture
def lab(lab_compound_v3: CometLab) -> CometLab:
    return lab_compound_v3


@pytest.fixture(params=MARKETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def recorded_cases() -> list[dict[str, Any]]:
    with gzip.open(RECORDED, "rt") as lines:
        return [json.loads(line) for line in lines]


def basics(lab: CometLab, name: str) -> dict[str, tuple[int, ...]]:
    """Everybody's userBasic: principal, two of the rewards', assetsIn and the reserved byte."""
    owners = lab.owners(name)
    answers = lab.chain.call_many(lab.markets[name].contract, "userBasic", [[owner] for owner in owners])
    return dict(zip(owners, answers, strict=True))


def held(lab: CometLab, name: str, owner: str) -> dict[str, int]:
    """An account's collateral, by symbol."""
    tokens = lab.markets[name].tokens
    pairs = [(owner, token.address) for token in tokens.values()]
    answers = lab.chain.call_many(lab.markets[name].contract, "userCollateral", pairs)
    return {symbol: amount for symbol, (amount, _) in zip(tokens, answers, strict=True) if amount}


def credit(lab: CometLab, name: str, done: Absorption) -> int:
    """What the collateral's values are worth to the account, in base, by each liquidation factor."""
    spec, comet = lab.markets[name].spec, lab.markets[name]
    value = sum(
        worth * spec.collateral(symbol).factors_bps[2] // 10_000
        for symbol, (_, worth) in done.collateral.items()
    )
    return int(value * spec.base.unit // lab.ask(name, "getPrice", comet.base_feed.address))


def value_of_base(lab: CometLab, name: str, amount: int) -> int:
    comet = lab.markets[name]
    return int(amount * lab.ask(name, "getPrice", comet.base_feed.address) // comet.spec.base.unit)


def accrued_supply_index(lab: CometLab, name: str, at: int) -> int:
    return int(lab.ask(name, "totalsBasic", timestamp=at, accrued=True)[0])


@pytest.mark.lab
def test_our_comet_answers_as_the_real_one_did(recorder: Recorder) -> None:
    cases = recorded_cases()[::EVERY]
    assert len(cases) >= 60
    assert {case["expected"]["isLiquidatable_storedIndex"] for case in cases} == {True, False}
    absorptions = 0
    for case in cases:
        told, expected = recorder.tell(case), case["expected"]
        accrued = expected["accrued"]
        assert told.stored == (
            expected["isLiquidatable_storedIndex"],
            expected["isBorrowCollateralized_storedIndex"],
        ), case["id"]
        assert told.borrow_balance == int(expected["borrowBalanceOf_now"]), case["id"]
        assert told.utilization == int(expected["utilization"]), case["id"]
        rates = int(expected["borrowRatePerSecond"]), int(expected["supplyRatePerSecond"])
        assert told.rates == rates, case["id"]
        assert told.indices == (int(accrued["baseSupplyIndex"]), int(accrued["baseBorrowIndex"])), case["id"]
        assert told.accrued == (accrued["isLiquidatable"], accrued["isBorrowCollateralized"]), case["id"]
        assert (told.absorbed is not None) == accrued["isLiquidatable"], case["id"]
        if expected["absorb"] is not None:
            after = expected["absorb"]
            names = ("principalAfter", "balanceAfter", "borrowBalanceAfter")
            assert told.absorbed == tuple(int(after[name]) for name in names), case["id"]
            absorptions += 1
    assert absorptions >= 20


@pytest.mark.lab
def test_recorded_liquidation_prices_are_boundaries_of_our_comet(recorder: Recorder) -> None:
    """The last price at which the real one said liquidatable, and the next: one collateral of some cases."""
    tried = 0
    for case in recorded_cases()[:: 3 * EVERY]:
        for level in case["liquidationPrices"]:
            if level["kind"] != "collateral" or level["result"] != "price":
                continue
            price = int(level["largestPriceLiquidatable"])
            for shift, expected in ((0, True), (1, False)):
                moved = json.loads(json.dumps(case))
                asset = next(each for each in moved["collaterals"] if each["symbol"] == level["asset"])
                asset["price"] = str(price + shift)
                if price + shift > 0:
                    assert recorder.tell(moved).accrued[0] is expected, (case["id"], level)
                    tried += 1
    assert tried >= 30


@pytest.mark.lab
def test_our_storefront_quotes_what_the_protocols_own_tests_expect(recorder: Recorder) -> None:
    cases = json.loads(gzip.decompress(UPSTREAM.read_bytes()))["cases"]
    quoted = 0
    for case in cases:
        if case["function"] != "quoteCollateral":
            continue
        collateral = {
            "symbol": "ASSET",
            "decimals": case["assetDecimals"],
            "price": case["assetPrice"],
            "balance": "0",
            "borrowCollateralFactor": str(10**17),
            "liquidateCollateralFactor": str(2 * 10**17),
            "liquidationFactor": case["liquidationFactor"],
        }
        shown = {name: case[name] for name in ("baseDecimals", "basePrice", "storeFrontPriceFactor")}
        with recorder.standing({**FRESH, **shown, "id": "quote", "collaterals": [collateral]}) as (
            comet,
            tokens,
        ):
            answer = recorder.chain.call(comet, "quoteCollateral", tokens[0].address, int(case["baseAmount"]))
        assert answer == int(case["expected"]), case["name"]
        quoted += 1
    assert quoted == 4


@pytest.mark.lab
def test_both_markets_stand_behind_proxies_and_count_as_they_should(lab: CometLab, name: str) -> None:
    comet = lab.comets[name]
    implementation = lab.rpc("eth_getStorageAt", comet, IMPLEMENTATION_SLOT, "latest")
    assert int(implementation, 16) != 0
    spec = lab.markets[name].spec
    assert lab.ask(name, "numAssets") == len(spec.collaterals) == {"usdc": 18, "weth": 5}[name]
    assert lab.ask(name, "baseScale") == 10 ** {"usdc": 6, "weth": 18}[name]
    for position, collateral in enumerate(spec.collaterals):
        info = lab.ask(name, "getAssetInfo", position)
        assert info[0] == position
        assert info[1] == lab.markets[name].tokens[collateral.symbol].address.lower()
        assert info[3] == 10**collateral.decimals
        assert info[4:7] == tuple(bps * 10**14 for bps in collateral.factors_bps)
        price = lab.ask(name, "getPrice", info[2])
        assert abs(price - collateral.price("final")) <= price // 10**6
    assert {each.decimals for each in lab.markets["usdc"].spec.collaterals} == {6, 8, 18}
    with pytest.raises(RpcError):
        lab.ask(name, "getAssetInfo", len(spec.collaterals))


@pytest.mark.lab
def test_storage_lies_where_the_published_layout_says(lab: CometLab, name: str) -> None:
    def word(place: int) -> int:
        return int(lab.rpc("eth_getStorageAt", lab.comets[name], f"0x{place:064x}", "latest"), 16)

    totals = lab.ask(name, "totalsBasic")
    assert word(0) == packed((64, 64, 64, 64), *totals[:4])
    assert word(1) == packed((104, 104, 40, 8), *totals[4:])
    (owner,) = lab.of_shape(name, "first-and-last")[:1]
    basic = lab.ask(name, "userBasic", owner)
    assert word(slot(5, owner)) == packed((104, 64, 64, 16, 8), *basic)
    for symbol, amount in held(lab, name, owner).items():
        token = lab.markets[name].tokens[symbol].address
        assert word(slot(6, owner, token)) == amount
        assert word(slot(2, token)) == lab.ask(name, "totalsCollateral", token)[0]


@pytest.mark.lab
def test_interest_has_moved_and_one_market_is_above_its_kink(lab: CometLab) -> None:
    below, above = (lab.ask(name, "getUtilization") for name in MARKETS)
    assert below < lab.ask("usdc", "borrowKink")
    assert above > lab.ask("weth", "borrowKink")
    for name in MARKETS:
        supply, borrow, *_, accrued_at, paused = lab.ask(name, "totalsBasic")
        assert min(supply, borrow) > 10**15
        assert supply % 10**6
        assert borrow % 10**6
        assert paused == 0
        assert accrued_at < lab.chain.now()


@pytest.mark.lab
def test_principals_add_up_and_the_plans_say_who_owes(lab: CometLab, name: str) -> None:
    found = basics(lab, name)
    owing = {owner for owner, basic in found.items() if basic[0] < 0}
    assert owing == set(lab.borrowers(name))
    assert sum(-found[owner][0] for owner in owing) == lab.ask(name, "totalsBasic")[5]
    for shape in ("supplier", "supplier-with-collateral", "overpaid"):
        assert all(found[owner][0] > 0 for owner in lab.of_shape(name, shape)), shape
    assert all(found[owner][0] == 0 for owner in lab.of_shape(name, "repaid"))
    assert all(held(lab, name, owner) for owner in lab.of_shape(name, "supplier-with-collateral"))
    assert not any(held(lab, name, owner) for owner in lab.of_shape(name, "absorbed"))


@pytest.mark.lab
def test_bits_stand_for_what_is_held(lab: CometLab, name: str) -> None:
    symbols = list(lab.markets[name].tokens)
    reserved = 0
    for owner, (_, _, _, low, high) in basics(lab, name).items():
        bits = {symbols[position] for position in range(len(symbols)) if (high << 16 | low) >> position & 1}
        assert bits == set(held(lab, name, owner))
        reserved += bool(high)
    assert reserved >= (5 if name == "usdc" else 0)


@pytest.mark.lab
def test_sizes_run_from_dust_to_past_64_bits(lab: CometLab, name: str) -> None:
    spec = lab.markets[name].spec
    for owner in lab.of_shape(name, "whale"):
        ((symbol, amount),) = held(lab, name, owner).items()
        listed = spec.collateral(symbol)
        assert amount * listed.price("final") // listed.unit > 2**64
    for owner in lab.of_shape(name, "dust"):
        assert 0 < lab.ask(name, "borrowBalanceOf", owner) < spec.borrow_min // 50


@pytest.mark.lab
def test_events_name_everybody_with_collateral_and_not_who_borrowed_by_transfer(
    lab: CometLab, name: str
) -> None:
    query = {"address": lab.comets[name], "fromBlock": "0x0", "toBlock": "latest"}
    logs = lab.rpc("eth_getLogs", query)
    named: dict[str, set[str]] = {}
    for log in logs:
        signature, *ends = log["topics"]
        named.setdefault(signature, set()).update("0x" + end[-40:] for end in ends[1:2])
    discovered = named[SUPPLIED] | named[HANDED]
    assert discovered == {owner.lower() for owner in lab.discoverable(name)}
    assert {owner.lower() for owner in lab.borrowers(name)} <= discovered
    withdrew = {"0x" + log["topics"][1][-40:] for log in logs if log["topics"][0] == WITHDRAW}
    assert not withdrew & {owner.lower() for owner in lab.of_shape(name, "by-transfer")}
    assert not named[SUPPLIED] & {owner.lower() for owner in lab.of_shape(name, "received")}


@pytest.mark.lab
def test_some_accounts_are_underwater_and_some_only_once_interest_accrues(lab: CometLab, name: str) -> None:
    verdicts = {
        (lab.is_liquidatable(name, owner), lab.is_liquidatable(name, owner, accrued=True))
        for owner in lab.borrowers(name)
    }
    assert verdicts == {(False, False), (False, True), (True, True)}


@pytest.mark.lab
def test_absorb_takes_whom_the_accrued_verdict_names_and_nobody_else(lab: CometLab, name: str) -> None:
    height, before = lab.chain.height(), lab.ask(name, "totalsBasic")
    at = lab.chain.now() + 1
    supply_index = accrued_supply_index(lab, name, at)
    outcomes = set()
    for owner in lab.borrowers(name)[::7]:
        expected = lab.is_liquidatable(name, owner, timestamp=at, accrued=True)
        debt, holding = lab.ask(name, "borrowBalanceOf", owner, timestamp=at), held(lab, name, owner)
        done = lab.absorb(name, owner, timestamp=at)
        assert done.timestamp == at
        assert done.success is expected
        assert done.error == ("" if expected else "NotLiquidatable")
        if expected:
            assert {symbol: amount for symbol, (amount, _) in done.collateral.items()} == holding
            assert done.base_paid_out == max(debt, credit(lab, name, done))
            assert done.base_value == value_of_base(lab, name, done.base_paid_out)
            left = done.base_paid_out - debt
            assert done.principal_after == left * 10**15 // supply_index
            assert done.balance_after == done.principal_after * supply_index // 10**15
        outcomes.add(expected)
    assert outcomes == {True, False}
    assert (lab.chain.height(), lab.ask(name, "totalsBasic")) == (height, before)


@pytest.mark.lab
def test_drivers_move_every_feed_that_hangs_on_them(lab: CometLab) -> None:
    spot = int(lab.rpc("eth_getStorageAt", lab.drivers["ETH/USD"], "0x0", "latest"), 16)
    moved = {"ETH/USD": spot * 9 // 10}

    def prices(name: str, drivers: dict[str, int]) -> dict[str, int]:
        feeds = lab.markets[name].feeds
        return {
            symbol: lab.ask(name, "getPrice", feed.address, drivers=drivers) for symbol, feed in feeds.items()
        }

    changed = {
        name: {symbol for symbol, price in prices(name, {}).items() if price != prices(name, moved)[symbol]}
        for name in MARKETS
    }
    assert changed == {"usdc": {"WETH", "wstETH", "cbETH", "weETH"}, "weth": {"WBTC", "USDT"}}
    owner = lab.of_shape("usdc", "one-driver")[0]
    assert not lab.absorb("usdc", owner).success or lab.is_liquidatable("usdc", owner, accrued=True)
    fallen = lab.absorb("usdc", owner, drivers={"ETH/USD": spot // 20})
    assert fallen.success
    assert set(fallen.collateral) == {"WETH", "wstETH", "cbETH", "weETH"}
    with lab.rewinding():
        lab.set_driver("ETH/USD", moved["ETH/USD"])
        assert prices("usdc", {}) == prices("usdc", moved)
    assert set(lab.aggregators) < set(lab.drivers)


@pytest.mark.lab
def test_a_price_of_nothing_is_refused(lab: CometLab) -> None:
    owner = lab.of_shape("usdc", "one-driver")[0]
    done = lab.absorb("usdc", owner, drivers={"ETH/USD": 0})
    assert (done.success, done.error) == (False, "BadPrice")


@pytest.mark.lab
def test_absorbed_collateral_is_sold_at_the_storefront_price(lab: CometLab, name: str) -> None:
    owner = lab.of_shape(name, "underwater")[0]
    symbol = next(iter(held(lab, name, owner)))
    done, bought = lab.buy(name, owner, symbol)
    assert done.success
    assert bought.success
    assert bought.paid == bought.base_amount
    assert bought.received == bought.collateral_amount
    amount, value = done.collateral[symbol]
    assert 0 <= amount - bought.received <= amount // 10**6 + 1
    base = lab.markets[name].spec.base
    paid_value = bought.paid * lab.ask(name, "getPrice", lab.markets[name].base_feed.address) // base.unit
    factor_bps = lab.markets[name].spec.collateral(symbol).factors_bps[2]
    discounted = value * (10_000 - 6 * (10_000 - factor_bps) // 10) // 10_000
    assert abs(paid_value - discounted) <= value // 10**4
    _, one = lab.buy(name, owner, symbol, base_amount=base.unit)
    assert (one.success, one.paid) == (True, base.unit)
    _, too_much = lab.buy(name, owner, symbol, base_amount=10**12 * base.unit)
    assert (too_much.success, too_much.error) == (False, "InsufficientReserves")


@pytest.mark.lab
def test_what_is_paused_is_refused_and_full_reserves_sell_nothing(lab: CometLab, name: str) -> None:
    owner = lab.of_shape(name, "underwater")[0]
    symbol = next(iter(held(lab, name, owner)))
    comet = lab.markets[name]
    with lab.rewinding():
        lab.set_paused(name, absorb=True)
        assert lab.ask(name, "isAbsorbPaused")
        assert lab.absorb(name, owner).error == "Paused"
    with lab.rewinding():
        lab.set_paused(name, buy=True)
        done, bought = lab.buy(name, owner, symbol)
        assert (done.success, bought.error) == (True, "Paused")
    with lab.rewinding():
        lab.chain.send(comet.base, "mint", comet.contract.address, 2 * comet.spec.target_reserves)
        done, bought = lab.buy(name, owner, symbol)
        assert (done.success, bought.error) == (True, "NotForSale")
    assert not lab.ask(name, "isAbsorbPaused")


@pytest.mark.lab
def test_a_target_health_factor_is_answered_only_where_it_is_named(lab: CometLab, name: str) -> None:
    asked = {"to": lab.comets[name], "data": topic("targetHealthFactor()")[:10]}
    with pytest.raises(RpcError):
        lab.rpc("eth_call", asked, "latest")
    owner = lab.of_shape(name, "underwater")[0]
    totals, verdict = lab.ask(name, "totalsBasic"), lab.is_liquidatable(name, owner)
    with lab.rewinding():
        lab.set_target(name, 105 * 10**16)
        assert int(lab.rpc("eth_call", asked, "latest"), 16) == 105 * 10**16
        assert lab.ask(name, "totalsBasic") == totals
        assert lab.is_liquidatable(name, owner) == verdict


@pytest.mark.lab
def test_a_second_start_is_the_same_chain_and_quick(lab: CometLab, name: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with start_compound_v3(users=COMPOUND_USERS, seed=COMPOUND_SEED) as again:
        assert time.monotonic() - started < 2
        assert again.chain.now() == lab.chain.now()
        assert again.comets == lab.comets
        assert basics(again, name) == basics(lab, name)
        listing = json.loads(again.market_file(name, tmp_path / "local.json").read_text())
    assert listing == {
        "protocol": "compound-v3",
        "name": f"Local {name}",
        "chain_id": 31337,
        "from_block": 0,
        "addresses": {"comet": lab.comets[name]},
    }


@pytest.mark.lab
def test_the_command_serves_a_market_file_per_market_and_ends_its_node(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.lab", "--version", "compound-v3", "--users", "25"]
    with subprocess.Popen(
        [*command, "--market-file", str(tmp_path / "local.json")],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(30) == 0
    for name in MARKETS:
        listing = json.loads((tmp_path / f"local-{name}.json").read_text())
        assert listing["addresses"] == {"comet": said["comets"][name]}
        assert said["market_files"][name] == str(tmp_path / f"local-{name}.json")
