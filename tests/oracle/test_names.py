"""Names from real descriptions: those that the oracles of Aave's markets answered in 2025."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.oracle.names import pair_name, ratio_name

RATIOS = {
    # description, base pair: name
    ("Capped wstETH / stETH(ETH) / USD", "ETH/USD"): "wstETH/ETH ratio",
    ("Capped weETH / eETH(ETH) / USD", "ETH/USD"): "weETH/ETH ratio",
    ("Capped ezETH / ezETH(ETH) / USD", "ETH/USD"): "ezETH/ETH ratio",
    ("Capped wrsETH / rsETH(ETH) / USD", "ETH/USD"): "wrsETH/ETH ratio",
    ("Capped cbETH / ETH / USD", "ETH/USD"): "cbETH/ETH ratio",
    ("Capped ethX / ETH / USD", "ETH/USD"): "ethX/ETH ratio",
    ("Capped tETH / wstETH / ETH / USD", "ETH/USD"): "tETH/wstETH ratio",
    ("Capped sUSDe / USDT / USD", "USDT/USD"): "sUSDe/USDT ratio",
    ("Capped eUSDe / USDe / USD", "USDT/USD"): "eUSDe/USDe ratio",
    ("Capped sDAI / DAI / USD", "DAI/USD"): "sDAI/DAI ratio",
    ("Capped SyrupUSDT / USDT / USD", "USDT/USD"): "SyrupUSDT/USDT ratio",
    ("Capped LBTC / BTC / USD", "BTC/USD"): "LBTC/BTC ratio",
    ("Capped stMATIC / MATIC / USD", "MATIC/USD"): "stMATIC/MATIC ratio",
    ("Capped stS / S / USD", "S/USD"): "stS/S ratio",
    ("wstETH/ETH/USD", "ETH/USD"): "wstETH/ETH ratio",
    ("sUSDS / USD", "USDS/USD"): "sUSDS/USDS ratio",
    ("Custom price feed for wstETH / ETH", ""): "wstETH/ETH ratio",
    ("ezETH / ETH exchange rate", ""): "ezETH/ETH ratio",
}


@pytest.mark.parametrize(("said", "name"), RATIOS.items())
def test_ratios_are_named_by_their_description(said: tuple[str, str], name: str) -> None:
    assert ratio_name(said[0], "", said[1]) == name


def test_a_ratio_that_does_not_describe_itself_is_named_by_asset_and_base() -> None:
    assert ratio_name("", "cbETH", "ETH/USD") == "cbETH/ETH ratio"
    assert ratio_name("staked token price", "cbETH", "ETH/USD") == "cbETH/ETH ratio"
    assert ratio_name("wstETH / USD", "wstETH", "ETH/USD") == "wstETH/ETH ratio"
    assert ratio_name(" / / ", "X", "ETH/USD") == "X/ETH ratio"
    assert ratio_name("rate", "X", "") == "X ratio"


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("ETH / USD", "ETH/USD"),
        ("1INCH / USD", "1INCH/USD"),
        ("wBTC/BTC/USD", "wBTC/BTC/USD"),
        ("Capped USDC/USD", "Capped USDC/USD"),
        (" CELO /USD ", "CELO/USD"),
    ],
)
def test_pairs_lose_the_room_around_the_slash(description: str, name: str) -> None:
    assert pair_name(description) == name


@given(st.text(max_size=64), st.text(max_size=12), st.sampled_from(["", "ETH/USD", "/", "x"]))
def test_any_text_gives_a_name(description: str, symbol: str, base: str) -> None:
    assert ratio_name(description, symbol, base).endswith(" ratio")
    assert " /" not in pair_name(description)
