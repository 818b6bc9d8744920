"""The Aave chains: deploy and populate once, and bring every start to the same last block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.lab import aave_v30, aave_v36, states
from tests.lab.cache import LabError
from tests.lab.chain import DEPLOYER, Chain, Overrides, Tx
from tests.lab.contract import Artifact
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.market import EMODE_FEED, Market, from_plain, set_stage, to_plain
from tests.lab.node import BLOCK_SECONDS, Anvil
from tests.lab.plan import V30_SHAPES, V36_SHAPES, Draft, Plan, draw
from tests.lab.population import cut_ltv, fund, populate
from tests.lab.reserves import BY_SYMBOL, LATER_LTV_ZERO, STABLE_MODE

WAD = 10**18
SOURCES = (
    "aave_v30.py",
    "aave_v36.py",
    "build.py",
    "compile_aave_v36.json",
    "liquidation.py",
    "market.py",
    "plan.py",
    "population.py",
    "reserves.py",
    "solidity/Adapters.sol",
    "solidity/Feeds.sol",
)
EMODE_PRICE = 99_871_234
"""What the stablecoins' eMode says a dollar is worth in the end, where it has a price of its own (v3.0)."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the protocol that the lab can deploy."""

    name: str
    revision: int
    deploy: Callable[[Chain], Market]
    code: Callable[[], Mapping[str, Artifact]]
    shapes: Mapping[str, tuple[int, Draft]]


VERSIONS = {
    "v3.0": Version("v3.0", aave_v30.REVISION, aave_v30.deploy, aave_v30.code, V30_SHAPES),
    "v3.6": Version("v3.6", aave_v36.REVISION, aave_v36.deploy, aave_v36.code, V36_SHAPES),
}


def start(version: str, users: int, seed: int, port: int | None) -> tuple[Anvil, Chain, Market, list[Plan]]:
    """A node at the last block of the population's life, from the cache where it was built before."""
    if version not in VERSIONS:
        raise LabError(f"no lab for version {version!r}: choose one of {', '.join(VERSIONS)}")
    chosen = VERSIONS[version]
    plans = draw(users, seed, chosen.shapes)
    recipe = states.Recipe(f"{version}-{users}-{seed}", SOURCES, partial(_build, chosen, plans, seed))
    node, chain, kept = states.start(recipe, port)
    try:
        market = from_plain(kept, chosen.code())
        _finish(chain, market, plans)
    except BaseException:
        node.stop()
        raise
    return node, chain, market, plans


def _build(version: Version, plans: list[Plan], seed: int, chain: Chain) -> dict[str, Any]:
    market = version.deploy(chain)
    populate(chain, market, plans, seed)
    fund(chain, market, LIQUIDATOR)
    return to_plain(market)


def _finish(chain: Chain, market: Market, plans: list[Plan]) -> None:
    """The last blocks, on every start anew: a loaded node knows no state older than the one it loaded."""
    chain.wait(BLOCK_SECONDS)
    set_stage(chain, market, "final")
    cut_ltv(chain, market, LATER_LTV_ZERO)
    if EMODE_FEED in market.feeds:
        chain.send(market.feeds[EMODE_FEED], "setAnswer", EMODE_PRICE)
    else:
        asset = market.tokens["USDT"].address
        chain.send(market.configurator, "setAssetLtvzeroInEMode", asset, STABLE_MODE.id, True)
    exact = next((plan for plan in plans if plan.shape == "exact"), None)
    chain.mine()
    if exact is not None:
        _hit_one(chain, market, exact.owner)


def _hit_one(chain: Chain, market: Market, owner: str) -> None:
    """Set two prices in the last block so that one account's health factor is exactly 1 there.

    The account holds less than one whole LINK, so its collateral takes every value as the price moves; LINK's
    threshold of 80% wants a debt that four divides, which some USDC price nearby gives.
    """
    at = chain.now() + BLOCK_SECONDS
    link, usdc = market.aggregators["LINK/USD"], market.aggregators["USDC/USD"]

    def account(link_price: int, usdc_price: int) -> tuple[int, ...]:
        words = {link.address: link_price, usdc.address: usdc_price}
        overrides: Overrides = {feed: {"stateDiff": {word(0): word(price)}} for feed, price in words.items()}
        answer: tuple[int, ...] = chain.call(
            market.pool, "getUserAccountData", owner, overrides=overrides, timestamp=at
        )
        return answer

    nearby = range(BY_SYMBOL["USDC"].final, BY_SYMBOL["USDC"].final + 1000)
    fitting = (price for price in nearby if account(BY_SYMBOL["LINK"].final, price)[1] % 4 == 0)
    usdc_price = next(fitting, None)
    if usdc_price is None:
        raise LabError("no USDC price makes the exact account's debt fit: does another node answer here?")
    low, high = 1, BY_SYMBOL["LINK"].falling
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if account(middle, usdc_price)[5] >= WAD else (middle + 1, high)
    moves = [Tx(DEPLOYER, usdc, "setAnswer", (usdc_price,)), Tx(DEPLOYER, link, "setAnswer", (low,))]
    chain.send_all(moves, at)


def word(value: int) -> str:
    """A storage word as hex."""
    return f"0x{value:064x}"
