"""The markets of fixtures/real_parameters: real configurations and answers, prices that hang on drivers.

Simplified: exchange rates are what the answers imply, caps are left out (they bound a price from above, and
ETH/USD only falls here), indices stand at one and no interest accrues.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from defiliq.pipeline.shocks import moved_market, parse_shock, resolve_shocks
from defiliq.pricing.graph import Fixed, Fraction, Input, PriceGraph, Quantity
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.types import Block, Feed, checksum
from defiliq.units import WAD
from tests.builders import NOW, address, plain_market, plain_reserve
from tests.dydx.population import population
from tests.dydx.standin import dydx_standin
from tests.protocols.compound_v3.states import comet
from tests.protocols.dydx_v4.stage import read_from

FOLDER = Path(__file__).parents[2] / "fixtures" / "real_parameters"
DECEMBER_2025 = 1_765_238_400
"""2025-12-09, the day of the commit that the report of Aave's configuration was last changed in."""
AT = Block(1, 0, "0x" + "00" * 32, DECEMBER_2025)
"""The report names no block."""
PRICE_UNIT = 10**8
HEARTBEAT_S, DEVIATION_BPS = 3600, 50
"""Of Chainlink's ETH / USD and BTC / USD on Ethereum, as defiliq/oracle/feeds.json has them."""
OVER: dict[str, str] = {
    **dict.fromkeys(("wstETH", "cbETH", "rETH", "weETH", "osETH", "ETHx"), "ETH"),
    "WBTC": "BTC",
    "sUSDe": "USDT",
}
"""Asset to what its adapter multiplies an exchange rate with, as its description tells."""
SAME = {"WETH": "ETH", "tBTC": "BTC", "cbBTC": "BTC", "USDe": "USDT"}
"""Asset to what its source answers for, where that is another name, as its description tells."""
SOURCE_OF = {"ETH": "WETH", "BTC": "cbBTC"}
"""Driver to the asset whose source answers it."""


def facts(name: str) -> dict[str, Any]:
    """One of the files as it stands."""
    read: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return read


def answers() -> dict[str, int]:
    """What each asset's source answered, in 1e-8 dollars."""
    return {each["symbol"]: each["answer"] for each in facts("aave_v3_ethereum.json")["reserves"]}


