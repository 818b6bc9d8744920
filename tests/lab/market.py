"""A deployed market, whichever version: the contracts that the lab speaks to, and its price feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain, Tx
from tests.lab.contract import Artifact, Contract
from tests.lab.node import GENESIS_AT
from tests.lab.reserves import (
    BY_SYMBOL,
    CAP_GROWTH_BPS,
    CAP_RATIO,
    PEG,
    PEG_FEED,
    PEGGED,
    RESERVES,
    STABLE_CAPS,
    STAKED,
    Stage,
    quote,
)

TREASURY = "0x7777777777777777777777777777777777777777"
ZERO = "0x0000000000000000000000000000000000000000"
EMODE_FEED = "eMode"
"""The key of a feed that only an eMode asks (v3.0)."""
ROLES = ("addPoolAdmin", "addRiskAdmin", "addAssetListingAdmin", "addEmergencyAdmin")


@dataclass(frozen=True, slots=True)
class Market:
    """One market on the local chain. Mappings are by symbol."""

    version: str
    provider: Contract
    pool: Contract
    configurator: Contract
    oracle: Contract
    tokens: Mapping[str, Contract]
    a_tokens: Mapping[str, Contract]
    debt_tokens: Mapping[str, Contract]
    """Variable debt."""
    stable_debt_tokens: Mapping[str, Contract]
    """Empty from v3.2 on."""
    feeds: Mapping[str, Contract]
    """What the oracle asks; beside the reserves', `eMode` where an eMode has a price source of its own."""
    aggregators: Mapping[str, Contract]
    """What moves the feeds, by what it quotes: ETH/USD. A feed without an adapter is its own aggregator."""
    ratio: Contract
    """What the staked token's feed multiplies the ETH price with."""
    sequencer: Contract
    """An uptime feed that nothing asks until a sentinel is set."""


def to_plain(market: Market) -> dict[str, Any]:
    """Addresses only, to be kept as JSON."""
    kept: dict[str, Any] = {"version": market.version}
    for name in market.__slots__:
        value = getattr(market, name)
        if isinstance(value, Contract):
            kept[name] = value.address
        elif isinstance(value, Mapping):
            kept[name] = {symbol: contract.address for symbol, contract in value.items()}
    return kept


def from_plain(kept: Mapping[str, Any], code: Mapping[str, Artifact]) -> Market:
    """A market from its kept addresses; `code` names the artifacts like `Market`'s fields."""

    def one(name: str) -> Contract:
        return Contract(kept[name], code[name].abi)

    def many(name: str) -> dict[str, Contract]:
        return {symbol: Contract(address, code[name].abi) for symbol, address in kept[name].items()}

    return Market(
        version=kept["version"],
        provider=one("provider"),
        pool=one("pool"),
        configurator=one("configurator"),
        oracle=one("oracle"),
        tokens=many("tokens"),
        a_tokens=many("a_tokens"),
        debt_tokens=many("debt_tokens"),
        stable_debt_tokens=many("stable_debt_tokens"),
        feeds=many("feeds"),
        aggregators=many("aggregators"),
        ratio=one("ratio"),
        sequencer=one("sequencer"),
    )


class Feeds(NamedTuple):
    """The price sources of a market and what moves them."""

    sources: dict[str, Contract]
    aggregators: dict[str, Contract]
    ratio: Contract
    sequencer: Contract


def deploy_feeds(chain: Chain, stage: Stage) -> Feeds:
    """A source per reserve over its aggregators, as public markets list them, and an uptime feed."""
    code = solidity.own()
    aggregators = {
        quote(reserve.feed): chain.deploy(code["SettableFeed"], reserve.price(stage), 8, reserve.feed)
        for reserve in RESERVES
        if reserve.symbol != STAKED
    }
    sources = {
        reserve.symbol: aggregators[quote(reserve.feed)] for reserve in RESERVES if reserve.symbol != STAKED
    }
    for symbol, cap in STABLE_CAPS.items():
        about = f"Capped {BY_SYMBOL[symbol].feed}"
        sources[symbol] = chain.deploy(code["StableCapAdapter"], sources[symbol].address, cap, about)
    peg = aggregators[quote(PEG_FEED)] = chain.deploy(code["SettableFeed"], PEG, 8, PEG_FEED)
    base, about = sources[PEGGED].address, f"{PEG_FEED} / USD"
    sources[PEGGED] = chain.deploy(code["PegToBaseAdapter"], base, peg.address, 8, about)
    staked = BY_SYMBOL[STAKED]
    ratio = chain.deploy(code["SettableRatio"], staked.price(stage), 18)
    ends = sources["WETH"].address, ratio.address
    sources[STAKED] = chain.deploy(code["ScaledRatioCapAdapter"], *ends, 18, staked.feed)
    chain.send(sources[STAKED], "setCapParameters", CAP_RATIO, GENESIS_AT, CAP_GROWTH_BPS)
    return Feeds(sources, aggregators, ratio, chain.deploy(code["SettableSequencer"]))


def set_stage(chain: Chain, market: Market, stage: Stage) -> None:
    """Move every price to a stage of the population's life, in one block."""
    moves = [
        Tx(DEPLOYER, market.aggregators[quote(reserve.feed)], "setAnswer", (reserve.price(stage),))
        for reserve in RESERVES
        if reserve.symbol != STAKED
    ]
    chain.send_all([*moves, Tx(DEPLOYER, market.ratio, "setRatio", (BY_SYMBOL[STAKED].price(stage),))])
