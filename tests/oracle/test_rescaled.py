"""Oracles that bring each source's answer to decimals of their own, and feeds without a source."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from defiliq.oracle.compose import Quote
from defiliq.oracle.resolve import resolve
from defiliq.oracle.survey import LATEST_ROUND
from defiliq.pricing.graph import Fraction, Input, PriceGraph
from defiliq.types import Feed
from tests.builders import BLOCK, NOW
from tests.oracle.contracts import A, Answer, B, Chain, P

WAD = 10**18


def rescaled(
    chain: Chain, feeds: list[Feed], prices: list[int], unsourced: Mapping[int, str] | None = None
) -> PriceGraph:
    quote = Quote(WAD, "USD", rescales=True, unsourced={} if unsourced is None else unsourced)
    return resolve(chain, feeds, prices, BLOCK, quote, asked_by=LATEST_ROUND)


def test_tokens_of_several_decimals_share_one_input() -> None:
    chain = Chain()
    chain.aggregator(A, 60_000_00000000, "BTC / USD")
    feeds = [Feed("WBTC", A, 10**28), Feed("tBTC", A, WAD), Feed("sats", A, 10**8)]
    graph = rescaled(chain, feeds, [60_000 * 10**28, 60_000 * WAD, 60_000_00000000])
    assert [(one.name, one.decimals) for _, one in graph.inputs] == [("BTC/USD", 8)]
    assert graph.prices(NOW, {0: 123_456}) == (123_456 * 10**20, 123_456 * 10**10, 123_456)
    assert graph.feeds[2] == 0, "an answer that has the price's decimals is the price"
    assert graph.warnings == ()


def test_surplus_decimals_are_cut() -> None:
    chain = Chain()
    chain.aggregator(A, 2_500 * 10**18 + 7, "ETH / USD", decimals=18)
    graph = rescaled(chain, [Feed("WETH", A, 10**9)], [2_500 * 10**9])
    assert graph.prices(NOW) == (2_500 * 10**9,)
    assert graph.prices(NOW, {0: 10**9 - 1}) == (0,)
    assert graph.prices(NOW, {0: 10**9}) == (1,)


def test_what_an_adapter_computes_is_rescaled_too() -> None:
    chain = Chain()
    chain.aggregator(A, 2_500_00000000, "ETH / USD")
    plain: dict[str, Answer] = {"BASE_TO_USD_AGGREGATOR": A, "RATIO_PROVIDER": P, "RATIO_DECIMALS": 18}
    chain.put(B, **plain, getRatio=12 * 10**17, decimals=8, latestAnswer=3_000_00000000)
    chain.put(B, description="wstETH / stETH(ETH) / USD")
    graph = rescaled(chain, [Feed("wstETH", B, WAD)], [3_000 * WAD])
    assert [one.name for _, one in graph.inputs] == ["ETH/USD", "wstETH/ETH ratio"]
    assert graph.prices(NOW, {0: 2_000_00000000}) == (2_400 * WAD,)


@pytest.mark.parametrize("price", [2_500 * WAD + 1, 2_500_00000000])
def test_a_price_that_is_not_the_rescaled_answer_is_an_input_of_its_own(price: int) -> None:
    chain = Chain()
    chain.aggregator(A, 2_500_00000000, "ETH / USD")
    graph = rescaled(chain, [Feed("WETH", A, WAD)], [price])
    assert graph.inputs == ((0, Input("WETH/USD", "unresolved", A, price, 18)),)
    assert "the oracle" in graph.warnings[0]


def test_a_feed_without_a_source_is_not_asked_and_says_why() -> None:
    chain = Chain()
    graph = rescaled(chain, [Feed("USDC", A, 10**30)], [10**30], {0: "its price is posted by hand"})
    assert chain.asked == 0
    assert graph.inputs == ((0, Input("USDC/USD", "unresolved", A, 10**30, 30)),)
    assert graph.warnings == (f"USDC/USD: its price is posted by hand, which answers {10**30}",)


def test_other_oracles_take_answers_as_they_are() -> None:
    chain = Chain()
    chain.aggregator(A, 2_500_00000000, "ETH / USD")
    graph = resolve(chain, [Feed("WETH", A)], [2_500_00000000], BLOCK, Quote(10**8, "USD"))
    assert not any(isinstance(one, Fraction) for one in graph.quantities)
    assert graph.prices(NOW) == (2_500_00000000,)
