"""Build a populated chain once, keep its state in the cache, bring a fresh node to the same last block."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab import aave_v30, aave_v36
from tests.lab.cache import LabError, cache_dir, locked, write_atomic
from tests.lab.chain import DEPLOYER, Chain, Overrides, Tx, install_multicall3
from tests.lab.contract import Artifact
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.market import EMODE_FEED, Market, from_plain, set_stage, to_plain
from tests.lab.node import BLOCK_SECONDS, Anvil
from tests.lab.packages import anvil, node_modules
from tests.lab.plan import V30_SHAPES, V36_SHAPES, Draft, Plan, draw
from tests.lab.population import cut_ltv, fund, populate
from tests.lab.reserves import BY_SYMBOL, LATER_LTV_ZERO, STABLE_MODE

WAD = 10**18
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
    path = _state_path(version, users, seed)
    if not path.is_file():
        with locked(path.stem.rsplit("-", 1)[0]):
            if not path.is_file():
                _build(chosen, plans, seed, path)
    kept = json.loads(path.read_bytes())
    node = Anvil(anvil(), port=port)
    try:
        node.rpc("anvil_loadState", kept["state"])
        chain = Chain(node.rpc)
        market = from_plain(kept["market"], chosen.code())
        _finish(chain, market, plans)
    except BaseException:
        node.stop()
        raise
    return node, chain, market, plans


def _build(version: Version, plans: list[Plan], seed: int, path: Path) -> None:
    with Anvil(anvil()) as node:
        chain = Chain(node.rpc)
        install_multicall3(chain, node_modules())
        market = version.deploy(chain)
        populate(chain, market, plans, seed)
        fund(chain, market, LIQUIDATOR)
        state = node.rpc("anvil_dumpState")
        kept = {"state": state, "market": to_plain(market)}
    for old in path.parent.glob(f"{path.name.rsplit('-', 1)[0]}-*"):
        old.unlink(missing_ok=True)
    write_atomic(path, json.dumps(kept).encode())


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


def _state_path(version: str, users: int, seed: int) -> Path:
    """Where a built state lies; the name changes with every source that shapes it."""
    folder = Path(__file__).parent
    sources = sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".json", ".js", ".sol"})
    digest = hashlib.sha256()
    for source in sources:
        if source.name not in {"__main__.py", "__init__.py", "lab.py", "cache.py", "adapters.py"}:
            digest.update(source.read_bytes())
    return cache_dir() / "states" / f"{version}-{users}-{seed}-{digest.hexdigest()[:12]}.json"
