"""Deploy a real Aave v3.0 market: pool revision 1, from the artifacts in npm's `@aave/core-v3`."""

from __future__ import annotations

import json
from functools import cache

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain
from tests.lab.contract import Artifact, Contract
from tests.lab.market import EMODE_FEED, ROLES, TREASURY, ZERO, Market, deploy_feeds
from tests.lab.packages import node_modules
from tests.lab.reserves import DOLLAR, EMODES, RESERVES, STABLE_MODE, ReserveSpec, quote

REVISION = 1
RAY_PER_BPS = 10**23
EMODE_ASSET = "0x00000000000000000000000000000000000e30De"
"""No token: only a name that the oracle knows, under which the stablecoins' eMode finds its own price."""
EMODE_QUOTE = "USD stablecoins / USD"
STABLE_RATE_RESERVES = ("USDT",)
LIBRARIES = (
    "BorrowLogic",
    "BridgeLogic",
    "ConfiguratorLogic",
    "EModeLogic",
    "LiquidationLogic",
    "PoolLogic",
    "SupplyLogic",
)


def code() -> dict[str, Artifact]:
    """The artifacts behind each field of `Market`, and the sentinel's."""
    own = solidity.own()
    return {
        "provider": _artifact("protocol/configuration/PoolAddressesProvider"),
        "pool": _artifact("protocol/pool/Pool"),
        "configurator": _artifact("protocol/pool/PoolConfigurator"),
        "oracle": _artifact("misc/AaveOracle"),
        "tokens": _artifact("mocks/tokens/MintableERC20"),
        "a_tokens": _artifact("protocol/tokenization/AToken"),
        "debt_tokens": _artifact("protocol/tokenization/VariableDebtToken"),
        "stable_debt_tokens": _artifact("protocol/tokenization/StableDebtToken"),
        "feeds": own["SettableFeed"],
        "aggregators": own["SettableFeed"],
        "ratio": own["SettableRatio"],
        "sequencer": own["SettableSequencer"],
        "sentinel": _artifact("protocol/configuration/PriceOracleSentinel"),
    }


def deploy(chain: Chain) -> Market:
    """The whole market, with every reserve and eMode configured, at the prices of the first stage."""
    provider = chain.deploy(_artifact("protocol/configuration/PoolAddressesProvider"), "Local", DEPLOYER)
    _grant_roles(chain, provider)
    pool, configurator = _deploy_pool(chain, provider)
    tokens = {
        reserve.symbol: chain.deploy(
            _artifact("mocks/tokens/MintableERC20"), reserve.symbol, reserve.symbol, reserve.decimals
        )
        for reserve in RESERVES
    }
    feeds, aggregators, ratio, sequencer = deploy_feeds(chain, "falling")
    feeds[EMODE_FEED] = chain.deploy(solidity.own()["SettableFeed"], DOLLAR, 8, EMODE_QUOTE)
    aggregators[quote(EMODE_QUOTE)] = feeds[EMODE_FEED]
    assets = [*(tokens[reserve.symbol].address for reserve in RESERVES), EMODE_ASSET]
    sources = [*(feeds[reserve.symbol].address for reserve in RESERVES), feeds[EMODE_FEED].address]
    oracle = chain.deploy(_artifact("misc/AaveOracle"), provider.address, assets, sources, ZERO, ZERO, DOLLAR)
    chain.send(provider, "setPriceOracle", oracle.address)
    data_provider = chain.deploy(_artifact("misc/AaveProtocolDataProvider"), provider.address)
    chain.send(provider, "setPoolDataProvider", data_provider.address)
    _list_reserves(chain, provider, pool, configurator, tokens)
    _define_emodes(chain, configurator, tokens)
    minted = {
        reserve.symbol: chain.call(data_provider, "getReserveTokensAddresses", tokens[reserve.symbol].address)
        for reserve in RESERVES
    }

    def of_each(position: int, name: str) -> dict[str, Contract]:
        abi = _artifact(f"protocol/tokenization/{name}").abi
        return {symbol: Contract(addresses[position], abi) for symbol, addresses in minted.items()}

    return Market(
        version="v3.0",
        provider=provider,
        pool=pool,
        configurator=configurator,
        oracle=oracle,
        tokens=tokens,
        a_tokens=of_each(0, "AToken"),
        debt_tokens=of_each(2, "VariableDebtToken"),
        stable_debt_tokens=of_each(1, "StableDebtToken"),
        feeds=feeds,
        aggregators=aggregators,
        ratio=ratio,
        sequencer=sequencer,
    )


