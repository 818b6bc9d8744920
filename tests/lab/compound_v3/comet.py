"""Deploy Compound III markets: our own Comet behind a proxy each, over one set of price feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain, Tx
from tests.lab.compound_v3.specs import (
    COMETS,
    DRIVERS,
    FACTOR,
    CollateralSpec,
    CometSpec,
    CurveSpec,
    Stage,
    driver_name,
)
from tests.lab.contract import Artifact, Contract

BPS = FACTOR // 10_000
CAP_TOKENS = 10**15
STORE_FRONT_BPS = 6_000
TRACKING_SCALE, TRACKING_SPEED = 10**15, 11_574_074_074


@lru_cache(maxsize=1)
def code() -> Mapping[str, Artifact]:
    """The lab's own contracts, by name."""
    return solidity.own()


@dataclass(frozen=True, slots=True)
class Comet:
    """One market on the local chain. Mappings are by symbol."""

    spec: CometSpec
    contract: Contract
    """The proxy, spoken to with the Comet's ABI."""
    base: Contract
    base_feed: Contract
    tokens: Mapping[str, Contract]
    """Collaterals only."""
    feeds: Mapping[str, Contract]
    """Collaterals only: what getAssetInfo names."""


@dataclass(frozen=True, slots=True)
class Comets:
    """All markets, and what moves them."""

    markets: Mapping[str, Comet]
    drivers: Mapping[str, Contract]
    """Aggregators and rates, by driver: ETH/USD."""


def deploy(chain: Chain) -> Comets:
    """Both markets at the prices of the first stage, initialized."""
    drivers = {driver_name(description): _driver(chain, description) for description in DRIVERS}
    listed = [each for spec in COMETS.values() for each in (spec.base, *spec.collaterals)]
    tokens = {
        symbol: chain.deploy(code()["CometToken"], symbol, decimals)
        for symbol, decimals in {each.symbol: each.decimals for each in listed}.items()
    }
    return Comets({name: _market(chain, spec, drivers, tokens) for name, spec in COMETS.items()}, drivers)


def _driver(chain: Chain, description: str) -> Contract:
    spec = DRIVERS[description]
    if spec.is_rate:
        return chain.deploy(code()["SettableRatio"], spec.early, spec.decimals)
    return chain.deploy(code()["SettableFeed"], spec.early, spec.decimals, description)


def _market(
    chain: Chain, spec: CometSpec, drivers: Mapping[str, Contract], tokens: Mapping[str, Contract]
) -> Comet:
    base, base_feed = tokens[spec.base.symbol], _source(chain, spec.base, drivers)
    held = {each.symbol: tokens[each.symbol] for each in spec.collaterals}
    feeds = {each.symbol: _source(chain, each, drivers) for each in spec.collaterals}
    configs = [
        asset_config(
            held[each.symbol], feeds[each.symbol], each.decimals, [bps * BPS for bps in each.factors_bps]
        )
        for each in spec.collaterals
    ]
    assets = chain.deploy(code()["CometAssetList"], configs)
    implementation = chain.deploy(code()["Comet"], _settings(spec, base, base_feed), assets.address)
    proxy = chain.deploy(code()["CometProxy"], implementation.address)
    contract = Contract(proxy.address, code()["Comet"].abi)
    chain.send(contract, "initializeStorage")
    return Comet(spec, contract, base, base_feed, held, feeds)


def name_target(chain: Chain, comet: Comet, target_wad: int) -> None:
    """Put an implementation behind the proxy that is the same but for a targetHealthFactor."""
    assets = chain.call(comet.contract, "assetList")
    settings = _settings(comet.spec, comet.base, comet.base_feed)
    implementation = chain.deploy(code()["CometWithTarget"], settings, assets, target_wad)
    proxy = Contract(comet.contract.address, code()["CometProxy"].abi)
    chain.send(proxy, "upgradeTo", implementation.address)


def _settings(spec: CometSpec, base: Contract, base_feed: Contract) -> tuple[object, ...]:
    curves = [[bps * BPS for bps in _points(curve)] for curve in (spec.supply_rates, spec.borrow_rates)]
    return configuration(
        f"Local {spec.symbol}",
        spec.symbol,
        base,
        base_feed,
        curves,
        STORE_FRONT_BPS * BPS,
        spec.borrow_min,
        spec.target_reserves,
    )


