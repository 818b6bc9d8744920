"""Where prices come from: Compound's own oracle, Moonwell's and Benqi's, and oracles that do not say it."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from defiliq.oracle.drivers import drivers
from defiliq.pricing.graph import Fraction, Input
from defiliq.protocols.compound_v2 import CompoundMarket, abi, read_market
from defiliq.protocols.compound_v2.oracles import feed_call
from tests.builders import BLOCK, NOW, address
from tests.protocols.compound_v2.contracts import LISTING, ORACLE, WAD, Contracts, asset, c_token, fork

ETH_USD, BTC_USD = address(0xF1), address(0xF2)


def aggregator(chain: Contracts, at: str, answer: int, decimals: int, pair: str) -> str:
    """A feed as Chainlink's proxies answer."""
    chain.put(at, "latestRoundData()", 1, answer, NOW - 60, NOW - 60, 1)
    chain.put(at, "latestAnswer()", answer)
    chain.put(at, "decimals()", decimals)
    chain.answers[at.lower(), abi.calldata("description()")] = encode(["string"], [pair])
    return at


def priced(chain: Contracts, k: int, price: int) -> None:
    chain.put(ORACLE, abi.GET_UNDERLYING_PRICE, price, about=c_token(k))


def market_of(chain: Contracts) -> CompoundMarket:
    return read_market(chain, LISTING, BLOCK)


def configured(chain: Contracts, k: int, decimals: int, feed: str | int, fixed: int = 0) -> None:
    """A cToken as Compound's PriceOracle has it."""
    chain.put(ORACLE, abi.GET_CONFIG, decimals, feed, fixed, about=c_token(k))


def named(chain: Contracts, symbol: str, feed: str | int) -> None:
    """A symbol as Moonwell's ChainlinkOracle has it."""
    call = keccak(text="getFeed(string)")[:4] + encode(["string"], [symbol])
    word = feed if isinstance(feed, int) else int(feed, 16)
    chain.answers[ORACLE.lower(), call] = word.to_bytes(32, "big")


def test_the_call_of_get_feed_is_what_a_compiler_makes_of_it() -> None:
    for symbol in ("", "ETH", "x" * 32, "y" * 33):
        assert feed_call(symbol.encode()) == keccak(text="getFeed(string)")[:4] + encode(["string"], [symbol])


def test_compound_s_own_oracle_names_feeds_and_fixed_prices() -> None:
    chain = fork("WETH", "WETH2", "SAI", decimals=18)
    aggregator(chain, ETH_USD, 2_500_00000000, 8, "ETH / USD")
    for k in (0, 1):
        configured(chain, k, 18, ETH_USD)
        priced(chain, k, 2_500 * WAD)
    configured(chain, 2, 18, 0, 14_426337 * 10**12)
    priced(chain, 2, 14_426337 * 10**12)
    market = market_of(chain)
    assert [feed.source for feed in market.feeds] == [ETH_USD, ETH_USD, ORACLE]
    assert [driver.name for driver in drivers(market)] == ["ETH/USD", "SAI/USD"]
    assert drivers(market)[0].prices(2_000_00000001) == {
        0: 2_000_00000001 * 10**10,
        1: 2_000_00000001 * 10**10,
    }
    (warning,) = market.graph.warnings
    assert "fixed by hand in the oracle" in warning


@pytest.mark.parametrize(
    ("feed_decimals", "token_decimals", "answer", "price"),
    [
        (8, 18, 2_500_00000000, 2_500 * 10**18),
        (8, 8, 60_000_00000000, 60_000 * 10**28),
        (18, 6, 1 * 10**18, 10**30),
        (18, 18, 7 * 10**18, 7 * 10**18),
        (27, 18, 7_000_000_005 * 10**18 + 999, 7_000_000_005 * 10**9),
        (0, 36, 3, 3),
    ],
)
def test_answers_are_rescaled_exactly(
    feed_decimals: int, token_decimals: int, answer: int, price: int
) -> None:
    chain = fork("TOKEN", decimals=token_decimals)
    aggregator(chain, BTC_USD, answer, feed_decimals, "TOKEN / USD")
    configured(chain, 0, token_decimals, BTC_USD)
    priced(chain, 0, price)
    market = market_of(chain)
    ((position, found),) = market.graph.inputs
    assert (found.kind, found.source, found.value, found.decimals) == (
        "aggregator",
        BTC_USD,
        answer,
        feed_decimals,
    )
    assert market.prices == market.graph.prices(NOW) == (price,)
    moved = answer * 3 + 1
    expected = moved * 10 ** (36 - token_decimals) // 10**feed_decimals
    assert market.at_inputs({position: moved}).prices == (expected,)
    computed = [one for one in market.graph.quantities if isinstance(one, Fraction)]
    assert len(computed) == (feed_decimals + token_decimals != 36)


def test_moonwell_s_oracle_knows_feeds_by_symbol() -> None:
    chain = fork("WBTC", "WELL", "AVAX", decimals=18)
    chain.forget(c_token(2), abi.UNDERLYING)
    aggregator(chain, BTC_USD, 60_000_00000000, 8, "BTC / USD")
    aggregator(chain, ETH_USD, 20_00000000, 8, "AVAX / USD")
    for k in range(2):
        chain.put(ORACLE, abi.ASSET_PRICES, 10**16 * k, about=asset(k))
    named(chain, "WBTC", BTC_USD)
    named(chain, "WELL", BTC_USD)
    named(chain, "qAVAX", ETH_USD)
    priced(chain, 0, 60_000 * WAD)
    priced(chain, 1, 10**16)
    priced(chain, 2, 20 * WAD)
    market = market_of(chain)
    assert [feed.source for feed in market.feeds] == [BTC_USD, ORACLE, ETH_USD]
    assert [driver.name for driver in drivers(market)] == ["BTC/USD", "WELL/USD", "AVAX/USD"]
    (warning,) = market.graph.warnings
    assert "posted by hand" in warning


def test_a_feed_that_answers_otherwise_is_an_input_of_its_own() -> None:
    """The oracle decides; Venus, for one, has a stale feed answered by another."""
    chain = fork("WETH")
    aggregator(chain, ETH_USD, 2_500_00000000, 8, "ETH / USD")
    configured(chain, 0, 18, ETH_USD)
    priced(chain, 0, 2_500 * WAD + 1)
    market = market_of(chain)
    ((_, found),) = market.graph.inputs
    assert found == Input("WETH/USD", "unresolved", ETH_USD, 2_500 * WAD + 1, 18)
    assert "the oracle 2500000000000000000001" in market.graph.warnings[0]


@pytest.mark.parametrize("feed", [0, 2**200])
def test_an_oracle_that_names_no_feed(feed: int) -> None:
    chain = fork("WETH", decimals=6)
    configured(chain, 0, 6, feed)
    market = market_of(chain)
    ((_, found),) = market.graph.inputs
    assert found == Input("WETH/USD", "unresolved", ORACLE, 10**30, 30)
    assert "names no feed" in market.graph.warnings[0]


def test_an_oracle_that_does_not_say() -> None:
    chain = fork("WETH", "WBTC", decimals=8)
    market = market_of(chain)
    assert [found.name for _, found in market.graph.inputs] == ["WETH/USD", "WBTC/USD"]
    assert {found.source for _, found in market.graph.inputs} == {ORACLE}
    assert all("does not say" in warning for warning in market.graph.warnings)
    assert [driver.unit for driver in drivers(market)] == [10**28, 10**28]
