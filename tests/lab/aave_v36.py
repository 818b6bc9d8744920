"""Deploy a real Aave v3.6 market: pool revision 10, compiled from npm's sources."""

from __future__ import annotations

from functools import lru_cache

from eth_abi.abi import encode

from tests.lab import compile as solidity
from tests.lab.chain import DEPLOYER, Chain
from tests.lab.contract import Artifact, Contract
from tests.lab.market import ROLES, TREASURY, ZERO, Market, deploy_feeds
from tests.lab.reserves import DOLLAR, EMODES, GHO_MODE, RESERVES

REVISION = 10


@lru_cache(maxsize=1)
def code() -> dict[str, Artifact]:
    """The artifacts behind each field of `Market`, and the sentinel's."""
    compiled, own = solidity.aave_v36(), solidity.own()
    return {
        "provider": compiled["PoolAddressesProvider"],
        "pool": compiled["PoolInstance"],
        "configurator": compiled["PoolConfiguratorInstance"],
        "oracle": compiled["AaveOracle"],
        "tokens": compiled["MintableERC20"],
        "a_tokens": compiled["ATokenInstance"],
        "debt_tokens": compiled["VariableDebtTokenInstance"],
        "stable_debt_tokens": compiled["VariableDebtTokenInstance"],
        "feeds": own["SettableFeed"],
        "aggregators": own["SettableFeed"],
        "ratio": own["SettableRatio"],
        "sequencer": own["SettableSequencer"],
        "sentinel": compiled["PriceOracleSentinel"],
    }


def deploy(chain: Chain) -> Market:
    """The whole market, with every reserve and eMode configured, at the prices of the first stage."""
    compiled = solidity.aave_v36()
    provider = chain.deploy(compiled["PoolAddressesProvider"], "Local", DEPLOYER)
    _grant_roles(chain, provider)
    rates = chain.deploy(compiled["DefaultReserveInterestRateStrategyV2"], provider.address)
    pool, configurator = _deploy_pool(chain, provider, rates)
    tokens = {
        reserve.symbol: chain.deploy(
            compiled["MintableERC20"], reserve.symbol, reserve.symbol, reserve.decimals
        )
        for reserve in RESERVES
    }
    feeds, aggregators, ratio, sequencer = deploy_feeds(chain, "falling")
    assets = [tokens[reserve.symbol].address for reserve in RESERVES]
    sources = [feeds[reserve.symbol].address for reserve in RESERVES]
    oracle = chain.deploy(compiled["AaveOracle"], provider.address, assets, sources, ZERO, ZERO, DOLLAR)
    chain.send(provider, "setPriceOracle", oracle.address)
    views = chain.deploy(compiled["AaveProtocolDataProvider"], provider.address).address
    chain.send(provider, "setPoolDataProvider", views)
    _list_reserves(chain, pool, configurator, tokens)
    _define_emodes(chain, configurator, tokens)

    def of_each(getter: str, artifact: str) -> dict[str, Contract]:
        found = chain.call_many(pool, getter, [[address] for address in assets])
        abi = compiled[artifact].abi
        return {symbol: Contract(address, abi) for symbol, address in zip(tokens, found, strict=True)}

    a_tokens = of_each("getReserveAToken", "ATokenInstance")
    debt_tokens = of_each("getReserveVariableDebtToken", "VariableDebtTokenInstance")
    return Market(
        "v3.6",
        provider,
        pool,
        configurator,
        oracle,
        tokens,
        a_tokens,
        debt_tokens,
        {},
        feeds,
        aggregators,
        ratio,
        sequencer,
    )


def _grant_roles(chain: Chain, provider: Contract) -> None:
    chain.send(provider, "setACLAdmin", DEPLOYER)
    roles = chain.deploy(solidity.aave_v36()["ACLManager"], provider.address)
    chain.send(provider, "setACLManager", roles.address)
    for role in ROLES:
        chain.send(roles, role, DEPLOYER)


def _deploy_pool(chain: Chain, provider: Contract, rates: Contract) -> tuple[Contract, Contract]:
    compiled = solidity.aave_v36()
    names = ("BorrowLogic", "SupplyLogic", "LiquidationLogic", "PoolLogic", "ConfiguratorLogic")
    libraries = {name: chain.deploy(compiled[name]).address for name in names}
    libraries["FlashLoanLogic"] = chain.deploy(compiled["FlashLoanLogic"], libraries=libraries).address
    pool_code = chain.deploy(compiled["PoolInstance"], provider.address, rates.address, libraries=libraries)
    chain.send(provider, "setPoolImpl", pool_code.address)
    configurator_code = chain.deploy(compiled["PoolConfiguratorInstance"], libraries=libraries)
    chain.send(provider, "setPoolConfiguratorImpl", configurator_code.address)
    pool = Contract(chain.call(provider, "getPool"), compiled["PoolInstance"].abi)
    configurator = chain.call(provider, "getPoolConfigurator")
    return pool, Contract(configurator, compiled["PoolConfiguratorInstance"].abi)


def _list_reserves(chain: Chain, pool: Contract, configurator: Contract, tokens: dict[str, Contract]) -> None:
    compiled = solidity.aave_v36()
    a_token = chain.deploy(compiled["ATokenInstance"], pool.address, ZERO, TREASURY).address
    debt_token = chain.deploy(compiled["VariableDebtTokenInstance"], pool.address, ZERO).address
    inputs = [
        (
            a_token,
            debt_token,
            tokens[reserve.symbol].address,
            *(f"{prefix}{reserve.symbol}" for prefix in ("Local a", "a", "Local debt ", "variableDebt")),
            b"",
            encode(["(uint16,uint32,uint32,uint32)"], [reserve.rates]),
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


def _define_emodes(chain: Chain, configurator: Contract, tokens: dict[str, Contract]) -> None:
    for mode in (*EMODES, GHO_MODE):
        chain.send(
            configurator, "setEModeCategory", mode.id, mode.ltv, mode.threshold, mode.bonus, mode.label
        )
        for symbol in mode.collaterals:
            chain.send(configurator, "setAssetCollateralInEMode", tokens[symbol].address, mode.id, True)
        for symbol in mode.borrowables:
            chain.send(configurator, "setAssetBorrowableInEMode", tokens[symbol].address, mode.id, True)