@cache
def _artifact(path: str) -> Artifact:
    name = path.rsplit("/", 1)[-1]
    folder = node_modules() / "@aave" / "core-v3" / "artifacts" / "contracts"
    return Artifact.of(json.loads((folder / f"{path}.sol" / f"{name}.json").read_bytes()))


def _grant_roles(chain: Chain, provider: Contract) -> None:
    chain.send(provider, "setACLAdmin", DEPLOYER)
    roles = chain.deploy(_artifact("protocol/configuration/ACLManager"), provider.address)
    chain.send(provider, "setACLManager", roles.address)
    for role in ROLES:
        chain.send(roles, role, DEPLOYER)


def _deploy_pool(chain: Chain, provider: Contract) -> tuple[Contract, Contract]:
    folder = "protocol/libraries/logic"
    libraries = {name: chain.deploy(_artifact(f"{folder}/{name}")).address for name in LIBRARIES}
    flash = chain.deploy(_artifact(f"{folder}/FlashLoanLogic"), libraries=libraries)
    libraries["FlashLoanLogic"] = flash.address
    pool, configurator = _artifact("protocol/pool/Pool"), _artifact("protocol/pool/PoolConfigurator")
    chain.send(provider, "setPoolImpl", chain.deploy(pool, provider.address, libraries=libraries).address)
    chain.send(provider, "setPoolConfiguratorImpl", chain.deploy(configurator, libraries=libraries).address)
    return (
        Contract(chain.call(provider, "getPool"), pool.abi),
        Contract(chain.call(provider, "getPoolConfigurator"), configurator.abi),
    )


def _rates(chain: Chain, provider: Contract, reserve: ReserveSpec) -> str:
    """The reserve's own strategy; stable rates are the same everywhere."""
    stable = [500, 6000, 200, 500, 2000]
    figures = [each * RAY_PER_BPS for each in (*reserve.rates, *stable)]
    strategy = _artifact("protocol/pool/DefaultReserveInterestRateStrategy")
    return chain.deploy(strategy, provider.address, *figures).address


def _list_reserves(
    chain: Chain, provider: Contract, pool: Contract, configurator: Contract, tokens: dict[str, Contract]
) -> None:
    folder = "protocol/tokenization"
    names = ("AToken", "StableDebtToken", "VariableDebtToken")
    codes = [chain.deploy(_artifact(f"{folder}/{name}"), pool.address).address for name in names]
    prefixes = ("Local a", "a", "Local debt ", "variableDebt", "Local stable debt ", "stableDebt")
    inputs = [
        (
            *codes,
            reserve.decimals,
            _rates(chain, provider, reserve),
            tokens[reserve.symbol].address,
            TREASURY,
            ZERO,
            *(f"{prefix}{reserve.symbol}" for prefix in prefixes),
            b"",
        )
        for reserve in RESERVES
    ]
    chain.send(configurator, "initReserves", inputs)
    for reserve in RESERVES:
        asset = tokens[reserve.symbol].address
        chain.send(configurator, "setReserveBorrowing", asset, True)
        chain.send(configurator, "setReserveFactor", asset, reserve.factor)
        chain.send(configurator, "setLiquidationProtocolFee", asset, reserve.protocol_fee)
        if reserve.threshold:
            limits = (reserve.ltv, reserve.threshold, reserve.bonus)
            chain.send(configurator, "configureReserveAsCollateral", asset, *limits)
        if reserve.symbol in STABLE_RATE_RESERVES:
            chain.send(configurator, "setReserveStableRateBorrowing", asset, True)


def _define_emodes(chain: Chain, configurator: Contract, tokens: dict[str, Contract]) -> None:
    for mode in EMODES:
        source = EMODE_ASSET if mode is STABLE_MODE else ZERO
        limits = (mode.ltv, mode.threshold, mode.bonus)
        chain.send(configurator, "setEModeCategory", mode.id, *limits, source, mode.label)
    for reserve in RESERVES:
        if reserve.emode:
            asset = tokens[reserve.symbol].address
            chain.send(configurator, "setAssetEModeCategory", asset, reserve.emode)