class Graph:
    """A price graph while it is put together."""

    def __init__(self, answered: dict[str, int]) -> None:
        self.answered = answered
        self.quantities: list[Quantity] = []
        self._inputs: dict[str, int] = {}

    def add(self, quantity: Quantity) -> int:
        """The place of one more quantity."""
        self.quantities.append(quantity)
        return len(self.quantities) - 1

    def _stand_in(self) -> str:
        """An address for a contract that the data does not name."""
        return address(0xF000 + len(self.quantities))

    def driver(self, name: str) -> int:
        """The aggregator that answers in dollars for ETH, BTC, USDC, ..."""
        if name not in self._inputs:
            answer = self.answered[SOURCE_OF.get(name, name)]
            plain = Input(f"{name}/USD", "aggregator", self._stand_in(), answer, 8)
            if name in SOURCE_OF:
                plain = replace(plain, heartbeat_s=HEARTBEAT_S, deviation_bps=DEVIATION_BPS)
            self._inputs[name] = self.add(plain)
        return self._inputs[name]

    def dollars(self, symbol: str) -> int:
        """An asset's price in dollars, which is exactly its source's answer."""
        base = OVER.get(symbol)
        if base is None:
            return self.driver(SAME.get(symbol, symbol))
        driver = self.driver(base)
        below = self.quantities[driver]
        assert isinstance(below, Input)
        rate = -(-self.answered[symbol] * WAD // below.value)
        ratio = self.add(Input(f"{symbol}/{base} ratio", "ratio", self._stand_in(), rate, 18))
        return self.add(Fraction((driver, ratio), (), 1, WAD, symbol))


def aave() -> AaveMarket:
    """Reserves of Aave v3's core pool on Ethereum."""
    given = facts("aave_v3_ethereum.json")
    graph = Graph(answers())
    feeds = [graph.dollars(each["symbol"]) for each in given["reserves"]]
    prices = PriceGraph(tuple(graph.quantities), tuple(feeds))
    reserves = [_aave_reserve(k, each) for k, each in enumerate(given["reserves"])]
    market = plain_market(
        reserves,
        prices.prices(NOW),
        name="AaveV3Ethereum",
        feeds=tuple(Feed(each["symbol"], each["source"]) for each in given["reserves"]),
        graph=prices,
        emodes={each["id"]: _emode(each) for each in given["emodes"]},
        provider=given["provider"],
        pool=given["pool"],
        oracle=given["oracle"],
    )
    return replace(market, block=AT).at_time(DECEMBER_2025)


def _aave_reserve(feed: int, given: dict[str, Any]) -> AaveReserve:
    return plain_reserve(
        given["id"],
        given["symbol"],
        given["decimals"],
        asset=given["asset"],
        feed=feed,
        ltv_bps=given["ltv_bps"],
        liquidation_threshold_bps=given["threshold_bps"],
        liquidation_bonus_bps=given["bonus_bps"],
        liquidation_protocol_fee_bps=given["protocol_fee_bps"],
        borrowing_enabled=given["borrowing"],
        is_frozen=given["frozen"],
    )


def _emode(given: dict[str, Any]) -> EMode:
    return EMode(
        id=given["id"],
        label=given["label"],
        ltv_bps=given["ltv_bps"],
        liquidation_threshold_bps=given["threshold_bps"],
        liquidation_bonus_bps=given["bonus_bps"],
        collateral_bitmap=sum(1 << k for k in given["collateral_ids"]),
        borrowable_bitmap=sum(1 << k for k in given["borrowable_ids"]),
    )


def dollar_comet() -> CometMarket:
    """CUSDCv3 without COMP, for which no price of that day is known here."""
    graph = Graph(answers())
    given = facts("compound_v3_ethereum.json")["markets"][0]
    kept = [each for each in given["collaterals"] if each["symbol"] in graph.answered]
    # Its WBTC is priced by BTC / USD alone.
    feeds = [graph.driver("USDC")]
    feeds += [
        graph.driver({"WETH": "ETH", "WBTC": "BTC"}.get(each["symbol"], each["symbol"])) for each in kept
    ]
    return _comet(given, kept, graph.quantities, feeds, 6, "USD")


def ether_comet() -> CometMarket:
    """CWETHv3, whose prices are in ETH: exchange rates to eight decimals, and WETH is always 1."""
    answered = answers()
    given = facts("compound_v3_ethereum.json")["markets"][1]
    quantities: list[Quantity] = [Fixed(PRICE_UNIT, "the base asset is the measure")]
    for each in given["collaterals"]:
        rate = answered[each["symbol"]] * PRICE_UNIT // answered["WETH"]
        quantities.append(
            Input(f"{each['symbol']}/ETH ratio", "ratio", address(0xF000 + len(quantities)), rate, 8)
        )
    return _comet(given, given["collaterals"], quantities, range(len(quantities)), 18, "WETH")


def _comet(
    given: dict[str, Any],
    kept: Sequence[dict[str, Any]],
    quantities: Sequence[Quantity],
    feeds: Sequence[int],
    decimals: int,
    base_symbol: str,
) -> CometMarket:
    base, graph = given["base"], PriceGraph(tuple(quantities), tuple(feeds))
    reserves = [
        CometReserve(
            id=0, asset=_spelled(base), symbol=base["symbol"], decimals=decimals, feed=0, offset=None
        )
    ]
    for k, each in enumerate(kept, start=1):
        factors = {name: each[name] for name in each if name.endswith("_wad")}
        reserves.append(
            CometReserve(
                id=k,
                asset=_spelled(each),
                symbol=each["symbol"],
                decimals=each["decimals"],
                feed=k,
                offset=k - 1,
                **factors,
            )
        )
    market = comet(
        reserves,
        graph.prices(NOW),
        name=given["name"],
        base_symbol=base_symbol,
        graph=graph,
        comet=given["comet"],
    )
    return replace(market, block=AT).at_time(DECEMBER_2025)


def _spelled(given: dict[str, Any]) -> str:
    return checksum(bytes.fromhex(given["asset"].removeprefix("0x")))


def dydx() -> DydxMarket:
    """The perpetuals of fixtures/dydx_v4, with ETH and BTC moved to the prices of the other markets."""
    answered = answers()
    market = read_from(dydx_standin(population(0))).market
    moves, _ = resolve_shocks(
        market,
        [parse_shock(f"{name}/USD={answered[SOURCE_OF[name]] / PRICE_UNIT:.6f}") for name in ("ETH", "BTC")],
    )
    moved: DydxMarket = moved_market(market, moves)
    return moved
