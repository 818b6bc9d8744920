"""What prices hang on, as far as Solo's oracles say it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from defiliq.errors import UnknownDriver
from defiliq.oracle.drivers import drivers, find_driver
from defiliq.pricing.graph import Fraction, Input
from defiliq.protocols.dydx_solo import SoloMarket, abi, read_market
from tests.builders import BLOCK, NOW, address
from tests.protocols.dydx_solo.fake import (
    DAI,
    DAI_ORACLE,
    LISTING,
    PRICES,
    REFUSAL,
    USDC,
    USDC_ORACLE,
    WETH,
    WETH_ORACLE,
    FakeSolo,
    text,
    words,
)

MEDIANIZER, AGGREGATOR = address(0x3AD1), address(0xC4A1)
NOWHERE = "0x" + "0" * 40


def market_of(node: FakeSolo) -> SoloMarket:
    return read_market(node, LISTING, BLOCK)


def with_medianizer(price: int = PRICES[0]) -> FakeSolo:
    """Ether as WethPriceOracle has it."""
    node = FakeSolo()
    node.say(WETH_ORACLE, words(MEDIANIZER), abi.MEDIANIZER)
    node.say(MEDIANIZER, words(price, 1), abi.PEEK)
    return node


def with_aggregator(answer: int, token: str = USDC, oracle: str = USDC_ORACLE) -> FakeSolo:
    """A token as ChainlinkPriceOracleV1 has it, whose answer has 8 decimals."""
    node = FakeSolo()
    node.say(oracle, words(AGGREGATOR), abi.AGGREGATOR_OF, token)
    node.say(oracle, words(NOWHERE), abi.PAIRING_OF, token)
    node.say(AGGREGATOR, words(answer), "latestAnswer()")
    node.say(AGGREGATOR, words(1, answer, NOW, NOW, 1), "latestRoundData()")
    node.say(AGGREGATOR, words(8), "decimals()")
    node.say(AGGREGATOR, text("USDC / USD"), "description()")
    return node


def source_of(market: SoloMarket, feed: int) -> Input:
    (root,) = market.graph.roots(market.graph.feeds[feed])
    found = market.graph.quantities[root]
    assert isinstance(found, Input)
    return found


def test_an_oracle_that_says_nothing_is_an_input_of_its_own() -> None:
    market = market_of(FakeSolo())
    assert [driver.name for driver in drivers(market)] == ["WETH/USD", "USDC/USD", "DAI/USD"]
    found = source_of(market, 2)
    assert (found.kind, found.source, found.value, found.decimals) == (
        "unresolved",
        DAI_ORACLE,
        PRICES[2],
        18,
    )
    assert source_of(market, 1).decimals == 30
    assert len(market.graph.warnings) == 3
    assert "does not say" in market.graph.warnings[0]


def test_a_medianizer_is_ether_in_dollars() -> None:
    market = market_of(with_medianizer())
    found = source_of(market, 0)
    assert (found.name, found.kind, found.source) == ("ETH/USD", "unresolved", MEDIANIZER)
    assert (found.value, found.decimals) == (PRICES[0], 18)
    assert find_driver(market, "eth/usd") == find_driver(market, "WETH")
    assert [said.split(":")[0] for said in market.graph.warnings] == ["USDC/USD", "DAI/USD"]
    assert market.feeds[0].source == WETH_ORACLE
    with pytest.raises(UnknownDriver):
        find_driver(market_of(FakeSolo()), "ETH/USD")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda node: node.say(MEDIANIZER, words(PRICES[0] + 1, 1), abi.PEEK),
        lambda node: node.say(MEDIANIZER, REFUSAL, abi.PEEK),
        lambda node: node.say(MEDIANIZER, words(PRICES[0]), abi.PEEK),
        lambda node: node.say(WETH_ORACLE, words(NOWHERE), abi.MEDIANIZER),
        lambda node: node.say(WETH_ORACLE, words(2**255), abi.MEDIANIZER),
    ],
)
def test_a_medianizer_that_answers_otherwise_proves_nothing(spoil: Callable[[FakeSolo], None]) -> None:
    node = with_medianizer()
    spoil(node)
    assert source_of(market_of(node), 0).name == "WETH/USD"


def test_dais_oracle_names_a_medianizer_too_and_answers_another_price() -> None:
    node = with_medianizer()
    node.say(DAI_ORACLE, words(MEDIANIZER), abi.MEDIANIZER)
    assert source_of(market_of(node), 2).name == "DAI/USD"


def test_an_aggregators_answer_is_brought_to_the_decimals_of_the_price() -> None:
    market = market_of(with_aggregator(10**8))
    found = source_of(market, 1)
    assert (found.name, found.kind, found.source, found.value) == (
        "USDC/USD",
        "aggregator",
        AGGREGATOR,
        10**8,
    )
    price = market.graph.quantities[market.graph.feeds[1]]
    assert isinstance(price, Fraction)
    assert (price.numerator, price.denominator) == (10**22, 1)
    assert market.feeds[1].source == AGGREGATOR
    assert market.reserves[1].oracle == USDC_ORACLE
    moved = market.at_inputs({market.graph.below(market.graph.feeds[1])[0]: 99_999_999})
    assert moved.prices == (PRICES[0], 99_999_999 * 10**22, PRICES[2])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda node: node.say(AGGREGATOR, words(10**8 + 1), "latestAnswer()"),
        lambda node: node.say(USDC_ORACLE, words(WETH), abi.PAIRING_OF, USDC),
        lambda node: node.say(USDC_ORACLE, REFUSAL, abi.PAIRING_OF, USDC),
        lambda node: node.say(USDC_ORACLE, words(NOWHERE), abi.AGGREGATOR_OF, USDC),
    ],
)
def test_an_aggregator_that_is_not_the_price_stays_unresolved(spoil: Callable[[FakeSolo], None]) -> None:
    """Another answer than the oracle's, a price by way of another token, or none at all."""
    node = with_aggregator(10**8)
    spoil(node)
    market = market_of(node)
    assert source_of(market, 1).kind == "unresolved"
    assert market.graph.prices(NOW) == PRICES


def test_an_aggregator_of_ether_moves_ether_alone() -> None:
    node = with_aggregator(200 * 10**8, WETH, WETH_ORACLE)
    node.say(AGGREGATOR, text("ETH / USD"), "description()")
    node.say(DAI, text("SAI"), abi.SYMBOL)
    market = market_of(node)
    ether = find_driver(market, "ETH/USD")
    assert (ether.spot, ether.unit, ether.feeds) == (200 * 10**8, 10**8, frozenset({0}))
    assert ether.prices(199 * 10**8) == {0: 199 * 10**18}
