"""The lab holds what it promises: asked of the contracts, not of the plans."""

from __future__ import annotations

import pytest

from tests.lab import Lab, LabError, start_lab
from tests.lab.chain import MULTICALL3
from tests.lab.contract import topic
from tests.lab.market import EMODE_FEED
from tests.lab.node import RpcError
from tests.lab.reserves import BY_SYMBOL, ETH_MODE, GHO_MODE, RATIO, STABLE_MODE, STAKED

WAD = 10**18
BORROW = topic("Borrow(address,address,address,uint256,uint8,uint256,uint16)")
UNHEALTHY = {"v3.6": "0x930bb771", "v3.0": "45"}


@pytest.fixture(params=["v3.6", "v3.0"])
def lab(request: pytest.FixtureRequest) -> Lab:
    """Both versions, one after the other."""
    found = request.getfixturevalue({"v3.6": "lab_v36", "v3.0": "lab_v30"}[request.param])
    assert isinstance(found, Lab)
    return found


def held(lab: Lab, owner: str) -> dict[str, int]:
    """An account's aToken balances, by symbol."""
    found = {
        symbol: lab.chain.call(token, "balanceOf", owner) for symbol, token in lab.market.a_tokens.items()
    }
    return {symbol: amount for symbol, amount in found.items() if amount}


def owed(lab: Lab, owner: str) -> dict[str, int]:
    """An account's debts, of both kinds, by symbol."""
    found: dict[str, int] = {}
    for tokens in (lab.market.debt_tokens, lab.market.stable_debt_tokens):
        for symbol, token in tokens.items():
            found[symbol] = found.get(symbol, 0) + lab.chain.call(token, "balanceOf", owner)
    return {symbol: amount for symbol, amount in found.items() if amount}


def is_flagged(lab: Lab, owner: str, symbol: str) -> bool:
    """Whether the account uses the asset as collateral."""
    reserves = [asset.lower() for asset in lab.chain.call(lab.market.pool, "getReservesList")]
    bits = lab.chain.call(lab.market.pool, "getUserConfiguration", owner)[0]
    return bool(bits >> (2 * reserves.index(lab.tokens[symbol].lower()) + 1) & 1)


def only(lab: Lab, shape: str) -> str:
    """The owner of the first account of a shape."""
    return lab.of_shape(shape)[0].owner


@pytest.mark.lab
def test_the_real_contracts_answer(lab: Lab) -> None:
    assert lab.chain.call(lab.market.pool, "POOL_REVISION") == {"v3.6": 10, "v3.0": 1}[lab.version]
    assert lab.revision == lab.chain.call(lab.market.pool, "POOL_REVISION")
    assert lab.chain.call(lab.market.pool, "ADDRESSES_PROVIDER").lower() == lab.provider.lower()
    assert len(lab.rpc("eth_getCode", MULTICALL3, "latest")) > 2_000
    assert lab.chain_id == int(lab.rpc("eth_chainId"), 16)


@pytest.mark.lab
def test_reserves_are_of_every_kind(lab: Lab) -> None:
    tokens = lab.market.tokens
    assert {lab.chain.call(token, "decimals") for token in tokens.values()} == {6, 8, 18}
    ratio = lab.chain.call(lab.market.ratio, "getRatio")
    assert lab.price("wstETH") == lab.price("WETH") * ratio // WAD
    for symbol in tokens:
        bits = lab.chain.call(lab.market.pool, "getConfiguration", lab.tokens[symbol])[0]
        assert bits >> 16 & 0xFFFF == BY_SYMBOL[symbol].threshold, symbol
        assert bits >> 152 & 0xFFFF == BY_SYMBOL[symbol].protocol_fee, symbol
        if symbol == "CRV":
            assert bits & 0xFFFF == 0
    fees = {reserve.protocol_fee for reserve in BY_SYMBOL.values() if reserve.threshold}
    assert 0 in fees
    assert len(fees) >= 3


