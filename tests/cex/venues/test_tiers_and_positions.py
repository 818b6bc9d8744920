"""Tiers as venues publish them, and positions that anybody may observe."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from defiliq.cex.venues import POSITION_COLUMNS, read_positions, read_tiers
from defiliq.errors import BadVenueAnswer, InputError, MissingExtra, NoSuchContract, VenueRefused
from tests.cex.stub import Fault, made_world, stub
from tests.cex.venues.stage import NOW, config_for, now_ms, read

WORLDS = [
    made_world(venue, symbol, until_at=NOW, candles=10)
    for venue in ("binance", "bybit", "okx")
    for symbol in ("BTC/USDT:USDT", "BTC/USD:BTC")
]
WHALE = "0x" + "ab" * 20
OTHER = "0x" + "CD" * 20
LONG: dict[str, Any] = {
    "coin": "BTC",
    "szi": "0.5",
    "entryPx": "60000.0",
    "positionValue": "31000.0",
    "leverage": {"type": "isolated", "value": 20, "rawUsd": "-28500.0"},
    "liquidationPx": "57500.5",
    "marginUsed": "1500.0",
}
SHORT = LONG | {"szi": "-2", "leverage": {"type": "cross", "value": 5}, "liquidationPx": None}


def test_bybit_deducts_and_counts_dollars_or_coins() -> None:
    with stub(WORLDS, now_ms) as urls:
        linear, inverse = read_tiers("bybit", "BTC", config=config_for(urls))
    assert (linear.symbol, linear.unit, linear.is_inverse) == ("BTC/USDT:USDT", "USDT", False)
    assert (inverse.symbol, inverse.unit, inverse.is_inverse) == ("BTC/USD:BTC", "BTC", True)
    assert linear.as_of == "2026-09-21"
    assert [tier.cap for tier in linear.tiers] == [2_000_000, 10_000_000, 20_000_000]
    assert [tier.floor for tier in linear.tiers] == [0, 2_000_000, 10_000_000]
    assert [tier.maintenance_rate for tier in linear.tiers] == [
        Fraction(1, 200),
        Fraction(1, 100),
        Fraction(1, 50),
    ]
    # 2,000,000 · 0.5%, then 10,000,000 · 1% more.
    assert [tier.cum for tier in linear.tiers] == [0, 10_000, 110_000]
    assert inverse.tiers[-1].max_leverage == Fraction("33.33")


def test_okx_counts_contracts() -> None:
    with stub(WORLDS, now_ms) as urls:
        linear, inverse = read_tiers("okx", "btc", config=config_for(urls))
    assert linear.unit == inverse.unit == "contracts"
    assert linear.contract_size == Fraction(1, 100)
    assert inverse.contract_size == 100
    assert [tier.floor for tier in linear.tiers] == [0, 1_000, 5_000]
    assert [tier.cap for tier in linear.tiers] == [1_000, 5_000, 20_000]
    assert [tier.max_leverage for tier in linear.tiers] == [100, 75, 50]


def test_binance_tells_its_tiers_to_holders_of_a_key() -> None:
    with stub(WORLDS, now_ms) as urls, pytest.raises(InputError, match="without a key"):
        read_tiers("binance", "BTC", config=config_for(urls))


@pytest.mark.parametrize(
    "change",
    [
        {"riskLimitValue": "many"},
        {"riskLimitValue": "-5"},
        {"maintenanceMargin": "0.5"},  # in per cent
        {"maintenanceMargin": None},
        {"maxLeverage": "1e3"},
        {"mmDeduction": "77"},
    ],
)
def test_tiers_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    def spoil(answer: Any) -> Any:
        answer["result"]["list"][1] |= change
        return answer

    with stub(WORLDS, now_ms) as urls:
        urls.fail("bybit", Fault(path="risk-limit", change=spoil))
        with pytest.raises(BadVenueAnswer, match="tiers"):
            read_tiers("bybit", "BTC", config=config_for(urls))
        with pytest.raises(NoSuchContract):
            read_tiers("bybit", "DOGE", config=config_for(urls))


def test_positions_of_known_addresses_are_rows() -> None:
    told = {WHALE: [LONG, LONG | {"coin": "ETH"}], OTHER: [SHORT]}
    with stub([], now_ms, positions=told) as urls:
        found = read_positions("BTC", [WHALE, OTHER, "0x" + "00" * 20], config=config_for(urls))
    assert tuple(found.columns) == POSITION_COLUMNS
    assert found["address"].tolist() == [WHALE, OTHER]
    assert found["side"].tolist() == ["long", "short"]
    assert found["coins"].tolist() == [0.5, 2.0]
    assert found["size_usd"].tolist() == [31_000, 31_000]
    assert found["leverage"].tolist() == [20, 5]
    assert found["is_cross"].tolist() == [False, True]
    assert found["liquidation_usd"].tolist()[0] == 57_500.5
    assert np.isnan(found["liquidation_usd"].tolist()[1])


@pytest.mark.parametrize(
    "change",
    [
        {"szi": "0"},
        {"entryPx": "-1"},
        {"leverage": None},
        {"leverage": {"value": "x"}},
        {"liquidationPx": "NaN"},
    ],
)
def test_positions_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with (
        stub([], now_ms, positions={WHALE: [LONG | change]}) as urls,
        pytest.raises(BadVenueAnswer, match="position"),
    ):
        read_positions("BTC", [WHALE], config=config_for(urls))


def test_what_is_no_address_is_the_users_to_mend() -> None:
    with stub([], now_ms) as urls:
        for wrong in ("0x12", "", "vitalik.eth"):
            with pytest.raises(InputError, match="is no address"):
                read_positions("BTC", [wrong], config=config_for(urls))
        with pytest.raises(InputError, match="at once"):
            read_positions("BTC", [WHALE] * 1_001, config=config_for(urls))
        urls.fail("hyperliquid", Fault(status=403))
        with pytest.raises(VenueRefused):
            read_positions("BTC", [WHALE], config=config_for(urls))


def test_without_ccxt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with stub(WORLDS, now_ms) as urls, pytest.raises(MissingExtra, match=r"ccxt.*defiliq\[cex\]"):
        read(urls, "binance")
