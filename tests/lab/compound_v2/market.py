"""Deploy a real Compound v2 market: the fork in npm's `@venusprotocol/venus-protocol`, with ComptrollerG1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.lab import compile as solidity
from tests.lab.cache import LabError
from tests.lab.chain import DEPLOYER, Chain, Tx
from tests.lab.compound_v2.listing import (
    CLOSE_FACTOR_WAD,
    DRIVERS,
    INCENTIVE_WAD,
    INITIAL_RATE_BPS,
    MARKET_DECIMALS,
    MARKETS,
    MAX_ASSETS,
    NATIVE,
    MarketSpec,
)
from tests.lab.contract import Artifact, Contract, topic
from tests.lab.packages import node_modules
from tests.lab.reserves import Stage

WAD_PER_BPS = 10**14
FAILURE = topic("Failure(uint256,uint256,uint256)")


@dataclass(frozen=True, slots=True)
class Market:
    """The market on the local chain. Mappings are by the symbol of the underlying."""

    comptroller: Contract
    """The Unitroller, spoken to as the ComptrollerG1 behind it."""
    oracle: Contract
    tokens: Mapping[str, Contract]
    """Underlying tokens: none for the native coin."""
    markets: Mapping[str, Contract]
    aggregators: Mapping[str, Contract]
    """By what they quote: ETH/USD."""


def to_plain(market: Market) -> dict[str, Any]:
    """Addresses only, to be kept as JSON."""
    return {
        "comptroller": market.comptroller.address,
        "oracle": market.oracle.address,
        "tokens": _addresses(market.tokens),
        "markets": _addresses(market.markets),
        "aggregators": _addresses(market.aggregators),
    }


def from_plain(kept: Mapping[str, Any]) -> Market:
    """A market from its kept addresses."""
    own = solidity.own()
    token, feed = _artifact("test/FaucetToken").abi, own["SettableFeed"].abi
    return Market(
        Contract(kept["comptroller"], _artifact("ComptrollerG1").abi),
        Contract(kept["oracle"], own["CompoundOracle"].abi),
        {symbol: Contract(address, token) for symbol, address in kept["tokens"].items()},
        {symbol: Contract(address, _market_abi(symbol)) for symbol, address in kept["markets"].items()},
        {name: Contract(address, feed) for name, address in kept["aggregators"].items()},
    )


def deploy(chain: Chain) -> Market:
    """Every market listed and configured, at the prices of the first stage."""
    implementation = chain.deploy(_artifact("ComptrollerG1"))
    unitroller = chain.deploy(_artifact("Unitroller"))
    chain.send(unitroller, "_setPendingImplementation", implementation.address)
    chain.send(implementation, "_become", unitroller.address)
    comptroller = Contract(unitroller.address, implementation.abi)
    own = solidity.own()
    aggregators = {
        name: chain.deploy(own["SettableFeed"], spec.answer("falling"), spec.feed_decimals, spec.feed)
        for name, spec in DRIVERS.items()
    }
    oracle = chain.deploy(own["CompoundOracle"], f"v{NATIVE}")
    chain.send(comptroller, "_setPriceOracle", oracle.address)
    chain.send(comptroller, "_setCloseFactor", CLOSE_FACTOR_WAD)
    chain.send(comptroller, "_setLiquidationIncentive", INCENTIVE_WAD)
    chain.send(comptroller, "_setMaxAssets", MAX_ASSETS)
    tokens: dict[str, Contract] = {}
    markets: dict[str, Contract] = {}
    for spec in MARKETS:
        if spec.symbol != NATIVE:
            ends = 0, spec.symbol, spec.decimals, spec.symbol
            tokens[spec.symbol] = chain.deploy(_artifact("test/FaucetToken"), *ends)
        markets[spec.symbol] = _list(chain, comptroller, spec, tokens)
        named = spec.market if spec.symbol == NATIVE else spec.symbol
        chain.send(oracle, "setFeed", named, aggregators[spec.driver].address)
        limits = markets[spec.symbol].address, spec.collateral_bps * WAD_PER_BPS
        chain.send(comptroller, "_setCollateralFactor", *limits)
        chain.send(markets[spec.symbol], "_setReserveFactor", spec.reserve_bps * WAD_PER_BPS)
    refuse_failures(chain)
    return Market(comptroller, oracle, tokens, markets, aggregators)


def set_stage(chain: Chain, market: Market, stage: Stage) -> None:
    """Move every price to a stage of the population's life, in one block."""
    moves = [
        Tx(DEPLOYER, market.aggregators[name], "setAnswer", (spec.answer(stage),))
        for name, spec in DRIVERS.items()
    ]
    chain.send_all(moves)


def refuse_failures(chain: Chain) -> None:
    """Refusals are events here, not reverts: there must be none on the chain."""
    found = chain.rpc("eth_getLogs", {"topics": [FAILURE], "fromBlock": "0x0", "toBlock": "latest"})
    if found:
        numbers = [int(found[0]["data"][start : start + 64], 16) for start in range(2, 194, 64)]
        raise LabError(
            f"the market refused {len(found)} transactions, the first with Failure{tuple(numbers)}"
        )


def _list(chain: Chain, comptroller: Contract, spec: MarketSpec, tokens: Mapping[str, Contract]) -> Contract:
    kind = "WhitePaperInterestRateModel" if len(spec.rates) == 2 else "JumpRateModel"
    rates = chain.deploy(_artifact(kind), *(each * WAD_PER_BPS for each in spec.rates))
    exponent = 18 + spec.decimals - MARKET_DECIMALS
    about = (
        comptroller.address,
        rates.address,
        INITIAL_RATE_BPS * 10**exponent // 10_000,
        f"Local {spec.symbol}",
        spec.market,
        MARKET_DECIMALS,
        DEPLOYER,
    )
    underlying = () if spec.symbol == NATIVE else (tokens[spec.symbol].address,)
    listed = chain.deploy(_artifact(_market_code(spec.symbol)), *underlying, *about)
    chain.send(comptroller, "_supportMarket", listed.address)
    return listed


def _market_code(symbol: str) -> str:
    return "VBNB" if symbol == NATIVE else "VBep20Immutable"


def _market_abi(symbol: str) -> tuple[Mapping[str, Any], ...]:
    return _artifact(_market_code(symbol)).abi


@cache
def _artifact(path: str) -> Artifact:
    name = path.rsplit("/", 1)[-1]
    folder = node_modules() / "@venusprotocol" / "venus-protocol" / "artifacts" / "contracts"
    return Artifact.of(json.loads((folder / f"{path}.sol" / f"{name}.json").read_bytes()))


def _addresses(contracts: Mapping[str, Contract]) -> dict[str, str]:
    return {name: contract.address for name, contract in contracts.items()}
