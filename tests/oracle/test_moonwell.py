"""Moonwell's composite feeds against answers worked out by hand from their source."""

from __future__ import annotations

import pytest

from defiliq.oracle.compose import Quote
from defiliq.oracle.survey import LATEST_ROUND
from defiliq.pricing.graph import Input, PriceGraph
from tests.builders import NOW
from tests.oracle.contracts import A, B, C, Chain, D, resolved

ETHER = 2500_00000000
QUOTE = Quote(10**18, "USD")


def composite(chain: Chain, answer: int, second: str | int = 0) -> PriceGraph:
    """A ChainlinkCompositeOracle over A, B and perhaps another."""
    chain.put(D, base=A, multiplier=B, secondMultiplier=second, decimals=18)
    chain.put(D, latestRoundData=(0, answer, 0, NOW, 0))
    return resolved(chain, D, names=["cbETH"], prices=[answer], asked_by=LATEST_ROUND, quote=QUOTE)


def test_two_feeds() -> None:
    # 2500e8 * 1e10 * 1.083456789012345678e18 / 1e18
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.aggregator(B, 1_083456789012345678, "cbETH / ETH", decimals=18)
    graph = composite(chain, 2708_641972530864195000)
    assert [one.name for _, one in graph.inputs] == ["ETH/USD", "cbETH/ETH"]
    assert graph.warnings == ()
    # 1999.99999999e18 * 1.083456789012345678e18 / 1e18 = 2166913578013856788109.876543..., cut
    assert graph.prices(NOW, {0: 1999_99999999}) == (2166913578013856788109,)


def test_three_feeds_are_cut_once() -> None:
    chain = Chain()
    chain.aggregator(A, 60_000_12345678, "BTC / USD")
    chain.aggregator(B, 99_876_543, "LBTC / BTC")
    chain.aggregator(C, 3, "third / LBTC", decimals=1)
    price = 60_000_12345678 * 10**10 * 99_876_543 * 10**10 * 3 * 10**17 // 10**36
    graph = composite(chain, price, second=C)
    assert graph.prices(NOW) == (price,)
    assert [one.name for _, one in graph.inputs] == ["BTC/USD", "LBTC/BTC", "third/LBTC"]
    assert graph.prices(NOW, {0: 1, 1: 1, 2: 1}) == (10,)


@pytest.mark.parametrize("answer", [2708_641972530864195001, 1])
def test_one_that_answers_otherwise_is_an_input_of_its_own(answer: int) -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.aggregator(B, 1_083456789012345678, "cbETH / ETH", decimals=18)
    graph = composite(chain, answer)
    ((_, found),) = graph.inputs
    assert isinstance(found, Input)
    assert (found.kind, found.value) == ("unresolved", answer)
    assert any("ChainlinkCompositeOracle" in warning for warning in graph.warnings)


def test_feeds_of_too_many_decimals_are_not_guessed() -> None:
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.aggregator(B, 10**27, "cbETH / ETH", decimals=27)
    graph = composite(chain, 2500 * 10**18)
    assert [one.kind for _, one in graph.inputs] == ["unresolved"]
    assert any("27 decimals" in warning for warning in graph.warnings)
