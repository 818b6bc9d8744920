"""What drivers are quoted in, by their names and by the market's prices."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pandas as pd
import pytest

from defiliq.model.cascade.quoted import BASE, Quoted, quote_symbol, quoted, quoted_by_rungs
from defiliq.oracle.drivers import find_driver
from tests.builders import graph_market

ETH, RATIO = "ETH/USD", "wstETH/ETH ratio"


@pytest.mark.parametrize(
    ("name", "symbol"), [(ETH, "USD"), (RATIO, "ETH"), ("BTC / ETH", "ETH"), ("ALL", ""), ("a/b/USD", "USD")]
)
def test_a_name_says_its_quote(name: str, symbol: str) -> None:
    assert quote_symbol(name) == symbol


def test_the_price_of_the_quote_is_asked_by_name() -> None:
    market = graph_market()
    ratio, ether = find_driver(market, RATIO), find_driver(market, ETH)
    assert quoted(market, ether, [ether]) == BASE
    assert quoted(market, ratio, [ratio]) == Quoted(Fraction(3000), "")
    assert quoted(market, ratio, [ratio, ether]) == Quoted(Fraction(3000), ETH)


def test_a_quote_without_a_price_of_its_own_is_told_by_what_follows_the_driver() -> None:
    """wstETH at 1.2 stETH and 3,600 dollars: a stETH is 3,000."""
    market = graph_market()
    unnamed = replace(find_driver(market, RATIO), name="wstETH/stETH ratio")
    assert quoted(market, unnamed, [unnamed]) == Quoted(Fraction(3600 * unnamed.unit, unnamed.spot), "")
    assert unnamed.spot / unnamed.unit == 1.2


def test_ether_is_the_money_of_markets_that_count_in_its_wrapped_coin() -> None:
    market = replace(graph_market(), base_symbol="WETH")
    ratio = find_driver(market, RATIO)
    assert quoted(market, ratio, [ratio]) == BASE
    rungs = pd.DataFrame({"base_symbol": ["WETH"], "driver": [RATIO], "spot_usd": [1.2]})
    assert quoted_by_rungs(rungs, RATIO, [RATIO]) == BASE
