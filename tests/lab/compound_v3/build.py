"""The Compound III chain: deploy and populate once, and bring every start to the same last block."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.lab import states
from tests.lab.chain import Chain
from tests.lab.compound_v3.comet import Comets, deploy, from_plain, set_stage, to_plain
from tests.lab.compound_v3.plan import Plan, draw
from tests.lab.compound_v3.population import populate
from tests.lab.compound_v3.specs import COMETS
from tests.lab.node import BLOCK_SECONDS, Anvil

UNACCRUED_S = 20 * 86_400 + 11
"""Since a market was last written to: what is stored and what accrued tell some accounts apart."""
SOURCES = (
    "compound_v3/build.py",
    "compound_v3/comet.py",
    "compound_v3/plan.py",
    "compound_v3/population.py",
    "compound_v3/specs.py",
    "liquidation.py",
    "solidity/Comet.sol",
    "solidity/CometBase.sol",
    "solidity/CometProxy.sol",
    "solidity/CompoundFeeds.sol",
    "solidity/Feeds.sol",
)


def start(users: int, seed: int, port: int | None) -> tuple[Anvil, Chain, Comets, dict[str, list[Plan]]]:
    """A node at the last block of the population's life; so many users in each market."""
    plans = {name: draw(name, users, seed) for name in COMETS}
    recipe = states.Recipe(f"compound-v3-{users}-{seed}", SOURCES, partial(_build, plans, seed))
    node, chain, kept = states.start(recipe, port)
    try:
        comets = from_plain(kept)
        chain.wait(BLOCK_SECONDS)
        set_stage(chain, comets, "final")
        chain.wait(UNACCRUED_S)
        chain.mine()
    except BaseException:
        node.stop()
        raise
    return node, chain, comets, plans


def _build(plans: dict[str, list[Plan]], seed: int, chain: Chain) -> dict[str, Any]:
    comets = deploy(chain)
    populate(chain, comets, plans, seed)
    return to_plain(comets)
