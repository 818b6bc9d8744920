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


WRAPPER = "Chainlink Composite OEV Wrapper"


def wrapped(chain: Chain, at: str, answer: int, **getters: int | str) -> None:
    """A ChainlinkCompositeOEVWrapper, which calls itself the same whatever it prices."""
    chain.put(at, description=WRAPPER, decimals=18, cachedCompositePrice=1, baseFeed=A, **getters)
    chain.put(at, latestRoundData=(0, answer, 0, NOW, 0))


def wrapped_composite(answer: int) -> PriceGraph:
    """A wrapper over a composite oracle that answers 2708.64..., itself answering something."""
    price = 2708_641972530864195000
    chain = Chain()
    chain.aggregator(A, ETHER, "ETH / USD")
    chain.aggregator(B, 1_083456789012345678, "cbETH / ETH", decimals=18)
    chain.put(D, base=A, multiplier=B, secondMultiplier=0, decimals=18)
    chain.put(D, latestRoundData=(0, price, 0, NOW, 0))
    wrapped(chain, C, answer, compositeOracle=D)
    return resolved(chain, C, names=["cbETH"], asked_by=LATEST_ROUND, quote=QUOTE)


def test_a_wrapped_composite_hangs_on_its_feeds() -> None:
    graph = wrapped_composite(2708_641972530864195000)
    assert [one.name for _, one in graph.inputs] == ["ETH/USD", "cbETH/ETH"]
    assert graph.warnings == ()
    assert graph.prices(NOW, {0: 1999_99999999}) == (2166913578013856788109,)


def test_one_that_holds_a_price_back_is_an_input_of_its_own() -> None:
    graph = wrapped_composite(2700 * 10**18)
    assert [(one.name, one.kind, one.value) for _, one in graph.inputs] == [
        ("cbETH/USD", "unresolved", 2700 * 10**18)
    ]
    assert any("ChainlinkCompositeOEVWrapper" in warning for warning in graph.warnings)


def test_aggregators_that_name_no_pair_are_not_taken_for_one() -> None:
    """All of them say the same of themselves, and price different assets."""
    chain = Chain()
    chain.aggregator(A, 3000 * 10**18, WRAPPER, decimals=18)
    chain.aggregator(B, 60_000 * 10**18, WRAPPER, decimals=18)
    graph = resolved(chain, A, B, names=["wstETH", "LBTC"], asked_by=LATEST_ROUND, quote=QUOTE)
    assert [one.name for _, one in graph.inputs] == ["wstETH/USD", "LBTC/USD"]


def test_multipliers_that_name_no_pair_are_not_taken_for_one() -> None:
    chain = Chain()
    chain.aggregator(A, 2 * 10**18, "Moonwell Bounded Composite Oracle", decimals=18)
    chain.aggregator(B, 3 * 10**18, "Moonwell Bounded Composite Oracle", decimals=18)
    graph = composite(chain, 6 * 10**18)
    names = [one.name for _, one in graph.inputs]
    assert names == [f"Moonwell Bounded Composite Oracle[{at[:10]}]" for at in (A, B)]
