"""Deploy a Solo market: dYdX's SoloMargin, AdminImpl and interest setters, with operations of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain, Tx
from tests.lab.contract import PLACEHOLDER, Artifact, Contract
from tests.lab.dydx_solo.specs import (
    BY_SYMBOL,
    CONSTANT,
    EARNINGS_RATE,
    IDS,
    LIMITS,
    LIQUIDATION_SPREAD,
    MARGIN_RATIO,
    MARKETS,
    MarketSpec,
    Stage,
)
from tests.lab.packages import node_modules

SECONDS_PER_YEAR = 31_536_000
BYTE = 8
MEDIAN = "WETH"
"""The market whose price comes over dYdX's own oracle, from a medianizer."""
MEDIANIZER = "TestMakerOracle"
PROXY = "LiquidatorProxyV1ForSoloMargin"


@dataclass(frozen=True, slots=True)
class Solo:
    """The market on the local chain. Mappings are by symbol."""

    margin: Contract
    """SoloMargin."""
    operations: Contract
    """The library of ours behind operate()."""
    proxy: Contract
    """dYdX's own liquidator: it judges an account before it sends anything."""
    exchange: Contract
    """Ours: it mints what an order says."""
    trader: Contract
    """dYdX's own test trader: it answers each trade with what was put there for it."""
    tokens: Mapping[str, Contract]
    sources: Mapping[str, Contract]
    """What moves each price, in slot 0: behind dYdX's own oracle a medianizer, else an oracle of ours."""
    setters: Mapping[str, Contract]


def to_plain(solo: Solo) -> dict[str, Any]:
    """Addresses only, to be kept as JSON."""
    return {
        "margin": solo.margin.address,
        "operations": solo.operations.address,
        "proxy": solo.proxy.address,
        "exchange": solo.exchange.address,
        "trader": solo.trader.address,
        "tokens": _addresses(solo.tokens),
        "sources": _addresses(solo.sources),
        "setters": _addresses(solo.setters),
    }


def from_plain(kept: Mapping[str, Any]) -> Solo:
    """A market from its kept addresses."""
    own = solidity.own()
    return Solo(
        Contract(kept["margin"], artifact("SoloMargin").abi),
        Contract(kept["operations"], own["OperationImpl"].abi),
        Contract(kept["proxy"], artifact(PROXY).abi),
        Contract(kept["exchange"], own["SoloExchange"].abi),
        Contract(kept["trader"], artifact("TestAutoTrader").abi),
        {symbol: Contract(address, own["CometToken"].abi) for symbol, address in kept["tokens"].items()},
        {
            symbol: Contract(address, (artifact(MEDIANIZER) if symbol == MEDIAN else own["SoloOracle"]).abi)
            for symbol, address in kept["sources"].items()
        },
        {
            symbol: Contract(address, artifact(BY_SYMBOL[symbol].setter).abi)
            for symbol, address in kept["setters"].items()
        },
    )


def deploy(chain: Chain) -> Solo:
    """Every market listed, at the prices of the first stage; no debt is too small as yet."""
    own = solidity.own()
    operations = chain.deploy(own["OperationImpl"])
    libraries = {
        "AdminImpl": chain.deploy(artifact("AdminImpl")).address,
        "OperationImpl": operations.address,
    }
    params = ((MARGIN_RATIO,), (LIQUIDATION_SPREAD,), (EARNINGS_RATE,), (0,))
    margin = chain.deploy(artifact("SoloMargin"), params, LIMITS, libraries=libraries)
    trader = chain.deploy(artifact("TestAutoTrader"))
    tokens: dict[str, Contract] = {}
    sources: dict[str, Contract] = {}
    setters: dict[str, Contract] = {}
    for spec in MARKETS:
        token = chain.deploy(own["CometToken"], spec.symbol, spec.decimals)
        source, oracle = _oracle(chain, spec)
        setter = _setter(chain, spec, token)
        chain.send(
            margin,
            "ownerAddMarket",
            token.address,
            oracle.address,
            setter.address,
            (spec.margin_premium,),
            (spec.spread_premium,),
        )
        tokens[spec.symbol], sources[spec.symbol], setters[spec.symbol] = token, source, setter
    proxy = chain.deploy(artifact(PROXY), margin.address)
    exchange = chain.deploy(own["SoloExchange"])
    return Solo(margin, operations, proxy, exchange, trader, tokens, sources, setters)


def prices(solo: Solo, stage: Stage) -> list[Tx]:
    """The transactions that move every price to a stage of the population's life."""
    return [priced(solo, spec.symbol, spec.price(stage)) for spec in MARKETS]


def priced(solo: Solo, symbol: str, price: int) -> Tx:
    """The transaction that moves one price."""
    source = solo.sources[symbol]
    if symbol == MEDIAN:
        return Tx(DEPLOYER, source, "setValues", (price, True))
    return Tx(DEPLOYER, source, "setPrice", (price,))


def set_stage(chain: Chain, solo: Solo, stage: Stage) -> None:
    """Move every price, in one block."""
    chain.send_all(prices(solo, stage))


def close_markets(chain: Chain, solo: Solo) -> None:
    """Nobody may borrow more of what closes."""
    for symbol in (spec.symbol for spec in MARKETS if spec.closes):
        chain.send(solo.margin, "ownerSetIsClosing", IDS[symbol], True)


@cache
def artifact(name: str) -> Artifact:
    """A contract of dYdX's npm package."""
    path = node_modules() / "@dydxprotocol/solo/dist/build/published_contracts" / f"{name}.json"
    entry: dict[str, Any] = json.loads(path.read_bytes())
    code: str = entry["bytecode"].removeprefix("0x")
    return Artifact(tuple(entry["abi"]), code, {name: _links(code)})


def _links(code: str) -> dict[str, Sequence[Mapping[str, int]]]:
    """Where which library's address goes: the package has names in the code's place, and no table of them."""
    found: dict[str, list[Mapping[str, int]]] = {}
    for place in PLACEHOLDER.finditer(code):
        found.setdefault(place[0].strip("_"), []).append({"start": place.start() // 2})
    return {library: tuple(places) for library, places in found.items()}


def _oracle(chain: Chain, spec: MarketSpec) -> tuple[Contract, Contract]:
    """What moves a price, and the oracle that Solo asks."""
    first = spec.price("falling")
    if spec.symbol != MEDIAN:
        own = chain.deploy(solidity.own()["SoloOracle"], first)
        return own, own
    median = chain.deploy(artifact(MEDIANIZER))
    chain.send(median, "setValues", first, True)
    return median, chain.deploy(artifact("WethPriceOracle"), median.address)


def _setter(chain: Chain, spec: MarketSpec, token: Contract) -> Contract:
    if spec.setter != CONSTANT:
        packed = sum(percent << BYTE * power for power, percent in enumerate(spec.coefficients))
        return chain.deploy(artifact(spec.setter), (spec.max_apr, packed))
    setter = chain.deploy(artifact(spec.setter))
    chain.send(setter, "setInterestRate", token.address, (spec.max_apr // SECONDS_PER_YEAR,))
    return setter


def _addresses(contracts: Mapping[str, Contract]) -> dict[str, str]:
    return {symbol: contract.address for symbol, contract in contracts.items()}
