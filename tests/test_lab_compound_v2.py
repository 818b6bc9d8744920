"""The Compound v2 lab holds what it promises: asked of the contracts, not of the plans."""

from __future__ import annotations

import pytest

from tests.conftest import COMPOUND_USERS
from tests.lab import CompoundV2Lab
from tests.lab.compound_v2.listing import MARKETS, NATIVE
from tests.lab.compound_v2.outcome import LIQUIDATE_BORROW
from tests.lab.compound_v2.plan import SHAPES
from tests.lab.contract import Contract, topic
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import RpcError

pytestmark = pytest.mark.lab
WAD = 10**18
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


@pytest.fixture
def lab(lab_compound_v2: CompoundV2Lab) -> CompoundV2Lab:
    return lab_compound_v2


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
    market = lab.market.markets[min(lab.held(owner))]
    request = {"from": owner, "to": market.address, "data": market.data("redeem", 1)}
    with pytest.raises(RpcError):
        lab.rpc("eth_call", request, "latest")


def test_the_population_is_of_every_shape(lab: CompoundV2Lab) -> None:
    assert len(lab.owners) == len(set(lab.owners)) == COMPOUND_USERS
    assert {user.shape for user in lab.users} == set(SHAPES)
    legs = {(min(len(lab.held(owner)), 3), min(len(lab.owed(owner)), 3)) for owner in lab.owners}
    assert {(1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (3, 3), (1, 0)} <= legs
    for symbol in (NATIVE, "USDC"):
        owner = only(lab, f"same-asset-{symbol}")
        assert symbol in lab.held(owner)
        assert symbol in lab.owed(owner)
    pair = only(lab, "one-driver")
    assert {*lab.held(pair), *lab.owed(pair)} == {NATIVE, "WETH"}
    assert lab.owed(only(lab, "native-debt")).keys() == {NATIVE}
    assert "COMP" in lab.entered(only(lab, "zero-factor")) & lab.held(only(lab, "zero-factor")).keys()


def test_whales_pass_64_bits_and_dust_is_dust(lab: CompoundV2Lab) -> None:
    for shape in ("whale-long", "whale-short"):
        owner = only(lab, shape)
        assert all(amount > 2**64 for amount in (*lab.held(owner).values(), *lab.owed(owner).values()))
    for user in lab.of_shape("dust"):
        value = sum(amount * lab.price(symbol) // WAD for symbol, amount in lab.owed(user.owner).items())
        assert 0 < value < 5 * WAD


def test_supplied_markets_may_be_not_entered_or_left(lab: CompoundV2Lab) -> None:
    for user in lab.of_shape("not-entered"):
        spare = lab.held(user.owner).keys() - lab.entered(user.owner)
        assert spare
        assert not spare & named(lab, ENTERED, user.owner)
    for user in lab.of_shape("exited"):
        spare = lab.held(user.owner).keys() - lab.entered(user.owner)
        assert spare == named(lab, EXITED, user.owner)
        assert spare <= named(lab, ENTERED, user.owner)
        assert lab.owed(user.owner)


def test_some_repaid_some_never_borrowed_some_received(lab: CompoundV2Lab) -> None:
    borrowers = {addresses(log["data"])[0] for log in logs(lab, BORROW)}
    assert borrowers == {owner.lower() for owner in lab.borrowers}
    assert len(lab.borrowers) < len(lab.owners)
    for user in lab.of_shape("repaid"):
        assert user.borrowed
        assert not lab.owed(user.owner)
    assert {user.borrowed for user in lab.of_shape("supplier")} == {False}
    assert all(lab.held(user.owner) for user in lab.of_shape("supplier"))
    assert all(lab.owed(user.owner) for user in lab.of_shape("partly-repaid"))
    owner = only(lab, "received")
    for symbol in lab.held(owner):
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
    assert lab.owed(owner)["USDC"] > 0


def test_debts_carry_indices_of_many_blocks(lab: CompoundV2Lab) -> None:
    seen: dict[str, set[int]] = {symbol: set() for symbol in lab.markets}
    for owner in lab.borrowers:
        for symbol, amount in lab.owed(owner).items():
            principal, index = lab.borrow_snapshot(owner, symbol)
            now = lab.chain.call(lab.market.markets[symbol], "borrowIndex")
            assert principal * now // index == amount
            seen[symbol].add(index)
    assert all(len(indices) >= 5 for indices in seen.values())
    assert sum(len(indices) for indices in seen.values()) >= 50


def test_accounts_stand_far_from_and_near_the_boundary(lab: CompoundV2Lab) -> None:
    margins = []
    for owner in lab.owners:
        debt = sum(amount * lab.price(symbol) // WAD for symbol, amount in lab.owed(owner).items())
        error, liquidity, shortfall = lab.account_liquidity(owner, accrued=True)
        assert error == 0
        if debt:
            margins.append((liquidity - shortfall) * 10_000 // debt)
    assert min(margins) < -500
    assert max(margins) > 50_000
    assert 5 <= sum(margin < 0 for margin in margins) <= COMPOUND_USERS // 8
    assert sum(-100 <= margin <= 100 for margin in margins) >= 10


def test_interest_that_is_not_stored_yet_decides_some_accounts(lab: CompoundV2Lab) -> None:
    edges = [user.owner for user in lab.of_shape("edge")]
    stored = [lab.account_liquidity(owner).shortfall > 0 for owner in edges]
    accrued = [lab.account_liquidity(owner, accrued=True).shortfall > 0 for owner in edges]
    assert not any(stored)
    assert set(accrued) == {True, False}