@pytest.mark.lab
def test_interest_has_moved_every_index(lab: Lab) -> None:
    for symbol, asset in lab.tokens.items():
        data = lab.chain.call(lab.market.pool, "getReserveData", asset)
        assert data[3] > 10**27, symbol
        assert data[4] > 0, symbol


@pytest.mark.lab
def test_health_factors_span_what_the_issue_asks(lab: Lab) -> None:
    factors = [data.factor_wad for data in lab.all_account_data()]
    finite = [factor for factor in factors if factor < 2**255]
    below = [factor for factor in finite if factor < WAD]
    assert min(finite) < 95 * WAD // 100
    assert max(factor for factor in finite if factor < 11 * WAD) > 9 * WAD
    assert 3 <= len(below) <= len(factors) // 8
    assert sum(abs(factor - WAD) < WAD // 100 for factor in finite) >= 4


@pytest.mark.lab
def test_one_account_stands_at_exactly_one(lab: Lab) -> None:
    assert lab.account_data(only(lab, "exact")).factor_wad == WAD


@pytest.mark.lab
def test_whales_pass_64_bits_and_dust_is_dust(lab: Lab) -> None:
    for shape in ("whale-long", "whale-short"):
        whale = lab.account_data(only(lab, shape))
        assert whale.collateral_base > 2**64
        assert whale.debt_base > 10**18
    assert all(0 < lab.account_data(user.owner).collateral_base < 10**9 for user in lab.of_shape("dust"))


@pytest.mark.lab
def test_accounts_have_one_and_many_legs(lab: Lab) -> None:
    legs = {(min(len(held(lab, owner)), 3), min(len(owed(lab, owner)), 3)) for owner in lab.owners}
    assert {(1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (3, 3), (1, 0)} <= legs


@pytest.mark.lab
def test_the_same_asset_stands_on_both_sides(lab: Lab) -> None:
    for symbol in ("WETH", "USDC"):
        owner = only(lab, f"same-asset-{symbol}")
        assert symbol in held(lab, owner)
        assert symbol in owed(lab, owner)


@pytest.mark.lab
def test_flags_are_off_where_they_should_be(lab: Lab) -> None:
    owner = only(lab, "flag-off")
    flags = {is_flagged(lab, owner, symbol) for symbol in held(lab, owner)}
    assert flags == {True, False}
    owner = only(lab, "zero-threshold")
    assert "AAVE" in held(lab, owner)
    assert not is_flagged(lab, owner, "AAVE")


@pytest.mark.lab
def test_emodes_are_used_with_and_without_other_collateral(lab: Lab) -> None:
    members = {ETH_MODE.id: set(ETH_MODE.collaterals), STABLE_MODE.id: set(STABLE_MODE.collaterals)}
    seen = set()
    for user in lab.users:
        mode = lab.chain.call(lab.market.pool, "getUserEMode", user.owner)
        assert mode == user.emode
        if mode in members:
            seen.add((mode, set(held(lab, user.owner)) <= members[mode]))
    assert seen == {(1, True), (1, False), (2, True), (2, False)}


@pytest.mark.lab
def test_some_repaid_some_never_borrowed_some_received(lab: Lab) -> None:
    assert not owed(lab, only(lab, "repaid"))
    assert not owed(lab, only(lab, "supplier"))
    owner = only(lab, "received")
    transfer = topic("Transfer(address,address,uint256)")
    for symbol in held(lab, owner):
        assert is_flagged(lab, owner, symbol)
        ends = [transfer, None, f"0x{owner[2:].lower():0>64}"]
        wanted = {"address": lab.market.a_tokens[symbol].address, "topics": ends, "fromBlock": "0x0"}
        senders = {log["topics"][1] for log in lab.rpc("eth_getLogs", wanted)} - {f"0x{0:064x}"}
        assert senders, "aTokens were minted to it, not transferred"


@pytest.mark.lab
def test_borrow_logs_survive_and_name_exactly_the_borrowers(lab: Lab) -> None:
    wanted = {"address": lab.pool, "topics": [BORROW], "fromBlock": "0x0", "toBlock": "latest"}
    logs = lab.rpc("eth_getLogs", wanted)
    on_behalf_of = {"0x" + log["topics"][2][-40:] for log in logs}
    assert on_behalf_of == {owner.lower() for owner in lab.borrowers}
    senders = {"0x" + log["data"][26:66] for log in logs}
    assert only(lab, "delegated").lower() not in senders
    assert len({log["blockNumber"] for log in logs}) > 5


@pytest.mark.lab
def test_recent_blocks_are_answerable_and_old_ones_refused(lab: Lab) -> None:
    height, owner = lab.chain.height(), only(lab, "exact")
    answers = {lab.account_data(owner, block=height - back).factor_wad for back in range(4)}
    assert len(answers) > 1
    with pytest.raises(RpcError):
        lab.account_data(owner, block=height - 30)


@pytest.mark.lab
def test_prices_by_override_are_prices_by_storage(lab: Lab) -> None:
    owner = only(lab, "emode-eth")
    for symbol in ("WETH", "wstETH"):
        price = lab.price(symbol) * 97 // 100 + 1
        pretended = lab.account_data(owner, prices={symbol: price})
        before = lab.account_data(owner)
        with lab.rewinding():
            lab.set_price(symbol, price)
            assert lab.price(symbol) == price
            assert lab.account_data(owner) == pretended
        assert pretended != before
        assert lab.account_data(owner) == before


@pytest.mark.lab
def test_drivers_by_override_are_drivers_by_storage(lab: Lab) -> None:
    """Whatever hangs on a driver follows it through its own code."""
    owner = only(lab, "emode-eth-mixed")
    before = lab.account_data(owner)
    for name, followers in {
        "ETH/USD": {"WETH", "wstETH"},
        RATIO: {"wstETH"},
        "BTC/USD": {"WBTC"},
        "wBTC/BTC": {"WBTC"},
        "USDC/USD": {"USDC"},
    }.items():
        spot = int(lab.rpc("eth_getStorageAt", lab.drivers[name], "0x0", "latest"), 16)
        pretended = lab.account_data(owner, drivers={name: spot * 97 // 100})
        prices = {symbol: lab.price(symbol) for symbol in lab.tokens}
        with lab.rewinding():
            lab.set_driver(name, spot * 97 // 100)
            moved = {symbol for symbol in lab.tokens if lab.price(symbol) != prices[symbol]}
            assert lab.account_data(owner) == pretended
        assert moved == followers
    assert lab.account_data(owner) == before


@pytest.mark.lab
def test_no_cap_binds_until_one_is_set(lab: Lab) -> None:
    ratio, at = lab.chain.call(lab.market.ratio, "getRatio"), lab.chain.now()
    capped = 9 * lab.price("WETH") * ratio // 10 // WAD
    with lab.rewinding():
        lab.set_cap(STAKED, 9 * ratio // 10)
        assert lab.price(STAKED) == capped
        lab.set_cap(STAKED, 9 * ratio // 10, since=at - 365 * 86_400, yearly_growth_bps=1_000)
        assert capped * 109 // 100 < lab.price(STAKED) < capped * 111 // 100
        lab.set_cap("USDC", 99_000_000)
        assert lab.price("USDC") == 99_000_000
    assert lab.price(STAKED) == lab.price("WETH") * ratio // WAD
    assert lab.price("USDC") > 99_000_000
    with pytest.raises(LabError, match="the source of WETH has no cap"):
        lab.set_cap("WETH", 1)


@pytest.mark.lab
def test_a_liquidation_by_a_driver_is_real_and_undone(lab: Lab) -> None:
    owner, price = only(lab, "exact"), lab.price("LINK")
    cheaper = {"LINK/USD": price * 99 // 100}
    assert lab.liquidate(owner, collateral="LINK", debt="USDC", drivers=cheaper).success
    refused = lab.liquidate(owner, collateral="LINK", debt="USDC", drivers={"LINK/USD": 2 * price})
    assert refused.error == UNHEALTHY[lab.version]
    assert lab.price("LINK") == price


@pytest.mark.lab
def test_a_liquidation_succeeds_below_one_and_is_refused_above(lab: Lab) -> None:
    owner = only(lab, "sinking")
    before, at = lab.account_data(owner), lab.chain.now() + 1_000
    done = lab.liquidate(owner, collateral="WETH", debt="USDC", timestamp=at)
    assert (done.success, done.error, done.timestamp) == (True, "", at)
    assert done.repaid > 0
    assert done.received == done.seized > 0
    assert done.protocol_fee > 0
    assert done.account_after[1] < before.debt_base
    dear = {"WETH": 10 * lab.price("WETH")}
    refused = lab.liquidate(owner, collateral="WETH", debt="USDC", timestamp=at, prices=dear)
    assert (refused.success, refused.error, refused.repaid) == (False, UNHEALTHY[lab.version], 0)
    assert lab.account_data(owner) == before


@pytest.mark.lab
def test_a_liquidation_can_leave_bad_debt(lab: Lab) -> None:
    cheap = {"WETH": lab.price("WETH") // 3}
    done = lab.liquidate(only(lab, "sinking"), collateral="WETH", debt="USDC", prices=cheap)
    assert done.success
    assert done.account_after[0] == 0
    if lab.version == "v3.6":
        assert done.deficits is not None
        assert done.deficits["USDC"] > 0
        assert done.account_after[1] == 0
    else:
        assert done.deficits == {}
        assert done.account_after[1] > 0


@pytest.mark.lab
def test_a_sentinel_refuses_while_the_sequencer_is_down(lab: Lab) -> None:
    owner = only(lab, "exact")
    a_bit_less = {"LINK": lab.price("LINK") * 98 // 100}
    assert lab.liquidate(owner, collateral="LINK", debt="USDC", prices=a_bit_less).success
    with lab.rewinding():
        lab.set_sequencer(is_up=False, since=lab.chain.now())
        refused = lab.liquidate(owner, collateral="LINK", debt="USDC", prices=a_bit_less)
        assert not refused.success
        assert refused.error != UNHEALTHY[lab.version]


@pytest.mark.lab
def test_v30_has_stable_debt_and_an_emode_price(lab_v30: Lab) -> None:
    owner = only(lab_v30, "stable-rate")
    assert lab_v30.chain.call(lab_v30.market.stable_debt_tokens["USDT"], "balanceOf", owner) > 0
    stable = lab_v30.chain.call(lab_v30.market.pool, "getEModeCategoryData", STABLE_MODE.id)
    asset = stable[3]
    price = lab_v30.chain.call(lab_v30.market.oracle, "getAssetPrice", asset)
    assert price not in {lab_v30.price(symbol) for symbol in STABLE_MODE.borrowables}
    member = next(
        u.owner for u in lab_v30.of_shape("emode-stable") if lab_v30.account_data(u.owner).debt_base
    )
    before = lab_v30.account_data(member)
    after = lab_v30.account_data(member, prices={EMODE_FEED: price * 2})
    assert abs(after.debt_base - 2 * before.debt_base) < 10


@pytest.mark.lab
def test_v36_counts_collateral_that_only_an_emode_knows(lab_v36: Lab) -> None:
    owner = only(lab_v36, "emode-only")
    assert BY_SYMBOL["GHO"].threshold == 0
    assert is_flagged(lab_v36, owner, "GHO")
    assert lab_v36.chain.call(lab_v36.market.pool, "getUserEMode", owner) == GHO_MODE.id
    before = lab_v36.account_data(owner)
    dearer = lab_v36.account_data(owner, prices={"GHO": 2 * lab_v36.price("GHO")})
    assert dearer.collateral_base > before.collateral_base


@pytest.mark.lab
def test_a_second_start_is_the_same_chain(lab: Lab) -> None:
    here = lab.rpc("eth_getBlockByNumber", "latest", False)
    with start_lab(lab.version, users=len(lab.users), seed=8) as other:
        assert other.owners == lab.owners
        assert other.all_account_data() == lab.all_account_data()
        there = other.rpc("eth_getBlockByNumber", "latest", False)
        assert (there["number"], there["timestamp"]) == (here["number"], here["timestamp"])