def asset_config(
    token: Contract, feed: Contract, decimals: int, factors_wad: list[int]
) -> tuple[object, ...]:
    """A collateral as the asset list takes it."""
    return (token.address, feed.address, decimals, *factors_wad, CAP_TOKENS * 10**decimals)


def configuration(
    name: str, symbol: str, base: Contract, feed: Contract, curves: list[list[int]],
    store_front: int, borrow_min: int, target_reserves: int,
) -> tuple[object, ...]:  # fmt: skip
    """What a Comet takes beside its asset list."""
    supply, borrow = (tuple(curve) for curve in curves)
    rewards = (TRACKING_SCALE, TRACKING_SPEED, TRACKING_SPEED, borrow_min)
    return (
        name, symbol, DEPLOYER, base.address, feed.address, supply, borrow,
        store_front, *rewards, borrow_min, target_reserves,
    )  # fmt: skip


def _points(curve: CurveSpec) -> tuple[int, int, int, int]:
    return curve.kink, curve.slope_low, curve.slope_high, curve.base


def _source(chain: Chain, spec: CollateralSpec, drivers: Mapping[str, Contract]) -> Contract:
    """The price feed of one asset, over what drives it."""
    kind = spec.source
    if kind == "CompoundConstantFeed":
        return chain.deploy(code()[kind], 8, 10**8)
    ends = [drivers[driver_name(each)] for each in (*spec.times, *spec.divided_by)]
    about = f"{spec.symbol} / {'ETH' if spec.divided_by else 'USD'}"
    if kind == "SettableFeed":
        return ends[0]
    if kind == "CompoundScalingFeed":
        return chain.deploy(code()[kind], ends[0].address, 8)
    if kind == "CompoundRateFeed":
        return _rate_feed(chain, spec.times[0], ends[0])
    if kind == "CompoundWrappedFeed":
        return chain.deploy(code()[kind], ends[0].address, ends[1].address, 8)
    if kind == "CompoundMultiplicativeFeed" and DRIVERS[spec.times[0]].is_rate:
        ends[0] = _rate_feed(chain, spec.times[0], ends[0])
    return chain.deploy(code()[kind], *(end.address for end in ends), 8, about)


def _rate_feed(chain: Chain, description: str, rate: Contract) -> Contract:
    about = f"{description.removesuffix(' rate')} exchange rate"
    return chain.deploy(code()["CompoundRateFeed"], rate.address, 8, 18, about)


def set_stage(chain: Chain, comets: Comets, stage: Stage) -> None:
    """Move every driver to a stage of the population's life, in one block."""
    chain.send_all(
        [
            Tx(
                DEPLOYER,
                comets.drivers[driver_name(description)],
                "setRatio" if spec.is_rate else "setAnswer",
                (spec.at(stage),),
            )
            for description, spec in DRIVERS.items()
        ]
    )


def to_plain(comets: Comets) -> dict[str, Any]:
    """Addresses only, to be kept as JSON."""
    return {
        "drivers": {name: contract.address for name, contract in comets.drivers.items()},
        "markets": {
            name: {
                "contract": comet.contract.address,
                "base": comet.base.address,
                "base_feed": comet.base_feed.address,
                "tokens": {symbol: token.address for symbol, token in comet.tokens.items()},
                "feeds": {symbol: feed.address for symbol, feed in comet.feeds.items()},
            }
            for name, comet in comets.markets.items()
        },
    }


def from_plain(kept: Mapping[str, Any]) -> Comets:
    """Markets from their kept addresses."""

    def many(addresses: Mapping[str, str], artifact: Artifact) -> dict[str, Contract]:
        return {symbol: Contract(address, artifact.abi) for symbol, address in addresses.items()}

    markets = {
        name: Comet(
            COMETS[name],
            Contract(each["contract"], code()["Comet"].abi),
            Contract(each["base"], code()["CometToken"].abi),
            Contract(each["base_feed"], code()["SettableFeed"].abi),
            many(each["tokens"], code()["CometToken"]),
            many(each["feeds"], code()["SettableFeed"]),
        )
        for name, each in kept["markets"].items()
    }
    rates = {driver_name(description) for description, spec in DRIVERS.items() if spec.is_rate}
    drivers = {
        name: Contract(address, code()["SettableRatio" if name in rates else "SettableFeed"].abi)
        for name, address in kept["drivers"].items()
    }
    return Comets(markets, drivers)
