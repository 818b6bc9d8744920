"""Forks that no lab runs, and answers that do not fit each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.errors import DecodeError, MissingPrice, NotAMarket, UnsupportedFork, UnsupportedReserve
from defiliq.protocols.compound_v2 import CompoundMarket, abi, read_market
from defiliq.protocols.compound_v2.market import COIN
from defiliq.types import checksum
from tests.builders import BLOCK
from tests.protocols.compound_v2.contracts import (
    COMPTROLLER,
    LISTING,
    ORACLE,
    WAD,
    Contracts,
    add,
    asset,
    c_token,
    fork,
)


def market_of(chain: Contracts) -> CompoundMarket:
    return read_market(chain, LISTING, BLOCK)


def test_interest_may_count_seconds() -> None:
    market = market_of(fork("USDC", "AVAX"))
    assert market.clock == "timestamp"
    assert market.tick_at(BLOCK.timestamp + 77) == BLOCK.timestamp + 77
    later = market.at_time(BLOCK.timestamp + 1_000)
    rate, index = market.reserves[0].exchange_rate_now_wad, market.reserves[0].borrow_index_now_wad
    interest = 10**24 * 1_000 * 10**9 // WAD
    assert later.reserves[0].borrow_index_now_wad == index + index * 1_000 * 10**9 // WAD
    assert later.reserves[0].exchange_rate_now_wad == (
        (3 * 10**24 - 10**21 + interest - interest // 5) * WAD // 10**16
    )
    assert later.reserves[0].exchange_rate_now_wad > rate


def test_interest_may_count_blocks() -> None:
    market = market_of(fork("USDC", clock="block"))
    assert (market.clock, market.pace_blocks * 12) == ("block", market.pace_seconds)
    assert market.tick_at(BLOCK.timestamp + 25) == BLOCK.number + 2


def test_seconds_may_go_by_the_names_of_blocks() -> None:
    chain = fork("USDC", clock="block")
    chain.put(c_token(0), abi.ACCRUAL_BLOCK, BLOCK.timestamp - 100)
    index = 12 * WAD // 10
    interest = 10**24 * 100 * 10**9 // WAD
    exchange_rate = (3 * 10**24 - 10**21 + interest - interest // 5) * WAD // 10**16
    chain.put(c_token(0), abi.EXCHANGE_RATE_CURRENT, exchange_rate)
    chain.put(c_token(0), abi.TOTAL_BORROWS_CURRENT, 10**24 + interest)
    market = market_of(chain)
    assert market.clock == "timestamp"
    assert market.reserves[0].borrow_index_now_wad == index + index * 100 * 10**9 // WAD
    assert market.reserves[0].exchange_rate_now_wad == exchange_rate
    chain.put(c_token(0), abi.TOTAL_BORROWS_CURRENT, 10**24 + interest + 1)
    with pytest.raises(UnsupportedReserve, match="totalBorrowsCurrent"):
        market_of(chain)


def test_blocks_of_another_chain_are_refused() -> None:
    chain = fork("USDC", clock="block")
    chain.at = replace(BLOCK, chain_id=42161)
    with pytest.raises(UnsupportedFork, match="blocks of another chain"):
        read_market(chain, LISTING, chain.at)


def test_a_first_block_has_no_pace() -> None:
    chain = fork("USDC", clock="block")
    chain.at = replace(BLOCK, number=0)
    chain.put(c_token(0), abi.ACCRUAL_BLOCK, 0)
    with pytest.raises(DecodeError, match="how long blocks take"):
        read_market(chain, LISTING, chain.at)


def test_mixed_clocks_are_refused_by_name() -> None:
    chain = fork("USDC", "AVAX")
    add(chain, 2, "BTC", "block", 8)
    for signature in (abi.ACCRUAL_TIMESTAMP, abi.RATE_PER_TIMESTAMP):
        chain.answers.pop((c_token(2).lower(), abi.calldata(signature)), None)
    chain.put(COMPTROLLER, abi.GET_ALL_MARKETS, [c_token(k) for k in range(3)])
    with pytest.raises(UnsupportedReserve, match=r"BTC.*per block.*per timestamp"):
        market_of(chain)


def test_a_market_without_a_clock() -> None:
    chain = fork("USDC")
    chain.forget(c_token(0), abi.RATE_PER_TIMESTAMP)
    with pytest.raises(DecodeError, match="clock"):
        market_of(chain)


@pytest.mark.parametrize(
    ("signature", "about", "what"),
    [
        ("lastPoolId()", None, "pools"),
        ("getLiquidationThreshold(address)", c_token(0), "thresholds"),
        ("isForcedLiquidationEnabled(address)", c_token(0), "force liquidations"),
    ],
)
def test_forks_with_another_law_are_refused_with_the_difference(
    signature: str, about: str | None, what: str
) -> None:
    chain = fork("USDC")
    chain.put(COMPTROLLER, signature, 0, about=about)
    with pytest.raises(UnsupportedFork, match=what) as caught:
        market_of(chain)
    assert COMPTROLLER in str(caught.value)


def test_a_contract_that_says_it_is_no_comptroller() -> None:
    chain = fork("USDC")
    chain.put(COMPTROLLER, abi.IS_COMPTROLLER, 0)
    with pytest.raises(NotAMarket, match=COMPTROLLER):
        market_of(chain)


@pytest.mark.parametrize("signature", [abi.ORACLE, abi.CLOSE_FACTOR, abi.LIQUIDATION_INCENTIVE])
def test_a_comptroller_that_lacks_a_parameter(signature: str) -> None:
    chain = fork("USDC")
    chain.forget(COMPTROLLER, signature)
    with pytest.raises(NotAMarket, match="names no"):
        market_of(chain)


def test_a_comptroller_without_an_oracle() -> None:
    chain = fork("USDC")
    chain.put(COMPTROLLER, abi.ORACLE, 0)
    with pytest.raises(NotAMarket, match="price oracle"):
        market_of(chain)


def test_a_coin_without_a_contract_goes_by_the_chain_s_name() -> None:
    chain = fork("USDC", "WETH")
    chain.forget(c_token(0), abi.UNDERLYING)
    chain.put(ORACLE, abi.GET_UNDERLYING_PRICE, 20 * WAD, about=c_token(0))
    for chain_id, symbol in ((31337, "qUSDC"), (43114, "AVAX"), (1, "ETH")):
        chain.at = replace(BLOCK, chain_id=chain_id)
        coin = read_market(chain, LISTING, chain.at).reserves[0]
        assert (coin.asset, coin.decimals, coin.symbol) == (COIN, 18, symbol)


def test_two_markets_of_one_underlying_are_told_apart() -> None:
    chain = fork("WBTC", "WBTC", decimals=8)
    chain.put(c_token(1), abi.UNDERLYING, asset(0))
    market = market_of(chain)
    assert [reserve.asset for reserve in market.reserves] == [asset(0), asset(0)]
    assert len({reserve.symbol for reserve in market.reserves}) == 2
    assert all(reserve.symbol.startswith("WBTC.") for reserve in market.reserves)


@pytest.mark.parametrize("decimals", [0, 2, 6, 27, 36])
def test_prices_have_36_decimals_less_the_token_s(decimals: int) -> None:
    market = market_of(fork("TOKEN", decimals=decimals))
    assert market.price_unit(0) == 10 ** (36 - decimals)
    assert market.prices == (10 ** (36 - decimals),)


@pytest.mark.parametrize("decimals", [37, 255, 2**200])
def test_decimals_that_leave_prices_no_room(decimals: int) -> None:
    chain = fork("TOKEN")
    chain.put(asset(0), abi.DECIMALS, decimals)
    with pytest.raises(UnsupportedReserve, match=r"TOKEN.*decimals"):
        market_of(chain)


def test_an_underlying_without_decimals() -> None:
    chain = fork("TOKEN")
    chain.forget(asset(0), abi.DECIMALS)
    with pytest.raises(UnsupportedReserve, match=r"TOKEN.*no decimals"):
        market_of(chain)


def test_deprecated_and_delisted_markets_say_so() -> None:
    chain = fork("A", "B", "C")
    chain.put(COMPTROLLER, abi.IS_DEPRECATED, 1, about=c_token(0))
    chain.put(COMPTROLLER, abi.IS_DEPRECATED, 0, about=c_token(1))
    chain.put(COMPTROLLER, abi.MARKETS, 0, 0, 0, about=c_token(2))
    reserves = market_of(chain).reserves
    assert [reserve.is_deprecated for reserve in reserves] == [True, False, False]
    assert [reserve.is_listed for reserve in reserves] == [True, True, False]
    assert [reserve.seize_share_wad for reserve in reserves] == [0, 0, 0]


def test_the_protocol_s_share_of_seizures() -> None:
    chain = fork("A")
    chain.put(c_token(0), abi.SEIZE_SHARE, 28 * 10**15)
    assert market_of(chain).reserves[0].seize_share_wad == 28 * 10**15


def test_an_empty_market_has_its_initial_exchange_rate() -> None:
    chain = fork("A")
    for signature, value in ((abi.TOTAL_SUPPLY, 0), (abi.EXCHANGE_RATE_STORED, 2 * 10**26)):
        chain.put(c_token(0), signature, value)
    chain.put(c_token(0), abi.EXCHANGE_RATE_CURRENT, 2 * 10**26)
    reserve = market_of(chain).reserves[0]
    assert reserve.initial_exchange_rate_wad == reserve.exchange_rate_now_wad == 2 * 10**26


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        (abi.BORROW_INDEX, 0),
        (abi.BORROW_INDEX, 2**200),
        (abi.RATE_PER_TIMESTAMP, 2**200),
        (abi.RESERVE_FACTOR, WAD + 1),
        (abi.SEIZE_SHARE, WAD + 1),
        (abi.ACCRUAL_TIMESTAMP, BLOCK.timestamp + 1),
    ],
)
def test_a_state_that_no_market_can_have(signature: str, value: int) -> None:
    chain = fork("A")
    chain.put(c_token(0), signature, value)
    with pytest.raises(DecodeError):
        market_of(chain)


@pytest.mark.parametrize("signature", abi.STATE)
def test_a_market_that_refuses_to_answer(signature: str) -> None:
    chain = fork("A")
    chain.forget(c_token(0), signature)
    with pytest.raises(DecodeError, match=signature.replace("()", "")):
        market_of(chain)


def test_an_exchange_rate_of_another_arithmetic_is_refused() -> None:
    chain = fork("A")
    chain.put(c_token(0), abi.GET_CASH, 2 * 10**24 + 10**10)
    with pytest.raises(UnsupportedReserve, match="exchange rate"):
        market_of(chain)


@pytest.mark.parametrize(("price", "seen"), [(0, "answers 0"), (2**128, "above 2"), (None, "reverts")])
def test_a_price_that_is_none(price: int | None, seen: str) -> None:
    chain = fork("A", "B")
    if price is None:
        chain.forget(ORACLE, abi.GET_UNDERLYING_PRICE, c_token(1))
    else:
        chain.put(ORACLE, abi.GET_UNDERLYING_PRICE, price, about=c_token(1))
    with pytest.raises(MissingPrice, match=f"B.*{seen}"):
        market_of(chain)


def test_fallback_names_are_addresses() -> None:
    chain = fork("A")
    del chain.answers[asset(0).lower(), abi.calldata(abi.SYMBOL)]
    reserve = market_of(chain).reserves[0]
    assert reserve.symbol.lower().startswith(c_token(0)[:6].lower())
    assert reserve.asset == checksum(bytes.fromhex(asset(0)[2:]))
